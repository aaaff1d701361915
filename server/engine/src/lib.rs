//! The engine: it owns everything that moves. Rules are core's; the engine asks them, commits
//! their answers through the store and carries them out through the driver.
//!
//! ```text
//!  api ──> Engine (a cloneable handle)
//!             │ start, cancel, retry        │ read, watch
//!             v                             v
//!        dispatch: lanes + live runs     readers (SQLite, read only), logs (files)
//!             │ one owner per active run
//!             v
//!        runs::owner ── step ── commit ──> writer (one thread, group commit)
//!             │ effects                          │ committed
//!             v                                  v
//!        runs::attempt ──> driver             feed ──> watchers
//! ```
//!
//! What must never happen: an effect before its state is committed; two owners of one run; an
//! outcome inferred from an error. Start is recovery with nothing to recover.

mod catalog;
mod clock;
mod config;
mod deletion;
mod dispatch;
mod engine;
mod engine_state;
mod expiry;
mod failpoint;
mod feed;
mod images;
mod lanes;
mod limits;
mod logs;
mod readers;
mod reading;
mod reconcile;
mod recovery;
mod requests;
mod runs;
mod tasks;
mod writer;

pub use catalog::Mode;
pub use clock::SystemClock;
pub use config::EngineConfig;
pub use engine::{Engine, EngineParts};
pub use engine_state::EngineState;
pub use failpoint::{hit as failpoint, names as failpoint_names};
pub use logs::{
    FollowItem, LogAnswer, LogBatch, LogFollow, LogQuery, PageFrom, RunLogFollow, TaggedFrame,
};
pub use reading::RunView;
pub use requests::{CancelRequest, RetryRequest, StartRequest};
pub use runs::{LiveAttempt, RunWatch};

/// The plain values that the store and the logs give, for those who show them.
pub mod records {
    pub use gofer_logs::{LineFrame, Page as LogPage, PageLimits, Start};
    pub use gofer_store::{
        ConfigRecord, DeletionReport, DeployOrder, Deployed, DeploymentRecord, DeploymentStatus,
        DeploymentStrategy, EntryFilter, EntryRecord, NamespaceChange, NamespaceRecord, Order,
        PAGE_LIMIT_MAX, Page, PageRequest, PipelineRecord, Reader, Registered, Registration,
        RollbackOrder, RunFilter, RunSummary, Started, StateKind, StoreError,
    };
}
