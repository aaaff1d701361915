//! The index: decides where records go, reads them, and searches them. Records are a help, not the
//! truth: one that is damaged counts as not there, and the scan begins further in front.

use crate::error::LogError;
use crate::files::LogFile;
use crate::format::{
    FileKind, HEADER_BYTES, Header, RECORD_BYTES, Record, decode_header, decode_record,
    encode_record,
};
use crate::limits::{GAP_BYTES_MAX, GAP_LINES_MAX};
use crate::place::Place;

/// Where the next record is due. Goes along with whoever steps over frames to write the index.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Marker {
    /// Records so far.
    pub(crate) n_records: u64,
    /// Where the last one is.
    pub(crate) last: Place,
    /// The latest time of all frames.
    pub(crate) latest_ns: i64,
    /// The earliest time since the last record.
    pub(crate) gap_earliest_ns: i64,
}

impl Marker {
    /// Before the first frame.
    pub(crate) const ORIGIN: Self =
        Self { n_records: 0, last: Place::ORIGIN, latest_ns: i64::MIN, gap_earliest_ns: i64::MAX };

    /// Right after the record with this number.
    pub(crate) fn after(number: u64, record: &Record) -> Self {
        Self {
            n_records: number.saturating_add(1),
            last: record.place,
            latest_ns: record.latest_ns,
            gap_earliest_ns: i64::MAX,
        }
    }

    /// Called before each frame: appends a record to `to` if one is due at `place`.
    pub(crate) fn mark(&mut self, to: &mut Vec<u8>, log_id: u64, place: &Place) {
        let n_lines = place.lines.saturating_sub(self.last.lines);
        let n_bytes = place.file_offset.saturating_sub(self.last.file_offset);
        if n_lines < GAP_LINES_MAX && n_bytes < GAP_BYTES_MAX {
            return;
        }
        let record = Record {
            place: *place,
            latest_ns: self.latest_ns,
            gap_earliest_ns: self.gap_earliest_ns,
        };
        encode_record(to, log_id, self.n_records, &record);
        *self = Self::after(self.n_records, &record);
    }

    /// Called after each frame.
    pub(crate) fn note(&mut self, time_ns: i64) {
        self.latest_ns = self.latest_ns.max(time_ns);
        self.gap_earliest_ns = self.gap_earliest_ns.min(time_ns);
    }

    /// How long the index file is.
    pub(crate) fn index_len(&self) -> u64 {
        record_offset(self.n_records)
    }
}

fn record_offset(number: u64) -> u64 {
    number.saturating_mul(RECORD_BYTES as u64).saturating_add(HEADER_BYTES as u64)
}

/// The index file of the log with this id.
#[derive(Debug)]
pub(crate) struct Index {
    pub(crate) file: LogFile,
    log_id: u64,
}

impl Index {
    /// `None` if the file is not an index of this log.
    pub(crate) fn of(file: LogFile, log_id: u64) -> Result<Option<Self>, LogError> {
        let header = decode_header(FileKind::Index, &file.read_at(0, HEADER_BYTES)?);
        Ok((header == Header::Good { log_id }).then_some(Self { file, log_id }))
    }

    /// Takes a file whose header the caller has just written.
    pub(crate) fn fresh(file: LogFile, log_id: u64) -> Self {
        Self { file, log_id }
    }

    /// Whole records in the file.
    pub(crate) fn n_records(&self) -> Result<u64, LogError> {
        Ok(self.file.len()?.saturating_sub(HEADER_BYTES as u64) / RECORD_BYTES as u64)
    }

    /// The records from `first` to before `end`; `None` in place of one that is damaged or not there.
    pub(crate) fn records(&self, first: u64, end: u64) -> Result<Vec<Option<Record>>, LogError> {
        let n_records = end.saturating_sub(first);
        let n_bytes = usize::try_from(n_records).unwrap_or(usize::MAX).saturating_mul(RECORD_BYTES);
        let bytes = self.file.read_at(record_offset(first), n_bytes)?;
        let mut pieces = bytes.chunks(RECORD_BYTES);
        Ok((first..end).map(|number| decode_record(self.log_id, number, pieces.next()?)).collect())
    }

    /// The last record that is `early`. Records in front of an early one must be early too.
    pub(crate) fn last_early(
        &self,
        early: impl Fn(&Record) -> bool,
    ) -> Result<Option<(u64, Record)>, LogError> {
        let mut found = None;
        let (mut low, mut high) = (0, self.n_records()?);
        while low < high {
            let middle = low.midpoint(high);
            let record = self.records(middle, middle.saturating_add(1))?.pop().flatten();
            match record.filter(&early) {
                Some(record) => {
                    found = Some((middle, record));
                    low = middle.saturating_add(1);
                }
                None => high = middle,
            }
        }
        Ok(found)
    }
}
