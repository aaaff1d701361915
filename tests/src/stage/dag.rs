//! Twelve tasks with every sort of edge between them, and what must come of them however often the
//! server dies on the way.
//!
//! ```text
//!  fetch_code ─> build ─┬─> join ─┬──> publish ─┐
//!  fetch_data ─> flaky ─┘    └ f ─> alarm       ├─ any ─> summary
//!            build ─> check ─┬─ f ─> handler ───┘
//!                            └─> deploy ─ any ─> report
//! ```
//!
//! `flaky` fails at its first attempt and is tried again, `check` fails for good. Each task prints
//! numbered lines on both streams, bytes that are no text, and a last line without an end. It
//! leaves with 0 when it is told to stop, so that one that was stopped looks like a success to
//! whoever goes by the exit code alone.

use anyhow::{Context as _, Result, ensure};
use gofer_client::Client;
use gofer_client::model::{
    Attempt, FailureClass, LogState, Reason, Run, RunStatus, TaskRun, TaskRunStatus,
};
use gofer_proto::sdk::v1 as sdk;
use sdk::RequiredStatus::{Any, Failure, Success};

use super::readings::{self, Streams, difference};
use super::{after, shell};

/// The task that fails at its first attempt.
const FLAKY: &str = "flaky";
/// The task that always fails.
const CHECK: &str = "check";
/// The tasks that never start.
const SKIPPED: [&str; 2] = ["alarm", "deploy"];

/// The size of the graph's tasks.
#[derive(Debug, Clone, Copy)]
pub struct Dag {
    /// Numbered lines that each task prints on each stream.
    pub n_lines: u32,
    /// Pause after each of them.
    pub pause_ms: u32,
}

/// What a run went through beside its own failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ordeal {
    /// The server died, the engine did not: no attempt may have suffered.
    Server,
    /// The engine went down once: what ran then is made again, once, at the infrastructure's
    /// expense.
    Engine,
}

impl Dag {
    /// The pipeline.
    #[must_use]
    pub fn pipeline(self, id: &str) -> sdk::Pipeline {
        let task = |id: &str| shell(id, &self.script(id));
        let retries =
            sdk::Retries { count: 1, delay_ms: Some(100), factor: Some(1.0), cap_ms: None };
        let flaky = sdk::Task { retries: Some(retries), ..task(FLAKY) };
        let tasks = vec![
            task("fetch_code"),
            task("fetch_data"),
            after(task("build"), "fetch_code", Success),
            after(flaky, "fetch_data", Success),
            after(after(task("join"), "build", Success), FLAKY, Success),
            after(task(CHECK), "build", Success),
            after(task("handler"), CHECK, Failure),
            after(task("deploy"), CHECK, Success),
            after(task("report"), "deploy", Any),
            after(task("alarm"), "join", Failure),
            after(after(task("publish"), "join", Success), "handler", Success),
            after(after(after(task("summary"), "publish", Any), "alarm", Any), CHECK, Any),
        ];
        super::pipeline(id, tasks)
    }

    fn script(self, task: &str) -> String {
        let Self { n_lines, pause_ms } = self;
        let (s, ms) = (pause_ms / 1000, pause_ms % 1000);
        let end = match task {
            FLAKY => "[ \"$GOFER_ATTEMPT\" = 1 ] && exit 3; exit 0",
            CHECK => "exit 7",
            _ => "exit 0",
        };
        format!(
            "trap 'exit 0' TERM; i=1; a=$GOFER_ATTEMPT\n\
             while [ $i -le {n_lines} ]; do\n\
             echo \"{task} $a out $i of {n_lines}\"; echo \"{task} $a err $i of {n_lines}\" >&2\n\
             sleep {s}.{ms:03}; i=$((i+1)); done\n\
             printf '\\377\\000\\376 no text\\n\\n'; printf 'the end, without one'; \
             printf 'last words' >&2\n{end}"
        )
    }

    /// What an attempt prints when nobody stops it.
    #[must_use]
    pub fn streams(self, task: &str, attempt: u32) -> Streams {
        let n_lines = self.n_lines;
        let mut streams = Streams::default();
        for i in 1..=n_lines {
            streams.out.extend(format!("{task} {attempt} out {i} of {n_lines}\n").bytes());
            streams.err.extend(format!("{task} {attempt} err {i} of {n_lines}\n").bytes());
        }
        streams.out.extend(b"\xff\0\xfe no text\n\nthe end, without one");
        streams.err.extend(b"last words");
        streams
    }

    /// Checks that a settled run ended as it must and that every byte of every log is there once.
    ///
    /// # Errors
    /// Where it did not, with what differs.
    pub async fn check(self, client: &Client, run: &Run, ordeal: Ordeal) -> Result<()> {
        ensure!(run.status == Some(RunStatus::Failed), "{run:#?}");
        ensure!(run.reason == Some(Reason::AbnormalExit), "{run:#?}");
        ensure!(run.task_runs.len() == 12, "{run:#?}");
        for task in &run.task_runs {
            let about = || format!("task {} of run {}: {task:#?}", task.task_id, run.path);
            check_task(task, ordeal).with_context(about)?;
            for attempt in &task.attempts {
                self.check_log(client, task, attempt).await.with_context(about)?;
            }
        }
        Ok(())
    }

    async fn check_log(self, client: &Client, task: &TaskRun, attempt: &Attempt) -> Result<()> {
        let number = attempt.number;
        let (got, state) = readings::read(client, &task.reference(), number).await?;
        let want = self.streams(&task.task_id, number);
        let interrupted = attempt.failure_class == Some(FailureClass::Engine);
        for (name, got, want) in [("stdout", &got.out, &want.out), ("stderr", &got.err, &want.err)]
        {
            if interrupted {
                ensure!(want.starts_with(got), "{name} of attempt {number} is no beginning");
            } else if let Some(difference) = difference(got, want) {
                anyhow::bail!("{name} of attempt {number}: {difference}");
            }
        }
        ensure!(interrupted || state == LogState::Sealed, "attempt {number} is {state:?}");
        Ok(())
    }
}

fn check_task(task: &TaskRun, ordeal: Ordeal) -> Result<()> {
    let id = task.task_id.as_str();
    let status = match id {
        CHECK => TaskRunStatus::Failed,
        _ if SKIPPED.contains(&id) => TaskRunStatus::Skipped,
        _ => TaskRunStatus::Successful,
    };
    ensure!(task.status == Some(status), "should be {status:?}");
    let (mut n_user, mut n_engine) = (0, 0);
    for attempt in &task.attempts {
        let code = match id {
            FLAKY if attempt.number == 1 => 3,
            CHECK => 7,
            _ => 0,
        };
        match attempt.failure_class {
            Some(FailureClass::Engine) => n_engine += 1,
            other => {
                let exit = attempt.exit.context("no exit")?;
                ensure!(exit.code == Some(code), "attempt {} left with {exit:?}", attempt.number);
                ensure!(other == (code != 0).then_some(FailureClass::User), "{other:?}");
                n_user += u32::from(code != 0);
            }
        }
    }
    ensure!(task.user_failures == n_user, "user failures");
    ensure!(task.infra_failures == n_engine, "infrastructure failures");
    let n_good = u32::from(status == TaskRunStatus::Successful);
    ensure!(task.attempts.len() == (n_user + n_engine + n_good) as usize, "attempts");
    let n_engine_max = match ordeal {
        Ordeal::Server => 0,
        Ordeal::Engine => 1,
    };
    ensure!(n_engine <= n_engine_max, "was cut off {n_engine} times, of at most {n_engine_max}");
    Ok(())
}
