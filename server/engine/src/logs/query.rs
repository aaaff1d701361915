//! Pages of one attempt's log.

use std::sync::Arc;

use gofer_core::ids::{AttemptKey, AttemptNumber, RunKey, TaskId};
use gofer_core::log::{LogState, LogSummary};
use gofer_core::problem::{Kind, Problem};
use gofer_core::run::{Run, TaskRun};
use gofer_logs::{LogPath, LogReader, Page, PageLimits, Start};

use super::blocking;
use crate::catalog::Mode;
use crate::engine::{Engine, Shared};
use crate::limits::SEAL_WAIT_MAX;

/// Which log is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogQuery {
    /// The run.
    pub run: RunKey,
    /// The task.
    pub task: TaskId,
    /// The attempt; none for the latest.
    pub attempt: Option<AttemptNumber>,
}

/// Where a page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageFrom {
    /// At a place that anybody can name.
    Start(Start),
    /// Where the cursor of an earlier page points.
    Cursor(Vec<u8>),
}

/// A page of a log, or why there is none.
#[derive(Debug, Clone)]
pub struct LogAnswer {
    /// The attempt that it is of; none where none was made.
    pub attempt: Option<AttemptNumber>,
    /// The log's size and state.
    pub summary: LogSummary,
    /// The page; none where nothing was ever written or the log was removed.
    pub page: Option<Page>,
}

/// A log that was found.
pub(super) struct Found {
    pub(super) key: AttemptKey,
    pub(super) path: LogPath,
    /// Whether the attempt's end is known: its log is whole, or soon will be.
    pub(super) ended: bool,
    /// Set once the log is whole.
    pub(super) collected: Option<LogSummary>,
}

const NOTHING: LogSummary = LogSummary { state: LogState::None, bytes: 0, lines: 0 };

impl Engine {
    /// A page of an attempt's log. Where the attempt has ended and its log is just being closed,
    /// waits for that, so that whoever waited for a run finds its logs whole.
    ///
    /// # Errors
    /// NotFound for a run, task or attempt that is not; Rejected for a log that was removed; Invalid
    /// for a foreign cursor.
    pub async fn read_log(
        &self,
        query: &LogQuery,
        from: PageFrom,
        limits: PageLimits,
    ) -> Result<LogAnswer, Problem> {
        let run = self.shared.current_run(&query.run).await?;
        let Some(found) = self.shared.find_log(&run, query)? else {
            return Ok(LogAnswer { attempt: None, summary: NOTHING, page: None });
        };
        let attempt = Some(found.key.attempt);
        if let Some(LogSummary { state: LogState::Removed, .. }) = found.collected {
            return Err(removed(&found.key));
        }
        let Some(found) = self.shared.wait_until_collected(query, found).await? else {
            return Ok(LogAnswer { attempt, summary: NOTHING, page: None });
        };
        match self.shared.open_log(&found).await? {
            None if found.collected.is_some_and(|log| log.state != LogState::None) => {
                Err(removed(&found.key))
            }
            None => Ok(LogAnswer { attempt, summary: NOTHING, page: None }),
            Some(reader) => {
                let page = blocking(move || {
                    let start = match from {
                        PageFrom::Start(start) => start,
                        PageFrom::Cursor(bytes) => Start::At(reader.position(&bytes)?),
                    };
                    reader.page(start, limits)
                })
                .await?;
                Ok(LogAnswer { attempt, summary: page.progress.summary(), page: Some(page) })
            }
        }
    }
}

impl Engine {
    /// Removes the log of an attempt that has ended; with `Rehearse` says how much that would be.
    /// Returns the bytes that the task wrote.
    ///
    /// # Errors
    /// NotFound; Rejected while the attempt runs or its log is being closed.
    pub async fn delete_log(&self, query: &LogQuery, mode: Mode) -> Result<u64, Problem> {
        let run = self.shared.current_run(&query.run).await?;
        let Some(found) = self.shared.find_log(&run, query)? else { return Ok(0) };
        let Some(summary) = found.collected else {
            return Err(Problem::rejected(
                "LOG_OPEN",
                format!("the log of task `{}` is still being written", query.task),
                "wait until the task run has ended, or cancel it",
            ));
        };
        if mode == Mode::Do {
            let path = found.path;
            self.detached(
                "delete log",
                async move { blocking(move || path.remove().map(drop)).await },
            )
            .await?;
        }
        Ok(summary.bytes)
    }
}

