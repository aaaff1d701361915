//! The checked form of a pipeline config. Values of these types went through
//! [`validate`](super::validate()); nothing else makes them, but the store reading back its own rows.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::{PipelineId, TaskId};

/// One version of a pipeline: a DAG of containers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PipelineConfig {
    /// The pipeline's id in its namespace.
    pub id: PipelineId,
    /// A name for people.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Most runs at once; 0 leaves it to the server's limit.
    pub parallelism: u32,
    /// Time limit of a run from its start, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// The tasks in the author's order; ids are unique, parents exist, there is no cycle.
    pub tasks: Vec<TaskConfig>,
}

impl PipelineConfig {
    /// The task of that id.
    #[must_use]
    pub fn task(&self, id: &TaskId) -> Option<&TaskConfig> {
        self.tasks.iter().find(|task| task.id == *id)
    }
}

/// One container of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskConfig {
    /// Its id in the pipeline.
    pub id: TaskId,
    /// What it is for.
    pub description: String,
    /// The image reference.
    pub image: String,
    /// Credentials for the image's registry.
    pub registry_auth: Option<RegistryAuth>,
    /// When to ask the registry.
    pub pull_policy: PullPolicy,
    /// Parents and what is needed of them.
    pub depends_on: Vec<Dependency>,
    /// The task's own variables; values may hold placeholders.
    pub variables: BTreeMap<String, String>,
    /// Replaces the image's entry point; empty keeps it. Filled from `script` where one was given.
    pub entrypoint: Vec<String>,
    /// Replaces the image's command; empty keeps it.
    pub command: Vec<String>,
    /// The script that entry point and command were made from.
    pub script: Option<String>,
    /// What happens after a user failure.
    pub retries: Retries,
    /// Time limit of one attempt from the container's start, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// Thousandths of a CPU.
    pub cpu_milli: Option<u32>,
    /// Bytes of memory.
    pub memory_bytes: Option<u64>,
    /// User or `uid:gid` in the container.
    pub user: Option<String>,
    /// Working directory in the container.
    pub workdir: Option<String>,
    /// Labels for people and tools.
    pub labels: BTreeMap<String, String>,
}

/// A parent and what is needed of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependency {
    /// The parent task.
    pub parent: TaskId,
    /// The status that the parent must end with.
    pub need: Need,
}

/// What a child needs of its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Need {
    /// It ended: SUCCESSFUL, FAILED or SKIPPED. Not CANCELLED.
    Any,
    /// It ended SUCCESSFUL.
    Success,
    /// It ended FAILED.
    Failure,
}

/// When to ask the registry for an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PullPolicy {
    /// Only if the engine does not have it.
    IfNotPresent,
    /// Before every attempt.
    Always,
    /// Never: the image must be there.
    Never,
}

/// Credentials for a registry, as written: values may be placeholders. `Debug` never shows the
/// password: it may have been written in plain.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryAuth {
    /// User name.
    pub username: String,
    /// Password or token, or a placeholder for one.
    pub password: String,
}

impl fmt::Debug for RegistryAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryAuth").field("username", &self.username).finish_non_exhaustive()
    }
}

/// What happens after a user failure (exit code, time limit, out of memory).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retries {
    /// How many further attempts.
    pub count: u32,
    /// Wait before the first of them, in milliseconds.
    pub delay_ms: u64,
    /// Each further wait is this many times the one before, in thousandths (2000 doubles).
    pub factor_milli: u32,
    /// The longest wait, in milliseconds; none for no cap.
    pub cap_ms: Option<u64>,
}

impl Retries {
    /// No retry: the default.
    pub const NONE: Self = Self { count: 0, delay_ms: 0, factor_milli: 1000, cap_ms: None };

    /// The wait before retry `n` (from 1), in milliseconds: `delay * factor^(n-1)`, capped.
    #[must_use]
    pub fn wait_ms(&self, n: u32) -> u64 {
        const WAIT_MS_MAX: u64 = 24 * 60 * 60 * 1000;
        let cap = self.cap_ms.unwrap_or(WAIT_MS_MAX).min(WAIT_MS_MAX);
        let mut wait = self.delay_ms;
        for _ in 1..n {
            if wait >= cap || self.factor_milli <= 1000 {
                break;
            }
            wait = wait.saturating_mul(u64::from(self.factor_milli)) / 1000;
        }
        wait.min(cap)
    }
}

/// The state of one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ConfigState {
    /// Registered, never live.
    Unreleased,
    /// New runs take it. At most one version is live.
    Live,
    /// Was live; deploying it again is the rollback.
    Deprecated,
}

/// Where a version came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Which way it was registered.
    pub kind: OriginKind,
    /// Commit of the author's work tree.
    pub git_commit: Option<String>,
    /// Whether that work tree had changes.
    pub git_dirty: bool,
    /// Who registered it.
    pub author: Option<String>,
}

/// Which way a version was registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OriginKind {
    /// `gofer up`.
    Up,
    /// `gofer up --watch`.
    Watch,
    /// A direct call.
    Api,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_by_the_factor_up_to_the_cap() {
        let retries = Retries { count: 5, delay_ms: 100, factor_milli: 2000, cap_ms: Some(350) };
        let waits: Vec<u64> = (1..=4).map(|n| retries.wait_ms(n)).collect();
        assert_eq!(waits, [100, 200, 350, 350]);
        assert_eq!(Retries::NONE.wait_ms(u32::MAX), 0);
    }
}
