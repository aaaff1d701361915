//! A driver between the server and the fake engine. It keeps what the fake does not: how many
//! containers ran at once, and every order to stop. It also moves the fake's clock, which begins at
//! a fixed day, to the machine's, since a time limit counts from the engine's start time.

use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::future::BoxFuture;
use gofer_core::ids::{AttemptKey, InstanceId};
use gofer_core::log::{Cursor, Follow, Frame};
use gofer_core::ports::driver::{
    Capabilities, ContainerSpec, Driver, DriverError, DriverStream, EngineEvent, EngineInfo,
    Handle, Listed, Observed, ProgressSink, PullRequest, PulledImage,
};
use gofer_core::ports::images::Images;
use gofer_tests::fake::{FakeDriver, FakeEngine};

/// An order to end a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Order {
    /// SIGTERM.
    Stop(AttemptKey),
    /// SIGKILL.
    Kill(AttemptKey),
}

#[derive(Debug, Default)]
struct Seen {
    running_max: usize,
    orders: Vec<Order>,
    /// Whether a stop is never answered.
    stops_hang: bool,
}

/// The driver; clones share what they saw.
#[derive(Debug, Clone)]
pub(crate) struct Spy {
    fake: FakeEngine,
    driver: FakeDriver,
    shift_ms: i64,
    seen: Arc<Mutex<Seen>>,
}

impl Spy {
    pub(crate) fn new(fake: &FakeEngine) -> Self {
        let shift_ms = now_ms() - fake.now_ms();
        let driver = FakeDriver::new(fake.clone());
        Self { fake: fake.clone(), driver, shift_ms, seen: Arc::default() }
    }

    /// The most containers that ever ran at once, counted at each start.
    pub(crate) fn running_max(&self) -> usize {
        self.seen.lock().unwrap().running_max
    }

    /// The orders to end containers, in their order.
    pub(crate) fn orders(&self) -> Vec<Order> {
        self.seen.lock().unwrap().orders.clone()
    }

    /// From now on a stop is heard and never answered.
    pub(crate) fn let_stops_hang(&self) {
        self.seen.lock().unwrap().stops_hang = true;
    }

    fn shifted(&self, seen: Observed) -> Observed {
        match seen {
            Observed::Running { handle, since_ms } => {
                Observed::Running { handle, since_ms: since_ms + self.shift_ms }
            }
            Observed::Exited { handle, mut exit } => {
                exit.started_ms = exit.started_ms.map(|ms| ms + self.shift_ms);
                exit.ended_ms += self.shift_ms;
                Observed::Exited { handle, exit }
            }
            other @ (Observed::Created(_) | Observed::Absent) => other,
        }
    }
}

/// The machine's clock.
#[expect(clippy::disallowed_methods, reason = "the fake's clock is moved to the machine's")]
pub(crate) fn now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since_epoch.as_millis()).unwrap()
}

impl Driver for Spy {
    fn info(&self) -> BoxFuture<'_, Result<EngineInfo, DriverError>> {
        self.driver.info()
    }

    fn capabilities(&self) -> Capabilities {
        self.driver.capabilities()
    }

    fn validate(&self, spec: &ContainerSpec) -> Result<(), DriverError> {
        self.driver.validate(spec)
    }

    fn pull(
        &self,
        request: PullRequest,
        progress: ProgressSink,
    ) -> BoxFuture<'_, Result<PulledImage, DriverError>> {
        self.driver.pull(request, progress)
    }

    fn ensure(&self, spec: ContainerSpec) -> BoxFuture<'_, Result<Handle, DriverError>> {
        Box::pin(async move {
            let ensured = self.driver.ensure(spec).await;
            let running = self.fake.left().iter().filter(|one| one.running).count();
            let mut seen = self.seen.lock().unwrap();
            seen.running_max = seen.running_max.max(running);
            ensured
        })
    }

    fn events(&self, instance: &InstanceId) -> DriverStream<EngineEvent> {
        self.driver.events(instance)
    }

    fn inspect(&self, key: &AttemptKey) -> BoxFuture<'_, Result<Observed, DriverError>> {
        let key = key.clone();
        Box::pin(async move { self.driver.inspect(&key).await.map(|seen| self.shifted(seen)) })
    }

    fn logs(&self, handle: &Handle, cursor: Cursor, follow: Follow) -> DriverStream<Frame> {
        self.driver.logs(handle, cursor, follow)
    }

    fn stop(&self, handle: &Handle) -> BoxFuture<'_, Result<(), DriverError>> {
        let mut seen = self.seen.lock().unwrap();
        seen.orders.push(Order::Stop(handle.key.clone()));
        if seen.stops_hang {
            return Box::pin(std::future::pending());
        }
        self.driver.stop(handle)
    }

    fn kill(&self, handle: &Handle) -> BoxFuture<'_, Result<(), DriverError>> {
        self.seen.lock().unwrap().orders.push(Order::Kill(handle.key.clone()));
        self.driver.kill(handle)
    }

    fn remove(&self, handle: &Handle) -> BoxFuture<'_, Result<(), DriverError>> {
        Driver::remove(&self.driver, handle)
    }

    fn list(&self, instance: &InstanceId) -> BoxFuture<'_, Result<Vec<Listed>, DriverError>> {
        Driver::list(&self.driver, instance)
    }

    fn images(&self) -> &dyn Images {
        self.driver.images()
    }
}
