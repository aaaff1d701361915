//! Following a run: its merged logs as data, the changes of its tasks as talk, until it is complete.

mod story;

use std::collections::HashMap;
use std::pin::pin;
use std::time::Duration;

use gofer_client::model::{Run, RunRef, TaskRunState, TaskRunStatus};
use gofer_client::watch::{FollowRunLogs, RunLogUpdate, RunUpdate};
use tokio::time::Instant;

use crate::context::Context;
use crate::failure::Failure;
use crate::jsonl;
use crate::logs::{Printer, Style};
use crate::out::Out;
use crate::wait::{self, WaitArgs, Waited};

use story::{Item, Story};

/// So long without news, and what waits for its place in the story is printed.
const QUIET: Duration = Duration::from_millis(100);
/// It waits no longer than this, however much else comes.
const WAIT_MAX: Duration = Duration::from_millis(500);

/// What was told of each task: its state, its status and how many attempts it had made.
#[derive(Debug, Default)]
pub(crate) struct Told(HashMap<String, (TaskRunState, Option<TaskRunStatus>, usize)>);

impl Told {
    /// The ids of the tasks whose state is news, in the order of the config.
    pub(crate) fn news<'a>(&mut self, run: &'a Run) -> Vec<&'a gofer_client::model::TaskRun> {
        let mut news = Vec::new();
        for task in &run.task_runs {
            let now = (task.state, task.status, task.attempts.len());
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
    let mut teller = Teller {
        printer: Printer::new(run.clone(), &whole.task_runs, style),
        story: Story::default(),
        waits_since: None,
        news_at: Instant::now(),
    };
    let mut watch = client.watch_run(run.clone());
    let what = FollowRunLogs { run: run.clone(), tasks: vec![], tail: None, allow_gaps: false };
    let mut logs = client.follow_run_logs(what);
    let (mut watching, mut logging) = (true, true);
    let mut cut_short = None;
    let mut expired = pin!(args.expire());
    let mut interrupt = pin!(wait::interrupted());
    while cut_short.is_none() && (watching || logging) {
        tokio::select! {
            update = watch.next(), if watching => match update.transpose()? {
                Some(RunUpdate::Snapshot | RunUpdate::Changed(_)) => {
                    teller.state(&mut context.out, watch.run())?;
                }
                Some(RunUpdate::Lost(why)) => wait::lost(context, &why),
                Some(RunUpdate::Complete) | None => watching = false,
            },
            update = logs.next(), if logging && teller.story.takes_frames() => {
                match update.transpose()? {
                    Some(RunLogUpdate::Frames(frames)) => {
                        let items = teller.story.frames(frames);
                        teller.tell(&mut context.out, items)?;
                    }
                    Some(RunLogUpdate::Gap(gap)) => teller.printer.gap(&mut context.out, &gap)?,
                    Some(RunLogUpdate::Lost(_)) => {} // the watch says so already
                    Some(RunLogUpdate::End(_)) | None => logging = false,
                }
            },
            () = teller.quiet() => {
                let items = teller.story.all();
                teller.tell(&mut context.out, items)?;
            }
            () = &mut expired => cut_short = Some(Waited::TooLong),
            () = &mut interrupt => cut_short = Some(Waited::Interrupted),
        }
    }
    let rest = teller.story.all();
    teller.tell(&mut context.out, rest)?;
    teller.printer.close(&mut context.out)?;
    let waited = cut_short.map_or_else(|| wait::complete(watch.run()), Ok)?;
    if machine {
        jsonl::last(&mut context.out, waited.word(), None)?;
    }
    if let Waited::Complete(run) = &waited {
        wait::tell(context, run)?;
    }
    Ok(waited)
}

/// Prints the story in its order.
struct Teller {
    printer: Printer,
    story: Story,
    /// Since when something waits for its place.
    waits_since: Option<Instant>,
    /// When the last news came.
    news_at: Instant,
}

impl Teller {
    fn state(&mut self, out: &mut Out, run: Option<&Run>) -> Result<(), Failure> {
        let Some(run) = run else { return Ok(()) };
        let look = out.look.clone();
        let items = self.story.state(run, &look);
        self.tell(out, items)
    }

    fn tell(&mut self, out: &mut Out, items: Vec<Item>) -> Result<(), Failure> {
        for item in items {
            match item {
                Item::Frames(frames) => self.printer.print(out, &frames)?,
                Item::Talk(line) => {
                    self.printer.close(out)?;
                    out.flush()?;
                    out.say(&line);
                }
            }
        }
        self.news_at = Instant::now();
        self.waits_since =
            if self.story.is_holding() { self.waits_since.or(Some(self.news_at)) } else { None };
        Ok(())
    }

    /// Comes back when what waits has waited long enough; never where nothing does.
    async fn quiet(&self) {
        match self.waits_since {
            Some(since) => {
                tokio::time::sleep_until((self.news_at + QUIET).min(since + WAIT_MAX)).await;
            }
            None => std::future::pending().await,
        }
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
