//! `gofer up`: from a program on disk to a live version.
//!
//! ```text
//!  source ──bytes──> program ──draft──> faults? ──no──> register ──> deploy
//!    │ cargo, or a binary, or a file                  publish
//!  watch: what changed, when it settled, whether it still holds
//! ```
//!
//! A program with a fault is never sent, and a result whose inputs changed meanwhile is never deployed.

mod check;
mod diagnostic;
mod draft;
mod git;
mod inputs;
mod publish;
mod source;
mod watch;

pub(crate) use check::build;
pub(crate) use publish::{Halted, Options, Published, publish};
pub(crate) use source::{Group, Source};
pub(crate) use watch::{AfterDeploy, watch};
