//! How things look: one file for each noun, with its table columns, its full view and its schema name.

pub(crate) mod config;
pub(crate) mod dag;
pub(crate) mod deployment;
pub(crate) mod event;
pub(crate) mod failure;
pub(crate) mod image;
pub(crate) mod namespace;
pub(crate) mod pipeline;
pub(crate) mod report;
pub(crate) mod run;
#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod schemas;
pub(crate) mod table;
pub(crate) mod task_run;
pub(crate) mod words;

use serde::Serialize;

use crate::look::Look;
use table::Cell;

/// A thing that can be listed.
pub(crate) trait Noun: Serialize {
    /// Name of its schema: `run` in `gofer.run/v1`.
    const SCHEMA: &'static str;
    /// The columns of its table.
    const HEADER: &'static [&'static str];
    /// Further columns with `-o wide`.
    const HEADER_WIDE: &'static [&'static str] = &[];
    /// One row, with the further columns when `look.wide`.
    fn row(&self, look: &Look) -> Vec<Cell>;
    /// What `-o name` prints: something that can be pasted back.
    fn name(&self) -> String;
}
