//! The bytes that a task writes, as the engine hands them over: a [`Frame`] is a piece of one
//! stream with the engine's time. Bytes are exact: nothing is decoded, split or joined here.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Which of the container's two streams a frame came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A piece of output: at most one line, or a part of a longer one. The line's end, where there was
/// one, is in `data`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The stream it was written to.
    pub stream: Stream,
    /// The engine's time, nanoseconds since the Unix epoch.
    pub time_ns: i64,
    /// The bytes, exact.
    pub data: Bytes,
}

/// Where to go on reading an engine's log: frames with an earlier time than `since_s` are left
/// out, then `skip` frames are passed over. Counting frames is exact where a time is not: several
/// frames may carry the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cursor {
    /// Whole seconds since the Unix epoch; 0 for the beginning.
    pub since_s: i64,
    /// Frames at or after `since_s` that are stored already.
    pub skip: u64,
}

/// Whether a reader waits for more at the end of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follow {
    /// Read what is there, then end.
    No,
    /// Wait for more until the container has ended.
    Yes,
}

/// What became of an attempt's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LogState {
    /// Nothing was ever written: the container never started.
    None,
    /// More may come.
    Open,
    /// Whole: the exit is known and the log was read to its end.
    Sealed,
    /// Ended early: the engine lost the rest, or the disk was full.
    Truncated,
    /// Expired or deleted.
    Removed,
}

/// The size and state of an attempt's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogSummary {
    /// What became of it.
    pub state: LogState,
    /// Bytes that the task wrote and that are stored.
    pub bytes: u64,
    /// Lines, a last one without a line end included.
    pub lines: u64,
}
