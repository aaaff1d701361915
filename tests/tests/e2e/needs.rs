//! The table of needs on real containers: each way in which a parent can end, and each thing that a
//! child can need of it, in one pipeline.

use anyhow::{Result, ensure};
use gofer_client::Cancel;
use gofer_client::model::{
    Need, Reason, Run, RunStatus, TaskRunState,
    TaskRunStatus::{self, Cancelled, Failed, Skipped, Successful},
};
use gofer_proto::sdk::v1::RequiredStatus::{self, Any, Failure, Success};
use gofer_tests::stage::{Stage, after, pipeline, shell, task_of};

const NEEDS: [(RequiredStatus, Need, &str); 3] = [
    (Any, Need::Any, "any"),
    (Success, Need::Success, "success"),
    (Failure, Need::Failure, "failure"),
];

/// A parent, how it ends, and whether children that need any, success, failure run.
const TABLE: [(&str, TaskRunStatus, [bool; 3]); 4] = [
    ("good", Successful, [true, true, false]),
    ("bad", Failed, [true, false, true]),
    ("stopped", Cancelled, [false, false, false]),
    ("passed_over", Skipped, [true, false, false]),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_child_runs_exactly_when_its_parent_ended_as_it_needs() -> Result<()> {
    let stage = Stage::up().await?;
    let mut tasks = vec![
        shell("good", "exit 0"),
        shell("bad", "exit 1"),
        shell("stopped", "while :; do sleep 0.1; done"),
        after(shell("passed_over", "exit 0"), "bad", Success),
    ];
    for (parent, _, _) in TABLE {
        for (need, _, name) in NEEDS {
            tasks.push(after(shell(&child(parent, name), "echo ran"), parent, need));
        }
    }
    let run = stage.start_new(pipeline("needs", tasks)).await?;
    let is_up =
        |run: &Run| task_of(run, "stopped").is_ok_and(|task| task.state == TaskRunState::Running);
    stage.wait(&run, "running", is_up).await?;
    let cancel = Cancel { force: true, ..Cancel::default() };
    stage.client()?.cancel_task_run(&run.task("stopped"), cancel).await?;
    let done = stage.settled(&run).await?;

    for (parent, status, runs) in TABLE {
        let found = task_of(&done, parent)?;
        ensure!(found.status == Some(status), "{found:#?}");
        for ((_, need, name), runs) in NEEDS.into_iter().zip(runs) {
            let found = task_of(&done, &child(parent, name))?;
            let want = if runs { Successful } else { Skipped };
            ensure!(found.status == Some(want), "{parent} is {status:?}, {need:?}: {found:#?}");
            ensure!(found.attempts.len() == usize::from(runs), "{found:#?}");
            if !runs {
                ensure!(found.reason == Some(Reason::FailedPrecondition), "{found:#?}");
                let text = found.reason_text.clone().unwrap_or_default();
                let told = [parent, status.word(), need.word()];
                ensure!(told.iter().all(|word| text.contains(word)), "{text:?} lacks {told:?}");
            }
        }
    }
    ensure!(done.status == Some(RunStatus::Cancelled), "{done:#?}");
    stage.nothing_is_left(&[&done]).await?;
    let n_started = stage.births.n_started(&done);
    ensure!(n_started == 8, "{n_started} containers");
    Ok(())
}

fn child(parent: &str, need: &str) -> String {
    format!("{parent}_{need}")
}
