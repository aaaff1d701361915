//! What only an engine that is shared can show of its images: that the Docker driver leaves those of
//! others alone, and hides what it uses to know its own. It needs a Docker engine and busybox-static.

use std::io::Write as _;

use anyhow::{Context as _, Result, ensure};
use bollard::Docker;
use bollard::query_parameters::{ImportImageOptions, RemoveImageOptions};
use bytes::Bytes;
use futures_util::StreamExt as _;
use gofer_core::ports::driver::Driver as _;
use gofer_core::ports::images::{Image, ImageArchive, Images};
use gofer_driver_docker::{DockerDriver, DockerSettings};
use gofer_tests::conformance::fresh_instance;
use gofer_tests::images::{Saved, saved};

async fn driver() -> Result<DockerDriver> {
    let settings = DockerSettings::from_env(fresh_instance());
    Ok(DockerDriver::connect(DockerSettings { config_file: None, ..settings }).await?)
}

async fn import(images: &dyn Images, bytes: &[u8]) -> Result<Vec<Image>> {
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(bytes)?;
    Ok(images.import(ImageArchive { file: file.path().to_owned(), name: None }).await?)
}

/// As `docker load` does it.
async fn load(docker: &Docker, bytes: &[u8]) -> Result<()> {
    let body = bollard::body_full(Bytes::copy_from_slice(bytes));
    let mut answers = docker.import_image(ImportImageOptions::default(), body, None);
    while let Some(answer) = answers.next().await {
        answer?;
    }
    Ok(())
}

/// Two images of one name: the first loses it to the second.
async fn pair() -> Result<(String, Saved, Saved)> {
    let name = format!("gofer-test/shared:{}", fresh_instance());
    let old = saved(&name, fresh_instance().as_str()).await?;
    let new = saved(&name, fresh_instance().as_str()).await?;
    Ok((name, old, new))
}

async fn forget(docker: &Docker, image: &str) -> Result<()> {
    let options = Some(RemoveImageOptions { force: true, ..RemoveImageOptions::default() });
    docker.remove_image(image, options, None).await.with_context(|| format!("remove {image}"))?;
    Ok(())
}

#[tokio::test]
async fn a_prune_leaves_what_others_have_brought() -> Result<()> {
    let (docker, ours, theirs) =
        (Docker::connect_with_defaults()?, driver().await?, driver().await?);
    // By people.
    let (name, old, new) = pair().await?;
    load(&docker, &old.archive).await?;
    load(&docker, &new.archive).await?;
    // What people had, our import gives another name at most.
    import(ours.images(), &old.archive).await?;
    import(ours.images(), &new.archive).await?;
    // By another server on the same engine.
    let (their_name, their_old, their_new) = pair().await?;
    import(theirs.images(), &their_old.archive).await?;
    import(theirs.images(), &their_new.archive).await?;
    for dry_run in [true, false] {
        let pruned = ours.images().prune(dry_run).await?;
        ensure!(pruned.images.is_empty(), "pruned what is not ours: {pruned:?}");
    }
    docker.inspect_image(&old.id).await.context("the image of people went")?;
    docker.inspect_image(&their_old.id).await.context("the other server's image went")?;
    ensure!(theirs.images().prune(false).await?.images == std::slice::from_ref(&their_old.id));
    theirs.images().remove(&their_name).await?;
    ours.images().remove(&name).await?;
    forget(&docker, &old.id).await
}

#[tokio::test]
async fn the_mark_of_an_import_is_shown_to_nobody_and_goes_with_the_image() -> Result<()> {
    let (docker, ours) = (Docker::connect_with_defaults()?, driver().await?);
    let (name, file, _) = pair().await?;
    import(ours.images(), &file.archive).await?;
    let tags = docker.inspect_image(&name).await?.repo_tags.unwrap_or_default();
    ensure!(tags.len() == 2, "an import is marked by one name more: {tags:?}");
    let listed = ours.images().list().await?;
    let found = listed.iter().find(|image| image.id == file.id).context("not listed")?;
    ensure!(found.names == [name.clone()], "{found:?}");
    ensure!(listed.iter().all(|one| one.names.iter().all(|name| !name.contains("gofer-import/"))));
    // Also when people take the name by hand, and leave the mark.
    forget(&docker, &name).await?;
    ensure!(ours.images().prune(false).await?.images == std::slice::from_ref(&file.id));
    ensure!(docker.inspect_image(&file.id).await.is_err(), "the mark kept it");
    Ok(())
}
