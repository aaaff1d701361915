//! Logs: what the container of an attempt wrote, byte for byte.

use bytes::Bytes;
use serde::Serialize;

use super::words;

/// What is known of a log without opening it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LogInfo {
    /// Whether it is there, and whole.
    pub state: LogState,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its lines.
    pub lines: u64,
}

words! {
    /// Whether a log is there, and whole.
    LogState is gofer_proto::v1::LogState {
        /// No container started.
        None = "NONE",
        /// It may still grow.
        Open = "OPEN",
        /// It is whole.
        Sealed = "SEALED",
        /// Its end is missing.
        Truncated = "TRUNCATED",
        /// It was removed.
        Removed = "REMOVED",
    }
}

words! {
    /// The stream that a container wrote to.
    LogStream is gofer_proto::v1::LogStream {
        /// Standard output.
        Stdout = "STDOUT",
        /// Standard error.
        Stderr = "STDERR",
    }
}

/// A piece of a log: one line, or a part of a long one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFrame {
    /// The stream.
    pub stream: LogStream,
    /// The engine's time for it, in nanoseconds since the Unix epoch.
    pub time_ns: i64,
    /// Number of its line, from 0.
    pub line: u64,
    /// Whether it continues a line that an earlier frame began.
    pub continues: bool,
    /// The exact bytes, with the newline if there was one.
    pub data: Bytes,
    /// Place of its first byte in the log.
    pub offset: u64,
}

/// A frame of the merged logs of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunLogFrame {
    /// The task that wrote it.
    pub task_id: String,
    /// The attempt that wrote it.
    pub attempt: u32,
    /// The frame.
    pub frame: LogFrame,
}

/// Lines that the server left out on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogGap {
    /// The task whose lines they are.
    pub task_id: String,
    /// The attempt. `None`: the one that is followed.
    pub attempt: Option<u32>,
    /// First line left out, from 0.
    pub first_line: u64,
    /// How many lines.
    pub n_lines: u64,
}

/// Why a log stream ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEnd {
    /// Why.
    pub reason: LogEndReason,
    /// State of the log. `None` for merged logs.
    pub state: Option<LogState>,
    /// More about it, for people. `None`: the reason says it all.
    pub text: Option<String>,
}

words! {
    /// Why a log stream ended.
    LogEndReason is gofer_proto::v1::LogEndReason {
        /// It is whole and all of it was sent.
        Sealed = "SEALED",
        /// The task never started and never will.
        None = "NONE",
        /// It was removed while it was followed.
        Removed = "REMOVED",
        /// The server stops.
        ServerStopping = "SERVER_STOPPING",
    }
}

/// A part of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPage {
    /// The frames, in the order of storage.
    pub frames: Vec<LogFrame>,
    /// The line that begins next. To go on reading take [`LogPage::cursor`]: this passes over the rest
    /// of a line that is longer than a page.
    pub next_line: u64,
    /// Lines in the log so far.
    pub total_lines: u64,
    /// Bytes in the log so far.
    pub total_bytes: u64,
    /// Whether it grows no more.
    pub sealed: bool,
    /// Whether it is there, and whole.
    pub state: LogState,
    /// The attempt whose log it is. `None`: there is none.
    pub attempt: Option<u32>,
    /// Goes on right after this page. `None`: there is no log.
    pub cursor: Option<Bytes>,
}
