//! Logs on the wire.

use gofer_core::log::{LogState, LogSummary, Stream};
use gofer_engine::records::LineFrame;
use gofer_engine::{LogAnswer, TaggedFrame};
use gofer_proto::v1 as pb;

pub(crate) fn state(state: LogState) -> pb::LogState {
    match state {
        LogState::None => pb::LogState::None,
        LogState::Open => pb::LogState::Open,
        LogState::Sealed => pb::LogState::Sealed,
        LogState::Truncated => pb::LogState::Truncated,
        LogState::Removed => pb::LogState::Removed,
    }
}

pub(crate) fn info(summary: LogSummary) -> pb::LogInfo {
    pb::LogInfo { state: state(summary.state).into(), bytes: summary.bytes, lines: summary.lines }
}

pub(crate) fn frame(frame: LineFrame) -> pb::LogFrame {
    let stream = match frame.frame.stream {
        Stream::Stdout => pb::LogStream::Stdout,
        Stream::Stderr => pb::LogStream::Stderr,
    };
    pb::LogFrame {
        stream: stream.into(),
        time_ns: frame.frame.time_ns,
        line: frame.line,
        continues: frame.continues,
        data: frame.frame.data,
        offset: frame.offset,
    }
}

pub(crate) fn tagged(tagged: TaggedFrame) -> pb::RunLogFrame {
    pb::RunLogFrame {
        task_id: tagged.task.to_string(),
        attempt: tagged.attempt,
        frame: Some(frame(tagged.frame)),
    }
}

pub(crate) fn page(answer: LogAnswer) -> pb::LogPage {
    let (frames, next) = match answer.page {
        Some(page) => (page.frames.into_iter().map(frame).collect(), Some(page.next)),
        None => (Vec::new(), None),
    };
    pb::LogPage {
        frames,
        next_line: next.map_or(0, |next| next.line()),
        total_lines: answer.summary.lines,
        total_bytes: answer.summary.bytes,
        sealed: matches!(answer.summary.state, LogState::Sealed | LogState::Truncated),
        state: state(answer.summary.state).into(),
        attempt: answer.attempt,
        cursor: next.map(|next| next.to_bytes().to_vec().into()),
    }
}

pub(crate) fn end(summary: LogSummary) -> pb::LogEnd {
    let reason = match summary.state {
        LogState::None => pb::LogEndReason::None,
        LogState::Removed => pb::LogEndReason::Removed,
        LogState::Open | LogState::Sealed | LogState::Truncated => pb::LogEndReason::Sealed,
    };
    pb::LogEnd { reason: reason.into(), state: Some(state(summary.state).into()), text: None }
}
