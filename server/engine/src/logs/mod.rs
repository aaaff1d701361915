//! Logs between the engine and those who read them. [`pump`] copies a running container's output
//! into its file, [`rest`] takes the end in, [`query`] answers pages, [`follow`] and [`merged`]
//! give what comes to as many viewers as there are. Viewers read the file, never the pump: a slow
//! one costs nobody anything, and there is no queue that could overflow.

mod board;
mod follow;
mod merged;
mod pump;
mod query;
mod rest;

use std::path::PathBuf;

use gofer_core::ids::{AttemptNumber, RunUid};
use gofer_core::problem::{Kind, Problem};
use gofer_logs::{LogDir, LogError, LogPath};

pub(crate) use board::Board;
pub use follow::{FollowItem, LogBatch, LogFollow};
pub use merged::{RunLogFollow, TaggedFrame};
pub(crate) use pump::Pump;
pub use query::{LogAnswer, LogQuery, PageFrom};
pub(crate) use rest::{Ending, Rest};

/// The folder of the logs and the board of those that are being written.
#[derive(Debug, Clone)]
pub(crate) struct Logs {
    root: PathBuf,
    dir: LogDir,
    pub(crate) board: Board,
}

impl Logs {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { dir: LogDir::new(root.clone()), root, board: Board::default() }
    }

    pub(crate) fn path(&self, uid: &RunUid, position: usize, attempt: AttemptNumber) -> LogPath {
        self.dir.attempt(uid, position, attempt)
    }

    /// Bytes that are free on the disk of the logs; none where the system does not tell.
    pub(crate) fn free_bytes(&self) -> Option<u64> {
        // The folder is made with the first log; until then the one above it is as good.
        let folders = self.root.ancestors();
        let disk = folders.filter_map(|folder| rustix::fs::statvfs(folder).ok()).next()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// Removes all logs of a run.
    pub(crate) async fn remove_run(&self, uid: &RunUid) -> Result<(), Problem> {
        let (dir, uid) = (self.dir.clone(), uid.clone());
        blocking(move || dir.remove_run(&uid).map(drop)).await
    }
}

/// Works on files where waiting for the disk holds nobody up.
pub(crate) async fn blocking<T, W>(work: W) -> Result<T, Problem>
where
    T: Send + 'static,
    W: FnOnce() -> Result<T, LogError> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| problem(&error)),
        Err(_panicked) => Err(Problem::internal("reading a log failed")),
    }
}

pub(crate) fn problem(error: &LogError) -> Problem {
    if let LogError::BadPosition { .. } = error {
        return Problem::new(
            Kind::Invalid,
            "INVALID_CURSOR",
            "the cursor does not belong to this log",
        )
        .with_next("start again without a cursor");
    }
    if error.is_no_space() {
        return Problem::new(Kind::Full, "DISK_FULL", "the disk that holds the logs is full");
    }
    Problem::internal(error.to_string())
}
