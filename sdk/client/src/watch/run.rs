//! The watch of one run: a snapshot, then changes, then the end. After a loss a new snapshot comes, so
//! what is shown is always one true state of the run.

use std::collections::VecDeque;

use gofer_proto::v1 as pb;
use gofer_proto::v1::watch_run_response::Item;

use super::{Follow, Opening, Resuming, Took};
use crate::Client;
use crate::convert::run_request;
use crate::error::{ClientError, ErrorKind, Result};
use crate::model::{Run, RunRef};

/// What happened to a watched run. The run itself is [`RunWatch::run`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunUpdate {
    /// The whole run is new: at the beginning, and after a loss.
    Snapshot,
    /// The run changed, and the task runs with these task ids.
    Changed(Vec<String>),
    /// The run is complete, and all of it was told. Nothing more comes.
    Complete,
    /// The connection was lost, for this reason; it is tried again.
    Lost(String),
}

/// The watch of one run.
#[derive(Debug)]
pub struct RunWatch(Resuming<Watched>);

struct Watched {
    run: RunRef,
    now: Option<Run>,
}

impl Client {
    /// Watches a run until it is complete.
    #[must_use]
    pub fn watch_run(&self, run: RunRef) -> RunWatch {
        RunWatch(Resuming::new(self.clone(), Watched { run, now: None }))
    }
}

impl RunWatch {
    /// The next update; `None` after the end or an error. May be dropped and called again.
    pub async fn next(&mut self) -> Option<Result<RunUpdate>> {
        self.0.next().await
    }

    /// The run with its task runs, as of the last update. `None` before the first.
    #[must_use]
    pub fn run(&self) -> Option<&Run> {
        self.0.follow.now.as_ref()
    }
}

impl Follow for Watched {
    type Message = pb::WatchRunResponse;
    type Item = RunUpdate;

    fn open(&self, client: Client) -> Opening<Self::Message> {
        let (namespace_id, pipeline_id, run_id) = run_request(&self.run);
        let request = pb::WatchRunRequest { namespace_id, pipeline_id, run_id };
        Box::pin(async move { client.answer(client.run_service().watch_run(request)).await })
    }

    fn take(&mut self, message: Self::Message, items: &mut VecDeque<RunUpdate>) -> Result<Took> {
        match message.item {
            Some(Item::Snapshot(run)) => {
                let run = Run::from(run);
                // After a loss the same number may be another run, of a pipeline that was made anew.
                if self.now.as_ref().is_some_and(|before| before.uid != run.uid) {
                    return Err(self.deleted());
                }
                self.now = Some(run);
                items.push_back(RunUpdate::Snapshot);
                Ok(Took::More)
            }
            Some(Item::Change(change)) => {
                items.push_back(RunUpdate::Changed(apply(&mut self.now, change)));
                Ok(Took::More)
            }
            Some(Item::End(end)) => self.end(end.reason, items),
            // A message of a newer server.
            None => Ok(Took::More),
        }
    }

    fn lost(error: &ClientError) -> RunUpdate {
        RunUpdate::Lost(error.to_string())
    }
}

impl Watched {
    fn end(&self, reason: i32, items: &mut VecDeque<RunUpdate>) -> Result<Took> {
        match pb::RunWatchEndReason::try_from(reason) {
            Ok(pb::RunWatchEndReason::RunComplete) => {
                items.push_back(RunUpdate::Complete);
                Ok(Took::End)
            }
            Ok(pb::RunWatchEndReason::RunDeleted) => Err(self.deleted()),
            Ok(pb::RunWatchEndReason::ServerStopping | pb::RunWatchEndReason::Unspecified)
            | Err(_) => Ok(Took::Again),
        }
    }

    fn deleted(&self) -> ClientError {
        let message = format!("run {} was deleted while it was watched", self.run);
        ClientError::new(ErrorKind::NotFound, "RUN_DELETED", message)
    }
}

