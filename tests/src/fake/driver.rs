//! The port on the fake engine. Each call waits the set delay, fails if the engine is unreachable,
//! acts, and may then lose its answer.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use gofer_core::ids::{AttemptKey, InstanceId};
use gofer_core::log::{Cursor, Follow, Frame};
use gofer_core::pipeline::PullPolicy;
use gofer_core::ports::driver::{
    Capabilities, ContainerSpec, Driver, DriverError, DriverStream, EngineEvent, EngineInfo,
    FaultKind, Handle, Listed, LogEnd, Observed, ProgressSink, PullProgress, PullRequest,
    PulledImage,
};
use gofer_core::ports::images::Images;
use tokio::time::Instant;

use super::FakeEngine;
use super::image::FakeImage;
use super::program::{End, OnTerm, Refusal};
use super::state::{Cause, Container, Stage, State};
use super::streams;

/// Steps in which a slow pull tells its progress.
const PULL_STEPS: u32 = 10;

/// One server's connection to a [`FakeEngine`].
#[derive(Debug, Clone)]
pub struct FakeDriver {
    pub(super) engine: FakeEngine,
}

impl FakeDriver {
    /// A connection to `engine`.
    #[must_use]
    pub fn new(engine: FakeEngine) -> Self {
        Self { engine }
    }

    /// The same, as the port.
    #[must_use]
    pub fn port(engine: FakeEngine) -> Arc<dyn Driver> {
        Arc::new(Self::new(engine))
    }

    pub(super) async fn enter(&self) -> Result<(), DriverError> {
        let delay = self.engine.look(|state| state.faults.delay);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        self.engine.look(|state| if state.faults.unreachable { Err(unreachable()) } else { Ok(()) })
    }

    pub(super) async fn read<T>(
        &self,
        act: impl FnOnce(&mut State) -> T,
    ) -> Result<T, DriverError> {
        self.enter().await?;
        Ok(self.engine.look(act))
    }

    pub(super) async fn act<T>(&self, act: impl FnOnce(&mut State) -> T) -> Result<T, DriverError> {
        self.enter().await?;
        self.engine.change(|state| {
            let done = act(state);
            if state.faults.answers_to_lose == 0 {
                return Ok(done);
            }
            state.faults.answers_to_lose -= 1;
            Err(unreachable())
        })
    }

    async fn fetch(
        &self,
        request: &PullRequest,
        image: &FakeImage,
        progress: &ProgressSink,
    ) -> Result<(), DriverError> {
        let under_way = UnderWay::new(&self.engine);
        if image.hiccups > 0 {
            let message =
                format!("could not pull image {}: the registry did not answer", request.image);
            return Err(DriverError {
                retryable: true,
                ..DriverError::new(FaultKind::Image, message)
            });
        }
        let refused = image.login.is_some() && image.login != request.auth;
        if refused || !image.in_registry {
            let why = if refused {
                "the registry refused the credentials"
            } else {
                "there is no such image"
            };
            let message = format!("could not pull image {}, {why}", request.image);
            return Err(DriverError::new(FaultKind::Image, message));
        }
        let n_steps = if image.takes.is_zero() { 1 } else { PULL_STEPS };
        for step in 1..=n_steps {
            tokio::time::sleep(image.takes / n_steps).await;
            let current_bytes = image.bytes * u64::from(step) / u64::from(n_steps);
            progress(PullProgress { current_bytes, total_bytes: image.bytes });
            self.engine
                .look(|state| if state.faults.unreachable { Err(unreachable()) } else { Ok(()) })?;
        }
        drop(under_way);
        Ok(())
    }

    async fn pull_image(
        &self,
        request: PullRequest,
        progress: ProgressSink,
    ) -> Result<PulledImage, DriverError> {
        let name = request.image.clone();
        let image = self.read(|state| state.images.get(&name).cloned().unwrap_or_default()).await?;
        let wanted = match request.policy {
            PullPolicy::Always => true,
            PullPolicy::IfNotPresent => !image.on_engine,
            PullPolicy::Never if !image.on_engine => {
                let message = format!(
                    "could not use image {name}: it is not on the engine, and its pull policy is never"
                );
                return Err(DriverError::new(FaultKind::Image, message));
            }
            PullPolicy::Never => false,
        };
        if wanted {
            self.engine.change(|state| {
                state.counts.registry_calls += 1;
                if let Some(image) = state.images.get_mut(&name) {
                    image.hiccups = image.hiccups.saturating_sub(1);
                }
            });
            self.fetch(&request, &image, &progress).await?;
        }
        self.engine.change(|state| {
            let image = state.images.entry(name.clone()).or_insert(image);
            image.on_engine = true;
            Ok(PulledImage { image_id: image.id(&name), digest: image.digest(&name) })
        })
    }
}

