//! The server dies at every place that has a name, and at some of them often. Whatever it was
//! about to do is done once, and nobody can tell from the run that it ever died.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use gofer_client::model::{PipelineRef, Run, RunRef};
use gofer_client::{ErrorKind, Mode, RunQuery, StartRun};
use gofer_tests::stage::dag::{Dag, Ordeal};
use gofer_tests::stage::{self, Stage, deploy, pipeline, shell, unless_dead, until};

/// Places that a run passes, and at which passings the server dies: one life after the other, all
/// in the same run.
const IN_A_RUN: [(&str, &[u32]); 9] = [
    ("step.before_commit", &[1, 6, 3, 1]),
    ("step.committed", &[1, 6, 3, 1]),
    ("step.half_performed", &[1, 2, 1]),
    ("attempt.pulled", &[1, 2, 1]),
    ("attempt.ensured", &[1, 2, 1, 2]),
    ("attempt.exit_seen", &[1, 2, 1, 2]),
    ("log.appended", &[1, 12, 30, 1]),
    ("log.sealed", &[1, 2, 1, 2]),
    ("attempt.removed", &[1, 2, 1, 2]),
];
const AT_A_START: [&str; 2] = ["start_run.before_commit", "start_run.committed"];
const AT_A_DEPLOYMENT: &str = "deploy.committed";
const AT_A_DELETION: [&str; 3] =
    ["deletion.begun", "deletion.runs_cancelled", "deletion.logs_removed"];

/// Servers at once: their time goes by in waiting.
const N_AT_ONCE: usize = 5;

