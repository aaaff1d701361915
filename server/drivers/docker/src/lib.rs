//! The Docker driver: [`gofer_core::ports::driver::Driver`] on the Docker API. The server builds
//! one and hands it to the engine crate, which alone talks to it; nothing here knows of runs.
//!
//! ```text
//!  DockerDriver ─ ensure ─ pull ─ images ─ inspect ─ events ─ logs ─ signal   one file per deed
//!                    └───────┴───────┴─── client ──┴──────┴──────┘       limits, version, connection
//!                           archive                                    what an import brings
//!                 body  labels  reference  credentials  fault  clock   what Docker's words mean
//!                              outage                                  was it the engine's doing?
//! ```
//!
//! It must never start a container twice, never touch a container without this instance's label,
//! never prune an image without its mark, and never take silence for an answer: an engine that does
//! not answer is `Unreachable`, and only its own "no such container" is `Absent`.

pub mod archive;
mod body;
mod client;
mod clock;
mod credentials;
mod ensure;
mod events;
mod fault;
mod images;
mod inspect;
pub mod labels;
mod limits;
mod logs;
mod mend;
mod outage;
mod pull;
mod signal;

use std::ffi::OsString;
use std::path::PathBuf;

use futures_util::future::BoxFuture;
use gofer_core::ids::{AttemptKey, InstanceId};
use gofer_core::log::{Cursor, Follow, Frame};
use gofer_core::ports::driver::{
    Capabilities, ContainerSpec, Driver, DriverError, DriverStream, EngineEvent, EngineInfo,
    FaultKind, Handle, Listed, LogEnd, Observed, ProgressSink, PullRequest, PulledImage,
};
use gofer_core::ports::images::Images;

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
    /// `.docker` in the home directory. `DOCKER_TLS_VERIFY` and `DOCKER_TLS` make a `tcp://` host an
    /// `https://` one, which [`DockerDriver::new`] refuses: it is never spoken to without TLS.
    #[must_use]
    pub fn from_env(instance: InstanceId) -> Self {
        Self::from_variables(instance, |name| std::env::var_os(name))
    }

    fn from_variables(instance: InstanceId, get: impl Fn(&str) -> Option<OsString>) -> Self {
        let set = |name: &str| get(name).filter(|value| !value.is_empty());
        let wants_tls = set("DOCKER_TLS_VERIFY").or_else(|| set("DOCKER_TLS")).is_some();
        let host = set("DOCKER_HOST").map(|host| host.to_string_lossy().into_owned());
        let host = host.map(|host| match host.strip_prefix("tcp://") {
            Some(rest) if wants_tls => format!("https://{rest}"),
            Some(_) | None => host,
        });
        let config_dir = set("DOCKER_CONFIG")
            .map(PathBuf::from)
            .or_else(|| set("HOME").map(|home| PathBuf::from(home).join(".docker")));
        Self {
            instance,
            host,
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

    fn images(&self) -> &dyn Images {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host_of(variables: &[(&str, &str)]) -> Option<String> {
        let get = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        };
        let instance = InstanceId::parse("01arz3ndektsv4rrffq69g5fav").unwrap();
        DockerSettings::from_variables(instance, get).host
    }

    #[test]
    fn an_engine_that_wants_tls_is_never_spoken_to_without() {
        let (host, verify) = (("DOCKER_HOST", "tcp://h:2376"), ("DOCKER_TLS_VERIFY", "1"));
        assert_eq!(host_of(&[host]).as_deref(), Some("tcp://h:2376"));
        assert_eq!(host_of(&[verify]), None, "the socket knows no TLS");
        let socket = ("DOCKER_HOST", "unix:///run/docker.sock");
        assert_eq!(host_of(&[socket, verify]).as_deref(), Some("unix:///run/docker.sock"));
        for tls in [verify, ("DOCKER_TLS", "1")] {
            let host = host_of(&[host, tls]);
            let fault = Client::new(host.as_deref()).unwrap_err();
            assert_eq!(fault.kind, FaultKind::Config);
            assert!(fault.message.contains("TLS"), "{}", fault.message);
        }
    }
}
