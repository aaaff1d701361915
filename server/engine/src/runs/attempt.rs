//! One attempt: its orders carried out against the driver, its facts brought to the owner.
//!
//! ```text
//!  EnsureNew, EnsureAgain ─> start ─┐
//!  Watch ───────────────────────────┴─> watch ── Exited, Vanished ──┐
//!  Collect ─────────────────────────────────────────────────────────┴─> collect ── Collected
//! ```
//!
//! Orders are levels, not messages: a stop that is wanted stays wanted, so none can be lost and
//! asking twice is asking once. All calls for one attempt come from this one task, so a stop can
//! never overtake the create it is meant for. While the engine does not answer, nothing is told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use gofer_core::ids::{AttemptKey, AttemptNumber};
use gofer_core::pipeline::TaskConfig;
use gofer_core::ports::driver::{DriverError, FaultKind, Handle, Observed};
use gofer_core::run::{Fact, Force, PullTimes, Run, RunSpec};
use gofer_core::time::Timestamp;
use tokio::sync::{Notify, mpsc, watch};

use super::live::LiveBoard;
use super::owner::Input;
use crate::engine::Shared;
use crate::engine_state::is_unreachable;
use crate::failpoint;
use crate::limits::{INSPECT_EVERY, STOPPING_LOOK_EVERY};
use crate::logs::Pump;
use crate::tasks::TaskKind;

/// Where an attempt's work begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// The container was never asked for.
    EnsureNew,
    /// It may have been asked for before a restart.
    EnsureAgain,
    /// It was there; its end is waited for.
    Watch,
    /// It has ended; its log and remains are to be taken in.
    Collect,
}

/// What the owner wants of an attempt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Want {
    pub(super) stop: Option<Force>,
    pub(super) collect: bool,
}

/// The owner's side of an attempt.
#[derive(Debug)]
pub(super) struct AttemptHandle {
    want: watch::Sender<Want>,
}

impl AttemptHandle {
    pub(super) fn spawn(
        shared: &Arc<Shared>,
        (run, position, number): (&Run, usize, AttemptNumber),
        mode: Mode,
        facts: mpsc::Sender<Input>,
        live: LiveBoard,
    ) -> Option<Self> {
        let task = run.spec.config.tasks.get(position)?.clone();
        let key = run.attempt_key(&task.id, number);
        let known = run
            .task(&task.id)
            .and_then(|task| task.attempt(number))
            .and_then(|a| a.container.clone());
        let want = watch::Sender::new(Want::default());
        let attempt = Attempt {
            shared: Arc::clone(shared),
            spec: Arc::clone(&run.spec),
            task,
            position,
            key,
            want: want.subscribe(),
            facts,
            live,
            container: known,
            origin: Origin::default(),
            told_started: false,
            told_to_stop: false,
            pump: None,
        };
        let name = format!("attempt {}", attempt.key);
        let stop = shared.tasks.stop(TaskKind::Attempt).clone();
        shared.tasks.spawn(TaskKind::Attempt, name, async move {
            tokio::select! {
                // Letting go in the middle is what a crash does, and that is survived.
                () = stop.cancelled() => {}
                () = attempt.carry_out(mode) => {}
            }
        });
        Some(Self { want })
    }

    pub(super) fn want_stop(&self, force: Force) {
        self.want.send_modify(|want| want.stop = want.stop.max(Some(force)));
    }

    pub(super) fn want_collect(&self) {
        self.want.send_modify(|want| want.collect = true);
    }
}

/// Where the container's image came from, to be told with its start.
#[derive(Debug, Default)]
pub(super) struct Origin {
    pub(super) digest: Option<String>,
    pub(super) pull: Option<PullTimes>,
}

/// The work of one attempt.
pub(super) struct Attempt {
    pub(super) shared: Arc<Shared>,
    pub(super) spec: Arc<RunSpec>,
    pub(super) task: TaskConfig,
    pub(super) position: usize,
    pub(super) key: AttemptKey,
    pub(super) want: watch::Receiver<Want>,
    pub(super) facts: mpsc::Sender<Input>,
    pub(super) live: LiveBoard,
    pub(super) container: Option<Handle>,
    pub(super) origin: Origin,
    pub(super) told_started: bool,
    /// SIGTERM was sent. It is sent once: to many programs a second one means `now`.
    pub(super) told_to_stop: bool,
    pub(super) pump: Option<Pump>,
}

