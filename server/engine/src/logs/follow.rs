//! Following one attempt's log. The follower reads the file up to what the writer has said, waits
//! for it to say more, and ends when the log is whole. It holds nothing but its place, so it may
//! stop reading for as long as it likes.

use std::sync::Arc;

use gofer_core::ids::AttemptNumber;
use gofer_core::log::{LogState, LogSummary};
use gofer_core::problem::Problem;
use gofer_core::run::Run;
use gofer_logs::{LineFrame, LogReader, Position, Progress, Start};
use tokio::sync::watch;

use super::blocking;
use super::query::{Found, LogQuery, no_such_task, removed};
use crate::engine::{Engine, Shared};
use crate::limits::FOLLOW_BYTES_MAX;
use crate::runs::RunWatch;

/// What came, in the order of the file.
#[derive(Debug, Clone)]
pub struct LogBatch {
    /// The frames.
    pub frames: Vec<LineFrame>,
    /// Where to go on.
    pub next: Position,
}

/// A follower of one attempt's log.
#[derive(Debug)]
pub struct LogFollow {
    shared: Arc<Shared>,
    query: LogQuery,
    start: Start,
    cursor: Option<Vec<u8>>,
    watch: RunWatch,
    open: Option<OpenLog>,
}

#[derive(Debug)]
struct OpenLog {
    attempt: AttemptNumber,
    reader: Arc<LogReader>,
    position: Position,
}

/// What a look at the log gave.
enum Look {
    Batch(LogBatch),
    /// Nothing now; more may come.
    Wait,
    /// Nothing, and nothing will come.
    End(LogSummary),
}

/// What a follower gives next.
#[derive(Debug, Clone)]
pub enum FollowItem {
    /// Frames.
    Batch(LogBatch),
    /// The end of the log.
    End(LogSummary),
}

impl Engine {
    /// Follows an attempt's log from `start`, or from where a cursor of an earlier follower points.
    /// On a task run that has not started yet it waits.
    ///
    /// # Errors
    /// NotFound; Rejected for a log that was removed; Invalid for a foreign cursor.
    pub async fn follow_log(
        &self,
        query: LogQuery,
        start: Start,
        cursor: Option<Vec<u8>>,
    ) -> Result<LogFollow, Problem> {
        let watch = self.shared.dispatch.find(&query.run).await?.watch();
        let run = Arc::clone(&watch.run.borrow());
        if run.task(&query.task).is_none() {
            return Err(no_such_task(&run, &query.task));
        }
        let mut follow =
            LogFollow { shared: Arc::clone(&self.shared), query, start, cursor, watch, open: None };
        follow.try_open(&run).await?;
        Ok(follow)
    }
}

impl LogFollow {
    /// The attempt that is followed, once there is one.
    #[must_use]
    pub fn attempt(&self) -> Option<AttemptNumber> {
        self.open.as_ref().map(|open| open.attempt)
    }

    /// The next frames, or the end. Waits as long as need be; may be dropped while it waits.
    ///
    /// # Errors
    /// Internal where the file cannot be read; Rejected where the log is removed meanwhile.
    pub async fn next(&mut self) -> Result<FollowItem, Problem> {
        loop {
            // Marked as seen before looking: whatever comes after the look wakes the wait.
            let run = Arc::clone(&self.watch.run.borrow_and_update());
            let mut openings = self.shared.logs.board.openings();
            if self.open.is_none() {
                self.try_open(&run).await?;
            }
            let mut progress = self.progress();
            match self.look(&run, progress.as_mut()).await? {
                Look::Batch(batch) => return Ok(FollowItem::Batch(batch)),
                Look::End(summary) => return Ok(FollowItem::End(summary)),
                Look::Wait => {}
            }
            let more = async {
                match progress.as_mut() {
                    // Closed: the log is whole, and the file says so at the next look.
                    Some(progress) => progress.changed().await.is_ok(),
                    None => openings.changed().await.is_ok(),
                }
            };
            tokio::select! {
                _grown = more => {}
                changed = self.watch.run.changed() => if changed.is_err() {
                    self.owner_ended().await?;
                },
            }
        }
    }

