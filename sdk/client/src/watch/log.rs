//! The log of one attempt as it grows. After a loss the stream goes on right after the last batch.

use std::collections::VecDeque;

use bytes::Bytes;
use gofer_proto::v1 as pb;
use gofer_proto::v1::follow_log_request::Start;
use gofer_proto::v1::follow_log_response::Item;

use super::{Follow, Opening, Resuming, Took};
use crate::convert::task_run_request;
use crate::error::{ClientError, Result};
use crate::model::{LogEnd, LogEndReason, LogFrame, LogGap, TaskRunRef};
use crate::{Client, LogStart};

/// Which log is followed, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowLog {
    /// Whose log.
    pub task_run: TaskRunRef,
    /// The attempt. `None`: the latest when the stream begins.
    pub attempt: Option<u32>,
    /// Where to begin.
    pub start: LogStart,
    /// Whether the server may leave out lines when this side is slow; each gap is told.
    pub allow_gaps: bool,
}

/// One thing that a log stream tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogUpdate {
    /// The next frames of the log of that attempt.
    Frames {
        /// The attempt.
        attempt: u32,
        /// The frames, in the order of storage.
        frames: Vec<LogFrame>,
    },
    /// Lines were left out here.
    Gap(LogGap),
    /// Nothing more comes.
    End(LogEnd),
    /// The connection was lost, for this reason; it is tried again.
    Lost(String),
}

/// The log of one attempt as it grows.
#[derive(Debug)]
pub struct LogFollow(Resuming<Followed>);

struct Followed {
    what: FollowLog,
    cursor: Option<Bytes>,
}

impl Client {
    /// Follows the log of one attempt until it is whole.
    #[must_use]
    pub fn follow_log(&self, what: FollowLog) -> LogFollow {
        LogFollow(Resuming::new(self.clone(), Followed { what, cursor: None }))
    }
}

impl LogFollow {
    /// The next update; `None` after the end or an error. May be dropped and called again.
    pub async fn next(&mut self) -> Option<Result<LogUpdate>> {
        self.0.next().await
    }
}

impl Followed {
    fn request(&self) -> pb::FollowLogRequest {
        let (namespace_id, pipeline_id, run_id, task_id) = task_run_request(&self.what.task_run);
        let start = match (&self.cursor, &self.what.start) {
            (Some(cursor), _) | (None, LogStart::Cursor(cursor)) => {
                Some(Start::Cursor(cursor.clone()))
            }
            (None, LogStart::First) => None,
            (None, LogStart::Line(line)) => Some(Start::FromLine(*line)),
            (None, LogStart::Tail(lines)) => Some(Start::TailLines(*lines)),
        };
        pb::FollowLogRequest {
            namespace_id,
            pipeline_id,
            run_id,
            task_id,
            attempt: self.what.attempt,
            allow_gaps: self.what.allow_gaps,
            start,
        }
    }
}

impl Follow for Followed {
    type Message = pb::FollowLogResponse;
    type Item = LogUpdate;

    fn open(&self, client: Client) -> Opening<Self::Message> {
        let request = self.request();
        Box::pin(async move { client.answer(client.log_service().follow_log(request)).await })
    }

    fn take(&mut self, message: Self::Message, items: &mut VecDeque<LogUpdate>) -> Result<Took> {
        match message.item {
            Some(Item::Batch(batch)) => {
                self.cursor = Some(batch.cursor);
                // After a loss "the latest" may be another one; the stream stays with its attempt.
                self.what.attempt = Some(batch.attempt);
                let frames = batch.frames.into_iter().map(Into::into).collect();
                items.push_back(LogUpdate::Frames { attempt: batch.attempt, frames });
                Ok(Took::More)
            }
            Some(Item::Gap(gap)) => {
                let task_id = self.what.task_run.task.clone();
                let pb::LogGap { first_line, n_lines } = gap;
                let attempt = self.what.attempt;
                items.push_back(LogUpdate::Gap(LogGap { task_id, attempt, first_line, n_lines }));
                Ok(Took::More)
            }
            Some(Item::End(end)) => Ok(ended(end.into(), items, LogUpdate::End)),
            // A message of a newer server.
            None => Ok(Took::More),
        }
    }

    fn lost(error: &ClientError) -> LogUpdate {
        LogUpdate::Lost(error.to_string())
    }
}

/// The end of a log, unless only the server ends.
pub(super) fn ended<T>(end: LogEnd, items: &mut VecDeque<T>, item: fn(LogEnd) -> T) -> Took {
    match end.reason {
        LogEndReason::ServerStopping => Took::Again,
        LogEndReason::Sealed
        | LogEndReason::None
        | LogEndReason::Removed
        | LogEndReason::Unknown => {
            items.push_back(item(end));
            Took::End
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::PipelineRef;

    #[test]
    fn a_resumed_log_goes_on_by_cursor_and_stays_with_its_attempt() {
        let task_run = PipelineRef::new("ns1", "simple").run(3).task("build");
        let what =
            FollowLog { task_run, attempt: None, start: LogStart::Tail(5), allow_gaps: false };
        let mut followed = Followed { what, cursor: None };
        assert_eq!(followed.request().start, Some(Start::TailLines(5)));
        let batch = pb::LogBatch { cursor: "c1".into(), attempt: 2, ..Default::default() };
        let mut items = VecDeque::new();
        let message = pb::FollowLogResponse { item: Some(Item::Batch(batch)) };
        followed.take(message, &mut items).unwrap();
        let request = followed.request();
        assert_eq!(request.start, Some(Start::Cursor("c1".into())));
        assert_eq!(request.attempt, Some(2));
    }

    #[test]
    fn a_stopping_server_is_not_the_end_of_a_log() {
        let mut items = VecDeque::new();
        let end = |reason| LogEnd { reason, state: None, text: None };
        let stop = ended(end(LogEndReason::ServerStopping), &mut items, LogUpdate::End);
        assert!(matches!(stop, Took::Again) && items.is_empty());
        let whole = ended(end(LogEndReason::Sealed), &mut items, LogUpdate::End);
        assert!(matches!(whole, Took::End) && items.len() == 1);
    }
}