/// Whether the attempt has a container that may still run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    MayRun,
    Over,
}

impl Attempt {
    async fn carry_out(mut self, mode: Mode) {
        let life = match mode {
            Mode::EnsureNew => self.start().await,
            Mode::EnsureAgain => self.start_again().await,
            Mode::Watch => {
                // The start was committed before the restart.
                self.told_started = true;
                Life::MayRun
            }
            Mode::Collect => Life::Over,
        };
        if life == Life::MayRun {
            self.watch().await;
        }
        if self.want.wait_for(|want| want.collect).await.is_ok() {
            self.collect().await;
        }
    }

    /// Looks at the container until it has ended, and gives it the stop that is wanted.
    async fn watch(&mut self) {
        let looks = self.shared.looks.clone();
        let look = looks.register(&self.key);
        loop {
            // Marked as seen before looking: what is wanted from now on wakes the wait below, however
            // long the calls in between take.
            self.want.mark_unchanged();
            match self.inspect().await {
                Observed::Created(handle) => {
                    if self.created_but_not_started(handle).await == Life::Over {
                        break;
                    }
                }
                Observed::Running { handle, since_ms } => {
                    self.runs(handle, since_ms).await;
                }
                Observed::Exited { handle, exit } => {
                    failpoint::hit("attempt.exit_seen");
                    self.container = Some(handle.clone());
                    if let Some(started_ms) = exit.started_ms {
                        self.tell_started(&handle, started_ms).await;
                    }
                    let (task, attempt) = self.names();
                    self.tell(Fact::Exited { task, attempt, container: handle, exit }).await;
                    break;
                }
                Observed::Absent => {
                    self.tell_vanished().await;
                    break;
                }
            }
            let stopping = self.want.borrow().stop.is_some();
            let nap = if stopping { STOPPING_LOOK_EVERY } else { INSPECT_EVERY };
            tokio::select! {
                () = look.notified() => {}
                changed = self.want.changed() => if changed.is_err() {
                    looks.forget(&self.key);
                    return; // the owner is gone, and whoever owns the run next watches anew
                },
                () = tokio::time::sleep(nap) => {}
            }
        }
        looks.forget(&self.key);
    }

    /// A container that a crash left between create and start.
    async fn created_but_not_started(&mut self, handle: Handle) -> Life {
        if self.want.borrow().stop.is_none() {
            return self.start_container().await;
        }
        let removed = self.patiently(|driver| {
            let handle = handle.clone();
            async move { driver.remove(&handle).await }
        });
        if let Err(error) = removed.await {
            tracing::warn!(attempt = %self.key, %error, "could not remove a container that was never started");
            return Life::MayRun;
        }
        self.tell_vanished().await;
        Life::Over
    }

    async fn runs(&mut self, handle: Handle, since_ms: i64) {
        self.container = Some(handle.clone());
        self.tell_started(&handle, since_ms).await;
        self.follow_log(&handle);
        let stop = self.want.borrow().stop;
        let Some(force) = stop else { return };
        if force == Force::Grace && self.told_to_stop {
            return;
        }
        let stopped = match force {
            Force::Kill => self.order(&handle, Force::Kill).await,
            // A kill does not wait for the answer to a stop: the engine may take its time with it.
            Force::Grace => tokio::select! {
                stopped = self.order(&handle, Force::Grace) => stopped,
                () = self.kill_wanted() => self.order(&handle, Force::Kill).await,
            },
        };
        match stopped {
            Ok(()) => self.told_to_stop = true,
            Err(error) => {
                tracing::warn!(attempt = %self.key, %error, "could not stop a container; trying again");
            }
        }
    }

    async fn order(&self, handle: &Handle, force: Force) -> Result<(), DriverError> {
        self.patiently(|driver| {
            let handle = handle.clone();
            async move {
                match force {
                    Force::Grace => driver.stop(&handle).await,
                    Force::Kill => driver.kill(&handle).await,
                }
            }
        })
        .await
    }

