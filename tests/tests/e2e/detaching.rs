//! A server that is stopped in order lets go of its containers and finds them again, whatever state
//! they are in, and no second server gets at its data.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{CreateContainerOptionsBuilder, UploadToContainerOptionsBuilder};
use bytes::Bytes;
use gofer_client::model::{Run, RunStatus, TaskRunState::Running};
use gofer_core::ids::{AttemptKey, InstanceId, RunUid, TaskId};
use gofer_core::ports::driver::container_name;
use gofer_driver_docker::labels;
use gofer_proto::sdk::v1::RequiredStatus;
use gofer_tests::harness::gofer_binary;
use gofer_tests::images::BUSYBOX;
use gofer_tests::stage::{Stage, after, attempts, pipeline, readings, shell, task_of, until};

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_lets_go_of_containers_and_the_next_server_adopts_them() -> Result<()> {
    let mut stage = Stage::up().await?;
    let counts = "i=1; while [ $i -le 40 ]; do echo line $i; sleep 0.1; i=$((i+1)); done; exit 0";
    let short = "echo before; sleep 1; echo after; exit 57";
    let run = stage
        .start_new(pipeline("detached", vec![shell("counts", counts), shell("short", short)]))
        .await?;
    let all_run = |run: &Run| attempts(run).all(|attempt| attempt.started_at.is_some());
    let before = stage.wait(&run, "running", all_run).await?;
    let ids: Vec<_> = attempts(&before).map(|attempt| attempt.container_id.clone()).collect();
    stage.server.stop().await?;

    let ids: Vec<String> = ids.into_iter().collect::<Option<_>>().context("no container id")?;
    ensure!(ids.len() == 2, "{ids:?}");
    let first = stage.docker.inspect_container(&ids[0], None).await?;
    ensure!(first.state.is_some_and(|state| state.running == Some(true)), "it was stopped");
    // The second one ends while nobody looks.
    until("the short task ended", async || {
        let found = stage.docker.inspect_container(&ids[1], None).await?;
        Ok(found.state.is_some_and(|state| state.running == Some(false)).then_some(()))
    })
    .await?;

    stage.server.up(None).await?;
    let done = stage.settled(&run).await?;
    ensure!(done.status == Some(RunStatus::Failed), "{done:#?}");
    let after: Vec<_> = attempts(&done).filter_map(|one| one.container_id.clone()).collect();
    ensure!(after == ids, "{after:?} after {ids:?}");
    let (counted, _) = readings::read(&stage.client()?, &run.task("counts"), 1).await?;
    let want: String = (1..=40).map(|i| format!("line {i}\n")).collect();
    ensure!(readings::difference(&counted.out, want.as_bytes()).is_none(), "{counted:?}");
    let (said, _) = readings::read(&stage.client()?, &run.task("short"), 1).await?;
    ensure!(said.out == b"before\nafter\n", "{said:?}");
    stage.nothing_is_left(&[&done]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_never_started_is_made_anew_when_its_settings_changed() -> Result<()> {
    let stage = Stage::up().await?;
    let instance = InstanceId::parse(stage.instance())?;
    let work = after(shell("work", "echo new"), "first", RequiredStatus::Success);
    let first = shell("first", "while [ ! -e /go ]; do sleep 0.1; done");
    let run = stage.start_new(pipeline("anew", vec![first, work])).await?;
    let is_up = |run: &Run| task_of(run, "first").is_ok_and(|task| task.state == Running);
    let now = stage.wait(&run, "running", is_up).await?;

    // What a server leaves that was killed between create and start, and had another address.
    let uid = RunUid::parse(&now.uid)?;
    let key = AttemptKey { uid, task: TaskId::parse("work")?, attempt: 1 };
    let own = [
        (labels::INSTANCE, instance.to_string()),
        (labels::RUN, now.uid.clone()),
        (labels::TASK, "work".to_owned()),
        (labels::ATTEMPT, "1".to_owned()),
        (labels::SPEC, "v1:of other settings".to_owned()),
    ];
    let body = ContainerCreateBody {
        image: Some(BUSYBOX.to_owned()),
        cmd: Some(["echo", "old"].map(str::to_owned).to_vec()),
        labels: Some(own.map(|(key, value)| (key.to_owned(), value)).into()),
        ..ContainerCreateBody::default()
    };
    let name = container_name(&instance, &key);
    let options = CreateContainerOptionsBuilder::default().name(&name).build();
    let left = stage.docker.create_container(Some(options), body).await?.id;

    let holder = attempts(&now).find_map(|one| one.container_id.clone()).context("no id")?;
    let go = UploadToContainerOptionsBuilder::default().path("/").build();
    stage.docker.upload_to_container(&holder, Some(go), bollard::body_full(flag()?)).await?;
    let done = stage.settled(&run).await?;
    ensure!(done.status == Some(RunStatus::Successful), "{done:#?}");
    let attempt = task_of(&done, "work")?.attempts.first().context("no attempt")?;
    ensure!(attempt.container_id.as_ref() != Some(&left), "the old one was started");
    let (said, _) = readings::read(&stage.client()?, &run.task("work"), 1).await?;
    ensure!(said.out == b"new\n", "{said:?}");
    stage.births.started_once(&done)
}

/// An archive with an empty file `go`.
fn flag() -> Result<Bytes> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(0);
    header.set_mode(0o644);
    archive.append_data(&mut header, "go", std::io::empty())?;
    Ok(Bytes::from(archive.into_inner()?))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_on_the_same_data_is_refused_in_plain_words() -> Result<()> {
    let stage = Stage::up().await?;
    let second = Command::new(gofer_binary()?)
        .args(["service", "start", "--dev-mode", "--address", "127.0.0.1:0", "--data-dir"])
        .arg(stage.server.data_dir())
        .stdin(Stdio::null())
        .output()?;
    let text = String::from_utf8_lossy(&second.stderr).into_owned();
    ensure!(second.status.code() == Some(5), "{:?}: {text}", second.status);
    let dir = stage.server.data_dir().display().to_string();
    ensure!(text.contains("another") && text.contains(&dir), "{text}");
    stage.client()?.info().await?;
    Ok(())
}
