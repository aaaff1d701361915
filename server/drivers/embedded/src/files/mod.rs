//! The files of one attempt. They are all that the server, the shim and a later server say to each
//! other about a container; whoever dies, the others read on.
//!
//! ```text
//!  attempts/<container name>/
//!    spec.json    written by the server before it spawns a shim   no secrets: the environment comes by socket
//!    lock         held by the shim for life: busy means alive
//!    started      made once, exclusively, before anything of the task can run
//!    shim.json    the shim's and the container's processes, for signals
//!    log          frames, append-only
//!    exit.json    how it ended; written aside and renamed
//!    upper work root etc/    what the overlay is made of
//! ```
//!
//! Every JSON file carries its version, `v`. A reader that meets a higher one says so and touches nothing.

pub(crate) mod exit;
pub(crate) mod frame;
pub(crate) mod lock;
pub(crate) mod spec;

use std::path::{Path, PathBuf};

/// The version that this release writes.
pub(crate) const VERSION: u32 = 1;

/// The folder of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AttemptDir(PathBuf);

impl AttemptDir {
    /// The folder at `path`, which need not exist.
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn spec(&self) -> PathBuf {
        self.0.join("spec.json")
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }

    pub(crate) fn started(&self) -> PathBuf {
        self.0.join("started")
    }

    pub(crate) fn shim(&self) -> PathBuf {
        self.0.join("shim.json")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.0.join("log")
    }

    pub(crate) fn exit(&self) -> PathBuf {
        self.0.join("exit.json")
    }
}
