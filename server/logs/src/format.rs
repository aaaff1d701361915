//! Bytes to things and back; the picture is in `lib.rs`. Nothing here reads or writes a file, and
//! nothing here trusts a byte: what does not decode is `None`.

use gofer_core::log::Stream;

use crate::check::check;
use crate::limits::{FRAME_BYTES_MAX, REASON_BYTES_MAX};
use crate::place::Place;
use crate::progress::End;

pub(crate) const VERSION: u32 = 1;
pub(crate) const HEADER_BYTES: usize = 24;
pub(crate) const FRAME_HEAD_BYTES: usize = 17;
pub(crate) const RECORD_BYTES: usize = 68;
pub(crate) const TOKEN_BYTES: usize = 21;
pub(crate) const SEAL_BYTES_MAX: usize = FRAME_HEAD_BYTES + SEAL_FIXED_BYTES + REASON_BYTES_MAX;
/// The state, three counts and the length that ends the file.
const SEAL_FIXED_BYTES: usize = 1 + 3 * 8 + 4;

const KIND_STDOUT: u8 = 1;
const KIND_STDERR: u8 = 2;
const KIND_SEAL: u8 = 3;
const SEAL_WHOLE: u8 = 1;
const SEAL_TRUNCATED: u8 = 2;
const NO_LINE: u64 = u64::MAX;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    Data,
    Index,
}

impl FileKind {
    fn magic(self) -> [u8; 8] {
        match self {
            Self::Data => *b"GOFERLOG",
            Self::Index => *b"GOFERIDX",
        }
    }
}

/// What the first bytes of a file say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Header {
    Good {
        log_id: u64,
    },
    /// The header never reached the disk.
    Absent,
    OtherVersion(u32),
    Bad,
}

pub(crate) fn encode_header(kind: FileKind, log_id: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES);
    bytes.extend(kind.magic());
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend(log_id.to_le_bytes());
    bytes.extend(check(0, &[&bytes]).to_le_bytes());
    bytes
}

pub(crate) fn decode_header(kind: FileKind, bytes: &[u8]) -> Header {
    if bytes.len() < HEADER_BYTES || bytes.iter().all(|byte| *byte == 0) {
        return Header::Absent;
    }
    let mut from = Decode(bytes);
    let (Some(magic), Some(version)) = (from.array::<8>(), from.u32()) else { return Header::Bad };
    if magic != kind.magic() {
        return Header::Bad;
    }
    if version != VERSION {
        return Header::OtherVersion(version);
    }
    match from.u64() {
        Some(log_id) if bytes == encode_header(kind, log_id) => Header::Good { log_id },
        Some(_) | None => Header::Bad,
    }
}

/// What stands before the bytes of a frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FrameHead {
    pub(crate) stream: Stream,
    pub(crate) n_bytes: usize,
    pub(crate) time_ns: i64,
    check: u32,
}

/// Appends a frame that will stand at `offset` of the data file. Its length must be within the limit.
pub(crate) fn encode_frame(
    to: &mut Vec<u8>,
    log_id: u64,
    offset: u64,
    (stream, time_ns): (Stream, i64),
    data: &[u8],
) {
    let kind = match stream {
        Stream::Stdout => KIND_STDOUT,
        Stream::Stderr => KIND_STDERR,
    };
    encode_piece(to, log_id, offset, (kind, time_ns), data);
}

fn encode_piece(
    to: &mut Vec<u8>,
    log_id: u64,
    offset: u64,
    (kind, time_ns): (u8, i64),
    data: &[u8],
) {
    // The caller has held the length against the limit; saturating only keeps the types honest.
    let n_bytes = u32::try_from(data.len()).unwrap_or(u32::MAX);
    to.push(kind);
    to.extend(n_bytes.to_le_bytes());
    to.extend(time_ns.to_le_bytes());
    to.extend(piece_check(log_id, offset, (kind, n_bytes, time_ns), data).to_le_bytes());
    to.extend(data);
}

