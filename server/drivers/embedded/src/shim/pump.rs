//! Carries a container's output from its pipes into the log, and notices its end.
//!
//! A job must never wait because its log cannot be written: what finds no room is counted, and a gap
//! stands in its place as soon as there is room again.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;

use super::now_ns;
use crate::files::frame::{self, DATA_MAX, HEAD_LEN, Stream};

/// The log of one attempt, written by this process alone.
#[derive(Debug)]
pub(super) struct Log {
    file: File,
    /// Up to here there are whole frames.
    length: u64,
    /// Whether a torn frame stands behind them.
    torn: bool,
    /// The time of the last frame: the clock may be set back, a log never goes back.
    last_ns: u64,
    /// Bytes that found no room, of stdout and stderr.
    lost: (u64, u64),
}

impl Log {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
        file.set_len(0)?;
        Ok(Self { file, length: 0, torn: false, last_ns: 0, lost: (0, 0) })
    }

    /// Writes what was read, or counts it.
    fn append(&mut self, stream: Stream, framed: &mut [u8]) {
        let Some((head, data)) = framed.split_first_chunk_mut::<HEAD_LEN>() else { return };
        let time_ns = self.time_ns();
        *head = frame::head(stream, time_ns, data);
        let n_bytes = u64::try_from(data.len()).unwrap_or_default();
        if self.fill_gaps().and_then(|()| self.write(framed)).is_err() {
            let lost = self.lost_of(stream);
            *lost = lost.saturating_add(n_bytes);
        }
    }

    /// Says where bytes are missing, and how many.
    fn fill_gaps(&mut self) -> io::Result<()> {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let n_bytes = *self.lost_of(stream);
            if n_bytes > 0 {
                self.write(&frame::gap(stream, self.last_ns, n_bytes))?;
                *self.lost_of(stream) = 0;
            }
        }
        Ok(())
    }

    fn lost_of(&mut self, stream: Stream) -> &mut u64 {
        match stream {
            Stream::Stdout => &mut self.lost.0,
            Stream::Stderr => &mut self.lost.1,
        }
    }

    /// Writes a frame, whole or not at all.
    fn write(&mut self, frame: &[u8]) -> io::Result<()> {
        if self.torn {
            self.file.set_len(self.length)?;
            self.torn = false;
        }
        let written = self.file.write_all(frame);
        match written {
            Ok(()) => self.length += u64::try_from(frame.len()).unwrap_or_default(),
            // Giving room back needs none, so this works on a full disk; if not, it is tried again.
            Err(_) => self.torn = self.file.set_len(self.length).is_err(),
        }
        written
    }

    fn time_ns(&mut self) -> u64 {
        self.last_ns = self.last_ns.max(now_ns());
        self.last_ns
    }

    /// The last try to say what is missing, then to the disk with all of it.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.fill_gaps()?;
        self.file.sync_data()
    }
}

/// The reading ends of a container's output.
#[derive(Debug)]
pub(super) struct Pump {
    stdout: Option<OwnedFd>,
    stderr: Option<OwnedFd>,
    /// Room for a frame's head, then for what one read gives.
    buffer: Box<[u8]>,
}

