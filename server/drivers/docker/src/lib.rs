//! The Docker driver: [`gofer_core::ports::driver::Driver`] on the Docker API. The server builds
//! one and hands it to the engine crate, which alone talks to it; nothing here knows of runs.
//!
//! ```text
//!  DockerDriver ─ ensure ─ pull ─ inspect ─ events ─ logs ─ signal     one file per deed
//!                    └───────┴───────┴─ client ─┴──────┴──────┘        limits, version, connection
//!                 body  labels  reference  credentials  fault  clock   what Docker's words mean
//!                              outage                                  was it the engine's doing?
//! ```
//!
//! It must never start a container twice, never touch a container without this instance's label,
//! and never take silence for an answer: an engine that does not answer is `Unreachable`, and only
//! its own "no such container" is `Absent`.

mod body;
mod client;
mod clock;
mod credentials;
mod ensure;
mod events;
mod fault;
mod inspect;
pub mod labels;
mod limits;
mod logs;
mod mend;
mod outage;
mod pull;
mod reference;
mod signal;

use std::path::PathBuf;

use futures_util::future::BoxFuture;
use gofer_core::ids::{AttemptKey, InstanceId};
use gofer_core::log::{Cursor, Follow, Frame};
use gofer_core::ports::driver::{
    Capabilities, ContainerSpec, Driver, DriverError, DriverStream, EngineEvent, EngineInfo,
    FaultKind, Handle, Listed, LogEnd, Observed, ProgressSink, PullRequest, PulledImage,
};

use crate::client::Client;

/// What a Docker driver needs to know.
#[derive(Debug, Clone)]
pub struct DockerSettings {
    /// Whose containers it makes and looks at.
    pub instance: InstanceId,
    /// Where the engine listens: `unix://…`, `tcp://…` or `http://…`; none for the default socket.
    pub host: Option<String>,
    /// Docker's `config.json` of the user, for registries the task gives no credentials for.
    pub config_file: Option<PathBuf>,
    /// When a server on the same data directory was answered by the engine last, milliseconds
    /// since the epoch; none at a first start.
    pub last_contact_ms: Option<i64>,
}

impl DockerSettings {
    /// As the `docker` command has it: `DOCKER_HOST`, and `config.json` in `DOCKER_CONFIG` or in
    /// `.docker` in the home directory.
    #[must_use]
    pub fn from_env(instance: InstanceId) -> Self {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let config_dir = set("DOCKER_CONFIG")
            .map(PathBuf::from)
            .or_else(|| set("HOME").map(|home| PathBuf::from(home).join(".docker")));
        Self {
            instance,
            host: set("DOCKER_HOST").and_then(|host| host.into_string().ok()),
            config_file: config_dir.map(|dir| dir.join("config.json")),
            last_contact_ms: None,
        }
    }
}

/// A Docker engine as the port sees it. Cheap to clone; all clones share the limits.
#[derive(Debug, Clone)]
pub struct DockerDriver {
    client: Client,
    settings: DockerSettings,
}

impl DockerDriver {
    /// A driver of the engine that `settings` name. Sends nothing: the engine may be down now.
    ///
    /// # Errors
    /// [`FaultKind::Config`] where the host is none that can be reached at all.
    pub fn new(settings: DockerSettings) -> Result<Self, DriverError> {
        let client = Client::new(settings.host.as_deref())?;
        if let Some(last_contact_ms) = settings.last_contact_ms {
            client.life().remember(last_contact_ms);
        }
        Ok(Self { client, settings })
    }

    /// The same, and asks the engine who it is, so that the caller knows that it answers.
    ///
    /// # Errors
    /// As [`DockerDriver::new`], and [`FaultKind::Unreachable`] where no engine answers.
    pub async fn connect(settings: DockerSettings) -> Result<Self, DriverError> {
        let driver = Self::new(settings)?;
        driver.info().await?;
        Ok(driver)
    }
}

impl Driver for DockerDriver {
    fn info(&self) -> BoxFuture<'_, Result<EngineInfo, DriverError>> {
        Box::pin(async {
            let tried = "ask the Docker engine who it is";
            let info = self.client.read(tried, |docker| async move { docker.info().await }).await?;
            Ok(EngineInfo {
                kind: "docker".to_owned(),
                version: info.server_version.unwrap_or_default(),
                id: info.id.unwrap_or_default(),
            })
        })
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            log_end: LogEnd::ReadAfterExit,
            streams_apart: true,
            oom_known: true,
            keeps_ended: true,
        }
    }

    fn validate(&self, spec: &ContainerSpec) -> Result<(), DriverError> {
        if spec.instance != self.settings.instance {
            let message = format!("could not run {}: it belongs to another instance", spec.key);
            return Err(DriverError::new(FaultKind::Config, message));
        }
        body::validate(spec)
    }

    fn pull(
        &self,
        request: PullRequest,
        progress: ProgressSink,
    ) -> BoxFuture<'_, Result<PulledImage, DriverError>> {
        Box::pin(async move {
            let config_file = self.settings.config_file.as_deref();
            pull::pull(&self.client, config_file, &request, &progress).await
        })
    }

    fn ensure(&self, spec: ContainerSpec) -> BoxFuture<'_, Result<Handle, DriverError>> {
        Box::pin(async move {
            self.validate(&spec)?;
            ensure::ensure(&self.client, &spec).await
        })
    }

    fn events(&self, instance: &InstanceId) -> DriverStream<EngineEvent> {
        events::events(self.client.clone(), instance.clone())
    }

    fn inspect(&self, key: &AttemptKey) -> BoxFuture<'_, Result<Observed, DriverError>> {
        let key = key.clone();
        Box::pin(async move { inspect::inspect(&self.client, &self.settings.instance, &key).await })
    }

    fn logs(&self, handle: &Handle, cursor: Cursor, follow: Follow) -> DriverStream<Frame> {
        logs::logs(self.client.clone(), handle.clone(), cursor, follow)
    }

    fn stop(&self, handle: &Handle) -> BoxFuture<'_, Result<(), DriverError>> {
        let handle = handle.clone();
        Box::pin(async move { signal::send(&self.client, &handle, "SIGTERM").await })
    }

    fn kill(&self, handle: &Handle) -> BoxFuture<'_, Result<(), DriverError>> {
        let handle = handle.clone();
        Box::pin(async move { signal::send(&self.client, &handle, "SIGKILL").await })
    }

    fn remove(&self, handle: &Handle) -> BoxFuture<'_, Result<(), DriverError>> {
        let handle = handle.clone();
        Box::pin(async move { signal::remove(&self.client, &handle).await })
    }

    fn list(&self, instance: &InstanceId) -> BoxFuture<'_, Result<Vec<Listed>, DriverError>> {
        let instance = instance.clone();
        Box::pin(async move { inspect::list(&self.client, &instance).await })
    }
}
