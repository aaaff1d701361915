//! The driver: the port to a container engine. The engine crate speaks to it, `drivers/*` and the
//! fake implement it, one conformance suite holds them all.
//!
//! Three rules carry the promises of the product. A container's name comes from the attempt, so
//! [`Driver::ensure`] may be called twice and gives one container. [`Driver::inspect`] is the
//! truth; events only say when to look. `Absent` and `Unknown` are neither failure nor success:
//! what they mean is decided by the run machine, never by a driver.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::Stream;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::ids::{AttemptKey, InstanceId};
use crate::log::{Cursor, Follow, Frame};
use crate::pipeline::PullPolicy;
use crate::ports::images::Images;

/// A stream of items from the engine; dropping it ends the reading.
pub type DriverStream<T> = Pin<Box<dyn Stream<Item = Result<T, DriverError>> + Send>>;

/// Told of a pull's progress; called from the pull, must return at once.
pub type ProgressSink = Arc<dyn Fn(PullProgress) + Send + Sync>;

/// A container engine. Every call may be repeated; a repeated call does no harm. Dropping the
/// future of [`Driver::pull`] cancels the pull; all other calls run to their answer or time limit.
pub trait Driver: Send + Sync + fmt::Debug {
    /// Asks the engine who it is. Fails with [`FaultKind::Unreachable`] where it does not answer.
    fn info(&self) -> BoxFuture<'_, Result<EngineInfo, DriverError>>;

    /// What this engine can and cannot tell.
    fn capabilities(&self) -> Capabilities;

    /// Says whether the engine could run `spec` at all, without asking it.
    ///
    /// # Errors
    /// [`FaultKind::Config`] with the setting that it cannot honour.
    fn validate(&self, spec: &ContainerSpec) -> Result<(), DriverError>;

    /// Makes the image available by its policy. Fails with [`FaultKind::Image`] where there is no
    /// such image or the registry refuses; `retryable` tells a hiccup from a final no.
    fn pull(
        &self,
        request: PullRequest,
        progress: ProgressSink,
    ) -> BoxFuture<'_, Result<PulledImage, DriverError>>;

    /// Creates and starts the container of `spec.key`, or finds the one that is there: running,
    /// or ended already. A container of that name with another `spec_hash` is a
    /// [`FaultKind::Config`] fault. A container that was started once is never started again.
    fn ensure(&self, spec: ContainerSpec) -> BoxFuture<'_, Result<Handle, DriverError>>;

    /// One stream of this instance's container events for the whole engine, from now on. It ends
    /// with an error when the connection is lost; the caller opens it again and then inspects
    /// what it watches, since events in between are lost.
    fn events(&self, instance: &InstanceId) -> DriverStream<EngineEvent>;

    /// What is true of the attempt's container now.
    fn inspect(&self, key: &AttemptKey) -> BoxFuture<'_, Result<Observed, DriverError>>;

    /// The container's output from `cursor` on, stdout and stderr apart, in the engine's order.
    fn logs(&self, handle: &Handle, cursor: Cursor, follow: Follow) -> DriverStream<Frame>;

    /// Sends SIGTERM and returns. A container that has ended or is gone is fine.
    fn stop(&self, handle: &Handle) -> BoxFuture<'_, Result<(), DriverError>>;

    /// Sends SIGKILL and returns. A container that has ended or is gone is fine.
    fn kill(&self, handle: &Handle) -> BoxFuture<'_, Result<(), DriverError>>;

    /// Removes the container, running or not, with its engine-side log. Gone already is fine.
    fn remove(&self, handle: &Handle) -> BoxFuture<'_, Result<(), DriverError>>;

    /// All containers that carry this instance's label, whatever their state.
    fn list(&self, instance: &InstanceId) -> BoxFuture<'_, Result<Vec<Listed>, DriverError>>;

    /// The images that this engine holds, for what people do with them by hand.
    fn images(&self) -> &dyn Images;
}

/// Who the engine is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineInfo {
    /// Its kind: `docker`, `fake`.
    pub kind: String,
    /// Its own version.
    pub version: String,
    /// Its own id, which tells one engine from another.
    pub id: String,
}

/// What an engine can tell, as values rather than yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// How the end of a log is known.
    pub log_end: LogEnd,
    /// Whether stdout and stderr come apart.
    pub streams_apart: bool,
    /// Whether a kill for want of memory can be told from any other.
    pub oom_known: bool,
    /// Whether the engine keeps ended containers until they are removed.
    pub keeps_ended: bool,
}

/// How the end of a log is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogEnd {
    /// After the exit is known, one more read without follow gives all there is.
    ReadAfterExit,
}

/// Everything needed to make one container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerSpec {
    /// The server's instance; becomes a label and part of the name.
    pub instance: InstanceId,
    /// Which attempt this is.
    pub key: AttemptKey,
    /// What to run: an image reference, or the image id that the pull gave.
    pub image: String,
    /// Replaces the image's entry point; empty keeps it.
    pub entrypoint: Vec<String>,
    /// Replaces the image's command; empty keeps it.
    pub command: Vec<String>,
    /// Environment, resolved, sorted by name.
    pub env: BTreeMap<String, String>,
    /// User or `uid:gid` in the container; none keeps the image's.
    pub user: Option<String>,
    /// Working directory in the container; none keeps the image's.
    pub workdir: Option<String>,
    /// Thousandths of a CPU; none for no limit.
    pub cpu_milli: Option<u32>,
    /// Bytes of memory, swap included; none for no limit.
    pub memory_bytes: Option<u64>,
    /// Most processes and threads at once.
    pub pids_max: u32,
    /// Further labels, for people who look at the engine.
    pub labels: BTreeMap<String, String>,
}

