//! What can go wrong with a log's files. Every error names the file; damage also names the byte.

use std::io;
use std::path::{Path, PathBuf};

use crate::limits::FRAME_BYTES_MAX;

/// Why a log could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The operating system refused. Appending may be tried again with the same frames.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// What was tried, as a verb: "open", "append to".
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The answer of the operating system.
        source: io::Error,
    },
    /// The bytes at this place are not what was written. What lies before them, and what the index
    /// leads to behind them, can still be read.
    #[error("log {} is damaged at byte {offset}: {what}", path.display())]
    Corrupt {
        /// The data file.
        path: PathBuf,
        /// Where in it the damaged piece begins.
        offset: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// A newer Gofer wrote the file. It is left as it is.
    #[error("log {} has format {found}; this server reads format {known}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The version that it carries.
        found: u32,
        /// The version that this code knows.
        known: u32,
    },
    /// A frame is longer than [`FRAME_BYTES_MAX`]; nothing of the batch was stored. It is not split
    /// here, because the engine's frames are counted when reading goes on after a restart.
    #[error("a frame of {n_bytes} bytes cannot be stored in log {}; {FRAME_BYTES_MAX} are allowed", path.display())]
    FrameTooLong {
        /// The data file.
        path: PathBuf,
        /// The frame's length.
        n_bytes: usize,
    },
    /// The log is closed for good.
    #[error("cannot append to log {}: it is sealed", path.display())]
    Sealed {
        /// The data file.
        path: PathBuf,
    },
    /// Another writer has the log open. A child that this process is just starting holds the lock too,
    /// until its program begins: one that was just closed may be busy for a moment.
    #[error("cannot open log {} for writing: another writer has it", path.display())]
    Busy {
        /// The data file.
        path: PathBuf,
    },
    /// A position is not one of this log: garbage, of another log, or past the end.
    #[error("not a position in log {}: {why}", path.display())]
    BadPosition {
        /// The data file.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl LogError {
    /// Whether there was no room: the disk, a quota or the largest size of a file. The same call may
    /// succeed later.
    #[must_use]
    pub fn is_no_space(&self) -> bool {
        match self {
            Self::Io { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::StorageFull
                    | io::ErrorKind::QuotaExceeded
                    | io::ErrorKind::FileTooLarge
            ),
            Self::Corrupt { .. }
            | Self::Version { .. }
            | Self::FrameTooLong { .. }
            | Self::Sealed { .. }
            | Self::Busy { .. }
            | Self::BadPosition { .. } => false,
        }
    }

    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source }
    }
}
