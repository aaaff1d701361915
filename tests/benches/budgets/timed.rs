//! A driver that passes everything on and notes when: what is sent to an engine, and which
//! containers it was asked about.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use gofer_core::ids::{AttemptKey, InstanceId};
use gofer_core::log::{Cursor, Follow, Frame};
use gofer_core::ports::Clock as _;
use gofer_core::ports::driver::{
    Capabilities, ContainerSpec, Driver, DriverError, DriverStream, EngineEvent, EngineInfo,
    Handle, Listed, Observed, ProgressSink, PullRequest, PulledImage,
};
use gofer_core::ports::images::Images;
use tokio::sync::watch;
use tokio::time::Instant;

/// A moment on both clocks: one to measure with, one to compare with the engine's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) at: Instant,
    pub(crate) wall_ms: i64,
}

impl Moment {
    pub(crate) fn now() -> Self {
        Self { at: Instant::now(), wall_ms: gofer_engine::SystemClock.now().as_ms() }
    }
}

#[derive(Debug, Default)]
struct Seen {
    ensured: BTreeMap<AttemptKey, Moment>,
    ended_ms: BTreeMap<AttemptKey, i64>,
    inspected: BTreeSet<AttemptKey>,
}

/// The driver; clones share what they saw.
#[derive(Debug, Clone)]
pub(crate) struct Timed {
    inner: Arc<dyn Driver>,
    seen: Arc<Mutex<Seen>>,
    changes: watch::Sender<u64>,
}

impl Timed {
    pub(crate) fn new(inner: Arc<dyn Driver>) -> Self {
        Self { inner, seen: Arc::default(), changes: watch::Sender::new(0) }
    }

    fn look(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, note: impl FnOnce(&mut Seen)) {
        note(&mut self.look());
        self.changes.send_modify(|n| *n += 1);
    }

    /// Forgets everything.
    pub(crate) fn forget(&self) {
        *self.look() = Seen::default();
    }

    async fn until<T>(&self, ready: impl Fn(&Seen) -> Option<T>) -> T {
        let mut changes = self.changes.subscribe();
        loop {
            changes.borrow_and_update();
            let found = ready(&self.look());
            if let Some(found) = found {
                return found;
            }
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await; // the sender lives in self
            }
        }
    }

    /// Waits for the first order to make a container of this task since the last `forget`.
    pub(crate) async fn ensured(&self, task: &str) -> (AttemptKey, Moment) {
        self.until(|seen| {
            let found = seen.ensured.iter().find(|(key, _)| key.task.as_str() == task);
            found.map(|(key, moment)| (key.clone(), *moment))
        })
        .await
    }

    /// When the engine says that the attempt's container ended; waits until somebody asked it.
    pub(crate) async fn ended_ms(&self, key: &AttemptKey) -> i64 {
        self.until(|seen| seen.ended_ms.get(key).copied()).await
    }

    /// Waits until the engine was asked about this many containers.
    pub(crate) async fn inspected(&self, n: usize) {
        self.until(|seen| (seen.inspected.len() >= n).then_some(())).await;
    }
}

impl Driver for Timed {
    fn info(&self) -> BoxFuture<'_, Result<EngineInfo, DriverError>> {
        self.inner.info()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn validate(&self, spec: &ContainerSpec) -> Result<(), DriverError> {
        self.inner.validate(spec)
    }

    fn pull(
        &self,
        request: PullRequest,
        progress: ProgressSink,
    ) -> BoxFuture<'_, Result<PulledImage, DriverError>> {
        self.inner.pull(request, progress)
    }

    fn ensure(&self, spec: ContainerSpec) -> BoxFuture<'_, Result<Handle, DriverError>> {
        let (key, now) = (spec.key.clone(), Moment::now());
        self.note(|seen| {
            seen.ensured.entry(key).or_insert(now);
        });
        self.inner.ensure(spec)
    }

    fn events(&self, instance: &InstanceId) -> DriverStream<EngineEvent> {
        self.inner.events(instance)
    }

    fn inspect(&self, key: &AttemptKey) -> BoxFuture<'_, Result<Observed, DriverError>> {
        let key = key.clone();
        Box::pin(async move {
            let observed = self.inner.inspect(&key).await?;
            self.note(|seen| {
                if let Observed::Exited { exit, .. } = &observed {
                    seen.ended_ms.insert(key.clone(), exit.ended_ms);
                }
                seen.inspected.insert(key);
            });
            Ok(observed)
        })
    }

    fn logs(&self, handle: &Handle, cursor: Cursor, follow: Follow) -> DriverStream<Frame> {
        self.inner.logs(handle, cursor, follow)
    }

    fn stop(&self, handle: &Handle) -> BoxFuture<'_, Result<(), DriverError>> {
        self.inner.stop(handle)
    }

    fn kill(&self, handle: &Handle) -> BoxFuture<'_, Result<(), DriverError>> {
        self.inner.kill(handle)
    }

    fn remove(&self, handle: &Handle) -> BoxFuture<'_, Result<(), DriverError>> {
        self.inner.remove(handle)
    }

    fn list(&self, instance: &InstanceId) -> BoxFuture<'_, Result<Vec<Listed>, DriverError>> {
        self.inner.list(instance)
    }

    fn images(&self) -> &dyn Images {
        self.inner.images()
    }
}