fn piece_check(
    log_id: u64,
    offset: u64,
    (kind, n_bytes, time_ns): (u8, u32, i64),
    data: &[u8],
) -> u32 {
    let parts: [&[u8]; 5] =
        [&offset.to_le_bytes(), &[kind], &n_bytes.to_le_bytes(), &time_ns.to_le_bytes(), data];
    check(log_id, &parts)
}

/// Reads a frame's head. `None`: these bytes do not begin a frame.
pub(crate) fn decode_frame_head(bytes: &[u8]) -> Option<FrameHead> {
    let mut from = Decode(bytes);
    let stream = match from.u8()? {
        KIND_STDOUT => Stream::Stdout,
        KIND_STDERR => Stream::Stderr,
        // A seal, or not of ours.
        _ => return None,
    };
    let n_bytes = usize::try_from(from.u32()?).ok().filter(|n| *n <= FRAME_BYTES_MAX)?;
    Some(FrameHead { stream, n_bytes, time_ns: from.i64()?, check: from.u32()? })
}

impl FrameHead {
    /// Whether `data` is what was written at `offset` with this head.
    pub(crate) fn fits(&self, log_id: u64, offset: u64, data: &[u8]) -> bool {
        let kind = match self.stream {
            Stream::Stdout => KIND_STDOUT,
            Stream::Stderr => KIND_STDERR,
        };
        u32::try_from(self.n_bytes).is_ok_and(|n_bytes| {
            piece_check(log_id, offset, (kind, n_bytes, self.time_ns), data) == self.check
        })
    }
}

/// The last thing in the data file of a sealed log. It holds the counts and ends with its own length,
/// so it is found from the end of the file, with no index and past any damage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seal {
    pub(crate) end: End,
    /// Where the seal begins. The open lines are not known.
    pub(crate) place: Place,
}

pub(crate) fn encode_seal(log_id: u64, place: &Place, end: &End) -> Vec<u8> {
    let (state, reason) = match end {
        End::Whole => (SEAL_WHOLE, ""),
        End::Truncated(reason) => (SEAL_TRUNCATED, reason.as_str()),
    };
    let mut data = vec![state];
    for count in [place.lines, place.frames, place.bytes] {
        data.extend(count.to_le_bytes());
    }
    data.extend(reason.as_bytes());
    // The reason has been held against its limit, so this fits.
    let n_bytes = u32::try_from(FRAME_HEAD_BYTES + data.len() + 4).unwrap_or(u32::MAX);
    data.extend(n_bytes.to_le_bytes());
    let mut bytes = Vec::with_capacity(FRAME_HEAD_BYTES + data.len());
    encode_piece(&mut bytes, log_id, place.file_offset, (KIND_SEAL, 0), &data);
    bytes
}

/// Reads the seal from the last bytes of a file of `file_len` bytes.
pub(crate) fn decode_seal(log_id: u64, file_len: u64, last: &[u8]) -> Option<Seal> {
    let n_bytes = u32::from_le_bytes(*last.last_chunk::<4>()?);
    let begin = last.len().checked_sub(usize::try_from(n_bytes).ok()?)?;
    let bytes = last.get(begin..)?;
    let file_offset = file_len.checked_sub(u64::from(n_bytes))?;
    let mut from = Decode(bytes.get(FRAME_HEAD_BYTES..)?);
    let state = from.u8()?;
    let (lines, frames, n_payload) = (from.u64()?, from.u64()?, from.u64()?);
    let reason = from.0.get(..from.0.len().checked_sub(4)?)?;
    let end = match state {
        SEAL_WHOLE => End::Whole,
        SEAL_TRUNCATED => End::Truncated(str::from_utf8(reason).ok()?.to_owned()),
        // Not of ours.
        _ => return None,
    };
    let place = Place {
        file_offset,
        lines,
        frames,
        bytes: n_payload,
        open_stdout: None,
        open_stderr: None,
    };
    // Encoding it again also compares the check.
    (encode_seal(log_id, &place, &end) == bytes).then_some(Seal { end, place })
}