impl Shared {
    /// The run as it is now: its owner's state, or the stored one.
    pub(crate) async fn current_run(&self, key: &RunKey) -> Result<Arc<Run>, Problem> {
        if let Some(handle) = self.dispatch.peek(key).await {
            return Ok(Arc::clone(&handle.watch().run.borrow()));
        }
        self.stored_run(key).await.map(Arc::new)
    }

    /// The attempt that a query means; none where the task run has made none yet.
    pub(super) fn find_log(&self, run: &Run, query: &LogQuery) -> Result<Option<Found>, Problem> {
        let position = run.spec.config.tasks.iter().position(|config| config.id == query.task);
        let (Some(position), Some(task)) = (position, run.task(&query.task)) else {
            return Err(no_such_task(run, &query.task));
        };
        let Some(attempt) = pick(task, query)? else { return Ok(None) };
        let record = task.attempt(attempt);
        let ended = record.is_some_and(|record| record.ended.is_some());
        let collected = record.and_then(|record| record.collected);
        let key = run.attempt_key(&query.task, attempt);
        let path = self.logs.path(&run.spec.uid, position, attempt);
        Ok(Some(Found { key, path, ended, collected }))
    }

    pub(super) async fn open_log(&self, found: &Found) -> Result<Option<LogReader>, Problem> {
        let live = self.logs.board.subscribe(&found.key).and_then(|progress| *progress.borrow());
        let path = found.path.clone();
        blocking(move || match live {
            Some(progress) => LogReader::open_live(&path, progress),
            None => LogReader::open(&path),
        })
        .await
    }

    /// Where the attempt has ended, the same log once it is whole: waits for that, though not for
    /// ever, since the engine may be away. None where the attempt is gone meanwhile.
    async fn wait_until_collected(
        &self,
        query: &LogQuery,
        found: Found,
    ) -> Result<Option<Found>, Problem> {
        if !found.ended || found.collected.is_some() {
            return Ok(Some(found));
        }
        let mut state = self.dispatch.find(&query.run).await?.watch().run;
        let key = &found.key;
        let is_collected = |run: &Arc<Run>| {
            let attempt = run.task(&key.task).and_then(|task| task.attempt(key.attempt));
            attempt.is_none_or(|attempt| attempt.collected.is_some())
        };
        let whole = tokio::time::timeout(SEAL_WAIT_MAX, state.wait_for(is_collected)).await;
        if whole.is_err() {
            tracing::debug!(attempt = %key, "a log is not closed yet; showing what there is");
        }
        drop(whole);
        let run = Arc::clone(&state.borrow());
        self.find_log(&run, &LogQuery { attempt: Some(key.attempt), ..query.clone() })
    }
}

fn pick(task: &TaskRun, query: &LogQuery) -> Result<Option<AttemptNumber>, Problem> {
    let latest = task.attempts.last().map(|attempt| attempt.number);
    match query.attempt {
        None => Ok(latest),
        Some(wanted) if task.attempt(wanted).is_some() => Ok(Some(wanted)),
        Some(wanted) => {
            let made = latest.unwrap_or(0);
            let what = format!("attempt {wanted} of task `{}`", query.task);
            Err(Problem::not_found(what, Vec::new())
                .with_next(format!("{made} attempts were made so far")))
        }
    }
}

pub(super) fn removed(key: &AttemptKey) -> Problem {
    Problem::rejected(
        "LOG_REMOVED",
        format!("the log of task `{}`, attempt {}, was removed", key.task, key.attempt),
        "logs are kept for a limited number of later runs, see task_run_log_expiry",
    )
}

pub(super) fn no_such_task(run: &Run, task: &TaskId) -> Problem {
    let names = run.spec.config.tasks.iter().map(|config| config.id.as_str());
    let nearest = gofer_core::problem::nearest(task.as_str(), names);
    let mut problem = Problem::not_found(format!("task `{task}` in run {}", run.spec.key), nearest);
    problem.kind = Kind::NotFound;
    problem
}
