//! The connection to one engine: finds it, agrees on the API version, holds the limits on calls.
//! Everything else in this crate calls the engine through here. A client exists before its engine
//! does: the server starts with the engine down and waits for it.
//!
//! Three faults of the client library are repaired here, in the request just before it is sent.
//! Its paths lack the agreed version, so that a newer engine would answer in its own newest form.
//! It writes credentials in plain base64 where Docker reads the URL form and *silently ignores*
//! what it cannot read, so that some passwords would never reach the registry. And it refuses to
//! be made while the socket file does not exist, hence the lazy [`Client::ready`].

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bollard::errors::Error;
use bollard::{API_DEFAULT_VERSION, BollardRequest, Docker};
use gofer_core::ports::driver::{DriverError, FaultKind};
use tokio::sync::Semaphore;

use crate::outage::EngineLife;
use crate::{fault, limits};

/// Where an engine listens when nobody says otherwise.
const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";

#[derive(Clone)]
pub(crate) struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    host: String,
    docker: OnceLock<Docker>,
    /// The agreed minor version of API 1; 0 until it is agreed.
    api_minor: Arc<AtomicUsize>,
    in_flight: Semaphore,
    life: EngineLife,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("host", &self.shared.host).finish_non_exhaustive()
    }
}

impl Client {
    /// A client of the engine at `host`, or of the default one. Sends nothing yet.
    pub(crate) fn new(host: Option<&str>) -> Result<Self, DriverError> {
        let host = host.filter(|host| !host.is_empty()).unwrap_or(DEFAULT_HOST).to_owned();
        if host.starts_with("https://") {
            let message = format!(
                "could not use the Docker host {host:?}: TLS to the engine is not supported; name its \
                 socket, or bring the port here by `ssh -L` and unset DOCKER_TLS_VERIFY"
            );
            return Err(DriverError::new(FaultKind::Config, message));
        }
        let known = ["unix://", "tcp://", "http://"].iter().any(|scheme| host.starts_with(scheme));
        if !known {
            let message = format!(
                "could not use the Docker host {host:?}: it must begin with unix://, tcp:// or http://"
            );
            return Err(DriverError::new(FaultKind::Config, message));
        }
        Ok(Self {
            shared: Arc::new(Shared {
                host,
                docker: OnceLock::new(),
                api_minor: Arc::new(AtomicUsize::new(0)),
                in_flight: Semaphore::new(limits::CALLS_IN_FLIGHT_MAX),
                life: EngineLife::default(),
            }),
        })
    }

    /// What is known of the engine's lives and outages.
    pub(crate) fn life(&self) -> &EngineLife {
        &self.shared.life
    }

    /// A call that only reads.
    pub(crate) async fn read<T, F>(
        &self,
        tried: &str,
        call: impl FnOnce(Docker) -> F,
    ) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        self.call(tried, limits::READ_LIMIT, call).await
    }

    /// A call that changes something.
    pub(crate) async fn act<T, F>(
        &self,
        tried: &str,
        call: impl FnOnce(Docker) -> F,
    ) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        self.call(tried, limits::ACT_LIMIT, call).await
    }

    async fn call<T, F>(
        &self,
        tried: &str,
        limit: Duration,
        call: impl FnOnce(Docker) -> F,
    ) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let docker = self.ready().await?;
        self.limited(tried, limit, call(docker)).await
    }

    async fn limited<T>(
        &self,
        tried: &str,
        limit: Duration,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, CallError> {
        // The semaphore is never closed; if it were, an unlimited call would do no harm.
        let _permit = self.shared.in_flight.acquire().await;
        let sent_ms = self.shared.life.now_ms();
        match tokio::time::timeout(limit, Box::pin(call)).await {
            Ok(Ok(answer)) => {
                self.shared.life.answered(sent_ms);
                Ok(answer)
            }
            Ok(Err(error)) => {
                if matches!(error, Error::DockerResponseServerError { .. }) {
                    self.shared.life.answered(sent_ms);
                }
                Err(CallError { fault: fault::of_call(tried, &error), engine: Some(error) })
            }
            Err(_) => Err(fault::of_deadline(tried, limit.as_secs()).into()),
        }
    }

    /// The library's client, with the API version agreed; for streams, which have no time limit.
    pub(crate) async fn ready(&self) -> Result<Docker, DriverError> {
        let docker = self.docker()?;
        if self.shared.api_minor.load(Ordering::Acquire) == 0 {
            self.agree_on_version(&docker).await?;
        }
        Ok(docker)
    }

    /// Agrees on the version anew: the engine may have been upgraded while it was away.
    pub(crate) async fn renew_version(&self) -> Result<(), DriverError> {
        let docker = self.docker()?;
        self.agree_on_version(&docker).await
    }

    async fn agree_on_version(&self, docker: &Docker) -> Result<(), DriverError> {
        let tried = format!("ask the Docker engine at {} for its version", self.shared.host);
        let version = self.limited(&tried, limits::READ_LIMIT, docker.version()).await?;
        let minor = version.api_version.as_deref().and_then(minor_of).ok_or_else(|| {
            DriverError::new(
                FaultKind::Engine,
                format!("could not {tried}: it names none that is known"),
            )
        })?;
        let agreed = minor.min(API_DEFAULT_VERSION.minor_version);
        self.shared.api_minor.store(agreed, Ordering::Release);
        Ok(())
    }

    fn docker(&self) -> Result<Docker, DriverError> {
        if let Some(docker) = self.shared.docker.get() {
            return Ok(docker.clone());
        }
        let host = &self.shared.host;
        let made = if host.starts_with("unix://") {
            Docker::connect_with_unix(host, limits::RESPONSE_HEAD_LIMIT_S, API_DEFAULT_VERSION)
        } else {
            Docker::connect_with_http(host, limits::RESPONSE_HEAD_LIMIT_S, API_DEFAULT_VERSION)
        };
        let docker = made.map_err(|error| fault::of_call(&format!("connect to {host}"), &error))?;
        let api_minor = Arc::clone(&self.shared.api_minor);
        let docker = docker.with_request_modifier(move |request| repair(request, &api_minor));
        Ok(self.shared.docker.get_or_init(|| docker).clone())
    }
}