/// An entry of the index: a place where a frame begins, or will.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) place: Place,
    /// The latest time of all frames before it.
    pub(crate) latest_ns: i64,
    /// The earliest time of the frames between the record before, or the log's beginning, and it.
    pub(crate) gap_earliest_ns: i64,
}

/// Encodes the record with this number. The number goes into the check: a record that a file system
/// left in a wrong place is not taken for another.
pub(crate) fn encode_record(to: &mut Vec<u8>, log_id: u64, number: u64, record: &Record) {
    let begin = to.len();
    let Place { file_offset, lines, frames, bytes, open_stdout, open_stderr } = record.place;
    let opens = [open_stdout.unwrap_or(NO_LINE), open_stderr.unwrap_or(NO_LINE)];
    for value in [file_offset, lines, frames, bytes].into_iter().chain(opens) {
        to.extend(value.to_le_bytes());
    }
    to.extend(record.latest_ns.to_le_bytes());
    to.extend(record.gap_earliest_ns.to_le_bytes());
    let written = to.get(begin..).unwrap_or_default();
    let check = check(log_id, &[&number.to_le_bytes(), written]);
    to.extend(check.to_le_bytes());
}

pub(crate) fn decode_record(log_id: u64, number: u64, bytes: &[u8]) -> Option<Record> {
    let (values, stored) = bytes.split_last_chunk::<4>()?;
    if check(log_id, &[&number.to_le_bytes(), values]) != u32::from_le_bytes(*stored) {
        return None;
    }
    let mut from = Decode(values);
    let (file_offset, lines, frames, n_payload) =
        (from.u64()?, from.u64()?, from.u64()?, from.u64()?);
    let open_stdout = Some(from.u64()?).filter(|line| *line != NO_LINE);
    let open_stderr = Some(from.u64()?).filter(|line| *line != NO_LINE);
    let place = Place { file_offset, lines, frames, bytes: n_payload, open_stdout, open_stderr };
    // Recovery cuts the data where a record says; the header must stay whatever a record says.
    if file_offset < HEADER_BYTES as u64 {
        return None;
    }
    Some(Record { place, latest_ns: from.i64()?, gap_earliest_ns: from.i64()? })
}

/// A position outside the process: version, log, offset, check.
pub(crate) fn encode_token(log_id: u64, offset: u64) -> [u8; TOKEN_BYTES] {
    const TOKEN_VERSION: u8 = 1;
    let ([a, b, c, d, e, f, g, h], [i, j, k, l, m, n, o, p]) =
        (log_id.to_le_bytes(), offset.to_le_bytes());
    let [w, x, y, z] = check(log_id, &[&[TOKEN_VERSION], &offset.to_le_bytes()]).to_le_bytes();
    [TOKEN_VERSION, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, w, x, y, z]
}

/// The log's id and the offset of a position from outside.
pub(crate) fn decode_token(bytes: &[u8]) -> Option<(u64, u64)> {
    let mut from = Decode(bytes.get(1..)?);
    let (log_id, offset) = (from.u64()?, from.u64()?);
    (encode_token(log_id, offset) == bytes).then_some((log_id, offset))
}

/// Takes integers from the front of bytes.
struct Decode<'a>(&'a [u8]);

impl Decode<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }

    fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_points_into_the_header_is_none() {
        let decoded = |file_offset| {
            let place = Place { file_offset, ..Place::ORIGIN };
            let record = Record { place, latest_ns: 1, gap_earliest_ns: 1 };
            let mut bytes = Vec::new();
            encode_record(&mut bytes, 7, 0, &record);
            decode_record(7, 0, &bytes)
        };
        assert!(decoded(HEADER_BYTES as u64).is_some());
        assert!(decoded(HEADER_BYTES as u64 - 1).is_none());
        assert!(decoded(0).is_none());
    }
}
