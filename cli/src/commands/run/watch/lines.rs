//! A watched run into a pipe: one line for each change of state, or one JSON object.

use std::pin::pin;

use gofer_client::model::{Run, RunRef, TaskRun};
use gofer_client::watch::RunUpdate;
use serde::Serialize;

use crate::context::Context;
use crate::failure::Failure;
use crate::follow::Told;
use crate::jsonl;
use crate::show::table::{self, Cell};
use crate::wait::{self, WaitArgs, Waited};

/// One change of a run as a JSON line.
#[derive(Debug, Serialize)]
struct RunEvent<'a> {
    event: &'static str,
    run: &'a Run,
    /// The task runs that changed; all of them in a snapshot.
    task_runs: Vec<&'a TaskRun>,
}

pub(super) async fn watch(
    context: &mut Context,
    run: &RunRef,
    args: &WaitArgs,
) -> Result<Waited, Failure> {
    let machine = jsonl::is_wanted(&context.out)?;
    let client = context.client()?;
    if machine {
        let server = client.info().await?.instance_id;
        jsonl::first(&mut context.out, "gofer.run_event/v1", &server, None)?;
    }
    let mut watch = client.watch_run(run.clone());
    let mut told = Told::default();
    let mut state = None;
    let mut expired = pin!(args.expire());
    let mut interrupt = pin!(wait::interrupted());
    let waited = loop {
        let update = tokio::select! {
            update = watch.next() => update.transpose()?,
            () = &mut expired => break Waited::TooLong,
            () = &mut interrupt => break Waited::Interrupted,
        };
        match (&update, watch.run()) {
            (Some(RunUpdate::Snapshot | RunUpdate::Changed(_)), Some(run)) if machine => {
                object(context, run, update.as_ref())?;
            }
            (Some(RunUpdate::Snapshot | RunUpdate::Changed(_)), Some(run)) => {
                for task in told.news(run) {
                    context.out.bytes(line(context, task).as_bytes())?;
                }
                if state != Some(run.state) {
                    state = Some(run.state);
                    context.out.bytes(run_line(context, run).as_bytes())?;
                }
                context.out.flush()?;
            }
            (Some(RunUpdate::Snapshot | RunUpdate::Changed(_)), None) => {} // nothing is known yet
            (Some(RunUpdate::Lost(why)), _) => wait::lost(context, why),
            (Some(RunUpdate::Complete) | None, now) => break wait::complete(now)?,
        }
    };
    if machine {
        jsonl::last(&mut context.out, waited.word(), None)?;
    }
    Ok(waited)
}

fn object(context: &mut Context, run: &Run, update: Option<&RunUpdate>) -> Result<(), Failure> {
    let (event, task_runs) = match update {
        Some(RunUpdate::Changed(ids)) => {
            ("change", run.task_runs.iter().filter(|task| ids.contains(&task.task_id)).collect())
        }
        Some(RunUpdate::Snapshot | RunUpdate::Complete | RunUpdate::Lost(_)) | None => {
            ("snapshot", run.task_runs.iter().collect())
        }
    };
    // The task runs stand beside the run, once.
    let head = Run { task_runs: Vec::new(), ..run.clone() };
    context.out.json_line(&RunEvent { event, run: &head, task_runs })?;
    context.out.flush()
}

/// time, reference, state, status, why: separated by tabs.
fn line(context: &Context, task: &TaskRun) -> String {
    let time = task.ended_at.or(task.started_at).unwrap_or_else(|| context.out.look.now());
    let status = task.status.map_or("", gofer_client::model::TaskRunStatus::word);
    row(
        context,
        time,
        &task.path,
        [task.state.word(), status],
        why(task.reason.is_some(), task.reason_text.as_deref()),
    )
}

fn run_line(context: &Context, run: &Run) -> String {
    let time = run.ended_at.or(run.started_at).unwrap_or(run.created_at);
    let status = run.status.map_or("", gofer_client::model::RunStatus::word);
    row(
        context,
        time,
        &run.path,
        [run.state.word(), status],
        why(run.reason.is_some(), run.reason_text.as_deref()),
    )
}

/// The sentence, where there is something to explain.
fn why(explains: bool, text: Option<&str>) -> Option<&str> {
    text.filter(|_| explains)
}

fn row(
    context: &Context,
    time: gofer_client::model::Time,
    path: &str,
    words: [&str; 2],
    why: Option<&str>,
) -> String {
    let look = &context.out.look;
    let time = look.time(time);
    let fields = [time.as_str(), path].into_iter().chain(words).chain([why.unwrap_or("")]);
    let cells: Vec<Cell> = fields.map(Cell::plain).collect();
    // Always with tabs: these lines are for programs, even where a terminal looks on.
    let pipe = crate::look::Look { tty: false, ..look.clone() };
    table::render(&[], &[cells], &pipe)
}
