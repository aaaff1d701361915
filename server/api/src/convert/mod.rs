//! Between the house's plain values and the wire's messages, both ways, one file per noun.

pub(crate) mod common;
pub(crate) mod deployments;
pub(crate) mod drafts;
pub(crate) mod events;
pub(crate) mod images;
pub(crate) mod logs;
pub(crate) mod pipelines;
pub(crate) mod runs;
pub(crate) mod task_runs;
pub(crate) mod waiting;
