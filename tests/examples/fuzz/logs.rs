//! Log files as a crash, a bad disk or a foreign hand may leave them, and the positions that
//! followers bring back.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use gofer_core::ids::RunUid;
use gofer_core::log::{Frame, Stream};
use gofer_logs::{End, LogDir, LogPath, LogReader, LogWriter, PageLimits, Start, Stop};
use tempfile::TempDir;

use crate::hunt::kind;
use crate::{Target, Verdict, marks};

/// A writer's recovery waits for the disk, so only one input in so many gets one.
const WRITE_EVERY: u64 = 8;
/// Frames of the samples: several gaps of the index.
const N_FRAMES: i64 = 700;

/// An input: how the checks are treated, the length of the data, the data, then the index.
const PREFIX_BYTES: usize = 5;

struct Folder {
    #[expect(dead_code, reason = "held for its folder, which goes with it")]
    dir: TempDir,
    path: LogPath,
    index: PathBuf,
}

impl Folder {
    fn new() -> Result<Self> {
        // In memory where that can be: a disk waits at each file that is written anew.
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())?;
        let logs = LogDir::new(dir.path().join("logs"));
        let path = logs.attempt(&RunUid::parse(&"1".repeat(26))?, 0, 1);
        let index = path.data().with_extension("idx");
        Ok(Self { dir, path, index })
    }

    /// The files of a log with so many frames, sealed or as a killed server leaves them.
    fn write(&self, n_frames: i64, end: Option<End>) -> Result<(Vec<u8>, Vec<u8>)> {
        self.path.remove()?;
        let mut writer = LogWriter::open(&self.path)?;
        let frames: Vec<Frame> = (0..n_frames).map(frame).collect();
        writer.append(&frames)?;
        if let Some(end) = end {
            writer.seal(end)?;
        }
        drop(writer);
        Ok((std::fs::read(self.path.data())?, std::fs::read(&self.index)?))
    }
}

fn frame(n: i64) -> Frame {
    let stream = if n % 3 == 0 { Stream::Stderr } else { Stream::Stdout };
    let end = if n % 5 == 0 { "" } else { "\n" };
    Frame { stream, time_ns: n * 1_000, data: Bytes::from(format!("line {n}{end}")) }
}

/// Data and index.
pub(crate) fn files() -> Result<Target> {
    let folder = Folder::new()?;
    let ends = [
        (N_FRAMES, None),
        (N_FRAMES, Some(End::Whole)),
        (3, Some(End::Truncated("no room".to_owned()))),
        (3, None),
        (0, None),
    ];
    let mut samples = Vec::new();
    for (n_frames, end) in ends {
        let (data, index) = folder.write(n_frames, end)?;
        for mend in [0, 1, 2, 3] {
            let length = u32::try_from(data.len())?.to_le_bytes();
            samples.push([&[mend], &length[..], &data, &index].concat());
        }
    }
    let mut n_execs = 0;
    Ok(Target {
        samples,
        words: vec![b"GOFERLOG\x01\0\0\0".to_vec(), b"GOFERIDX\x01\0\0\0".to_vec(), vec![0; 68]],
        feed: Box::new(move |input| {
            n_execs += 1;
            let writes = u64::is_multiple_of(n_execs, WRITE_EVERY);
            read_files(&folder, input, writes).map_err(|error| format!("{error:#}"))?
        }),
    })
}

fn read_files(folder: &Folder, input: &[u8], writes: bool) -> Result<Verdict> {
    let (prefix, rest) = input.split_at(input.len().min(PREFIX_BYTES));
    let mend = prefix.first().copied().unwrap_or(0);
    let n_data = prefix.get(1..).and_then(|bytes| bytes.first_chunk::<4>());
    let n_data = n_data.map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize).min(rest.len());
    let (mut data, mut index) = (rest[..n_data].to_vec(), rest[n_data..].to_vec());
    if mend & 1 != 0 {
        marks::mend_data(&mut data);
    }
    if mend & 2 != 0 {
        marks::mend_index(&mut index);
    }
    std::fs::create_dir_all(folder.index.parent().context("a folder")?)?;
    std::fs::write(folder.path.data(), &data)?;
    std::fs::write(&folder.index, &index)?;
    let mut sum = read(&folder.path)?;
    if writes && let Ok(answer) = &mut sum {
        match append(&folder.path, *answer) {
            Ok(more) => *answer = more,
            Err(broken) => return Ok(Err(broken)),
        }
    }
    Ok(sum)
}

