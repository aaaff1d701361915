//! `gofer image` on a real Docker engine: from a file, a folder or a registry to a container that
//! runs, and away again.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use gofer_client::model::RunStatus;
use gofer_proto::sdk::v1 as sdk;
use gofer_tests::conformance::fresh_instance;
use gofer_tests::images::{BUSYBOX, saved};
use gofer_tests::registry::{Access, Registry};
use gofer_tests::stage::{Stage, pipeline, readings, shell};
use tokio::io::AsyncWriteExt as _;

use super::commands::{gofer, leaves};

fn fresh_name() -> String {
    format!("gofer-test/command:{}", fresh_instance())
}

/// Runs one container of the task's image, waits until it is gone, and gives its output.
async fn output_of(stage: &Stage, id: &str, task: sdk::Task) -> Result<String> {
    let run = stage.start_new(pipeline(id, vec![task])).await?;
    let now = stage.settled(&run).await?;
    ensure!(now.status == Some(RunStatus::Successful), "{now:#?}");
    stage.nothing_is_left(&[&now]).await?;
    let (said, _) = readings::read(&stage.client()?, &run.task("work"), 1).await?;
    Ok(String::from_utf8(said.out)?)
}

/// A task that runs a shell script in `image`.
fn in_image(image: &str, script: &str) -> sdk::Task {
    sdk::Task { image: image.to_owned(), ..shell("work", script) }
}

