//! Logs.

use gofer_proto::v1 as pb;

use crate::model::{
    LogEnd, LogEndReason, LogFrame, LogInfo, LogPage, LogState, LogStream, RunLogFrame,
};

impl From<pb::LogInfo> for LogInfo {
    fn from(wire: pb::LogInfo) -> Self {
        Self { state: LogState::from_wire(wire.state), bytes: wire.bytes, lines: wire.lines }
    }
}

impl From<pb::LogFrame> for LogFrame {
    fn from(wire: pb::LogFrame) -> Self {
        Self {
            stream: LogStream::from_wire(wire.stream),
            time_ns: wire.time_ns,
            line: wire.line,
            continues: wire.continues,
            data: wire.data,
            offset: wire.offset,
        }
    }
}

impl From<pb::RunLogFrame> for RunLogFrame {
    fn from(wire: pb::RunLogFrame) -> Self {
        Self {
            task_id: wire.task_id,
            attempt: wire.attempt,
            frame: wire.frame.unwrap_or_default().into(),
        }
    }
}

impl From<pb::LogEnd> for LogEnd {
    fn from(wire: pb::LogEnd) -> Self {
        Self {
            reason: LogEndReason::from_wire(wire.reason),
            state: wire.state.map(LogState::from_wire),
            text: wire.text,
        }
    }
}

impl From<pb::LogPage> for LogPage {
    fn from(wire: pb::LogPage) -> Self {
        Self {
            frames: wire.frames.into_iter().map(Into::into).collect(),
            next_line: wire.next_line,
            total_lines: wire.total_lines,
            total_bytes: wire.total_bytes,
            sealed: wire.sealed,
            state: LogState::from_wire(wire.state),
            attempt: wire.attempt,
            cursor: wire.cursor,
        }
    }
}
