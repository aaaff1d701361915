//! How far a log has come. The writer hands it out after every append; readers go no further.

use gofer_core::log::{LogState, LogSummary};

use crate::limits::REASON_BYTES_MAX;

/// How far a log has come, and what a reader may read up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the data file that hold whole frames. A seal lies behind them and is not counted, so
    /// a reader whose position is here has read everything.
    pub file_len: u64,
    /// Bytes that the task wrote.
    pub bytes: u64,
    /// Lines, a last one without a line end included.
    pub lines: u64,
    /// Frames.
    pub frames: u64,
    /// Open, Sealed or Truncated.
    pub state: LogState,
}

impl Progress {
    /// What the store keeps of it.
    #[must_use]
    pub fn summary(&self) -> LogSummary {
        LogSummary { state: self.state, bytes: self.bytes, lines: self.lines }
    }
}

/// How a log ended. Set once; sealing again changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The exit is known and the log was read to its end.
    Whole,
    /// The rest is missing. The reason is for people; more than [`REASON_BYTES_MAX`] bytes of it are
    /// cut off.
    Truncated(String),
}

impl End {
    pub(crate) fn state(&self) -> LogState {
        match self {
            Self::Whole => LogState::Sealed,
            Self::Truncated(_) => LogState::Truncated,
        }
    }

    /// The same, with a reason that fits into the file.
    pub(crate) fn bounded(self) -> Self {
        match self {
            Self::Whole => Self::Whole,
            Self::Truncated(mut reason) => {
                reason.truncate(reason.floor_char_boundary(REASON_BYTES_MAX));
                Self::Truncated(reason)
            }
        }
    }
}
