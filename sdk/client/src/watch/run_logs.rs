//! All logs of a run, merged. After a loss the stream goes on right after the last batch.

use std::collections::VecDeque;

use bytes::Bytes;
use gofer_proto::v1 as pb;
use gofer_proto::v1::follow_run_logs_request::Start;
use gofer_proto::v1::follow_run_logs_response::Item;

use super::log::ended;
use super::{Follow, Opening, Resuming, Took};
use crate::Client;
use crate::convert::run_request;
use crate::error::{ClientError, Result};
use crate::model::{LogEnd, LogGap, RunLogFrame, RunRef};

/// Which logs are followed, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowRunLogs {
    /// Whose logs.
    pub run: RunRef,
    /// Only those of these tasks. Empty: of all.
    pub tasks: Vec<String>,
    /// Begin so many lines before the end. `None`: at the first.
    pub tail: Option<u64>,
    /// Whether the server may leave out lines when this side is slow; each gap is told.
    pub allow_gaps: bool,
}

/// One thing that the merged logs tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunLogUpdate {
    /// The next frames, in the order of their times.
    Frames(Vec<RunLogFrame>),
    /// Lines were left out here.
    Gap(LogGap),
    /// Nothing more comes.
    End(LogEnd),
    /// The connection was lost, for this reason; it is tried again.
    Lost(String),
}

/// All logs of a run, merged.
#[derive(Debug)]
pub struct RunLogFollow(Resuming<Merged>);

struct Merged {
    what: FollowRunLogs,
    cursor: Option<Bytes>,
}

impl Client {
    /// Follows all logs of a run until the run is complete.
    #[must_use]
    pub fn follow_run_logs(&self, what: FollowRunLogs) -> RunLogFollow {
        RunLogFollow(Resuming::new(self.clone(), Merged { what, cursor: None }))
    }
}

impl RunLogFollow {
    /// The next update; `None` after the end or an error. May be dropped and called again.
    pub async fn next(&mut self) -> Option<Result<RunLogUpdate>> {
        self.0.next().await
    }
}

impl Merged {
    fn request(&self) -> pb::FollowRunLogsRequest {
        let (namespace_id, pipeline_id, run_id) = run_request(&self.what.run);
        let start = match (&self.cursor, self.what.tail) {
            (Some(cursor), _) => Some(Start::Cursor(cursor.clone())),
            (None, Some(lines)) => Some(Start::TailLines(lines)),
            (None, None) => None,
        };
        pb::FollowRunLogsRequest {
            namespace_id,
            pipeline_id,
            run_id,
            task_ids: self.what.tasks.clone(),
            allow_gaps: self.what.allow_gaps,
            start,
        }
    }
}

impl Follow for Merged {
    type Message = pb::FollowRunLogsResponse;
    type Item = RunLogUpdate;

    fn open(&self, client: Client) -> Opening<Self::Message> {
        let request = self.request();
        Box::pin(async move { client.answer(client.log_service().follow_run_logs(request)).await })
    }

    fn take(&mut self, message: Self::Message, items: &mut VecDeque<RunLogUpdate>) -> Result<Took> {
        match message.item {
            Some(Item::Batch(batch)) => {
                self.cursor = Some(batch.cursor);
                let frames = batch.frames.into_iter().map(Into::into).collect();
                items.push_back(RunLogUpdate::Frames(frames));
                Ok(Took::More)
            }
            Some(Item::Gap(gap)) => {
                let lines = gap.gap.unwrap_or_default();
                items.push_back(RunLogUpdate::Gap(LogGap {
                    task_id: gap.task_id,
                    attempt: Some(gap.attempt),
                    first_line: lines.first_line,
                    n_lines: lines.n_lines,
                }));
                Ok(Took::More)
            }
            Some(Item::End(end)) => Ok(ended(end.into(), items, RunLogUpdate::End)),
            // A message of a newer server.
            None => Ok(Took::More),
        }
    }

    fn lost(error: &ClientError) -> RunLogUpdate {
        RunLogUpdate::Lost(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::PipelineRef;

    #[test]
    fn resumed_logs_go_on_by_cursor_with_the_same_tasks() {
        let run = PipelineRef::new("ns1", "simple").run(3);
        let tasks = vec!["build".to_owned()];
        let what = FollowRunLogs { run, tasks, tail: Some(9), allow_gaps: false };
        let mut merged = Merged { what, cursor: None };
        assert_eq!(merged.request().start, Some(Start::TailLines(9)));
        let batch = pb::RunLogBatch { cursor: "c1".into(), frames: vec![] };
        let message = pb::FollowRunLogsResponse { item: Some(Item::Batch(batch)) };
        merged.take(message, &mut VecDeque::new()).unwrap();
        assert_eq!(merged.request().start, Some(Start::Cursor("c1".into())));
        assert_eq!(merged.request().task_ids, ["build"]);
    }
}
