//! A pipeline as its author wrote it, checked. [`validate()`] turns a [`Draft`] into a
//! [`PipelineConfig`] or into all its [`Fault`]s at once, [`content_hash`] gives the hash by which an
//! unchanged config makes no new version, [`lifecycle`] holds the rules of versions and deployments.
//!
//! To add a field: `draft.rs` and its byte count, `config.rs`, the check in `validate/task.rs`, the
//! hash in `hash.rs` (left out at its default) and its line in the hash tests; a new rule gets the
//! next free code in `validate/fault.rs` and a specimen in `validate/tests.rs`.

mod config;
mod draft;
mod graph;
mod hash;
pub mod lifecycle;
pub mod limits;
mod text;
mod validate;

pub use config::{
    ConfigState, Dependency, Need, Origin, OriginKind, PipelineConfig, PullPolicy, RegistryAuth,
    Retries, TaskConfig,
};
pub use draft::{
    Draft, DraftDependency, DraftPair, DraftRegistryAuth, DraftRetries, DraftTask, Place,
};
pub use hash::content_hash;
pub(crate) use text::{characters, quote, shorten, unfit};
pub use validate::{CODES, Fault, Related, check_image_name, code, faults_to_problem, validate};
