//! A container's output: the shim's frames, cut into lines. The cut depends on the file alone, so
//! pieces that are counted before a restart are the same ones after it.
//!
//! ```text
//!  log file ─► frames ─► pieces: at most a line, never over the end of a frame ─► after the cursor
//! ```
//!
//! Following needs no word of the shim: the folder's bell says when to read on, and the end is the
//! end of what was there *after* the container was seen ended.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use gofer_core::ids::AttemptKey;
use gofer_core::log::{Cursor, Follow, Frame, Stream};
use gofer_core::ports::driver::{DriverError, DriverStream};

use crate::adopt::Life;
use crate::bells::{Bell, RingsFor};
use crate::engine::Engine;
use crate::files::AttemptDir;
use crate::files::frame::{self, Content, Decoded};
use crate::{fault, limits};

const NS_PER_S: i64 = 1_000_000_000;

/// Where in the logs the last seconds began: a reader that comes with a cursor starts there. Only
/// a help: without it a log is read from its beginning.
#[derive(Debug, Default)]
pub(crate) struct Marks(Mutex<HashMap<LogId, BTreeMap<i64, Place>>>);

/// A folder, and the number of the file in it: the next container of that name has other marks.
type LogId = (PathBuf, u64);

/// A place in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Place {
    offset: u64,
    /// Bytes of output that the shim had no room for, before that place.
    n_missing: u64,
}

impl Marks {
    fn set(&self, log: &LogId, second: i64, place: Place) {
        let mut logs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let marks = logs.entry(log.clone()).or_default();
        marks.entry(second).or_insert(place);
        if marks.len() > limits::MARKS_MAX {
            marks.pop_first();
        }
    }

    /// A place at or before the first frame of this second.
    fn before(&self, log: &LogId, second: i64) -> Place {
        let logs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mark = logs.get(log).and_then(|marks| marks.range(..=second).next_back());
        mark.map_or_else(Place::default, |(_, place)| *place)
    }

    /// Forgets the logs of a folder that is gone.
    pub(crate) fn forget(&self, dir: &AttemptDir) {
        let mut logs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        logs.retain(|(path, _), _| path != dir.path());
    }
}

pub(crate) fn logs(
    engine: Arc<Engine>,
    key: &AttemptKey,
    dir: AttemptDir,
    cursor: Cursor,
    follow: Follow,
) -> DriverStream<Frame> {
    let bell = (follow == Follow::Yes).then(|| engine.bells().listen(dir.path(), RingsFor::Output));
    let reader = Reader {
        tried: format!("read the log of {key}"),
        engine,
        bell,
        tail: Tail { dir, log: None, place: Place::default(), second: None, cursor },
        over: false,
    };
    let batches = stream::unfold(reader, |mut reader| async move {
        let batch = reader.next().await?;
        Some((stream::iter(batch), reader))
    });
    Box::pin(batches.flatten())
}

type Batch = Vec<Result<Frame, DriverError>>;

struct Reader {
    engine: Arc<Engine>,
    tried: String,
    /// None where nobody waits for more.
    bell: Option<Bell>,
    tail: Tail,
    over: bool,
}

impl Reader {
    /// The next pieces; none after the end.
    async fn next(&mut self) -> Option<Batch> {
        if self.over {
            return None;
        }
        loop {
            match self.read().await {
                Err(fault) => {
                    self.over = true;
                    return Some(vec![Err(fault)]);
                }
                Ok((frames, Rest::More)) if frames.is_empty() => {}
                Ok((frames, Rest::More)) => return Some(frames.into_iter().map(Ok).collect()),
                Ok((frames, Rest::End)) => {
                    self.over = true;
                    let gap = self.gap();
                    return Some(frames.into_iter().map(Ok).chain(gap.map(Err)).collect());
                }
                Ok((frames, Rest::NotYet)) => {
                    if !frames.is_empty() {
                        return Some(frames.into_iter().map(Ok).collect());
                    }
                    if let Some(bell) = &mut self.bell {
                        bell.wait().await;
                    }
                }
            }
        }
    }

