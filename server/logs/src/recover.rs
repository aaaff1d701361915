//! Opens the files of a log for writing, whatever a crash has left of them.
//!
//! ```text
//!   data header absent ──> write it            index not of this data ──> empty it
//!   seal at the end    ──> cut nothing
//!   last good record within the data ──> scan ──> cut the data where a frame is not whole
//!                                             └──> the index ends with what belongs to the scan
//! ```

use crate::error::LogError;
use crate::files::{LogFile, create_folder};
use crate::format::{
    FileKind, HEADER_BYTES, Header, SEAL_BYTES_MAX, Seal, VERSION, decode_header, decode_seal,
    encode_header,
};
use crate::index::{Index, Marker};
use crate::path::LogPath;
use crate::place::Place;
use crate::progress::End;
use crate::scan::{Item, Scan};

/// A log that is ready to be written.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) data: LogFile,
    pub(crate) index: Index,
    pub(crate) log_id: u64,
    pub(crate) tail: Tail,
    pub(crate) end: Option<End>,
}

/// The end of a log: where the next frame goes, and the next record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tail {
    pub(crate) place: Place,
    pub(crate) marker: Marker,
}

pub(crate) fn recover(path: &LogPath) -> Result<Recovered, LogError> {
    let [folder, ..] = &path.folders;
    create_folder(folder)?;
    let (data, log_id) = open_data(path)?;
    let index = open_index(path, log_id)?;
    let file_len = data.len()?;
    let seal = read_seal(&data, log_id, file_len)?;
    let frames_end = seal.as_ref().map_or(file_len, |seal| seal.place.file_offset);
    let mut tail = last_record(&index, frames_end)?;
    let n_records_found = index.n_records()?;
    let n_records_kept = tail.marker.n_records;
    let mut records = Vec::new();
    scan_tail(&data, log_id, (&mut tail, &mut records), frames_end)?;
    let cuts_data = seal.is_none() && tail.place.file_offset < file_len;
    if cuts_data {
        data.cut(tail.place.file_offset)?;
    }
    let kept_len = Marker { n_records: n_records_kept, ..tail.marker }.index_len();
    if index.file.len()? != kept_len {
        // Only then: cutting nothing off still waits for the file system's journal.
        index.file.cut(kept_len)?;
    }
    index.file.write_at(kept_len, &records)?;
    if cuts_data || n_records_kept < n_records_found {
        // Power that fails a second time must not bring back old records over new frames.
        index.file.sync()?;
        data.sync()?;
    }
    let end = seal.map(|seal| {
        // The counts of a sealed log hold, even where damage has stopped the scan.
        let Place { open_stdout, open_stderr, .. } = tail.place;
        tail.place = Place { open_stdout, open_stderr, ..seal.place };
        seal.end
    });
    Ok(Recovered { data, index, log_id, tail, end })
}

/// The log's id. `None`: the header never reached the disk, so nothing else has a meaning.
pub(crate) fn read_header(data: &LogFile) -> Result<Option<u64>, LogError> {
    match decode_header(FileKind::Data, &data.read_at(0, HEADER_BYTES)?) {
        Header::Good { log_id } => Ok(Some(log_id)),
        Header::Absent => Ok(None),
        Header::OtherVersion(found) => {
            Err(LogError::Version { path: data.path().to_owned(), found, known: VERSION })
        }
        Header::Bad => Err(data.corrupt(0, "it does not begin as a log does")),
    }
}

/// The seal, if the log has one.
pub(crate) fn read_seal(
    data: &LogFile,
    log_id: u64,
    file_len: u64,
) -> Result<Option<Seal>, LogError> {
    let n_before = file_len.saturating_sub(SEAL_BYTES_MAX as u64).max(HEADER_BYTES as u64);
    let last = data.read_at(n_before, SEAL_BYTES_MAX)?;
    Ok(decode_seal(log_id, file_len, &last))
}

/// Opens the data for this writer alone, and begins it if it has no header yet.
fn open_data(path: &LogPath) -> Result<(LogFile, u64), LogError> {
    let data = LogFile::create(&path.data)?;
    data.lock()?;
    if let Some(log_id) = read_header(&data)? {
        return Ok((data, log_id));
    }
    data.cut(0)?;
    data.write_at(0, &encode_header(FileKind::Data, path.log_id))?;
    Ok((data, path.log_id))
}

fn open_index(path: &LogPath, log_id: u64) -> Result<Index, LogError> {
    if let Some(index) = Index::of(LogFile::create(&path.index)?, log_id)? {
        return Ok(index);
    }
    let file = LogFile::create(&path.index)?;
    file.cut(0)?;
    file.write_at(0, &encode_header(FileKind::Index, log_id))?;
    Ok(Index::fresh(file, log_id))
}

/// The last record that the data reaches.
pub(crate) fn last_record(index: &Index, frames_end: u64) -> Result<Tail, LogError> {
    Ok(match index.last_early(|record| record.place.file_offset <= frames_end)? {
        Some((number, record)) => {
            Tail { place: record.place, marker: Marker::after(number, &record) }
        }
        None => Tail { place: Place::ORIGIN, marker: Marker::ORIGIN },
    })
}

/// Steps over all whole frames and writes down the records that are due.
fn scan_tail(
    data: &LogFile,
    log_id: u64,
    (tail, records): (&mut Tail, &mut Vec<u8>),
    frames_end: u64,
) -> Result<(), LogError> {
    let mut scan = Scan::new(data, log_id, tail.place, frames_end);
    loop {
        let before = scan.place();
        let Item::Frame(frame) = scan.next()? else { break };
        tail.marker.mark(records, log_id, &before);
        tail.marker.note(frame.frame.time_ns);
    }
    tail.place = scan.place();
    Ok(())
}