/// Puts a change into the run, and says which tasks it touched.
fn apply(now: &mut Option<Run>, change: pb::RunChange) -> Vec<String> {
    let mut task_runs =
        now.as_mut().map(|run| std::mem::take(&mut run.task_runs)).unwrap_or_default();
    let mut touched = Vec::with_capacity(change.task_runs.len());
    for changed in change.task_runs {
        touched.push(changed.task_id.clone());
        match task_runs.iter_mut().find(|task_run| task_run.task_id == changed.task_id) {
            Some(task_run) => *task_run = changed.into(),
            None => task_runs.push(changed.into()),
        }
    }
    if let Some(run) = change.run {
        *now = Some(run.into());
    }
    if let Some(run) = now {
        run.task_runs = task_runs;
    }
    touched
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{PipelineRef, RunState, TaskRunState};

    fn message(item: Item) -> pb::WatchRunResponse {
        pb::WatchRunResponse { item: Some(item), ..Default::default() }
    }

    fn task(id: &str, state: pb::TaskRunState) -> pb::TaskRun {
        pb::TaskRun { task_id: id.into(), state: state.into(), ..Default::default() }
    }

    fn run(state: pb::RunState, task_runs: Vec<pb::TaskRun>) -> pb::Run {
        pb::Run { state: state.into(), task_runs, ..Default::default() }
    }

    fn watched() -> Watched {
        Watched { run: PipelineRef::new("ns1", "simple").run(3), now: None }
    }

    #[test]
    fn a_change_replaces_the_run_and_the_named_task_runs_only() {
        let mut watched = watched();
        let mut items = VecDeque::new();
        let tasks =
            vec![task("a", pb::TaskRunState::Running), task("b", pb::TaskRunState::Waiting)];
        watched
            .take(message(Item::Snapshot(run(pb::RunState::Pending, tasks))), &mut items)
            .unwrap();
        let change = pb::RunChange {
            run: Some(run(pb::RunState::Running, vec![])),
            task_runs: vec![task("a", pb::TaskRunState::Complete)],
        };
        watched.take(message(Item::Change(change)), &mut items).unwrap();
        let now = watched.now.unwrap();
        assert_eq!(now.state, RunState::Running);
        let states: Vec<_> = now.task_runs.iter().map(|t| (t.task_id.as_str(), t.state)).collect();
        assert_eq!(states, [("a", TaskRunState::Complete), ("b", TaskRunState::Waiting)]);
        assert_eq!(items, [RunUpdate::Snapshot, RunUpdate::Changed(vec!["a".into()])]);
    }

    #[test]
    fn a_resumed_watch_never_goes_on_with_another_run() {
        let (mut watched, mut items) = (watched(), VecDeque::new());
        let mut take = |uid: &str| {
            let run = pb::Run { uid: uid.into(), ..run(pb::RunState::Running, vec![]) };
            watched.take(message(Item::Snapshot(run)), &mut items).err()
        };
        assert!(take("first").is_none() && take("first").is_none());
        let error = take("second").unwrap();
        assert_eq!((error.kind, error.reason.as_str()), (ErrorKind::NotFound, "RUN_DELETED"));
        assert_eq!(watched.now.unwrap().uid, "first");
    }

    #[test]
    fn a_stopping_server_is_not_the_end_of_the_run() {
        let mut items = VecDeque::new();
        let end = |reason: pb::RunWatchEndReason| pb::RunWatchEnd { reason: reason.into() };
        let stop = message(Item::End(end(pb::RunWatchEndReason::ServerStopping)));
        assert!(matches!(watched().take(stop, &mut items), Ok(Took::Again)));
        assert!(items.is_empty());
        let deleted = message(Item::End(end(pb::RunWatchEndReason::RunDeleted)));
        let error = watched().take(deleted, &mut items).err().unwrap();
        assert_eq!(error.kind, ErrorKind::NotFound);
    }
}