/// A folder with a shell in it, and a file that says `mark`.
fn rootfs(folder: &Path, mark: &str) -> Result<()> {
    let bin = folder.join("bin");
    std::fs::create_dir_all(&bin)?;
    std::fs::copy("/bin/busybox", bin.join("busybox")).context("install busybox-static")?;
    std::fs::set_permissions(bin.join("busybox"), std::fs::Permissions::from_mode(0o755))?;
    for command in ["sh", "cat", "echo"] {
        std::os::unix::fs::symlink("busybox", bin.join(command))?;
    }
    std::fs::write(folder.join("mark"), mark)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_is_imported_runs_and_is_removed() -> Result<()> {
    let stage = Stage::up().await?;
    let (name, other, mark) = (fresh_name(), fresh_name(), fresh_instance().to_string());
    let file = saved(&name, &mark).await?;
    let folder = tempfile::tempdir()?;
    let archive = folder.path().join("image.tar");
    std::fs::write(&archive, &file.archive)?;
    let said = leaves(&stage, &format!("image import {} -o json", archive.display()), 0).await?;
    let image = said.json()?;
    ensure!(image["schema"] == "gofer.image/v1" && image["id"] == file.id.as_str(), "{said:?}");
    ensure!(image["names"] == serde_json::json!([name]) && said.err.is_empty(), "{said:?}");
    ensure!(output_of(&stage, "imported", in_image(&name, "cat /mark")).await? == mark);

    // The same as an OCI layout in a folder, under another name.
    let layout = folder.path().join("layout");
    tar::Archive::new(file.layout.as_slice()).unpack(&layout)?;
    let line = format!("image import {} --name {other}", layout.display());
    let said = leaves(&stage, &line, 0).await?;
    ensure!(said.out.starts_with("✓ image `") && said.out.contains("imported"), "{said:?}");

    let listed = leaves(&stage, "image list -o json", 0).await?.json()?;
    ensure!(listed["schema"] == "gofer.image.list/v1", "{listed}");
    let items = listed["items"].as_array().context("no items")?;
    let ours: Vec<_> = items.iter().filter(|item| item["id"] == file.id.as_str()).collect();
    ensure!(ours.len() == 1 && ours[0]["names"].as_array().map(Vec::len) == Some(2), "{ours:?}");
    ensure!(!listed.to_string().contains("gofer-import/"), "a mark is shown: {listed}");

    let said = leaves(&stage, &format!("image remove {name} {other}"), 0).await?;
    ensure!(said.out.lines().count() == 2, "{said:?}");
    let said = leaves(&stage, &format!("image remove {name} -o json"), 3).await?;
    ensure!(said.err.contains("does not exist"), "{said:?}");
    ensure!(stage.docker.inspect_image(&file.id).await.is_err(), "the image stayed");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_built_of_a_folder_and_of_a_program_without_any_engine() -> Result<()> {
    let stage = Stage::up().await?;
    let (name, mark) = (fresh_name(), fresh_instance().to_string());
    let folder = tempfile::tempdir()?;
    rootfs(folder.path(), &mark)?;
    let build = format!("image build --name {name} --rootfs {}", folder.path().display());
    let line = format!("{build} --env WORD={mark} --user 1000:1000 --workdir /bin -o json");
    let first = leaves(&stage, &line, 0).await?.json()?;
    let again = leaves(&stage, &line, 0).await?.json()?;
    ensure!(first["id"] == again["id"], "the same input gave another image: {first} {again}");
    let task = in_image(&name, "cat /mark; echo \" $WORD $PWD\"");
    let out = output_of(&stage, "built", task).await?;
    ensure!(out == format!("{mark} {mark} /bin\n"), "{out:?}");

    // Another folder under the same name: the old image has lost it, and only a prune takes it.
    std::fs::write(folder.path().join("more"), "x")?;
    let other = leaves(&stage, &format!("{build} -o json"), 0).await?.json()?;
    ensure!(other["id"] != first["id"], "{other}");
    let would = leaves(&stage, "image prune --dry-run -o json", 0).await?.json()?;
    ensure!(would["schema"] == "gofer.image_prune/v1" && would["dry_run"] == true, "{would}");
    ensure!(would["image_ids"] == serde_json::json!([first["id"]]), "{would} lacks {first}");
    leaves(&stage, "image prune", 0).await?;
    let left = leaves(&stage, "image list -o jsonl", 0).await?.out;
    let id = |image: &serde_json::Value| image["id"].as_str().unwrap_or("none").to_owned();
    ensure!(!left.contains(&id(&first)) && left.contains(&id(&other)), "{left}");
    leaves(&stage, &format!("image remove {name}"), 0).await?;

    // A program alone: busybox is linked statically, and without arguments it says what it is.
    let line = format!("image build --name {name} --binary /bin/busybox");
    leaves(&stage, &line, 0).await?;
    let command = vec!["echo".to_owned(), mark.clone()];
    let task = sdk::Task { command, ..in_image(&name, "") };
    let out = output_of(&stage, "program", task).await?;
    ensure!(out == format!("{mark}\n"), "{out:?}");
    leaves(&stage, &format!("image remove {name}"), 0).await?;
    leaves(&stage, "image prune", 0).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_imported_or_built_says_why_and_leaves_with_its_code() -> Result<()> {
    let stage = Stage::up().await?;
    let folder = tempfile::tempdir()?;
    let garbage = folder.path().join("garbage");
    std::fs::write(&garbage, vec![b'x'; 3_000_000])?;
    let said = leaves(&stage, &format!("image import {}", garbage.display()), 2).await?;
    ensure!(said.err.contains("archive") && said.out.is_empty(), "{said:?}");
    let missing = folder.path().join("missing");
    let said = leaves(&stage, &format!("image import {}", missing.display()), 3).await?;
    ensure!(said.err.contains("missing"), "{said:?}");
    leaves(&stage, &format!("image import {} --name UPPER", garbage.display()), 2).await?;
    let line = format!("image build --name a --binary {}", garbage.display());
    let said = leaves(&stage, &line, 2).await?;
    ensure!(said.err.contains("no program"), "{said:?}");
    leaves(&stage, "image build --name a", 2).await?;
    leaves(&stage, "image remove gofer-test/no-such-image:1", 3).await?;
    leaves(&stage, "image remove a?force=true", 2).await?;
    let said = gofer(&stage, "image list -o json").await?;
    ensure!(said.code == Some(0), "{said:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_comes_through_standard_input_and_half_of_one_does_not() -> Result<()> {
    let stage = Stage::up().await?;
    let name = fresh_name();
    let file = saved(&name, fresh_instance().as_str()).await?;
    let half = file.archive.get(..file.archive.len() / 2).context("half an archive")?;
    for (bytes, code) in [(half, 2), (&file.archive, 0)] {
        let mut command =
            tokio::process::Command::from(stage.server.command(&["image", "import", "-"])?);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn()?;
        let mut stdin = child.stdin.take().context("no standard input")?;
        stdin.write_all(bytes).await?;
        drop(stdin);
        let done = child.wait_with_output().await?;
        ensure!(done.status.code() == Some(code), "{done:?}");
    }
    leaves(&stage, &format!("image remove {name}"), 0).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_pulled_from_a_registry_and_a_missing_one_is_not() -> Result<()> {
    let stage = Stage::up().await?;
    gofer_tests::images::busybox_on(&stage.docker).await?;
    let mut registry = Registry::start(Access::Open).await?;
    registry.push(&stage.docker, BUSYBOX, "commands", "1").await?;
    let image = registry.image("commands:1");
    let said = leaves(&stage, &format!("image pull {image} -o json"), 0).await?;
    let pulled = said.json()?;
    ensure!(pulled["schema"] == "gofer.image_pull/v1", "{pulled}");
    let digest = pulled["digest"].as_str().context("no digest")?;
    ensure!(digest.starts_with(&registry.image("commands@sha256:")), "{digest}");
    ensure!(said.err.is_empty(), "progress without a terminal: {said:?}");
    leaves(&stage, &format!("image pull {}", registry.image("nothing:1")), 5).await?;
    registry.stop().await?;
    leaves(&stage, &format!("image pull {image}"), 9).await?;
    leaves(&stage, &format!("image remove {image}"), 0).await?;
    ensure!(stage.docker.inspect_image(BUSYBOX).await.is_ok(), "another name's image went");
    Ok(())
}
