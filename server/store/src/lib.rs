//! The store: everything that Gofer must not forget, in one SQLite database beside a lock file.
//!
//! ```text
//!  engine ── Job ──> Store::run_group ── Tx ──> rows        one writer, one commit for many jobs
//!         ── Reader ──────────────────────────> rows        read-only connections, short transactions
//! ```
//!
//! A transaction reads rows, asks a pure rule in the core, and writes rows; no rule stands here.
//! What a completion was told is on disk before it was told. Nothing here knows of tasks, threads
//! or clocks: the engine owns the thread and brings the time with each call.
#![warn(missing_docs)]

mod bodies;
mod error;
mod migrations;
mod open;
mod page;
mod read;
mod reader;
mod records;
mod store;
mod tx;
mod words;

pub use error::{OpenError, StoreError};
pub use page::{PAGE_LIMIT_DEFAULT, PAGE_LIMIT_MAX, Page, PageRequest};
pub use reader::Reader;
pub use records::{
    ConfigRecord, DeletionReport, DeployOrder, Deployed, DeploymentRecord, DeploymentStatus,
    DeploymentStrategy, EntryFilter, EntryRecord, NamespaceChange, NamespaceRecord, Order,
    PipelineRecord, Progress, Registered, Registration, RollbackOrder, RunFilter, RunSummary,
    StartRun, Started, StateKind, UnfinishedDeletions,
};
pub use store::{Completion, Done, GROUP_JOBS_MAX, Job, Store};
pub use tx::Tx;
