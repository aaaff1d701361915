//! An open file with its name, for errors, and a count of what was read. Everything reads and writes
//! at a given place; there is no file pointer that two could share.

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::LogError;
use crate::path::absent_is_none;

#[derive(Debug)]
pub(crate) struct LogFile {
    file: File,
    path: PathBuf,
    bytes_read: AtomicU64,
}

impl LogFile {
    /// `None`: there is no such file.
    pub(crate) fn open(path: &Path) -> Result<Option<Self>, LogError> {
        let file = absent_is_none(File::open(path)).map_err(LogError::io("open", path))?;
        Ok(file.map(|file| Self::of(file, path)))
    }

    /// Opens for writing, and makes the file if there is none. What a task prints is for nobody but
    /// the server, whatever the umask says.
    pub(crate) fn create(path: &Path) -> Result<Self, LogError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(LogError::io("create", path))?;
        Ok(Self::of(file, path))
    }

    fn of(file: File, path: &Path) -> Self {
        Self { file, path: path.to_owned(), bytes_read: AtomicU64::new(0) }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    /// Keeps every other writer out until this file is closed, be it by the end of the process.
    pub(crate) fn lock(&self) -> Result<(), LogError> {
        match self.file.try_lock() {
            Ok(()) => Ok(()),
            Err(std::fs::TryLockError::WouldBlock) => {
                Err(LogError::Busy { path: self.path.clone() })
            }
            Err(std::fs::TryLockError::Error(source)) => {
                Err(LogError::Io { what: "lock", path: self.path.clone(), source })
            }
        }
    }

    pub(crate) fn len(&self) -> Result<u64, LogError> {
        Ok(self.file.metadata().map_err(LogError::io("look at", &self.path))?.len())
    }

    /// Reads `n_bytes` at `offset`; fewer where the file ends.
    pub(crate) fn read_at(&self, offset: u64, n_bytes: usize) -> Result<Vec<u8>, LogError> {
        let mut bytes = vec![0; n_bytes];
        let mut n_read = 0;
        while let Some(rest) = bytes.get_mut(n_read..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, offset.saturating_add(n_read as u64)) {
                Ok(0) => break,
                Ok(n) => n_read = n_read.saturating_add(n),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(LogError::io("read", &self.path)(error)),
            }
        }
        bytes.truncate(n_read);
        self.bytes_read.fetch_add(n_read as u64, Ordering::Relaxed);
        Ok(bytes)
    }

    pub(crate) fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), LogError> {
        self.file.write_all_at(bytes, offset).map_err(LogError::io("append to", &self.path))
    }

    /// Cuts the file off at `len`.
    pub(crate) fn cut(&self, len: u64) -> Result<(), LogError> {
        self.file.set_len(len).map_err(LogError::io("cut", &self.path))
    }

    pub(crate) fn sync(&self) -> Result<(), LogError> {
        self.file.sync_all().map_err(LogError::io("sync", &self.path))
    }

    pub(crate) fn corrupt(&self, offset: u64, what: &'static str) -> LogError {
        LogError::Corrupt { path: self.path.clone(), offset, what }
    }
}

/// Makes a folder and those above it, for the server alone.
pub(crate) fn create_folder(folder: &Path) -> Result<(), LogError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(folder).map_err(LogError::io("create", folder))
}

/// Waits until the names in a folder are on disk. A folder that was removed in the meantime, with the
/// log in it, leaves nothing to wait for.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), LogError> {
    match absent_is_none(File::open(folder)).map_err(LogError::io("open", folder))? {
        Some(open) => open.sync_all().map_err(LogError::io("sync", folder)),
        None => Ok(()),
    }
}
