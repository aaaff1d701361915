//! What can go wrong in the store, in two shapes: [`OpenError`] for the person who starts the
//! server, [`StoreError`] for everything after. A full disk is told from every other fault, because
//! the server goes on through it; nothing else may be reported as full.

use std::path::PathBuf;

use gofer_core::problem::{Kind, Problem};
use rusqlite::ffi;

/// How long a caller should wait before it tries again on a full disk.
const FULL_RETRY_MS: u64 = 5_000;

/// Why the store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another server uses the directory.
    #[error(
        "the data directory {} is in use by another gofer server{}; stop that one first, or give this one a directory of its own",
        dir.display(),
        pid.as_ref().map(|pid| format!(" (process {pid})")).unwrap_or_default()
    )]
    Locked {
        /// The directory.
        dir: PathBuf,
        /// The other server's process, where its lock file says so.
        pid: Option<u32>,
    },
    /// The directory or a file in it could not be made, opened or locked.
    #[error("could not {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The file is there but is not a database, or not one of ours.
    #[error("{} is not a gofer database: {why}; move it away or choose another data directory", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What was seen.
        why: &'static str,
    },
    /// The file is one of ours but damaged.
    #[error("the database {} is damaged; restore it from a backup, or move it away to begin anew", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// A newer server wrote the file.
    #[error(
        "the database {} was written by a newer gofer (format {found}, this one knows up to {known}); start that version again, or a later one",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The file's format.
        found: u32,
        /// The newest format that this server knows.
        known: u32,
    },
    /// The disk is full.
    #[error("the disk that holds {} is full; make room and start again", path.display())]
    Full {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// Anything else that SQLite says.
    #[error("could not {what} the database {}", path.display())]
    Sql {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
}

/// Why an operation did not happen.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A rule said no.
    #[error(transparent)]
    Problem(Box<Problem>),
    /// There is no room on the disk.
    #[error("the disk that holds the database is full")]
    Full(#[source] rusqlite::Error),
    /// The database file is damaged.
    #[error("the database is damaged")]
    Corrupt(#[source] rusqlite::Error),
    /// A stored value does not read back.
    #[error("a stored {what} does not read back")]
    Unreadable {
        /// What it should be.
        what: &'static str,
        /// Why it does not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The job, or the group that it was in, was undone, so that nothing of it happened.
    #[error("the transaction was not committed: {0}")]
    NotCommitted(Box<Problem>),
    /// Any other fault of the database.
    #[error("the database failed")]
    Sql(#[source] rusqlite::Error),
}

impl StoreError {
    /// The same as a problem for the caller: a rule's own, Full for a full disk, else Internal.
    #[must_use]
    pub fn to_problem(&self) -> Problem {
        match self {
            Self::Problem(problem) | Self::NotCommitted(problem) => Problem::clone(problem),
            Self::Full(source) => {
                let mut problem =
                    Problem::new(Kind::Full, "DISK_FULL", format!("{self}: {source}"))
                        .with_next("make room on the server's disk, then try again");
                problem.retry_after_ms = Some(FULL_RETRY_MS);
                problem
            }
            Self::Corrupt(source) | Self::Sql(source) => {
                Problem::internal(format!("{self}: {source}"))
            }
            Self::Unreadable { source, .. } => Problem::internal(format!("{self}: {source}")),
        }
    }

    /// Whether the disk is full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        match self {
            Self::Full(_) => true,
            Self::Problem(problem) | Self::NotCommitted(problem) => problem.kind == Kind::Full,
            Self::Corrupt(_) | Self::Unreadable { .. } | Self::Sql(_) => false,
        }
    }

    /// Whether a rule said no, as opposed to a fault of the store.
    pub(crate) fn is_rule(&self) -> bool {
        matches!(self, Self::Problem(_))
    }

    pub(crate) fn unreadable(
        what: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Unreadable { what, source: source.into() }
    }
}

impl From<Problem> for StoreError {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(source: rusqlite::Error) -> Self {
        match kind_of(&source) {
            SqlKind::Full => Self::Full(source),
            SqlKind::Damaged | SqlKind::NotADatabase => Self::Corrupt(source),
            SqlKind::Other => Self::Sql(source),
        }
    }
}

/// What an SQLite fault means for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SqlKind {
    /// No room.
    Full,
    /// The file is broken.
    Damaged,
    /// The file is something else.
    NotADatabase,
    /// Anything else.
    Other,
}

/// Sorts an SQLite fault.
pub(crate) fn kind_of(source: &rusqlite::Error) -> SqlKind {
    const PRIMARY_CODE: i32 = 0xff;
    let Some(fault) = source.sqlite_error() else { return SqlKind::Other };
    // Growing the shared index of the write-ahead log fails with a code of its own.
    if fault.extended_code == ffi::SQLITE_IOERR_SHMSIZE {
        return SqlKind::Full;
    }
    match fault.extended_code & PRIMARY_CODE {
        ffi::SQLITE_FULL => SqlKind::Full,
        ffi::SQLITE_CORRUPT => SqlKind::Damaged,
        ffi::SQLITE_NOTADB => SqlKind::NotADatabase,
        _ => SqlKind::Other, // numbers of SQLite's that mean nothing special to us
    }
}