    async fn read(&mut self) -> Result<(Vec<Frame>, Rest), DriverError> {
        // Where the caller drops the stream in between, the tail goes with the thread that has it.
        let mut tail = self.tail.clone();
        let waits = self.bell.is_some();
        let tried = self.tried.clone();
        let read = move |engine: &Engine| {
            let got = tail.read(engine, waits);
            got.map(|got| (tail, got)).map_err(|error| fault::of_io(&tried, &error))
        };
        let (tail, got) = self.engine.blocking(&self.tried, read).await?;
        self.tail = tail;
        Ok(got)
    }

    /// What is told at the end of a log that lacks some of the output.
    fn gap(&self) -> Option<DriverError> {
        let n_bytes = self.tail.place.n_missing;
        (n_bytes > 0).then(|| {
            fault::engine(format!(
                "could not {}: {n_bytes} bytes of it are missing, as there was no room to keep them",
                self.tried
            ))
        })
    }
}

/// What comes after what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// More is there.
    More,
    /// Nothing yet.
    NotYet,
    /// Nothing ever.
    End,
}

/// Where a reader is.
#[derive(Debug, Clone)]
struct Tail {
    dir: AttemptDir,
    log: Option<Log>,
    place: Place,
    /// The second of the frame before.
    second: Option<i64>,
    /// What is still to be left out.
    cursor: Cursor,
}

#[derive(Debug, Clone)]
struct Log {
    file: Arc<File>,
    id: LogId,
}

/// What there is to expect of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writer {
    /// It may write more.
    Lives,
    /// It wrote all, and said so.
    Finished,
    /// It died, perhaps in the middle of a frame.
    Died,
}

impl Tail {
    fn read(&mut self, engine: &Engine, waits: bool) -> io::Result<(Vec<Frame>, Rest)> {
        let (mut frames, found) = self.read_frames(engine.marks())?;
        match found {
            Found::Full => return Ok((frames, Rest::More)),
            Found::Some if waits => return Ok((frames, Rest::NotYet)),
            Found::Some | Found::Torn | Found::Nothing => {}
        }
        let writer = self.writer(engine)?;
        if writer == Writer::Lives {
            return Ok((frames, if waits { Rest::NotYet } else { Rest::End }));
        }
        // It may have written between the reading and the look.
        let (mut rest, found) = self.read_frames(engine.marks())?;
        frames.append(&mut rest);
        match (found, writer) {
            (Found::Full | Found::Some, _) => Ok((frames, Rest::More)),
            (Found::Torn, Writer::Finished) if frames.is_empty() => Err(self.damaged()),
            // Frames first; the next reading finds the damage again.
            (Found::Torn, Writer::Finished) => Ok((frames, Rest::More)),
            (Found::Torn | Found::Nothing, _) => Ok((frames, Rest::End)),
        }
    }

    fn damaged(&self) -> io::Error {
        io::Error::other(format!("it is damaged at byte {}", self.place.offset))
    }

    fn writer(&self, engine: &Engine) -> io::Result<Writer> {
        let seen = engine.look(&self.dir).map_err(|fault| io::Error::other(fault.message))?;
        match seen.map(|seen| seen.life) {
            Some(Life::Created | Life::Starting | Life::Running(_)) => Ok(Writer::Lives),
            Some(Life::Ended(_)) => Ok(Writer::Finished),
            Some(Life::Lost(_)) => Ok(Writer::Died),
            // Removed while we read: what we hold is all there is.
            None if self.log.is_some() => Ok(Writer::Died),
            None => Err(io::Error::new(io::ErrorKind::NotFound, "the container is gone")),
        }
    }

    /// Reads whole frames from where the last reading stopped.
    fn read_frames(&mut self, marks: &Marks) -> io::Result<(Vec<Frame>, Found)> {
        let Some(log) = self.open(marks)? else { return Ok((Vec::new(), Found::Nothing)) };
        let chunk = chunk_at(&log.file, self.place.offset)?;
        let mut frames = Vec::new();
        let mut at = 0;
        while let Some(rest) = chunk.get(at..).filter(|rest| !rest.is_empty()) {
            match frame::decode(rest) {
                Decoded::Frame(frame, length) => {
                    self.mark(marks, &log.id, frame.time_ns);
                    self.take(&chunk, &frame, &mut frames);
                    at += length;
                    self.place.offset += u64::try_from(length).unwrap_or(u64::MAX);
                }
                // Torn by a death, or not all there yet; which of the two, a look tells.
                Decoded::Short(_) | Decoded::Bad => break,
            }
        }
        let found = match (chunk.len(), at) {
            (0, _) => Found::Nothing,
            (_, 0) => Found::Torn,
            (limits::LOG_CHUNK_BYTES, _) => Found::Full,
            (_, _) => Found::Some,
        };
        Ok((frames, found))
    }

