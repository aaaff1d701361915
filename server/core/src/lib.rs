//! The rules of Gofer: what is valid, what may start, what happens next. Everything here is a pure
//! function of its inputs: no clock, no random number, no input or output. The engine asks this
//! crate what to do, commits the answer and carries it out; the stores and drivers sit behind the
//! ports in [`ports`]. Nothing here may name tokio, tonic, rusqlite or bollard.
//!
//! ```text
//!  ids, time ── pipeline (validate, hash) ── run (the machine) ── admission
//!                    │                          │
//!              placeholder, variables       ports::driver, log
//! ```
#![warn(missing_docs)]

pub mod admission;
pub mod history;
pub mod ids;
pub mod log;
pub mod pipeline;
pub mod placeholder;
pub mod ports;
pub mod problem;
pub mod run;
pub mod time;
pub mod variables;
