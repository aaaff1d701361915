//! Where logs lie. A path is made of a run's uid and two numbers, never of text that a user gave.

use std::fs::{self, ReadDir};
use std::io;
use std::path::{Path, PathBuf};

use gofer_core::ids::{AttemptNumber, RunUid};

use crate::error::LogError;

/// The folder of all logs.
#[derive(Debug, Clone)]
pub struct LogDir {
    root: PathBuf,
}

/// The two files of one attempt's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPath {
    pub(crate) data: PathBuf,
    pub(crate) index: PathBuf,
    /// The run's folder, and those above it up to the root.
    pub(crate) folders: [PathBuf; 3],
    /// What the files carry in their headers, so that two logs are never taken for each other.
    pub(crate) log_id: u64,
}

impl LogDir {
    /// The folder need not be there yet.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The log of one attempt of the task at `task_position` in its run.
    #[must_use]
    pub fn attempt(&self, uid: &RunUid, task_position: usize, attempt: AttemptNumber) -> LogPath {
        let (shard, run) = self.run_folder(uid);
        let name = format!("{task_position}.{attempt}");
        LogPath {
            data: run.join(format!("{name}.log")),
            index: run.join(format!("{name}.idx")),
            folders: [run, shard, self.root.clone()],
            log_id: crate::check::hash(0, &[uid.as_str().as_bytes(), b"/", name.as_bytes()]),
        }
    }

    /// Removes all logs of a run and returns how many bytes that freed. Nothing to remove is fine.
    ///
    /// # Errors
    /// [`LogError::Io`]. What was removed stays removed; call it again.
    pub fn remove_run(&self, uid: &RunUid) -> Result<u64, LogError> {
        let n_bytes = self.size(uid)?;
        let (_, run) = self.run_folder(uid);
        absent_is_fine(fs::remove_dir_all(&run)).map_err(LogError::io("remove", &run))?;
        Ok(n_bytes)
    }

    /// Bytes in the files of a run's logs; 0 if there are none.
    ///
    /// # Errors
    /// [`LogError::Io`].
    pub fn size(&self, uid: &RunUid) -> Result<u64, LogError> {
        let (_, run) = self.run_folder(uid);
        let Some(entries) = list(&run)? else { return Ok(0) };
        let mut n_bytes: u64 = 0;
        for entry in entries {
            let entry = entry.map_err(LogError::io("list", &run))?;
            // A file may go while we look; it then has no size.
            let found = absent_is_none(entry.metadata()).map_err(LogError::io("look at", &run))?;
            n_bytes = n_bytes.saturating_add(found.map_or(0, |found| found.len()));
        }
        Ok(n_bytes)
    }

    fn run_folder(&self, uid: &RunUid) -> (PathBuf, PathBuf) {
        let uid = uid.as_str();
        // A uid's first characters are its time, the same for all runs of a month. The last ones are
        // random, so they spread.
        let last = uid.get(uid.len().saturating_sub(2)..).unwrap_or(uid);
        let shard = self.root.join(last);
        let run = shard.join(uid);
        (shard, run)
    }
}

impl LogPath {
    /// The data file, for messages.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Removes this log and returns how many bytes that freed. Nothing to remove is fine. Readers
    /// that have it open can go on.
    ///
    /// # Errors
    /// [`LogError::Io`]. Call it again.
    pub fn remove(&self) -> Result<u64, LogError> {
        let n_bytes = self.size()?;
        // The data goes first: an index alone is not a log.
        for file in [&self.data, &self.index] {
            absent_is_fine(fs::remove_file(file)).map_err(LogError::io("remove", file))?;
        }
        Ok(n_bytes)
    }

    /// Bytes in its files; 0 if it is not there.
    ///
    /// # Errors
    /// [`LogError::Io`].
    pub fn size(&self) -> Result<u64, LogError> {
        let mut n_bytes: u64 = 0;
        for file in [&self.data, &self.index] {
            let found =
                absent_is_none(fs::metadata(file)).map_err(LogError::io("look at", file))?;
            n_bytes = n_bytes.saturating_add(found.map_or(0, |found| found.len()));
        }
        Ok(n_bytes)
    }
}

/// A folder's entries; `None` if it is not there, or is not a folder.
fn list(folder: &Path) -> Result<Option<ReadDir>, LogError> {
    match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(None),
        listed => absent_is_none(listed).map_err(LogError::io("list", folder)),
    }
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    absent_is_none(result).map(|_| ())
}

pub(crate) fn absent_is_none<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
