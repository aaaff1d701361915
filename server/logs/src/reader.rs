//! Reads one log. Any number of readers, also while a writer appends: a reader never looks past the
//! progress that it was told, and what lies before that never changes.

use gofer_core::log::LogState;

use crate::error::LogError;
use crate::files::LogFile;
use crate::format::{Record, Seal, decode_token};
use crate::index::Index;
use crate::limits::READ_BYTES_MAX;
use crate::page::{Page, PageLimits, Start, Stop};
use crate::path::LogPath;
use crate::place::{LineFrame, Place, Position};
use crate::progress::{End, Progress};
use crate::recover::{last_record, read_header, read_seal};
use crate::scan::{Item, Scan};

/// Reads one log.
#[derive(Debug)]
pub struct LogReader {
    data: LogFile,
    /// Without it everything is found by a scan from the beginning.
    index: Option<Index>,
    log_id: u64,
    progress: Progress,
    end: Option<End>,
}

impl LogReader {
    /// Opens a log that has no writer and finds out how far it goes; a torn end is passed over.
    /// Costs one index gap. `None`: there is no such log.
    ///
    /// # Errors
    /// [`LogError::Corrupt`] if it is not a log; [`LogError::Version`]; [`LogError::Io`].
    pub fn open(path: &LogPath) -> Result<Option<Self>, LogError> {
        let Some(mut reader) = Self::open_live(path, progress_at(&Place::ORIGIN, LogState::Open))?
        else {
            return Ok(None);
        };
        let file_len = reader.data.len()?;
        if let Some(Seal { end, place }) = read_seal(&reader.data, reader.log_id, file_len)? {
            reader.progress = progress_at(&place, end.state());
            reader.end = Some(end);
            return Ok(Some(reader));
        }
        let begin = match &reader.index {
            Some(index) => last_record(index, file_len)?.place,
            None => Place::ORIGIN,
        };
        let mut scan = Scan::new(&reader.data, reader.log_id, begin, file_len);
        while let Item::Frame(_) = scan.next()? {}
        let place = scan.place();
        reader.progress = progress_at(&place, LogState::Open);
        Ok(Some(reader))
    }

    /// Opens a log that has a writer, up to what the writer said last. Reads only headers. `None`:
    /// there is no such log.
    ///
    /// # Errors
    /// As [`LogReader::open`].
    pub fn open_live(path: &LogPath, progress: Progress) -> Result<Option<Self>, LogError> {
        let Some(data) = LogFile::open(&path.data)? else { return Ok(None) };
        // Without a header there are no frames, and the writer will give it this id.
        let log_id = read_header(&data)?.unwrap_or(path.log_id);
        let index = match LogFile::open(&path.index)? {
            Some(file) => Index::of(file, log_id)?,
            None => None,
        };
        Ok(Some(Self { data, index, log_id, progress, end: None }))
    }

    /// How far the log goes for this reader.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// Tells the reader what the writer said last, for the pages to come.
    pub fn set_progress(&mut self, progress: Progress) {
        self.progress = progress;
    }

    /// How the log was closed, if it was when [`LogReader::open`] looked.
    #[must_use]
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// The position before the first frame.
    #[must_use]
    pub fn origin(&self) -> Position {
        self.position_at(Place::ORIGIN)
    }

    /// Takes back a position that left the process. It is checked against the log, which costs one
    /// index gap.
    ///
    /// # Errors
    /// [`LogError::BadPosition`] unless it lies between two frames of this log, within the reader's
    /// progress; [`LogError::Corrupt`]; [`LogError::Io`].
    pub fn position(&self, bytes: &[u8]) -> Result<Position, LogError> {
        let Some((log_id, offset)) = decode_token(bytes) else {
            return Err(self.bad_position("its bytes are damaged"));
        };
        self.check_id(log_id)?;
        if offset > self.progress.file_len {
            return Err(self.bad_position("it lies past the end"));
        }
        let place = self.find(
            |record| record.place.file_offset <= offset,
            |place, _| place.file_offset >= offset,
        )?;
        if place.file_offset != offset {
            return Err(self.bad_position("it does not lie between two frames"));
        }
        Ok(self.position_at(place))
    }

    /// Reads a page. A damaged frame ends the page before it; it is an error only where it is the
    /// first one.
    ///
    /// # Errors
    /// [`LogError::Corrupt`]; [`LogError::BadPosition`]; [`LogError::Io`].
    pub fn page(&self, from: Start, limits: PageLimits) -> Result<Page, LogError> {
        let begin = self.begin(from)?;
        let (frames, next, stop) = self.collect(begin, limits, self.progress.file_len)?;
        let next = self.position_at(next);
        Ok(Page { frames, next, progress: self.progress, stop })
    }

