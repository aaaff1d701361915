//! Reads frames one after the other. Every frame is checked before it is given out; the data is
//! shared with the chunk that was read, not copied.

use bytes::Bytes;
use gofer_core::log::Frame;

use crate::error::LogError;
use crate::files::LogFile;
use crate::format::{FRAME_HEAD_BYTES, decode_frame_head};
use crate::limits::CHUNK_BYTES;
use crate::place::{LineFrame, Place, ends_line};

/// What comes next in a data file.
#[derive(Debug)]
pub(crate) enum Item {
    Frame(LineFrame),
    /// The end that the scan was given.
    End,
    /// Not a whole frame. The scan does not get past it.
    Bad(&'static str),
}

#[derive(Debug)]
pub(crate) struct Scan<'a> {
    file: &'a LogFile,
    log_id: u64,
    place: Place,
    end: u64,
    /// What was read ahead; begins at `place`.
    ahead: Bytes,
}

impl<'a> Scan<'a> {
    /// Scans from `place` to `end`, an offset in the file.
    pub(crate) fn new(file: &'a LogFile, log_id: u64, place: Place, end: u64) -> Self {
        Self { file, log_id, place, end, ahead: Bytes::new() }
    }

    /// Before the item that comes next.
    pub(crate) fn place(&self) -> Place {
        self.place
    }

    pub(crate) fn next(&mut self) -> Result<Item, LogError> {
        let n_left = self.end.saturating_sub(self.place.file_offset);
        if n_left == 0 {
            return Ok(Item::End);
        }
        if !self.has(FRAME_HEAD_BYTES)? {
            return Ok(Item::Bad("a frame's head is not whole"));
        }
        let Some(head) = decode_frame_head(&self.ahead) else {
            return Ok(Item::Bad("no frame begins here"));
        };
        let n_whole = FRAME_HEAD_BYTES.saturating_add(head.n_bytes);
        if !self.has(n_whole)? {
            return Ok(Item::Bad("a frame is not whole"));
        }
        let mut data = self.ahead.split_to(n_whole);
        let data = data.split_off(FRAME_HEAD_BYTES);
        if !head.fits(self.log_id, self.place.file_offset, &data) {
            // A damaged scan reads its chunk again; that happens once and keeps it where it is.
            self.ahead = Bytes::new();
            return Ok(Item::Bad("the bytes of a frame do not fit its check"));
        }
        let step = self.place.step(head.stream, head.n_bytes, ends_line(&data));
        let offset = self.place.bytes;
        self.place = step.after;
        let frame = Frame { stream: head.stream, time_ns: head.time_ns, data };
        Ok(Item::Frame(LineFrame { frame, line: step.line, continues: step.continues, offset }))
    }

    /// Makes sure that `n_bytes` are read ahead; no, if the scan ends before.
    fn has(&mut self, n_bytes: usize) -> Result<bool, LogError> {
        if self.ahead.len() >= n_bytes {
            return Ok(true);
        }
        let n_left = self.end.saturating_sub(self.place.file_offset);
        if n_left < n_bytes as u64 {
            return Ok(false);
        }
        let n_wanted = usize::try_from(n_left).unwrap_or(usize::MAX).min(n_bytes.max(CHUNK_BYTES));
        self.ahead = self.file.read_at(self.place.file_offset, n_wanted)?.into();
        Ok(self.ahead.len() >= n_bytes)
    }
}
