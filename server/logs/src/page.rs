//! What a page is asked for with and what it looks like. How one is read: `reader.rs`.

use crate::limits::READ_BYTES_MAX;
use crate::place::{LineFrame, Position};
use crate::progress::Progress;

/// Where a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At the frame that begins this line, counted from 0. At or past the number of lines: at the end.
    Line(u64),
    /// At the beginning of the line that is this many lines before the end. 0: at the end.
    Tail(u64),
    /// At the first frame with this time or a later one, nanoseconds since the Unix epoch. It may
    /// continue a line.
    Time(i64),
    /// Right after what an earlier page or read gave.
    At(Position),
}

/// How large a page gets. A page holds at least one frame if there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageLimits {
    /// Most lines that begin in the page; 0 counts as 1.
    pub lines_max: u64,
    /// Most bytes of the data file, where each frame counts 17 more than its own length; more than
    /// [`READ_BYTES_MAX`] is lowered.
    pub bytes_max: usize,
}

impl Default for PageLimits {
    fn default() -> Self {
        Self { lines_max: u64::MAX, bytes_max: READ_BYTES_MAX }
    }
}

/// A part of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The frames, in the order of storage. A frame that continues a line from before the page is
    /// among them when it was stored in between.
    pub frames: Vec<LineFrame>,
    /// Right after the last of them. `next.line()` is the line to ask for next.
    pub next: Position,
    /// How far the log had come when the reader was opened, or was told.
    pub progress: Progress,
    /// Why the page ends where it does.
    pub stop: Stop,
}

/// Why a page ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The log has no more, for now or for good: see the state in its progress.
    LogEnd,
    /// The page is full, and the next frame begins the line `next.line()`.
    LineStart,
    /// The page is full, and one line fills all of it: the next frame continues a line. Asking for
    /// `next.line()` would pass over the rest of that line; [`Start::At`] does not.
    InsideLine,
    /// The next frame is damaged. Reading on at `next` says where.
    Damage,
}