    /// Waits until a kill is wanted; for ever where the owner is gone, which ends this task anyway.
    async fn kill_wanted(&self) {
        let mut want = self.want.clone();
        if want.wait_for(|want| want.stop == Some(Force::Kill)).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    pub(super) async fn tell_started(&mut self, handle: &Handle, at_ms: i64) {
        if self.told_started {
            return;
        }
        self.told_started = true;
        let (task, attempt) = self.names();
        let origin = std::mem::take(&mut self.origin);
        self.tell(Fact::Started {
            task,
            attempt,
            container: handle.clone(),
            digest: origin.digest,
            pull: origin.pull,
            at: Timestamp::from_ms(at_ms),
        })
        .await;
    }

    pub(super) async fn tell_vanished(&self) {
        let (task, attempt) = self.names();
        self.tell(Fact::Vanished { task, attempt }).await;
    }

    /// Brings a fact to the owner. An owner that is gone needs it no more.
    pub(super) async fn tell(&self, fact: Fact) {
        if self.facts.send(Input::Fact(fact)).await.is_err() {
            tracing::debug!(attempt = %self.key, "the run's owner is gone");
        }
    }

    pub(super) fn names(&self) -> (gofer_core::ids::TaskId, AttemptNumber) {
        (self.key.task.clone(), self.key.attempt)
    }

    fn follow_log(&mut self, handle: &Handle) {
        if self.pump.as_ref().is_none_or(Pump::has_ended) {
            let path = self.shared.logs.path(&self.key.uid, self.position, self.key.attempt);
            self.pump = Some(Pump::follow(&self.shared, &self.key, path, handle.clone()));
        }
    }

    pub(super) async fn inspect(&self) -> Observed {
        let key = self.key.clone();
        loop {
            let seen = self.patiently(|driver| {
                let key = key.clone();
                async move { driver.inspect(&key).await }
            });
            match seen.await {
                Ok(seen) => return seen,
                Err(error) => {
                    tracing::warn!(attempt = %self.key, %error, "could not inspect a container; trying again");
                    tokio::time::sleep(STOPPING_LOOK_EVERY).await;
                }
            }
        }
    }

    /// Makes a call to the driver, again and again while the engine does not answer.
    pub(super) async fn patiently<T, F, C>(&self, call: C) -> Result<T, DriverError>
    where
        C: Fn(Arc<dyn gofer_core::ports::driver::Driver>) -> F,
        F: Future<Output = Result<T, DriverError>>,
    {
        let mut n_tries = 0;
        loop {
            match call(Arc::clone(&self.shared.driver)).await {
                Err(error) if is_unreachable(&error) => {
                    self.shared.engine_is_unknown(&error);
                    self.shared.engine.back_off(n_tries).await;
                    n_tries += 1;
                }
                answer => {
                    self.shared.engine_is_up();
                    return answer;
                }
            }
        }
    }
}

/// The class of a failed start, for the run machine.
pub(super) fn class_of(kind: FaultKind) -> gofer_core::run::FailureClass {
    use gofer_core::run::FailureClass;
    match kind {
        FaultKind::Image => FailureClass::Image,
        FaultKind::Config => FailureClass::Config,
        FaultKind::Capacity => FailureClass::Capacity,
        FaultKind::Engine | FaultKind::Unreachable => FailureClass::Engine,
    }
}

/// Who wants to look when the engine says that something changed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Looks {
    waiting: Arc<Mutex<BTreeMap<AttemptKey, Arc<Notify>>>>,
}

impl Looks {
    fn register(&self, key: &AttemptKey) -> Arc<Notify> {
        Arc::clone(self.lock().entry(key.clone()).or_default())
    }

    fn forget(&self, key: &AttemptKey) {
        self.lock().remove(key);
    }

    /// Something happened to this attempt's container.
    pub(crate) fn look_at(&self, key: &AttemptKey) {
        if let Some(look) = self.lock().get(key) {
            look.notify_one();
        }
    }

    /// Anything may have happened to any of them.
    pub(crate) fn look_at_all(&self) {
        for look in self.lock().values() {
            look.notify_one();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<AttemptKey, Arc<Notify>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