    /// The run is settled, or its owner was replaced: look at the newest state.
    async fn owner_ended(&mut self) -> Result<(), Problem> {
        self.watch = self.shared.dispatch.find(&self.query.run).await?.watch();
        self.watch.run.mark_changed();
        Ok(())
    }

    fn progress(&self) -> Option<watch::Receiver<Option<Progress>>> {
        let attempt = self.open.as_ref()?.attempt;
        let run = self.watch.run.borrow();
        self.shared.logs.board.subscribe(&run.attempt_key(&self.query.task, attempt))
    }

    async fn look(
        &mut self,
        run: &Run,
        progress: Option<&mut watch::Receiver<Option<Progress>>>,
    ) -> Result<Look, Problem> {
        let Some(found) = self.found(run)? else { return Ok(self.nothing_yet(run)) };
        if let Some(summary @ LogSummary { state: LogState::None, .. }) = found.collected {
            // Without a number the next attempt's log is as good, and may come.
            let may_come = self.query.attempt.is_none()
                && self.open.is_none()
                && run.task(&self.query.task).is_some_and(|task| task.outcome().is_none());
            return Ok(if may_come { Look::Wait } else { Look::End(summary) });
        }
        let Some(open) = &mut self.open else {
            // What is whole was there to be opened, unless it was removed.
            return if found.collected.is_some() {
                Err(removed(&found.key))
            } else {
                Ok(Look::Wait)
            };
        };
        let live = progress.and_then(|progress| *progress.borrow_and_update());
        let upto = match live {
            Some(progress) => progress,
            None => {
                let reader = self.shared.open_log(&found).await?;
                reader.ok_or_else(|| removed(&found.key))?.progress()
            }
        };
        if open.position.file_offset() < upto.file_len {
            let (reader, position) = (Arc::clone(&open.reader), open.position);
            let read = move || reader.read_from(position, FOLLOW_BYTES_MAX, upto.file_len);
            let (frames, next) = blocking(read).await?;
            open.position = next;
            return Ok(Look::Batch(LogBatch { frames, next }));
        }
        match upto.state {
            LogState::Open => Ok(found.collected.map_or(Look::Wait, Look::End)),
            LogState::None | LogState::Sealed | LogState::Truncated | LogState::Removed => {
                Ok(Look::End(upto.summary()))
            }
        }
    }

    /// No attempt was made: that may still come, unless the task run has ended.
    fn nothing_yet(&self, run: &Run) -> Look {
        let ended = run.task(&self.query.task).is_none_or(|task| task.outcome().is_some());
        if ended {
            return Look::End(LogSummary { state: LogState::None, bytes: 0, lines: 0 });
        }
        Look::Wait
    }

    fn found(&self, run: &Run) -> Result<Option<Found>, Problem> {
        let attempt = self.attempt().or(self.query.attempt);
        let query = LogQuery { attempt, ..self.query.clone() };
        let found = self.shared.find_log(run, &query)?;
        match &found {
            Some(found) if found.collected.is_some_and(|c| c.state == LogState::Removed) => {
                Err(removed(&found.key))
            }
            Some(_) | None => Ok(found),
        }
    }

    /// Opens the log if there is one, at the place that was asked for.
    async fn try_open(&mut self, run: &Run) -> Result<(), Problem> {
        let Some(found) = self.found(run)? else { return Ok(()) };
        let Some(reader) = self.shared.open_log(&found).await? else { return Ok(()) };
        let (start, cursor) = (self.start, self.cursor.clone());
        let (reader, position) = blocking(move || {
            let position = match cursor {
                Some(bytes) => reader.position(&bytes)?,
                None => reader.locate(start)?,
            };
            Ok((reader, position))
        })
        .await?;
        self.open =
            Some(OpenLog { attempt: found.key.attempt, reader: Arc::new(reader), position });
        Ok(())
    }
}