    fn open(&mut self, marks: &Marks) -> io::Result<Option<Log>> {
        if self.log.is_none() {
            let file = match File::open(self.dir.log()) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            };
            let id = (self.dir.path().to_path_buf(), file.metadata()?.ino());
            self.place = marks.before(&id, self.cursor.since_s);
            self.log = Some(Log { file: Arc::new(file), id });
        }
        Ok(self.log.clone())
    }

    /// Notes where a second begins.
    fn mark(&mut self, marks: &Marks, log: &LogId, time_ns: u64) {
        let second = i64::try_from(time_ns).unwrap_or(i64::MAX).div_euclid(NS_PER_S);
        if self.second != Some(second) {
            marks.set(log, second, self.place);
            self.second = Some(second);
        }
    }

    /// Cuts a frame into pieces and keeps those that the cursor asks for.
    fn take(&mut self, chunk: &Bytes, frame: &frame::Frame<'_>, out: &mut Vec<Frame>) {
        let time_ns = i64::try_from(frame.time_ns).unwrap_or(i64::MAX);
        let data = match frame.content {
            Content::Data(data) => data,
            Content::Gap(n_bytes) => {
                self.place.n_missing = self.place.n_missing.saturating_add(n_bytes);
                return;
            }
        };
        if time_ns < self.cursor.since_s.saturating_mul(NS_PER_S) {
            return;
        }
        let stream = match frame.stream {
            frame::Stream::Stdout => Stream::Stdout,
            frame::Stream::Stderr => Stream::Stderr,
        };
        for piece in data.split_inclusive(|byte| *byte == b'\n') {
            if self.cursor.skip > 0 {
                self.cursor.skip -= 1;
                continue;
            }
            out.push(Frame { stream, time_ns, data: chunk.slice_ref(piece) });
        }
    }
}

/// How much a reading found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// As much as is read at once.
    Full,
    /// Some frames, and then the end of the file, or a frame that is not whole.
    Some,
    /// Bytes, and no whole frame.
    Torn,
    /// The end of the file.
    Nothing,
}

