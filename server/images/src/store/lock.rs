//! The lock of the whole store. Adding and looking share it; removing has it alone, so nothing is
//! removed between the look and the use.

use std::fs::File;
use std::path::Path;

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use crate::error::ImageError;
use crate::files;

/// A lock that is held until this value goes.
#[derive(Debug)]
pub(super) struct StoreLock {
    file: File,
}

impl StoreLock {
    pub(super) fn shared(path: &Path) -> Result<Self, ImageError> {
        Self::take(path, FlockOperation::LockShared)
    }

    pub(super) fn exclusive(path: &Path) -> Result<Self, ImageError> {
        Self::take(path, FlockOperation::LockExclusive)
    }

    /// None where someone else has it.
    pub(super) fn try_exclusive(path: &Path) -> Result<Option<Self>, ImageError> {
        let file = files::open_lock(path)?;
        match files::lock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self { file })),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(ImageError::io(format!("could not lock {}", path.display()), error)),
        }
    }

    fn take(path: &Path, how: FlockOperation) -> Result<Self, ImageError> {
        let file = files::open_lock(path)?;
        files::lock(&file, how)
            .map_err(|error| ImageError::io(format!("could not lock {}", path.display()), error))?;
        Ok(Self { file })
    }

    /// Now, by the clock that also gives files their times.
    pub(super) fn now(&self) -> Result<std::time::SystemTime, ImageError> {
        let failed = |error| ImageError::io("could not read the file system's time", error);
        let now = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
        let times = rustix::fs::Timestamps { last_access: now, last_modification: now };
        rustix::fs::futimens(&self.file, &times).map_err(|error| failed(error.into()))?;
        self.file.metadata().and_then(|metadata| metadata.modified()).map_err(failed)
    }
}
