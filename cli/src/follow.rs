//! Following a run: its merged logs as data, the changes of its tasks as talk, until it is complete.

use std::collections::HashMap;
use std::pin::pin;

use gofer_client::model::{Run, RunRef, TaskRunState, TaskRunStatus};
use gofer_client::watch::{FollowRunLogs, RunLogUpdate, RunUpdate};

use crate::context::Context;
use crate::failure::Failure;
use crate::jsonl;
use crate::logs::{Printer, Style};
use crate::show::dag;
use crate::wait::{self, WaitArgs, Waited};

/// What was told of each task.
#[derive(Debug, Default)]
pub(crate) struct Told(HashMap<String, (TaskRunState, Option<TaskRunStatus>)>);

impl Told {
    /// The ids of the tasks whose state is news, in the order of the config.
    pub(crate) fn news<'a>(&mut self, run: &'a Run) -> Vec<&'a gofer_client::model::TaskRun> {
        let mut news = Vec::new();
        for task in &run.task_runs {
            let now = (task.state, task.status);
            let before = self.0.insert(task.task_id.clone(), now);
            let first_wait = before.is_none() && task.state == TaskRunState::Waiting;
            if before != Some(now) && !first_wait {
                news.push(task);
            }
        }
        news
    }
}

/// Follows the logs and the task states of a run until it is complete.
pub(crate) async fn run(
    context: &mut Context,
    run: &RunRef,
    style: Style,
    args: &WaitArgs,
) -> Result<Waited, Failure> {
    let machine = jsonl::is_wanted(&context.out)?;
    let client = context.client()?;
    let whole = client.run(run).await?;
    if machine {
        let server = client.info().await?.instance_id;
        jsonl::first(&mut context.out, "gofer.log/v1", &server, None)?;
    }
    let mut printer = Printer::new(run.clone(), &whole.task_runs, style);
    let mut told = Told::default();
    let mut watch = client.watch_run(run.clone());
    let what = FollowRunLogs { run: run.clone(), tasks: vec![], tail: None, allow_gaps: false };
    let mut logs = client.follow_run_logs(what);
    let (mut watching, mut logging) = (true, true);
    let mut expired = pin!(args.expire());
    let mut interrupt = pin!(wait::interrupted());
    while watching || logging {
        tokio::select! {
            update = watch.next(), if watching => match update.transpose()? {
                Some(RunUpdate::Snapshot | RunUpdate::Changed(_)) => {
                    printer.close(&mut context.out)?;
                    changes(context, &mut told, watch.run());
                }
                Some(RunUpdate::Lost(why)) => wait::lost(context, &why),
                Some(RunUpdate::Complete) | None => watching = false,
            },
            update = logs.next(), if logging => match update.transpose()? {
                Some(RunLogUpdate::Frames(frames)) => printer.print(&mut context.out, &frames)?,
                Some(RunLogUpdate::Gap(gap)) => printer.gap(&mut context.out, &gap)?,
                Some(RunLogUpdate::Lost(_)) => {} // the watch says so already
                Some(RunLogUpdate::End(_)) | None => logging = false,
            },
            () = &mut expired => return Ok(Waited::TooLong),
            () = &mut interrupt => return Ok(Waited::Interrupted),
        }
    }
    printer.close(&mut context.out)?;
    let waited = wait::complete(watch.run())?;
    if let Waited::Complete(run) = &waited {
        if machine {
            let end = run.status.map_or("UNKNOWN", gofer_client::model::RunStatus::word);
            jsonl::last(&mut context.out, end, None)?;
        }
        wait::tell(context, run)?;
    }
    Ok(waited)
}

/// Says which tasks changed their state.
fn changes(context: &mut Context, told: &mut Told, run: Option<&Run>) {
    let Some(run) = run else { return };
    let look = context.out.look.clone();
    let width = dag::id_width(&run.task_runs);
    for task in told.news(run) {
        context.out.say(&dag::line(task, width, &look));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::samples;

    #[test]
    fn a_state_is_told_once() {
        let mut told = Told::default();
        let mut run = samples::failed_run();
        assert_eq!(told.news(&run).len(), 2);
        assert!(told.news(&run).is_empty());
        if let Some(task) = run.task_runs.first_mut() {
            task.status = Some(TaskRunStatus::Successful);
        }
        let news: Vec<&str> = told.news(&run).iter().map(|task| task.task_id.as_str()).collect();
        assert_eq!(news, ["build"]);
    }
}