/// What is there from `offset` on, as much as is read at once.
fn chunk_at(file: &File, offset: u64) -> io::Result<Bytes> {
    let there = file.metadata()?.len().saturating_sub(offset);
    let n_bytes = usize::try_from(there).unwrap_or(usize::MAX).min(limits::LOG_CHUNK_BYTES);
    let mut chunk = vec![0; n_bytes];
    let mut n_read = 0;
    while let Some(rest) = chunk.get_mut(n_read..).filter(|rest| !rest.is_empty()) {
        let at = offset.saturating_add(u64::try_from(n_read).unwrap_or(u64::MAX));
        match file.read_at(rest, at) {
            Ok(0) => break,
            Ok(n) => n_read += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    chunk.truncate(n_read);
    Ok(Bytes::from(chunk))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::frame::{gap, head};
    use std::io::Write as _;

    /// A log of these frames, whose second is in front of each text.
    fn log(folder: &std::path::Path, frames: &[(u64, &[u8])]) {
        let mut file = File::create(folder.join("log")).unwrap();
        for (second, data) in frames {
            let time_ns = second * 1_000_000_000;
            file.write_all(&head(frame::Stream::Stdout, time_ns, data)).unwrap();
            file.write_all(data).unwrap();
        }
    }

    fn tail(folder: &std::path::Path, cursor: Cursor) -> Tail {
        let dir = AttemptDir::new(folder);
        Tail { dir, log: None, place: Place::default(), second: None, cursor }
    }

    fn texts(frames: &[Frame]) -> Vec<String> {
        frames.iter().map(|frame| String::from_utf8_lossy(&frame.data).into_owned()).collect()
    }

    #[test]
    fn a_frame_is_cut_after_each_line_end_and_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        log(folder.path(), &[(1, b"a\n\nb\xff"), (1, b"c\n"), (2, b"")]);
        let marks = Marks::default();
        let (frames, found) = tail(folder.path(), Cursor::default()).read_frames(&marks).unwrap();
        assert_eq!(texts(&frames), ["a\n", "\n", "b\u{fffd}", "c\n"]);
        assert_eq!(found, Found::Some);
    }

    #[test]
    fn every_cursor_gives_the_rest_with_marks_and_without() {
        let folder = tempfile::tempdir().unwrap();
        log(folder.path(), &[(1, b"a\nb\n"), (2, b"c\n"), (2, b"d\ne\n"), (5, b"f\n")]);
        let all = [(1, "a\n"), (1, "b\n"), (2, "c\n"), (2, "d\n"), (2, "e\n"), (5, "f\n")];
        let kept = Marks::default();
        for since_s in 0..=6 {
            let after: Vec<_> = all.iter().filter(|(s, _)| *s >= since_s).collect();
            for skip in 0..=after.len() {
                let want: Vec<_> = after[skip..].iter().map(|(_, text)| *text).collect();
                let cursor = Cursor { since_s, skip: u64::try_from(skip).unwrap() };
                for marks in [&Marks::default(), &kept] {
                    let (frames, _) = tail(folder.path(), cursor).read_frames(marks).unwrap();
                    assert_eq!(texts(&frames), want, "{cursor:?}");
                }
            }
        }
    }

    #[test]
    fn a_mark_saves_the_reading_of_what_came_before_and_keeps_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        log(folder.path(), &[(1, b"a\n")]);
        let mut file = File::options().append(true).open(folder.path().join("log")).unwrap();
        file.write_all(&gap(frame::Stream::Stdout, 1_000_000_000, 77)).unwrap();
        let mark = file.metadata().unwrap().len();
        file.write_all(&head(frame::Stream::Stdout, 2_000_000_000, b"b\n")).unwrap();
        file.write_all(b"b\n").unwrap();
        let marks = Marks::default();
        tail(folder.path(), Cursor::default()).read_frames(&marks).unwrap();
        let mut late = tail(folder.path(), Cursor { since_s: 2, skip: 1 });
        late.open(&marks).unwrap();
        assert_eq!(late.place, Place { offset: mark, n_missing: 77 });
        marks.forget(&late.dir);
        let mut first = tail(folder.path(), Cursor { since_s: 2, skip: 1 });
        first.open(&marks).unwrap();
        assert_eq!(first.place, Place::default());
    }

    #[test]
    fn a_torn_frame_is_read_once_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        log(folder.path(), &[(1, b"whole\n"), (1, b"torn\n")]);
        let whole = std::fs::read(folder.path().join("log")).unwrap();
        let n_first = frame::HEAD_LEN + 6;
        for torn in n_first..whole.len() {
            std::fs::write(folder.path().join("log"), &whole[..torn]).unwrap();
            let marks = Marks::default();
            let mut tail = tail(folder.path(), Cursor::default());
            assert_eq!(texts(&tail.read_frames(&marks).unwrap().0), ["whole\n"]);
            let (frames, found) = tail.read_frames(&marks).unwrap();
            let want = if torn == n_first { Found::Nothing } else { Found::Torn };
            assert_eq!((texts(&frames).len(), found), (0, want), "torn at {torn}");
            let mut file = File::options().append(true).open(folder.path().join("log")).unwrap();
            file.write_all(&whole[torn..]).unwrap();
            assert_eq!(texts(&tail.read_frames(&marks).unwrap().0), ["torn\n"]);
        }
    }

    #[test]
    fn a_log_larger_than_one_reading_comes_whole() {
        let folder = tempfile::tempdir().unwrap();
        let line = vec![b'x'; 60_000];
        let frames: Vec<(u64, &[u8])> = (0..40).map(|n| (n / 7, line.as_slice())).collect();
        log(folder.path(), &frames);
        let (marks, mut tail, mut n_bytes) =
            (Marks::default(), tail(folder.path(), Cursor::default()), 0);
        loop {
            let (frames, found) = tail.read_frames(&marks).unwrap();
            n_bytes += frames.iter().map(|frame| frame.data.len()).sum::<usize>();
            if found == Found::Nothing {
                break;
            }
        }
        assert_eq!(n_bytes, 40 * 60_000);
    }
}
