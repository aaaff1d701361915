//! What the tests of the logs share: random frames, a model that counts lines in the plainest way,
//! an engine that hands out its log from a cursor, and a folder in memory where there is one.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use gofer_core::ids::RunUid;
use gofer_core::log::{Cursor, Frame, Stream};
use gofer_logs::{LineFrame, LogDir, LogPath, LogReader, LogWriter, PageLimits, Start};
use proptest::prelude::*;

pub(crate) const UID: &str = "01arz3ndektsv4rrffq69g5fav";
pub(crate) const SECOND_NS: i64 = 1_000_000_000;
pub(crate) const FRAME_HEAD_BYTES: usize = 17;
pub(crate) const HEADER_BYTES: usize = 24;
pub(crate) const RECORD_BYTES: usize = 68;

pub(crate) fn uid() -> RunUid {
    RunUid::parse(UID).unwrap()
}

/// A folder that goes with its value; in memory if possible, because recovery waits for the disk.
pub(crate) fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        return tempfile::tempdir_in(memory).unwrap();
    }
    tempfile::tempdir().unwrap()
}

pub(crate) fn log_in(folder: &tempfile::TempDir) -> LogPath {
    LogDir::new(folder.path().to_owned()).attempt(&uid(), 0, 1)
}

pub(crate) fn index_of(path: &LogPath) -> PathBuf {
    path.data().with_extension("idx")
}

pub(crate) fn put(path: &LogPath, data: Option<&[u8]>, index: Option<&[u8]>) {
    fs::create_dir_all(path.data().parent().unwrap()).unwrap();
    for (file, bytes) in [(path.data().to_owned(), data), (index_of(path), index)] {
        match bytes {
            Some(bytes) => fs::write(file, bytes).unwrap(),
            None if file.exists() => fs::remove_file(file).unwrap(),
            None => {}
        }
    }
}

pub(crate) fn frame(stream: Stream, time_ns: i64, data: impl Into<Vec<u8>>) -> Frame {
    Frame { stream, time_ns, data: Bytes::from(data.into()) }
}

pub(crate) fn write(path: &LogPath, frames: &[Frame]) -> LogWriter {
    let mut writer = LogWriter::open(path).unwrap();
    writer.append(frames).unwrap();
    writer
}

/// The lines as the rule says it: a frame begins a line if the one before it on its stream ended one.
pub(crate) fn model(frames: &[Frame]) -> Vec<LineFrame> {
    let mut model: Vec<LineFrame> = Vec::new();
    let (mut n_lines, mut offset) = (0, 0);
    for frame in frames {
        let before = model.iter().rev().find(|before| before.frame.stream == frame.stream);
        let continued =
            before.filter(|before| !before.frame.data.ends_with(b"\n")).map(|before| before.line);
        let line = continued.unwrap_or(n_lines);
        if continued.is_none() {
            n_lines += 1;
        }
        let continues = continued.is_some();
        model.push(LineFrame { frame: frame.clone(), line, continues, offset });
        offset += frame.data.len() as u64;
    }
    model
}

pub(crate) fn n_lines(model: &[LineFrame]) -> u64 {
    model.iter().filter(|frame| !frame.continues).count() as u64
}

/// The frames that an engine hands out from a cursor on.
pub(crate) fn engine(frames: &[Frame], cursor: Cursor) -> Vec<Frame> {
    let since_ns = cursor.since_s * SECOND_NS;
    frames
        .iter()
        .filter(|frame| cursor.since_s == 0 || frame.time_ns >= since_ns)
        .skip(usize::try_from(cursor.skip).unwrap())
        .cloned()
        .collect()
}

/// Everything that is stored, page by page.
pub(crate) fn read_all(path: &LogPath) -> Vec<LineFrame> {
    let reader = LogReader::open(path).unwrap().unwrap();
    let mut all = Vec::new();
    let mut from = Start::Line(0);
    loop {
        let page = reader.page(from, PageLimits::default()).unwrap();
        if page.frames.is_empty() {
            assert_eq!(page.next.file_offset(), reader.progress().file_len);
            return all;
        }
        all.extend(page.frames);
        from = Start::At(page.next);
    }
}

pub(crate) fn streams() -> impl Strategy<Value = Stream> {
    prop_oneof![Just(Stream::Stdout), Just(Stream::Stderr)]
}

/// Lines, parts of lines, empty frames, newlines in the middle, now and then a long one.
fn data() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        12 => "[a-z]{0,6}\n".prop_map(String::into_bytes),
        3 => prop::collection::vec(any::<u8>(), 0..5),
        1 => Just(Vec::new()),
        1 => (0_usize..40_000).prop_map(|n| vec![b'x'; n]),
        1 => (0_usize..40_000).prop_map(|n| { let mut data = vec![b'y'; n]; data.push(b'\n'); data }),
    ]
}

/// Frames whose times stand still, step a little or a lot, and are out of order by less than the
/// two seconds that are promised to be dealt with.
pub(crate) fn frames(n_max: usize) -> impl Strategy<Value = Vec<Frame>> {
    let steps = prop_oneof![
        4 => Just(0),
        4 => 0..1_000_000_i64,
        4 => 0..SECOND_NS,
        1 => SECOND_NS..20 * SECOND_NS
    ];
    let behind = prop_oneof![3 => Just(0), 1 => 0..2 * SECOND_NS];
    let one = (streams(), steps, behind, data());
    prop::collection::vec(one, 0..n_max).prop_map(|pieces| {
        let mut now_ns = 1_700_000_000 * SECOND_NS;
        pieces
            .into_iter()
            .map(|(stream, step, behind, data)| {
                now_ns += step;
                frame(stream, now_ns - behind, data)
            })
            .collect()
    })
}

/// Frames without randomness: short lines, some in parts, on both streams, nine a second, slightly
/// out of order. The border of every fourth second is a place where reading can go on.
pub(crate) fn plain_frames(n_frames: usize) -> Vec<Frame> {
    (0..n_frames)
        .map(|n| {
            let stream = if n % 3 == 0 { Stream::Stderr } else { Stream::Stdout };
            let end = if n % 7 == 0 { "" } else { "\n" };
            let n = i64::try_from(n).unwrap();
            let time_ns = 1_700_000_000 * SECOND_NS + n * SECOND_NS / 9 - (n % 4) * SECOND_NS / 10;
            frame(stream, time_ns, format!("{n}{end}"))
        })
        .collect()
}
