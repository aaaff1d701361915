//! Sends a shim out and speaks with it.
//!
//! The shim is this very program, run from a sealed copy in memory: an upgrade on disk disturbs no
//! shim, and no container can write to the program through `/proc/PID/exe`, since nobody can.
//!
//! ```text
//!  server ── {"env":{…}} and no more ──► shim     values may be secrets: no file ever holds them
//!         ◄── started ── exit ── (end of file: the shim is gone)
//! ```
//!
//! Either side may vanish at any time; the files tell the other what it must know.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::fs::{MemfdFlags, SealFlags};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;

use crate::files::AttemptDir;
use crate::files::spec::EnvMessage;
use crate::limits;

/// The first argument that makes the program a shim.
pub const SHIM_ARGUMENT: &str = "__shim";

/// The program, sealed in memory.
#[derive(Debug)]
pub(crate) struct Program {
    sealed: OwnedFd,
}

impl Program {
    /// Copies the program at `path`, once for all shims.
    pub(crate) fn seal(path: &Path) -> io::Result<Self> {
        let mut program = File::open(path)?;
        let mut copy = File::from(memfd()?);
        io::copy(&mut program, &mut copy)?;
        let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
        rustix::fs::fcntl_add_seals(&copy, seals)?;
        // The kernel runs no file that anybody has open for writing, so it is opened anew.
        let sealed = File::open(link_of(&copy))?;
        Ok(Self { sealed: sealed.into() })
    }
}

fn memfd() -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    match rustix::fs::memfd_create("gofer", flags | MemfdFlags::EXEC) {
        // Before Linux 6.3 every such file could be run, and nobody could say so.
        Err(rustix::io::Errno::INVAL) => Ok(rustix::fs::memfd_create("gofer", flags)?),
        made => Ok(made?),
    }
}

fn link_of(file: &impl AsRawFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// A shim that was sent out.
#[derive(Debug)]
pub(crate) struct Sent {
    child: Child,
    socket: StdUnixStream,
}

/// Sends a shim to the attempt's folder. Blocks for about a millisecond.
pub(crate) fn send(program: &Program, dir: &AttemptDir) -> io::Result<Sent> {
    let (ours, theirs) = StdUnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let log = OpenOptions::new().create(true).append(true).mode(0o600).open(log_of(dir))?;
    let child = Command::new(link_of(&program.sealed))
        .arg0("gofer")
        .arg(SHIM_ARGUMENT)
        .arg(dir.path())
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    Ok(Sent { child, socket: ours })
}

fn log_of(dir: &AttemptDir) -> PathBuf {
    dir.path().join("shim.log")
}

/// The end of what the shim said of itself, for the text of a fault; empty where it said nothing.
pub(crate) fn log_end(dir: &AttemptDir) -> String {
    let read = || -> io::Result<Vec<u8>> {
        let mut log = File::open(log_of(dir))?;
        let shown = u64::try_from(limits::SHIM_LOG_SHOWN_BYTES).unwrap_or(u64::MAX);
        let n_bytes = log.metadata()?.len();
        log.seek(SeekFrom::Start(n_bytes.saturating_sub(shown)))?;
        let mut end = Vec::new();
        log.take(shown).read_to_end(&mut end)?;
        Ok(end)
    };
    let end = read().unwrap_or_default();
    String::from_utf8_lossy(&end).trim().to_owned()
}

/// What a shim says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    /// The task's program runs.
    Started,
    /// `exit.json` is there.
    Exit,
    /// It is gone, or has nothing more to say.
    Gone,
}

/// A shim that is listened to.
#[derive(Debug)]
pub(crate) struct Shim {
    child: Child,
    socket: BufReader<UnixStream>,
}

impl Shim {
    /// Takes the shim's socket into the runtime.
    pub(crate) fn listen(sent: Sent) -> io::Result<Self> {
        let socket = UnixStream::from_std(sent.socket)?;
        Ok(Self { child: sent.child, socket: BufReader::new(socket) })
    }

    /// Gives the shim the environment. One that left already needs none: what it says, or does not
    /// say, tells why.
    pub(crate) async fn give(&mut self, env: &EnvMessage) -> io::Result<()> {
        let mut line = serde_json::to_vec(env)?;
        line.push(b'\n');
        let socket = self.socket.get_mut();
        let given = async {
            socket.write_all(&line).await?;
            socket.shutdown().await
        };
        match given.await {
            Err(error) if is_gone(&error) => Ok(()),
            given => given,
        }
    }

    /// The next thing that it says.
    pub(crate) async fn next(&mut self) -> Word {
        loop {
            let mut line = String::new();
            match self.socket.read_line(&mut line).await {
                Ok(0) | Err(_) => return Word::Gone,
                Ok(_) => {}
            }
            match line.trim_end() {
                "started" => return Word::Started,
                "exit" => return Word::Exit,
                other => {
                    tracing::warn!(word = other, "a shim said what this release does not know");
                }
            }
        }
    }

    /// Takes the dead shim off the process table. It is gone, or goes within moments.
    pub(crate) async fn reap(self) {
        let mut child = self.child;
        let pid = child.id();
        drop(self.socket);
        match tokio::task::spawn_blocking(move || child.wait()).await {
            Ok(Ok(status)) => tracing::debug!(pid, %status, "a shim has ended"),
            Ok(Err(error)) => tracing::warn!(pid, %error, "could not wait for a shim"),
            Err(error) => tracing::debug!(pid, %error, "nobody waits for a shim any more"),
        }
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset | io::ErrorKind::NotConnected
    )
}