    /// Reads on from `from` for a follower: the frames of at most `bytes_max` bytes of the file (but
    /// at least one frame, if there is one) and the position after them. Nothing at or past
    /// `up_to`, a [`Progress::file_len`], is looked at.
    ///
    /// # Errors
    /// As [`LogReader::page`].
    pub fn read_from(
        &self,
        from: Position,
        bytes_max: usize,
        up_to: u64,
    ) -> Result<(Vec<LineFrame>, Position), LogError> {
        self.check_id(from.log_id)?;
        let n_bytes_max = bytes_max.min(READ_BYTES_MAX) as u64;
        let mut scan = Scan::new(&self.data, self.log_id, from.place, up_to);
        let mut frames = Vec::new();
        loop {
            let before = scan.place();
            let item = scan.next()?;
            let n_bytes = scan.place().file_offset.saturating_sub(from.place.file_offset);
            match item {
                Item::Frame(frame) if frames.is_empty() || n_bytes <= n_bytes_max => {
                    frames.push(frame);
                }
                Item::Bad(what) if frames.is_empty() => {
                    return Err(self.data.corrupt(before.file_offset, what));
                }
                Item::Frame(_) | Item::End | Item::Bad(_) => {
                    return Ok((frames, self.position_at(before)));
                }
            }
        }
    }

    /// Bytes read from both files so far, for the measurements.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        let of_index = self.index.as_ref().map_or(0, |index| index.file.bytes_read());
        self.data.bytes_read().saturating_add(of_index)
    }

    /// The position at which a page from `from` begins: where a follower starts.
    ///
    /// # Errors
    /// As [`LogReader::page`].
    pub fn locate(&self, from: Start) -> Result<Position, LogError> {
        Ok(Position { log_id: self.log_id, place: self.begin(from)? })
    }

    /// The place where a page begins.
    fn begin(&self, from: Start) -> Result<Place, LogError> {
        match from {
            Start::Line(line) => self.begin_of_line(line),
            Start::Tail(n_lines) => self.begin_of_line(self.progress.lines.saturating_sub(n_lines)),
            // The latest time so far only grows, so records can be searched by it.
            Start::Time(time_ns) => self.find(
                |record| record.latest_ns < time_ns,
                |_, frame| frame.frame.time_ns >= time_ns,
            ),
            Start::At(position) => {
                self.check_id(position.log_id)?;
                Ok(position.place)
            }
        }
    }

    fn begin_of_line(&self, line: u64) -> Result<Place, LogError> {
        self.find(
            |record| record.place.lines <= line,
            |_, frame| frame.line >= line && !frame.continues,
        )
    }

    /// The place before the first frame that is `there`; the end if there is none. `early` says of a
    /// record that the frame is not before it.
    fn find(
        &self,
        early: impl Fn(&Record) -> bool,
        there: impl Fn(&Place, &LineFrame) -> bool,
    ) -> Result<Place, LogError> {
        let up_to = self.progress.file_len;
        let record = match &self.index {
            Some(index) => {
                index.last_early(|record| record.place.file_offset <= up_to && early(record))?
            }
            None => None,
        };
        let begin = record.map_or(Place::ORIGIN, |(_, record)| record.place);
        let mut scan = Scan::new(&self.data, self.log_id, begin, up_to);
        loop {
            let before = scan.place();
            match scan.next()? {
                Item::Frame(frame) if there(&before, &frame) => return Ok(before),
                Item::Frame(_) => {}
                Item::End => return Ok(before),
                Item::Bad(what) => return Err(self.data.corrupt(before.file_offset, what)),
            }
        }
    }

    /// The frames of a page, the place behind them, and why it ends there.
    fn collect(
        &self,
        begin: Place,
        limits: PageLimits,
        up_to: u64,
    ) -> Result<(Vec<LineFrame>, Place, Stop), LogError> {
        let n_bytes_max = limits.bytes_max.min(READ_BYTES_MAX) as u64;
        let lines_end = begin.lines.saturating_add(limits.lines_max.max(1));
        let mut scan = Scan::new(&self.data, self.log_id, begin, up_to);
        let mut frames = Vec::new();
        // The last place in the page where a line begins, and the number of frames before it.
        let mut line_start = None;
        loop {
            let before = scan.place();
            let frame = match scan.next()? {
                Item::Frame(frame) => frame,
                Item::End => return Ok((frames, before, Stop::LogEnd)),
                Item::Bad(what) if frames.is_empty() => {
                    return Err(self.data.corrupt(before.file_offset, what));
                }
                Item::Bad(_) => return Ok((frames, before, Stop::Damage)),
            };
            let n_bytes = scan.place().file_offset.saturating_sub(begin.file_offset);
            let is_full = n_bytes > n_bytes_max && !frames.is_empty();
            if !frame.continues {
                if is_full || frame.line >= lines_end {
                    return Ok((frames, before, Stop::LineStart));
                }
                if !frames.is_empty() {
                    line_start = Some((before, frames.len()));
                }
            } else if is_full {
                let Some((place, n_frames)) = line_start else {
                    return Ok((frames, before, Stop::InsideLine));
                };
                frames.truncate(n_frames);
                return Ok((frames, place, Stop::LineStart));
            }
            frames.push(frame);
        }
    }

    fn position_at(&self, place: Place) -> Position {
        Position { log_id: self.log_id, place }
    }

    fn check_id(&self, log_id: u64) -> Result<(), LogError> {
        if log_id == self.log_id {
            return Ok(());
        }
        Err(self.bad_position("it is of another log"))
    }

    fn bad_position(&self, why: &'static str) -> LogError {
        LogError::BadPosition { path: self.data.path().to_owned(), why }
    }
}

fn progress_at(place: &Place, state: LogState) -> Progress {
    Progress {
        file_len: place.file_offset,
        bytes: place.bytes,
        lines: place.lines,
        frames: place.frames,
        state,
    }
}