/// A call that failed: the fault as the port tells it, and the engine's own answer where there was
/// one, since "no such container" means success to some callers.
#[derive(Debug)]
pub(crate) struct CallError {
    pub(crate) fault: DriverError,
    pub(crate) engine: Option<Error>,
}

impl CallError {
    pub(crate) fn is_absent(&self) -> bool {
        self.engine.as_ref().is_some_and(fault::is_absent)
    }

    pub(crate) fn is_conflict(&self) -> bool {
        self.engine.as_ref().is_some_and(fault::is_conflict)
    }

    /// The engine's own words, where it answered.
    pub(crate) fn engine_text(&self) -> Option<(u16, &str)> {
        match &self.engine {
            Some(Error::DockerResponseServerError { status_code, message }) => {
                Some((*status_code, message))
            }
            // Every other error is the client's.
            _ => None,
        }
    }
}

impl From<DriverError> for CallError {
    fn from(fault: DriverError) -> Self {
        Self { fault, engine: None }
    }
}

impl From<CallError> for DriverError {
    fn from(error: CallError) -> Self {
        error.fault
    }
}

/// The `n` of version `1.n`. There was never another major version.
fn minor_of(version: &str) -> Option<usize> {
    version.strip_prefix("1.")?.parse().ok()
}

/// See the top of this file. A request that cannot be repaired is sent as it is.
fn repair(mut request: BollardRequest, api_minor: &AtomicUsize) -> BollardRequest {
    let minor = api_minor.load(Ordering::Acquire);
    let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    if minor != 0 && !path.starts_with("/v1.") && !path.starts_with("/version") {
        let mut parts = request.uri().clone().into_parts();
        parts.path_and_query = format!("/v1.{minor}{path}").parse().ok();
        if let Ok(uri) = parts.try_into() {
            *request.uri_mut() = uri;
        }
    }
    if let Some(value) = request.headers_mut().get_mut("x-registry-auth") {
        let url_form = value.to_str().map(|text| text.replace('+', "-").replace('/', "_"));
        if let Some(fixed) = url_form.ok().and_then(|text| text.parse().ok()) {
            *value = fixed;
        }
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(uri: &str, auth: &str) -> BollardRequest {
        let mut request = BollardRequest::new(bollard::body_full(bytes::Bytes::new()));
        *request.uri_mut() = uri.parse().unwrap();
        request.headers_mut().insert("X-Registry-Auth", auth.parse().unwrap());
        request
    }

    #[test]
    fn the_agreed_version_stands_in_the_path_once() {
        let sent = repair(request("unix://2f/images/create?tag=a%2Fb", ""), &AtomicUsize::new(41));
        assert_eq!(sent.uri().to_string(), "unix://2f/v1.41/images/create?tag=a%2Fb");
        let sent = repair(request("unix://2f/v1.30/info", ""), &AtomicUsize::new(41));
        assert_eq!(sent.uri().to_string(), "unix://2f/v1.30/info");
        let sent = repair(request("unix://2f/info", ""), &AtomicUsize::new(0));
        assert_eq!(sent.uri().to_string(), "unix://2f/info");
    }

    #[test]
    fn credentials_are_sent_in_the_form_that_docker_reads() {
        let sent = repair(request("unix://2f/info", "ab+/cd=="), &AtomicUsize::new(41));
        assert_eq!(sent.headers().get("X-Registry-Auth").unwrap(), "ab-_cd==");
    }

    #[test]
    fn only_hosts_that_can_be_reached_are_taken() {
        assert_eq!(Client::new(Some("ssh://x")).unwrap_err().kind, FaultKind::Config);
        assert!(Client::new(Some("")).is_ok());
        assert!(Client::new(None).is_ok());
    }
}
