//! Describe Gofer pipelines in Rust.
//!
//! A pipeline is a graph of tasks, and each task is one container. A pipeline program builds that
//! description and hands it over by [`Pipeline::finish`]; it runs nothing itself. `gofer up` compiles
//! and starts the program, reads the message that it writes to its standard output, and registers
//! the pipelines in it.
//!
//! ```
//! use std::process::ExitCode;
//!
//! use gofer_sdk::{Pipeline, Task};
//!
//! fn main() -> ExitCode {
//!     let mut nightly = Pipeline::new("nightly", "Nightly build").timeout("1h");
//!     let build = nightly.task(Task::new("build", "rust:1.95").command(["cargo", "build"]));
//!     let test = nightly.task(
//!         Task::new("test", "rust:1.95").command(["cargo", "test"]).on_success(&build).retries(2),
//!     );
//!     nightly.task(
//!         Task::new("alert", "alpine:3").script("echo the tests failed").on_failure(&test),
//!     );
//!     nightly.finish()
//! }
//! ```
//!
//! # Faults
//!
//! No call of a builder fails or panics. What is wrong is noted together with the place in the source
//! text, and [`finish`](Pipeline::finish) reports everything at once. The SDK checks what needs no
//! other knowledge; `gofer` and the server then apply all of the rules.
//!
//! # Standard output
//!
//! It belongs to the message: print with `eprintln!`, never with `println!`. When standard output is
//! a terminal, as with `cargo run`, the plan is shown as text instead.
//!
//! ```text
//!  Task, Retries, placeholders ──> Pipeline ──> Plan ──> finish: message or text, exit code
//!       (notes slips)                (checks)   (holds the message)
//! ```
#![warn(missing_docs)]

mod check;
mod fault;
mod finish;
mod parents;
mod pipeline;
mod place;
mod placeholder;
mod plan;
mod retries;
mod script;
mod task;
mod text;
mod units;

#[cfg(test)]
mod tests;

pub use finish::finish_all;
pub use parents::{Parents, Status, TaskHandle};
pub use pipeline::Pipeline;
pub use placeholder::{
    Placeholder, global_secret, pipeline_object, pipeline_secret, run_object, secret,
};
pub use plan::Plan;
pub use retries::Retries;
pub use task::{PullPolicy, Task};

/// The README's examples, compiled and run with those of this documentation.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
