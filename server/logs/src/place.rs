//! Where a frame stands in its log. [`Place`] is the whole state of counting lines: reading or
//! writing a frame steps it. The writer, the reader, recovery and the index all count with it, so
//! they cannot disagree.

use gofer_core::log::{Frame, Stream};

use crate::format::{FRAME_HEAD_BYTES, HEADER_BYTES};

/// A frame with its place in the log. The frames of one read share memory, in chunks of 64 KiB; copy
/// the data of one that is kept for long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineFrame {
    /// The frame.
    pub frame: Frame,
    /// The line that it belongs to, counted from 0 over both streams.
    pub line: u64,
    /// Whether an earlier frame began that line.
    pub continues: bool,
    /// Bytes that the task wrote before it, over both streams.
    pub offset: u64,
}

/// A place between two frames where reading can go on. Made by a [`crate::LogReader`] only; holds
/// for the log that it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    pub(crate) log_id: u64,
    pub(crate) place: Place,
}

impl Position {
    /// The number of the next line to begin: that many lines have begun before it.
    #[must_use]
    pub fn line(&self) -> u64 {
        self.place.lines
    }

    /// Bytes that the task wrote before it.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.place.bytes
    }

    /// Where it lies in the data file, to compare with [`crate::Progress::file_len`].
    #[must_use]
    pub fn file_offset(&self) -> u64 {
        self.place.file_offset
    }

    /// The position after `frame`, which must be the one that follows this position. For a caller
    /// that sends only a part of what it has read.
    #[must_use]
    pub fn after(&self, frame: &LineFrame) -> Self {
        let data = &frame.frame.data;
        let step = self.place.step(frame.frame.stream, data.len(), ends_line(data));
        Self { log_id: self.log_id, place: step.after }
    }

    /// 21 bytes for a cursor that leaves the process. [`crate::LogReader::position`] takes them
    /// back, also after a restart.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; crate::format::TOKEN_BYTES] {
        crate::format::encode_token(self.log_id, self.place.file_offset)
    }
}

/// Whether a frame with these bytes ends its line.
pub(crate) fn ends_line(data: &[u8]) -> bool {
    data.last() == Some(&b'\n')
}

/// The state between two frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// In the data file.
    pub(crate) file_offset: u64,
    /// Lines begun before it.
    pub(crate) lines: u64,
    /// Frames before it.
    pub(crate) frames: u64,
    /// Bytes of frames before it.
    pub(crate) bytes: u64,
    /// The line that the next frame of standard output continues.
    pub(crate) open_stdout: Option<u64>,
    /// The line that the next frame of standard error continues.
    pub(crate) open_stderr: Option<u64>,
}

/// What a frame is, seen from the place before it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    pub(crate) line: u64,
    pub(crate) continues: bool,
    pub(crate) after: Place,
}

impl Place {
    /// Before the first frame.
    pub(crate) const ORIGIN: Self = Self {
        file_offset: HEADER_BYTES as u64,
        lines: 0,
        frames: 0,
        bytes: 0,
        open_stdout: None,
        open_stderr: None,
    };

    /// Steps over a frame of `n_bytes`.
    pub(crate) fn step(&self, stream: Stream, n_bytes: usize, ends_line: bool) -> Step {
        let open = match stream {
            Stream::Stdout => self.open_stdout,
            Stream::Stderr => self.open_stderr,
        };
        let line = open.unwrap_or(self.lines);
        let n_bytes = n_bytes as u64;
        let mut after = Self {
            file_offset: self
                .file_offset
                .saturating_add(n_bytes)
                .saturating_add(FRAME_HEAD_BYTES as u64),
            lines: if open.is_some() { self.lines } else { self.lines.saturating_add(1) },
            frames: self.frames.saturating_add(1),
            bytes: self.bytes.saturating_add(n_bytes),
            ..*self
        };
        let open_after = if ends_line { None } else { Some(line) };
        match stream {
            Stream::Stdout => after.open_stdout = open_after,
            Stream::Stderr => after.open_stderr = open_after,
        }
        Step { line, continues: open.is_some(), after }
    }
}
