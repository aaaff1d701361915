//! Messages of the wire, made into plain values: one file for each noun. Conversion cannot fail: what
//! an older server does not send is absent, what a newer one sends is an unknown word.

mod common;
mod deployment;
mod event;
mod image;
mod log;
mod namespace;
mod pipeline;
mod run;
mod spec;
mod system;
mod task_run;

pub(crate) use common::{key_values, page_info, page_request};
pub(crate) use run::run_request;
pub(crate) use task_run::task_run_request;

use crate::model::Time;

/// A time that may be absent.
fn time(ms: Option<i64>) -> Option<Time> {
    ms.map(Time::from_ms)
}

/// From `start` to `end`, when both are known.
fn duration_ms(start: Option<i64>, end: Option<i64>) -> Option<u64> {
    Some(Time::from_ms(end?).ms_since(Time::from_ms(start?)))
}