impl Pump {
    pub(super) fn new(stdout: OwnedFd, stderr: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&stdout, true)?;
        rustix::io::ioctl_fionbio(&stderr, true)?;
        let buffer = vec![0; HEAD_LEN + DATA_MAX].into_boxed_slice();
        Ok(Self { stdout: Some(stdout), stderr: Some(stderr), buffer })
    }

    /// Carries output until the process is dead.
    pub(super) fn until_dead(&mut self, log: &mut Log, process: &OwnedFd) -> io::Result<()> {
        loop {
            let is_dead = self.wait(process)?;
            if is_dead {
                return Ok(());
            }
            self.read(Stream::Stdout, log);
            self.read(Stream::Stderr, log);
        }
    }

    /// Carries what is left. All processes that could write are dead: the kernel ends those of the
    /// container before it tells of its first one's end. So what is not in the pipe now never will
    /// be, whoever else may hold its other end.
    pub(super) fn drain(&mut self, log: &mut Log) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            while self.read(stream, log) {}
        }
    }

    fn wait(&self, process: &OwnedFd) -> io::Result<bool> {
        let mut polled: Vec<PollFd<'_>> = vec![PollFd::new(process, PollFlags::IN)];
        let pipes = [&self.stdout, &self.stderr].into_iter().flatten();
        polled.extend(pipes.map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        match rustix::event::poll(&mut polled, None) {
            Ok(_) => Ok(polled.first().is_some_and(|process| !process.revents().is_empty())),
            Err(Errno::INTR) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Carries what one read gives; whether there may be more.
    fn read(&mut self, stream: Stream, log: &mut Log) -> bool {
        let pipe = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        let (Some(open), Some(room)) = (pipe.as_ref(), self.buffer.get_mut(HEAD_LEN..)) else {
            return false;
        };
        match rustix::io::read(open, room) {
            Ok(0) => {
                *pipe = None; // closed by all who had it
                false
            }
            Ok(n_bytes) => {
                if let Some(framed) = self.buffer.get_mut(..HEAD_LEN + n_bytes) {
                    log.append(stream, framed);
                }
                true
            }
            Err(Errno::INTR) => true,
            Err(Errno::AGAIN) => false,
            Err(errno) => {
                tracing::error!(%errno, "could not read the container's output");
                *pipe = None;
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::frame::{Content, Decoded, decode};

    fn frames(path: &Path) -> Vec<(Stream, Result<Vec<u8>, u64>)> {
        let bytes = std::fs::read(path).unwrap();
        let (mut rest, mut frames, mut last_ns) = (bytes.as_slice(), Vec::new(), 0);
        while let Decoded::Frame(frame, n_bytes) = decode(rest) {
            assert!(frame.time_ns >= last_ns, "time goes back");
            last_ns = frame.time_ns;
            let content = match frame.content {
                Content::Data(data) => Ok(data.to_vec()),
                Content::Gap(n_missing) => Err(n_missing),
            };
            frames.push((frame.stream, content));
            rest = &rest[n_bytes..];
        }
        assert!(rest.is_empty(), "{} bytes are no frame", rest.len());
        frames
    }

    fn append(log: &mut Log, stream: Stream, data: &[u8]) {
        let mut framed = vec![0; HEAD_LEN];
        framed.extend_from_slice(data);
        log.append(stream, &mut framed);
    }

    #[test]
    fn output_that_finds_no_room_leaves_a_gap_that_says_how_much() {
        let folder = tempfile::tempdir().unwrap();
        let small = folder.path().join("small");
        std::fs::create_dir(&small).unwrap();
        let flags = rustix::mount::MountFlags::empty();
        rustix::mount::mount("tmpfs", &small, "tmpfs", flags, c"size=256k").unwrap();
        let path = small.join("log");
        let mut log = Log::create(&path).unwrap();
        append(&mut log, Stream::Stdout, b"first\n");
        std::fs::write(small.join("filler"), vec![0; 120 << 10]).unwrap();
        for _ in 0..5 {
            append(&mut log, Stream::Stdout, &[b'x'; 60 << 10]);
        }
        append(&mut log, Stream::Stderr, &[b'y'; 60 << 10]);
        std::fs::remove_file(small.join("filler")).unwrap();
        append(&mut log, Stream::Stdout, b"last\n");
        log.sync().unwrap();
        let found = frames(&path);
        drop(log);
        rustix::mount::unmount(&small, rustix::mount::UnmountFlags::DETACH).unwrap();

        let n_kept = found
            .iter()
            .filter(|(_, content)| content.as_ref().is_ok_and(|data| data.len() == 60 << 10))
            .count();
        let n_lost: u64 = found.iter().filter_map(|(_, content)| content.as_ref().err()).sum();
        assert_eq!(n_lost, u64::try_from((6 - n_kept) * (60 << 10)).unwrap());
        assert!(n_lost > 0, "the disk was never full");
        assert_eq!(found.first().unwrap().1, Ok(b"first\n".to_vec()));
        assert_eq!(found.last().unwrap(), &(Stream::Stdout, Ok(b"last\n".to_vec())));
        assert!(found.contains(&(Stream::Stderr, Err(60 << 10))), "{found:?}");
    }

    #[test]
    fn what_is_in_the_pipes_at_the_end_is_carried_though_somebody_holds_them_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let (stdout, stdout_in) = rustix::pipe::pipe().unwrap();
        let (stderr, stderr_in) = rustix::pipe::pipe().unwrap();
        let mut pump = Pump::new(stdout, stderr).unwrap();
        rustix::io::write(&stdout_in, b"out").unwrap();
        rustix::io::write(&stderr_in, b"err").unwrap();
        let mut log = Log::create(&path).unwrap();
        pump.drain(&mut log);
        let expected =
            [(Stream::Stdout, Ok(b"out".to_vec())), (Stream::Stderr, Ok(b"err".to_vec()))];
        assert_eq!(frames(&path), expected);
        drop((stdout_in, stderr_in));
    }
}