impl Driver for FakeDriver {
    fn info(&self) -> BoxFuture<'_, Result<EngineInfo, DriverError>> {
        Box::pin(self.read(|_| EngineInfo {
            kind: "fake".to_owned(),
            version: "1".to_owned(),
            id: "fake".to_owned(),
        }))
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
        let bad_workdir = spec.workdir.as_ref().is_some_and(|workdir| !workdir.starts_with('/'));
        if bad_workdir || spec.image.trim().is_empty() {
            let message = format!("could not run {}: bad settings", spec.key);
            return Err(DriverError::new(FaultKind::Config, message));
        }
        Ok(())
    }

    fn pull(
        &self,
        request: PullRequest,
        progress: ProgressSink,
    ) -> BoxFuture<'_, Result<PulledImage, DriverError>> {
        Box::pin(self.pull_image(request, progress))
    }

    fn ensure(&self, spec: ContainerSpec) -> BoxFuture<'_, Result<Handle, DriverError>> {
        Box::pin(async move {
            self.validate(&spec)?;
            self.act(|state| ensure(state, spec)).await?
        })
    }

    fn events(&self, instance: &InstanceId) -> DriverStream<EngineEvent> {
        streams::events(self.clone(), instance.clone())
    }

    fn inspect(&self, key: &AttemptKey) -> BoxFuture<'_, Result<Observed, DriverError>> {
        let key = key.clone();
        Box::pin(self.read(move |state| {
            let found = state.name_of(&key).and_then(|name| state.containers.get(&name));
            let Some(one) = found else { return Observed::Absent };
            let handle = Handle { key, id: one.id.clone() };
            match &one.stage {
                Stage::Running { since_ms, .. } => {
                    Observed::Running { handle, since_ms: *since_ms }
                }
                Stage::Ended(exit) => Observed::Exited { handle, exit: exit.clone() },
            }
        }))
    }

    fn logs(&self, handle: &Handle, cursor: Cursor, follow: Follow) -> DriverStream<Frame> {
        streams::logs(self.clone(), handle.clone(), cursor, follow)
    }

    fn stop(&self, handle: &Handle) -> BoxFuture<'_, Result<(), DriverError>> {
        let id = handle.id.clone();
        Box::pin(self.act(move |state| {
            let Some(name) = state.name_of_id(&id) else { return };
            match state.containers.get(&name).map(|one| one.program.on_term) {
                Some(OnTerm::Exit(code)) => state.end(&name, Instant::now(), code, Cause::Own),
                Some(OnTerm::Ignore) | None => state.tell(&name),
            }
        }))
    }

    fn kill(&self, handle: &Handle) -> BoxFuture<'_, Result<(), DriverError>> {
        let id = handle.id.clone();
        Box::pin(self.act(move |state| {
            if let Some(name) = state.name_of_id(&id) {
                state.end(&name, Instant::now(), 137, Cause::Own);
            }
        }))
    }

    fn remove(&self, handle: &Handle) -> BoxFuture<'_, Result<(), DriverError>> {
        let id = handle.id.clone();
        Box::pin(self.act(move |state| {
            if let Some(name) = state.name_of_id(&id) {
                state.tell(&name);
                state.containers.remove(&name);
            }
        }))
    }

    fn list(&self, instance: &InstanceId) -> BoxFuture<'_, Result<Vec<Listed>, DriverError>> {
        let instance = instance.clone();
        Box::pin(self.read(move |state| {
            let ours = state.containers.values().filter(|one| one.spec.instance == instance);
            let listed = |one: &Container| Listed {
                handle: Handle { key: one.spec.key.clone(), id: one.id.clone() },
                running: one.is_running(),
            };
            ours.map(listed).collect()
        }))
    }

    fn images(&self) -> &dyn Images {
        self
    }
}

fn ensure(state: &mut State, spec: ContainerSpec) -> Result<Handle, DriverError> {
    let name = spec.container_name();
    if let Some(one) = state.containers.get(&name) {
        if one.spec == spec {
            return Ok(Handle { key: spec.key, id: one.id.clone() });
        }
        let message = format!(
            "could not run {}: the container {name} was made from other settings",
            spec.key
        );
        return Err(DriverError::new(FaultKind::Config, message));
    }
    let by_name_or_id = |(name, image): &(&String, &FakeImage)| {
        **name == spec.image || image.id(name) == spec.image
    };
    if state.images.iter().find(by_name_or_id).is_some_and(|(_, image)| !image.on_engine) {
        let message = format!("could not create the container of {}, its image is gone", spec.key);
        return Err(DriverError { retryable: true, ..DriverError::new(FaultKind::Image, message) });
    }
    let program = state.program_for(&spec);
    if let End::Refused(why) = program.end {
        return Err(refusal(&spec, why));
    }
    *state.starts.entry(spec.key.clone()).or_insert(0) += 1;
    let now = Instant::now();
    let handle = Handle { key: spec.key.clone(), id: format!("fake-{}", state.fresh_id()) };
    let stage = Stage::Running { since_ms: state.ms_at(now), next_step: 0, due: now };
    let (id, image_id) = (handle.id.clone(), state.image_id(&spec.image));
    let container = Container { id, image_id, spec, program, stage, frames: Vec::new() };
    state.containers.insert(name.clone(), container);
    state.tell(&name);
    state.advance(now);
    Ok(handle)
}

fn refusal(spec: &ContainerSpec, why: Refusal) -> DriverError {
    let (kind, exit_code, text) = match why {
        Refusal::CommandNotFound => (FaultKind::Config, Some(127), "executable file not found"),
        Refusal::NotExecutable => (FaultKind::Config, Some(126), "permission denied"),
        Refusal::UnknownUser => (FaultKind::Config, None, "unable to find user"),
        Refusal::BadWorkdir => (FaultKind::Config, None, "the working directory is no directory"),
        Refusal::NoSpace => (FaultKind::Capacity, None, "no space left on device"),
    };
    let message = format!("could not start the container of {}: {text}", spec.key);
    DriverError { exit_code, ..DriverError::new(kind, message) }
}

pub(super) fn unreachable() -> DriverError {
    DriverError::new(FaultKind::Unreachable, "could not reach the fake engine")
}

/// Counts a pull that goes on, until it is over or dropped.
struct UnderWay(FakeEngine);

impl UnderWay {
    fn new(engine: &FakeEngine) -> Self {
        engine.change(|state| state.counts.pulls_under_way += 1);
        Self(engine.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.change(|state| state.counts.pulls_under_way -= 1);
    }
}