#[test]
fn every_named_place_has_a_death_in_this_file() {
    let named: BTreeSet<&str> = gofer_engine::failpoint_names().iter().copied().collect();
    let mut died = BTreeSet::from([AT_A_DEPLOYMENT]);
    died.extend(IN_A_RUN.map(|(name, _)| name));
    died.extend(AT_A_START);
    died.extend(AT_A_DELETION);
    assert_eq!(died, named);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_ends_as_if_the_server_had_never_died() -> Result<()> {
    let undisturbed = ("", &[] as &[u32]);
    stream::iter(IN_A_RUN.into_iter().chain([undisturbed]))
        .map(|(name, passings)| async move {
            dies_in_a_run(name, passings).await.with_context(|| format!("at {name:?}"))
        })
        .buffer_unordered(N_AT_ONCE)
        .try_collect::<Vec<()>>()
        .await?;
    Ok(())
}

async fn dies_in_a_run(name: &str, passings: &[u32]) -> Result<()> {
    let dag = Dag { n_lines: 6, pause_ms: 120 };
    let mut stage = Stage::up().await?;
    let pipeline = stage.deploy(dag.pipeline("dag")).await?;
    let start = StartRun { idempotency_key: Some("once".to_owned()), ..stage::start(&pipeline) };
    for (life, passing) in passings.iter().enumerate() {
        let failpoint = format!("{name}:{passing}");
        if life == 0 {
            // Nothing goes on yet, so it answers first.
            stage.server.kill()?;
            stage.server.up(Some(&failpoint)).await?;
            unless_dead(stage.client()?.start_run(start.clone()).await)?;
        } else {
            stage.restart_unheard(Some(&failpoint))?;
        }
        stage.died(&failpoint).await?;
    }
    stage.restart().await?;
    let run = stage.client()?.start_run(start).await?.run.reference();
    ensure!(run.run == 1, "the run was created {} times", run.run);
    let run = stage.settled(&run).await?;
    dag.check(&stage.client()?, &run, Ordeal::Server).await?;
    stage.nothing_is_left(&[&run]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_created_once_however_often_it_is_asked_for() -> Result<()> {
    let mut stage = Stage::up().await?;
    let reference = stage.deploy(pipeline("once", vec![shell("work", "echo done")])).await?;
    for name in AT_A_START {
        stage.server.kill()?;
        stage.server.up(Some(name)).await?;
        let order = StartRun { idempotency_key: Some(name.to_owned()), ..stage::start(&reference) };
        let answer = stage.client()?.start_run(order.clone()).await;
        ensure!(unless_dead(answer)?.is_none(), "{name}: a dead server answered");
        stage.died(name).await?;
        stage.restart().await?;
        let client = stage.client()?;
        let before = runs_of(&stage, &reference).await?.len();
        let again = client.start_run(order.clone()).await?;
        ensure!(again.existing == (name == "start_run.committed"), "{name}: {again:?}");
        ensure!(client.start_run(order).await?.run.id == again.run.id, "{name}");
        let run = stage.settled(&again.run.reference()).await?;
        stage.nothing_is_left(&[&run]).await?;
        let after = runs_of(&stage, &reference).await?.len();
        ensure!(after == before + usize::from(!again.existing), "{name}: {before}, then {after}");
    }
    // Without a gap in the numbers.
    let ids: Vec<u64> = runs_of(&stage, &reference).await?.iter().map(|run| run.id).collect();
    ensure!(ids == [2, 1], "{ids:?}");
    Ok(())
}

async fn runs_of(stage: &Stage, pipeline: &PipelineRef) -> Result<Vec<Run>> {
    let query = RunQuery {
        namespace: pipeline.namespace.clone(),
        pipeline: Some(pipeline.pipeline.clone()),
        ..RunQuery::default()
    };
    Ok(stage.client()?.runs(&query).await?.items)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_is_never_half_done() -> Result<()> {
    let mut stage = Stage::up().await?;
    let version = |text: &str| pipeline("versions", vec![shell("work", text)]);
    let reference = stage.deploy(version("echo one")).await?;
    let second = stage.register(version("echo two")).await?;
    stage.server.kill()?;
    stage.server.up(Some(AT_A_DEPLOYMENT)).await?;
    let answer = stage.client()?.deploy(deploy(&reference, second)).await;
    ensure!(unless_dead(answer)?.is_none(), "a dead server answered");
    stage.died(AT_A_DEPLOYMENT).await?;
    stage.restart().await?;
    let client = stage.client()?;
    let live = client.pipeline_config(&reference, None).await?.version;
    ensure!(live == second, "version {live} is live");
    ensure!(!client.deploy(deploy(&reference, second)).await?.changed, "deployed twice");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_is_finished_by_the_next_server() -> Result<()> {
    let mut stage = Stage::up().await?;
    for name in AT_A_DELETION {
        deletes(&mut stage, name).await.with_context(|| format!("at {name}"))?;
    }
    Ok(())
}

async fn deletes(stage: &mut Stage, name: &str) -> Result<()> {
    let doomed = pipeline("doomed", vec![shell("work", "echo here; while :; do sleep 0.1; done")]);
    let run: RunRef = stage.start_new(doomed).await?;
    let logged = |run: &Run| stage::attempts(run).any(|one| one.started_at.is_some());
    let run_now = stage.wait(&run, "running", logged).await?;
    stage.server.kill()?;
    stage.server.up(Some(name)).await?;
    let answer = stage.client()?.delete_pipeline(&run.pipeline, Mode::Commit).await;
    ensure!(unless_dead(answer)?.is_none(), "a dead server answered");
    stage.died(name).await?;
    stage.restart().await?;
    let client = stage.client()?;
    until("the pipeline was gone", async || match client.pipeline(&run.pipeline).await {
        Err(error) if error.kind == ErrorKind::NotFound => Ok(Some(())),
        Err(error) => Err(error.into()),
        Ok(_) => Ok(None),
    })
    .await?;
    stage.nothing_is_left(&[&run_now]).await?;
    let left = files_named(&stage.server.data_dir().join("logs"), &run_now.uid)?;
    ensure!(left.is_empty(), "logs are left: {left:?}");
    Ok(())
}

/// Files and folders below `folder` that have `word` in their path.
fn files_named(folder: &std::path::Path, word: &str) -> Result<Vec<std::path::PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.to_string_lossy().contains(word) {
            found.push(path.clone());
        }
        if path.is_dir() {
            found.extend(files_named(&path, word)?);
        }
    }
    Ok(found)
}
