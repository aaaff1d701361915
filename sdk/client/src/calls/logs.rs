//! Calls on logs.

use bytes::Bytes;
use gofer_proto::v1 as pb;
use gofer_proto::v1::log_service_client::LogServiceClient;

use super::{Client, Mode, present};
use crate::channel::Wire;
use crate::convert::task_run_request;
use crate::error::Result;
use crate::limits::MESSAGE_BYTES_MAX;
use crate::model::{DeletionReport, LogPage, TaskRunRef};

/// Where reading a log begins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum LogStart {
    /// At the first line.
    #[default]
    First,
    /// At this line, counted from 0.
    Line(u64),
    /// So many lines before the end that the log has now.
    Tail(u64),
    /// Right after the page that carried this cursor, see [`LogPage::cursor`].
    Cursor(Bytes),
}

/// Which part of a log is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadLog {
    /// Whose log.
    pub task_run: TaskRunRef,
    /// The attempt. `None`: the latest.
    pub attempt: Option<u32>,
    /// Where the page begins.
    pub start: LogStart,
    /// How many lines at most. `None`: the server's default.
    pub max_lines: Option<u32>,
}

impl Client {
    pub(crate) fn log_service(&self) -> LogServiceClient<Wire> {
        LogServiceClient::new(self.wire.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// Reads one page of the log of an attempt.
    pub async fn read_log(&self, read: &ReadLog) -> Result<LogPage> {
        use pb::read_log_request::Start;
        let (namespace_id, pipeline_id, run_id, task_id) = task_run_request(&read.task_run);
        let request = pb::ReadLogRequest {
            namespace_id,
            pipeline_id,
            run_id,
            task_id,
            attempt: read.attempt,
            max_lines: read.max_lines,
            start: match &read.start {
                LogStart::First => None,
                LogStart::Line(line) => Some(Start::FromLine(*line)),
                LogStart::Tail(lines) => Some(Start::TailLines(*lines)),
                LogStart::Cursor(cursor) => Some(Start::Cursor(cursor.clone())),
            },
        };
        let answer = self.answer(self.log_service().read_log(request)).await?;
        present(answer.page, "page").map(Into::into)
    }

    /// Removes the logs of a task run, or of one attempt of it.
    pub async fn delete_log(
        &self,
        task_run: &TaskRunRef,
        attempt: Option<u32>,
        mode: Mode,
    ) -> Result<DeletionReport> {
        let (namespace_id, pipeline_id, run_id, task_id) = task_run_request(task_run);
        let dry_run = mode.is_dry_run();
        let request =
            pb::DeleteLogRequest { namespace_id, pipeline_id, run_id, task_id, attempt, dry_run };
        let answer = self.answer(self.log_service().delete_log(request)).await?;
        Ok(answer.report.into())
    }
}
