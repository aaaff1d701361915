//! The port, call by call; each deed has a file of its own.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use gofer_core::ids::{AttemptKey, InstanceId};
use gofer_core::log::{Cursor, Follow, Frame};
use gofer_core::ports::driver::{
    Capabilities, ContainerSpec, Driver, DriverError, DriverStream, EngineEvent, EngineInfo,
    FaultKind, Handle, Listed, LogEnd, Observed, ProgressSink, PullRequest, PulledImage,
};
use gofer_core::ports::images::Images;
use rustix::process::Signal;

use crate::engine::Engine;
use crate::files::AttemptDir;
use crate::images::Shelf;
use crate::{ensure, events, inspect, logs, plan, pull, remove, signal};

/// The embedded engine as the port sees it. Cheap to clone; clones share the engine.
#[derive(Debug, Clone)]
pub struct EmbeddedDriver {
    engine: Arc<Engine>,
    images: Shelf,
    instance: InstanceId,
}

impl EmbeddedDriver {
    pub(crate) fn new(engine: Arc<Engine>, instance: InstanceId) -> Self {
        Self { images: Shelf(Arc::clone(&engine)), engine, instance }
    }

    /// A driver for another instance on the same engine.
    #[must_use]
    pub fn for_instance(&self, instance: InstanceId) -> Self {
        Self { instance, ..self.clone() }
    }

    /// What the machine can do.
    #[must_use]
    pub fn machine(&self) -> &crate::Machine {
        self.engine.machine()
    }

    fn dir_of(&self, handle: &Handle) -> AttemptDir {
        self.engine.home().attempt(&self.instance, &handle.key)
    }
}

impl Driver for EmbeddedDriver {
    fn info(&self) -> BoxFuture<'_, Result<EngineInfo, DriverError>> {
        let info = EngineInfo {
            kind: "embedded".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            id: self.engine.home().id().to_owned(),
        };
        Box::pin(std::future::ready(Ok(info)))
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
        if spec.instance != self.instance {
            let message = format!("could not run {}: it belongs to another instance", spec.key);
            return Err(DriverError::new(FaultKind::Config, message));
        }
        plan::validate(spec)?;
        self.engine.machine().validate(spec)
    }

    fn pull(
        &self,
        request: PullRequest,
        progress: ProgressSink,
    ) -> BoxFuture<'_, Result<PulledImage, DriverError>> {
        Box::pin(async move {
            let (store, config_file) = (self.engine.store(), self.engine.config_file());
            pull::pull(store, config_file, &request, &progress).await
        })
    }

    fn ensure(&self, spec: ContainerSpec) -> BoxFuture<'_, Result<Handle, DriverError>> {
        Box::pin(async move {
            self.validate(&spec)?;
            ensure::ensure(&self.engine, spec).await
        })
    }

    fn events(&self, instance: &InstanceId) -> DriverStream<EngineEvent> {
        events::events(Arc::clone(&self.engine), instance.clone())
    }

    fn inspect(&self, key: &AttemptKey) -> BoxFuture<'_, Result<Observed, DriverError>> {
        let (instance, key) = (self.instance.clone(), key.clone());
        Box::pin(async move {
            let tried = format!("inspect the container of {key}");
            let look = move |engine: &Engine| inspect::inspect(engine, &instance, &key);
            self.engine.blocking(&tried, look).await
        })
    }

    fn logs(&self, handle: &Handle, cursor: Cursor, follow: Follow) -> DriverStream<Frame> {
        let engine = Arc::clone(&self.engine);
        logs::logs(engine, &handle.key, self.dir_of(handle), cursor, follow)
    }

    fn stop(&self, handle: &Handle) -> BoxFuture<'_, Result<(), DriverError>> {
        let (key, dir) = (handle.key.clone(), self.dir_of(handle));
        Box::pin(async move { signal::send(&self.engine, &key, &dir, Signal::TERM).await })
    }

    fn kill(&self, handle: &Handle) -> BoxFuture<'_, Result<(), DriverError>> {
        let (key, dir) = (handle.key.clone(), self.dir_of(handle));
        Box::pin(async move { signal::send(&self.engine, &key, &dir, Signal::KILL).await })
    }

    fn remove(&self, handle: &Handle) -> BoxFuture<'_, Result<(), DriverError>> {
        let (key, dir) = (handle.key.clone(), self.dir_of(handle));
        Box::pin(async move {
            remove::wholly(&self.engine, &key, &dir).await?;
            self.engine.hub().changed(&self.instance, &key);
            Ok(())
        })
    }

    fn list(&self, instance: &InstanceId) -> BoxFuture<'_, Result<Vec<Listed>, DriverError>> {
        let instance = instance.clone();
        Box::pin(async move {
            let tried = format!("list the containers of instance {instance}");
            let list = move |engine: &Engine| inspect::list(engine, &instance);
            self.engine.blocking(&tried, list).await
        })
    }

    fn images(&self) -> &dyn Images {
        &self.images
    }
}