impl ContainerSpec {
    /// The container's name: `gofer-<last 8 of the instance>-<run uid>-<task>-<attempt>`.
    /// The same for the same attempt, always.
    #[must_use]
    pub fn container_name(&self) -> String {
        container_name(&self.instance, &self.key)
    }
}

/// The name of the container of an attempt; see [`ContainerSpec::container_name`].
#[must_use]
pub fn container_name(instance: &InstanceId, key: &AttemptKey) -> String {
    let tail: String = instance.as_str().chars().skip(18).collect();
    format!("gofer-{tail}-{}-{}-{}", key.uid, key.task, key.attempt)
}

/// A container that exists, in a form that a later release can read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Handle {
    /// Which attempt it belongs to.
    pub key: AttemptKey,
    /// The engine's own id of the container.
    pub id: String,
}

/// What `inspect` saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observed {
    /// Created and never started.
    Created(Handle),
    /// Running.
    Running {
        /// The container.
        handle: Handle,
        /// When it started, milliseconds since the epoch.
        since_ms: i64,
    },
    /// Ended; the exit is the engine's record.
    Exited {
        /// The container.
        handle: Handle,
        /// How it ended.
        exit: Exit,
    },
    /// The engine says that there is no such container.
    Absent,
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// The exit code; 128 + n after signal n, as shells count.
    pub code: i32,
    /// The kernel killed it, or a process in it, for want of memory.
    pub oom: bool,
    /// The engine itself went down under the container, so that the code says nothing about the
    /// task. Never a success and never the user's failure.
    pub interrupted: bool,
    /// When it started, milliseconds since the epoch; none where it never did.
    pub started_ms: Option<i64>,
    /// When it ended, milliseconds since the epoch.
    pub ended_ms: i64,
}

impl Exit {
    /// The signal that ended the container, where the code says so (128 + signal).
    #[must_use]
    pub fn signal(&self) -> Option<i32> {
        (129..=192).contains(&self.code).then(|| self.code - 128)
    }
}

/// Something that happened to one of our containers: a hint to look, not the truth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineEvent {
    /// The stream is up: whatever was missed before must be looked at.
    Connected,
    /// The container of this attempt started, ended, was killed or removed.
    Changed(AttemptKey),
}

/// One container of ours on the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The container.
    pub handle: Handle,
    /// Whether it runs now.
    pub running: bool,
}

/// An image to make available.
#[derive(Clone, PartialEq, Eq)]
pub struct PullRequest {
    /// The reference as the pipeline's author wrote it.
    pub image: String,
    /// When to ask the registry.
    pub policy: PullPolicy,
    /// Name and password for the registry.
    pub auth: Option<RegistryLogin>,
}

impl fmt::Debug for PullRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PullRequest")
            .field("image", &self.image)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

/// Resolved credentials for a registry. Its `Debug` never shows the password.
#[derive(Clone, PartialEq, Eq)]
pub struct RegistryLogin {
    /// User name.
    pub username: String,
    /// Password or token.
    pub password: String,
}

impl fmt::Debug for RegistryLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryLogin").field("username", &self.username).finish_non_exhaustive()
    }
}

/// How far a pull is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PullProgress {
    /// Bytes fetched so far, over all layers.
    pub current_bytes: u64,
    /// Bytes in all, as far as known.
    pub total_bytes: u64,
}

/// An image that is on the engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PulledImage {
    /// The engine's id of the image (its config digest): what the container is made from.
    pub image_id: String,
    /// The registry's digest (`name@sha256:…`), where the image came from one.
    pub digest: Option<String>,
}

/// What kind of fault a driver met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// The engine does not answer: nothing is known, nothing has failed.
    Unreachable,
    /// The image: missing, refused, broken.
    Image,
    /// The container's settings: unknown command, user or work directory, a bad value.
    Config,
    /// The engine has no room: disk, memory, processes.
    Capacity,
    /// The engine answered with a failure of its own.
    Engine,
}

/// A fault that a driver met.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DriverError {
    /// What kind of fault.
    pub kind: FaultKind,
    /// What was tried and on which thing, with the engine's own words.
    pub message: String,
    /// Whether the same call may work later.
    pub retryable: bool,
    /// The exit code that a shell would give (126, 127), where a command could not be started.
    pub exit_code: Option<i32>,
}

impl DriverError {
    /// A fault of `kind`; retryable unless it is [`FaultKind::Image`] or [`FaultKind::Config`].
    pub fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        let retryable = match kind {
            FaultKind::Unreachable | FaultKind::Capacity | FaultKind::Engine => true,
            FaultKind::Image | FaultKind::Config => false,
        };
        Self { kind, message: message.into(), retryable, exit_code: None }
    }
}