/// Reads a log in all ways. Errors are fine, each with a text; what must not be is an answer that
/// contradicts itself.
fn read(path: &LogPath) -> Result<Verdict> {
    let reader = match LogReader::open(path) {
        Ok(Some(reader)) => reader,
        Ok(None) => return Ok(Ok(1)),
        Err(error) => return Ok(Ok(error_kind(&error))),
    };
    let mut sum = kind(&format!("{:?} {:?}", reader.progress().state, reader.end().is_some()));
    let limits = PageLimits { lines_max: 100, bytes_max: 4096 };
    for start in [
        Start::Line(0),
        Start::Line(300),
        Start::Line(u64::MAX),
        Start::Tail(10),
        Start::Tail(u64::MAX),
        Start::Time(0),
        Start::Time(300_000),
        Start::Time(i64::MAX),
        Start::At(reader.origin()),
    ] {
        let page = match reader.page(start, limits) {
            Ok(page) => page,
            Err(error) => {
                sum = sum.rotate_left(5) ^ error_kind(&error);
                continue;
            }
        };
        if page.frames.is_empty() && !matches!(page.stop, Stop::LogEnd) {
            return Ok(Err(format!("an empty page in the middle of the log: {start:?} {page:?}")));
        }
        sum = sum.rotate_left(5) ^ kind(&format!("{:?}", page.stop));
        match reader.position(&page.next.to_bytes()) {
            Ok(back) if back.file_offset() == page.next.file_offset() => {}
            Ok(back) => return Ok(Err(format!("position {:?} came back as {back:?}", page.next))),
            Err(error) => sum ^= error_kind(&error),
        }
    }
    Ok(walk(&reader).map(|n| sum ^ n))
}

/// Reads on as a follower does; it must get to an end.
fn walk(reader: &LogReader) -> Verdict {
    let (mut at, up_to) = (reader.origin(), reader.progress().file_len);
    loop {
        match reader.read_from(at, 4096, up_to) {
            Ok((frames, _)) if frames.is_empty() => return Ok(7),
            Ok((_, next)) if next.file_offset() <= at.file_offset() => {
                return Err(format!("a read went from {at:?} to {next:?}"));
            }
            Ok((_, next)) => at = next,
            Err(error) => return Ok(error_kind(&error)),
        }
    }
}

/// Goes on writing as a restarted server does, and reads that.
fn append(path: &LogPath, sum: u64) -> Verdict {
    let opened = LogWriter::open(path);
    let mut writer = match opened {
        Ok(writer) => writer,
        Err(error) => return Ok(sum ^ error_kind(&error)),
    };
    if let Err(error) = writer.resume_cursor() {
        return Ok(sum ^ error_kind(&error));
    }
    if writer.is_sealed() {
        return Ok(sum ^ 11);
    }
    let before = writer.progress();
    let frames: Vec<Frame> = (0..3).map(frame).collect();
    let after = match writer.append(&frames) {
        Ok(after) => after,
        Err(error) => return Ok(sum ^ error_kind(&error)),
    };
    drop(writer);
    let read = LogReader::open(path).map_err(|error| format!("after the append: {error}"))?;
    let read = read.ok_or("after the append there is no log")?.progress();
    if read.frames != after.frames || after.frames != before.frames.saturating_add(3) {
        return Err(format!("{before:?}, appended three: {after:?}, read: {read:?}"));
    }
    Ok(sum ^ 13)
}

fn error_kind(error: &gofer_logs::LogError) -> u64 {
    kind(&format!("{error}").replace('/', ""))
}

/// Positions from outside, against one log.
pub(crate) fn tokens() -> Result<Target> {
    let folder = Folder::new()?;
    folder.write(N_FRAMES, None)?;
    let reader = LogReader::open(&folder.path)?.context("a log")?;
    let mut samples = Vec::new();
    for line in [0, 1, 300, u64::MAX] {
        let token = reader.locate(Start::Line(line))?.to_bytes();
        samples.extend([[&[0], &token[..]].concat(), [&[1], &token[..]].concat()]);
    }
    Ok(Target {
        samples,
        words: Vec::new(),
        feed: Box::new(move |input| {
            let _held = &folder;
            let (mend, token) = input.split_at(input.len().min(1));
            let mut token = token.to_vec();
            if mend == [1] {
                marks::mend_token(&mut token);
            }
            match reader.position(&token) {
                Ok(position) if position.to_bytes() != *token => {
                    Err(format!("accepted, and given out as {:?}", position.to_bytes()))
                }
                Ok(position) => {
                    match reader.read_from(position, 4096, reader.progress().file_len) {
                        Ok((frames, _)) => Ok(u64::from(frames.is_empty())),
                        Err(error) => Err(format!("accepted, and cannot be read from: {error}")),
                    }
                }
                Err(error) => Ok(error_kind(&error)),
            }
        }),
    })
}
