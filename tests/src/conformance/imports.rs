//! Cases on images that come in as archives, and on what people do with images by hand. Each case
//! makes images of its own, and takes them away: other cases use the engine at the same time.

use std::io::Write as _;

use anyhow::{Context as _, Result, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;
use gofer_core::pipeline::PullPolicy;
use gofer_core::ports::driver::{ContainerSpec, DriverError, FaultKind, PullRequest};
use gofer_core::ports::images::{Image, ImageArchive};

use super::images::silent;
use super::job::Job;
use super::{Bench, expect_fault, fresh_instance};
use crate::images::{Saved, saved, second_damaged};

/// A name that no other case uses.
fn fresh_name() -> String {
    format!("gofer-test/import:{}", fresh_instance())
}

/// An image that no engine has, named `name` by its archive.
async fn fresh_image(name: &str) -> Result<Saved> {
    saved(name, fresh_instance().as_str()).await
}

async fn import(
    bench: &Bench,
    bytes: &[u8],
    name: Option<&str>,
) -> Result<Result<Vec<Image>, DriverError>> {
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(bytes)?;
    let name = name.map(str::to_owned);
    let archive = ImageArchive { file: file.path().to_owned(), name };
    Ok(bench.driver.images().import(archive).await)
}

/// Imports an archive of one image.
async fn import_one(bench: &Bench, bytes: &[u8], name: Option<&str>) -> Result<Image> {
    let images = import(bench, bytes, name).await??;
    let [image] = images.as_slice() else { anyhow::bail!("one image was imported: {images:?}") };
    Ok(image.clone())
}

async fn listed(bench: &Bench, id: &str) -> Result<Option<Image>> {
    let images = bench.driver.images().list().await?;
    Ok(images.into_iter().find(|image| image.id == id))
}

/// Takes away what a case has imported.
async fn tidy(bench: &Bench, names: &[&str]) -> Result<()> {
    for name in names {
        bench.driver.images().remove(name).await?;
    }
    bench.driver.images().prune(false).await?;
    Ok(())
}

/// Runs a container of `image` to its end and leaves it.
async fn run_one(bench: &Bench, task: &str, image: &str) -> Result<ContainerSpec> {
    let spec = ContainerSpec { image: image.to_owned(), ..bench.spec(task, &Job::exits(0))? };
    bench.driver.ensure(spec.clone()).await?;
    ensure!(bench.exit(&spec.key).await?.code == 0, "a container of {image} failed");
    Ok(spec)
}

async fn discard(bench: &Bench, spec: &ContainerSpec) -> Result<()> {
    let listed = bench.driver.list(&bench.instance).await?;
    for one in listed.iter().filter(|one| one.handle.key == spec.key) {
        bench.driver.remove(&one.handle).await?;
    }
    Ok(())
}

pub async fn an_imported_image_is_listed_and_runs(bench: Bench) -> Result<()> {
    let name = fresh_name();
    let file = fresh_image(&name).await?;
    let image = import_one(&bench, &file.archive, None).await?;
    ensure!(image.id == file.id && image.names == [name.clone()], "{image:?}");
    ensure!(image.size_bytes > 100_000, "{image:?}");
    // 2020-01-01T00:00:00Z, as its maker says.
    ensure!(image.created_ms == Some(1_577_836_800_000), "{image:?}");
    let found = listed(&bench, &file.id).await?.context("it is not listed")?;
    ensure!(found == image, "{found:?} is not {image:?}");
    let request = PullRequest { image: name.clone(), policy: PullPolicy::Never, auth: None };
    let pulled = bench.driver.pull(request, silent()).await?;
    ensure!(pulled.image_id == file.id && pulled.digest.is_none(), "{pulled:?}");
    for (task, image) in [("by_name", &name), ("by_id", &file.id)] {
        let spec = run_one(&bench, task, image).await?;
        discard(&bench, &spec).await?;
    }
    tidy(&bench, &[&name]).await
}

pub async fn every_form_of_archive_gives_the_same_image(bench: Bench) -> Result<()> {
    let name = fresh_name();
    let file = fresh_image(&name).await?;
    let mut zipped = GzEncoder::new(Vec::new(), Compression::fast());
    zipped.write_all(&file.archive)?;
    let zipped = zipped.finish()?;
    // The first of them alone on an engine without the image, then one above the other.
    for (form, bytes) in [("layout", &file.layout), ("gzip", &zipped), ("save", &file.archive)] {
        let image = import_one(&bench, bytes, None).await.context(form)?;
        ensure!(image.id == file.id && image.names == [name.clone()], "{form}: {image:?}");
        let spec = run_one(&bench, form, &name).await.context(form)?;
        discard(&bench, &spec).await?;
    }
    let images = bench.driver.images().list().await?;
    ensure!(images.iter().filter(|image| image.id == file.id).count() == 1, "{images:?}");
    tidy(&bench, &[&name]).await
}

pub async fn another_name_takes_the_place_of_the_archives_own(bench: Bench) -> Result<()> {
    let (own, other) = (fresh_name(), fresh_name());
    let file = fresh_image(&own).await?;
    let image = import_one(&bench, &file.archive, Some(&other)).await?;
    ensure!(image.names == [other.clone()], "{image:?}");
    ensure!(!bench.driver.images().remove(&own).await?, "the archive's own name was given");
    let image = import_one(&bench, &file.archive, None).await?;
    ensure!(image.names.len() == 2 && image.names.contains(&own), "{image:?}");
    tidy(&bench, &[&own, &other]).await
}

pub async fn an_archive_that_is_none_leaves_nothing(bench: Bench) -> Result<()> {
    let name = fresh_name();
    let file = fresh_image(&name).await?;
    let cut = file.archive.get(..file.archive.len() / 2).context("half an archive")?;
    let mut damaged = file.archive.clone();
    let middle = damaged.len() / 2;
    // In the layer: only its digest can tell.
    damaged.get_mut(middle..middle + 16).context("a middle")?.fill(0xa5);
    let garbage: Vec<u8> = (0..20_000_u32).map(|n| (n % 251) as u8).collect();
    for bytes in [&[][..], &garbage, cut, &damaged] {
        let fault = expect_fault(import(&bench, bytes, None).await?, FaultKind::Image)?;
        ensure!(!fault.retryable && fault.message.contains("archive"), "{fault:?}");
    }
    ensure!(listed(&bench, &file.id).await?.is_none(), "a damaged archive left an image");
    ensure!(!bench.driver.images().remove(&name).await?, "a damaged archive left a name");
    Ok(())
}

pub async fn an_archive_that_is_damaged_in_part_leaves_nothing(bench: Bench) -> Result<()> {
    let (name, other) = (fresh_name(), fresh_name());
    let kept = fresh_image(&name).await?;
    import_one(&bench, &kept.archive, None).await?;
    let marks = [fresh_instance(), fresh_instance()];
    let marks = [marks[0].as_str(), marks[1].as_str()];
    let (ids, archive) = second_damaged([&name, &other], marks).await?;
    expect_fault(import(&bench, &archive, None).await?, FaultKind::Image)?;
    for id in &ids {
        ensure!(listed(&bench, id).await?.is_none(), "an image of a damaged archive stayed");
    }
    let found = listed(&bench, &kept.id).await?.context("the image before it went")?;
    ensure!(found.names == [name.clone()], "a damaged archive took its name: {found:?}");
    ensure!(!bench.driver.images().remove(&other).await?, "a damaged archive left a name");
    tidy(&bench, &[&name]).await
}

pub async fn a_name_that_is_taken_moves_to_the_new_image(bench: Bench) -> Result<()> {
    let name = fresh_name();
    let (old, new) = (fresh_image(&name).await?, fresh_image(&name).await?);
    import_one(&bench, &old.archive, None).await?;
    import_one(&bench, &new.archive, None).await?;
    let found = listed(&bench, &new.id).await?.context("the new one is not listed")?;
    ensure!(found.names == [name.clone()], "{found:?}");
    let found = listed(&bench, &old.id).await?.context("the old one is not listed")?;
    ensure!(found.names.is_empty(), "{found:?}");
    tidy(&bench, &[&name]).await
}

pub async fn a_removed_name_is_gone_and_the_image_with_the_last(bench: Bench) -> Result<()> {
    let (own, other) = (fresh_name(), fresh_name());
    let file = fresh_image(&own).await?;
    import_one(&bench, &file.archive, None).await?;
    import_one(&bench, &file.archive, Some(&other)).await?;
    let images = bench.driver.images();
    ensure!(images.remove(&own).await? && !images.remove(&own).await?, "removed twice");
    let found = listed(&bench, &file.id).await?.context("gone with a name left")?;
    ensure!(found.names == [other.clone()], "{found:?}");
    ensure!(images.remove(&other).await?);
    ensure!(listed(&bench, &file.id).await?.is_none(), "it stayed without a name");
    let spec = ContainerSpec { image: other, ..bench.spec("task", &Job::exits(0))? };
    expect_fault(bench.driver.ensure(spec).await, FaultKind::Image)?;
    // All its names at once, by its id.
    import_one(&bench, &file.archive, None).await?;
    import_one(&bench, &file.archive, Some(&fresh_name())).await?;
    ensure!(images.remove(&file.id).await? && !images.remove(&file.id).await?);
    ensure!(listed(&bench, &file.id).await?.is_none(), "it stayed after its id was removed");
    Ok(())
}

pub async fn prune_takes_what_has_no_name_and_says_before_what(bench: Bench) -> Result<()> {
    let name = fresh_name();
    let (old, new) = (fresh_image(&name).await?, fresh_image(&name).await?);
    import_one(&bench, &old.archive, None).await?;
    import_one(&bench, &new.archive, None).await?;
    let images = bench.driver.images();
    let would = images.prune(true).await?;
    ensure!(would.images.contains(&old.id) && !would.images.contains(&new.id), "{would:?}");
    ensure!(listed(&bench, &old.id).await?.is_some(), "a dry run removed it");
    let pruned = images.prune(false).await?;
    ensure!(pruned.images.contains(&old.id) && !pruned.images.contains(&new.id), "{pruned:?}");
    ensure!(pruned.freed_bytes > 0, "{pruned:?}");
    ensure!(listed(&bench, &old.id).await?.is_none(), "it stayed");
    ensure!(listed(&bench, &new.id).await?.is_some(), "one with a name went");
    ensure!(!images.prune(false).await?.images.contains(&old.id), "pruned twice");
    tidy(&bench, &[&name]).await
}

pub async fn prune_leaves_what_a_container_needs(bench: Bench) -> Result<()> {
    let name = fresh_name();
    let (old, new) = (fresh_image(&name).await?, fresh_image(&name).await?);
    import_one(&bench, &old.archive, None).await?;
    let spec = run_one(&bench, "task", &name).await?;
    import_one(&bench, &new.archive, None).await?;
    let images = bench.driver.images();
    for dry_run in [true, false] {
        let pruned = images.prune(dry_run).await?;
        ensure!(!pruned.images.contains(&old.id), "{pruned:?}");
    }
    ensure!(listed(&bench, &old.id).await?.is_some(), "a container's image went");
    discard(&bench, &spec).await?;
    let pruned = images.prune(false).await?;
    ensure!(pruned.images.contains(&old.id), "{pruned:?}");
    tidy(&bench, &[&name]).await
}

pub async fn names_and_ids_that_are_none_are_config_faults(bench: Bench) -> Result<()> {
    for name in ["", " ", "UPPER", "a?force=true", "../containers/x", "a\0b", "-x", "a:b:c"] {
        expect_fault(bench.driver.images().remove(name).await, FaultKind::Config)
            .with_context(|| format!("remove {name:?}"))?;
    }
    ensure!(!bench.driver.images().remove("gofer-test/no-such-image:1").await?);
    let no_such_id = format!("sha256:{}", "0".repeat(64));
    ensure!(!bench.driver.images().remove(&no_such_id).await?);
    Ok(())
}
