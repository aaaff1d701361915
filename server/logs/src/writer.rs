//! Writes one log. Whoever owns the attempt owns the writer; a lock on the data file keeps a second
//! one out. An append is in both files or in neither, so the state in memory is only moved on when
//! both writes have succeeded.

use gofer_core::log::{Cursor, Frame, LogState, LogSummary};

use crate::error::LogError;
use crate::files::{LogFile, sync_folder};
use crate::format::{encode_frame, encode_seal};
use crate::index::Index;
use crate::limits::{BUFFER_BYTES_KEPT, FRAME_BYTES_MAX};
use crate::path::LogPath;
use crate::place::ends_line;
use crate::progress::{End, Progress};
use crate::recover::{Recovered, Tail, recover};
use crate::resume::Search;

/// Appends to one log.
#[derive(Debug)]
pub struct LogWriter {
    path: LogPath,
    data: LogFile,
    index: Index,
    log_id: u64,
    tail: Tail,
    end: Option<End>,
    remains: Remains,
    disk: Disk,
    buffer: Vec<u8>,
}

/// Whether a failed append may have left bytes behind the tail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remains {
    None,
    Possible,
}

/// Whether everything is known to be on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Disk {
    Behind,
    Synced,
}

impl LogWriter {
    /// Opens a log for writing; makes it, or recovers it after a crash (see the crate). A sealed log
    /// opens too, its index is mended, and [`LogWriter::is_sealed`] says so. Costs one index gap, or
    /// the whole log if the index is lost.
    ///
    /// # Errors
    /// [`LogError::Busy`] if there is another writer; [`LogError::Corrupt`] if it is not a log;
    /// [`LogError::Version`]; [`LogError::Io`].
    pub fn open(path: &LogPath) -> Result<Self, LogError> {
        let Recovered { data, index, log_id, tail, end } = recover(path)?;
        Ok(Self {
            path: path.clone(),
            data,
            index,
            log_id,
            tail,
            end,
            remains: Remains::None,
            disk: Disk::Behind,
            buffer: Vec::new(),
        })
    }

    /// How far the log has come.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let place = self.tail.place;
        Progress {
            file_len: place.file_offset,
            bytes: place.bytes,
            lines: place.lines,
            frames: place.frames,
            state: self.end.as_ref().map_or(LogState::Open, End::state),
        }
    }

    /// Whether the log is closed for good.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.end.is_some()
    }

    /// How it was closed.
    #[must_use]
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// Where to go on reading the engine's log so that no frame is lost and none comes twice. It
    /// holds if the engine hands out the same frames in the same order again, and if no frame still
    /// to come is more than two seconds earlier than the newest stored one. Reads the tail of the
    /// log only.
    ///
    /// # Errors
    /// [`LogError::Io`]; [`LogError::Corrupt`] if the tail is damaged.
    pub fn resume_cursor(&self) -> Result<Cursor, LogError> {
        let Self { data, index, log_id, tail, .. } = self;
        Search { data, index, log_id: *log_id, tail: *tail }.cursor()
    }

    /// Appends frames with one write, without waiting for the disk. After an error nothing of them is
    /// stored, and the same frames can be appended again.
    ///
    /// # Errors
    /// [`LogError::Sealed`]; [`LogError::FrameTooLong`]; [`LogError::Io`], see
    /// [`LogError::is_no_space`].
    pub fn append(&mut self, frames: &[Frame]) -> Result<Progress, LogError> {
        if self.is_sealed() {
            return Err(LogError::Sealed { path: self.path.data.clone() });
        }
        if let Some(frame) = frames.iter().find(|frame| frame.data.len() > FRAME_BYTES_MAX) {
            let path = self.path.data.clone();
            return Err(LogError::FrameTooLong { path, n_bytes: frame.data.len() });
        }
        if frames.is_empty() {
            return Ok(self.progress());
        }
        self.buffer.clear();
        let mut records = Vec::new();
        let mut tail = self.tail;
        for Frame { stream, time_ns, data } in frames {
            tail.marker.mark(&mut records, self.log_id, &tail.place);
            let offset = tail.place.file_offset;
            encode_frame(&mut self.buffer, self.log_id, offset, (*stream, *time_ns), data);
            tail.place = tail.place.step(*stream, data.len(), ends_line(data)).after;
            tail.marker.note(*time_ns);
        }
        self.write(&records)?;
        self.tail = tail;
        self.disk = Disk::Behind;
        if self.buffer.capacity() > BUFFER_BYTES_KEPT {
            self.buffer = Vec::new();
        }
        Ok(self.progress())
    }

    /// Closes the log for good and waits until all of it is on disk. A log that is sealed stays as
    /// it is. May be called again after an error.
    ///
    /// # Errors
    /// [`LogError::Io`].
    pub fn seal(&mut self, end: End) -> Result<LogSummary, LogError> {
        if self.end.is_none() {
            let end = end.bounded();
            self.buffer = encode_seal(self.log_id, &self.tail.place, &end);
            self.write(&[])?;
            self.end = Some(end);
            self.disk = Disk::Behind;
        }
        if self.disk == Disk::Behind {
            self.index.file.sync()?;
            self.data.sync()?;
            for folder in &self.path.folders {
                sync_folder(folder)?;
            }
            self.disk = Disk::Synced;
        }
        Ok(self.progress().summary())
    }

    /// Writes the buffer behind the tail, and records into the index: both or nothing.
    fn write(&mut self, records: &[u8]) -> Result<(), LogError> {
        if self.remains == Remains::Possible {
            self.cut_back()?;
        }
        let Tail { place, marker } = self.tail;
        let written = self.data.write_at(place.file_offset, &self.buffer).and_then(|()| {
            if records.is_empty() {
                return Ok(());
            }
            self.index.file.write_at(marker.index_len(), records)
        });
        if written.is_err() {
            self.remains = Remains::Possible;
            if self.cut_back().is_err() {
                // It is tried again before the next write, and recovery would do it as well.
            }
        }
        written
    }

    fn cut_back(&mut self) -> Result<(), LogError> {
        self.data.cut(self.tail.place.file_offset)?;
        self.index.file.cut(self.tail.marker.index_len())?;
        self.remains = Remains::None;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use gofer_core::ids::RunUid;
    use gofer_core::log::Stream;

    use super::*;
    use crate::path::LogDir;

    /// No disk is full for the index alone, so the index is one that cannot be written.
    #[test]
    fn frames_whose_index_record_cannot_be_written_are_not_stored() {
        let folder = tempfile::tempdir().unwrap();
        let uid = RunUid::parse("01arz3ndektsv4rrffq69g5fav").unwrap();
        let path = LogDir::new(folder.path().to_owned()).attempt(&uid, 0, 1);
        let line = Frame { stream: Stream::Stdout, time_ns: 1, data: Bytes::from_static(b"x\n") };
        let (few, many) = (vec![line.clone(); 200], vec![line; 400]);
        let mut writer = LogWriter::open(&path).unwrap();
        let before = writer.append(&few).unwrap();

        let read_only = LogFile::open(&path.index).unwrap().unwrap();
        let index = std::mem::replace(&mut writer.index.file, read_only);
        for _ in 0..2 {
            writer.append(&many).unwrap_err();
            assert_eq!(writer.progress(), before);
            assert_eq!(writer.data.len().unwrap(), before.file_len);
        }
        writer.index.file = index;
        let after = writer.append(&many).unwrap();
        assert_eq!(after.lines, 600);
        assert_eq!(writer.index.n_records().unwrap(), 2);
        drop(writer);
        assert_eq!(LogWriter::open(&path).unwrap().progress(), after);
    }
}
