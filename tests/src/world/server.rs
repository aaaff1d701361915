//! The server of the world: it steps, commits and performs, and may die at any of these.

use std::collections::{BTreeMap, BTreeSet};

use gofer_core::admission::Admission;
use gofer_core::ids::{AttemptKey, RunId};
use gofer_core::log::{LogState, LogSummary};
use gofer_core::run::{
    Effect, Event, Fact, FailureClass, Force, Request, Run, RunState, Scope, StartFailure, Timer,
};
use gofer_core::time::Timestamp;

use super::containers::Containers;
use super::{Happening, ServerWork, World};

/// What one life of a server knows. All of it dies with the server.
#[derive(Debug, Default)]
pub(crate) struct Server {
    admission: Admission,
    attempts: BTreeMap<AttemptKey, Performing>,
}

/// The work for one attempt.
#[derive(Debug, Default)]
struct Performing {
    watching: bool,
    told_started: bool,
    ensuring: bool,
    stop: Option<Force>,
}

impl Server {
    pub(crate) fn watches(&self, key: &AttemptKey) -> bool {
        self.attempts.get(key).is_some_and(|attempt| attempt.watching)
    }

    pub(crate) fn knows_started(&self, key: &AttemptKey) -> bool {
        self.attempts.get(key).is_some_and(|attempt| attempt.told_started)
    }

    pub(crate) fn watched(&self) -> Vec<AttemptKey> {
        let watching = self.attempts.iter().filter(|(_, attempt)| attempt.watching);
        watching.map(|(key, _)| key.clone()).collect()
    }
}

impl World {
    /// A server comes up and takes up what it finds on the disk.
    pub(crate) fn start_server(&mut self) {
        if self.server.is_some() {
            return;
        }
        self.life += 1;
        self.server = Some(Server::default());
        let runs: Vec<Run> = self.disk.values().filter(|run| !run.is_settled()).cloned().collect();
        let mut pending = Vec::new();
        for run in &runs {
            match &run.state {
                RunState::Pending => pending.push(run.spec.key.clone()),
                RunState::Running { .. } => {
                    if let Some(server) = &mut self.server {
                        server.admission.restore(&run.spec.key);
                    }
                }
                RunState::Complete { .. } => {}
            }
        }
        for run in runs {
            let effects = run.resume();
            self.perform(run.spec.key.run, effects);
        }
        for key in pending {
            let limit = Some(self.limit);
            let admitted =
                self.server.as_mut().map(|s| s.admission.queue(&key, limit)).unwrap_or_default();
            self.admit(admitted.into_iter().map(|key| key.run).collect());
        }
    }

    fn admit(&mut self, runs: Vec<RunId>) {
        for id in runs {
            self.tell(id, Fact::Admitted); // nothing, once the server has died
        }
    }

    /// The server dies. Chaos, or luck, brings another one later.
    pub(crate) fn crash(&mut self) {
        if self.server.take().is_some() {
            let away = 1 + self.random.below(3_000);
            self.schedule(away, Happening::Restart);
        }
    }

    /// Step, commit, perform; in chaos the server may die before or after the commit or in the
    /// middle of the effects.
    pub(crate) fn take_in(&mut self, id: RunId, event: &Event) {
        if self.server.is_none() {
            return;
        }
        let Some(run) = self.disk.get(&id) else { return };
        let Ok(step) = run.step(event.clone(), self.timestamp()) else { return };
        if self.chaos && self.random.one_in(60) {
            return self.crash();
        }
        self.promise(id, event);
        self.disk.insert(id, step.next);
        if self.chaos && self.random.one_in(60) {
            return self.crash();
        }
        self.perform(id, step.effects);
    }

    /// What is committed is promised: an accepted cancel of something that had not ended.
    fn promise(&mut self, id: RunId, event: &Event) {
        let Event::Request(Request::Cancel { scope, .. }) = event else { return };
        let task = match scope {
            Scope::Run => None,
            Scope::Task(task) => Some(task.to_string()),
        };
        self.promised_cancels.insert((id, task));
    }

    fn perform(&mut self, id: RunId, effects: Vec<Effect>) {
        for effect in effects {
            if self.server.is_none() {
                return; // it died while it performed the one before
            }
            if self.chaos && self.random.one_in(200) {
                return self.crash();
            }
            self.perform_one(id, effect);
        }
    }

    fn perform_one(&mut self, id: RunId, effect: Effect) {
        let Some(run) = self.disk.get(&id) else { return };
        let spec = run.spec.clone();
        let key = |task, attempt| AttemptKey { uid: spec.uid.clone(), task, attempt };
        match effect {
            Effect::EnsureContainer { task, attempt } => {
                let key = key(task, attempt);
                self.attempt(&key).ensuring = true;
                self.server_will(ServerWork::Ensure(key));
            }
            Effect::WatchContainer { task, attempt } => {
                let key = key(task, attempt);
                let attempt = self.attempt(&key);
                attempt.watching = true;
                attempt.told_started = true;
                self.server_will(ServerWork::Look(key));
            }
            Effect::StopContainer { task, attempt } => {
                self.want_stop(key(task, attempt), Force::Grace);
            }
            Effect::KillContainer { task, attempt } => {
                self.want_stop(key(task, attempt), Force::Kill);
            }
            Effect::CollectContainer { task, attempt } => {
                self.server_will(ServerWork::Collect(key(task, attempt)));
            }
            Effect::ArmTimer { timer, at } => {
                let wait = at.ms_since(self.timestamp());
                let (life, what) = (self.life, ServerWork::Timer(id, timer));
                self.schedule(wait, Happening::Server { life, what });
            }
            Effect::ReleaseSlot => {
                let released = spec.key.clone();
                let admitted = self
                    .server
                    .as_mut()
                    .map(|s| s.admission.release(&released))
                    .unwrap_or_default();
                self.admit(admitted.into_iter().map(|key| key.run).collect());
            }
        }
    }

    fn want_stop(&mut self, key: AttemptKey, force: Force) {
        let attempt = self.attempt(&key);
        attempt.stop = attempt.stop.max(Some(force));
        if !attempt.ensuring {
            attempt.watching = true;
            self.server_will(ServerWork::Stop(key));
        }
    }

    fn attempt(&mut self, key: &AttemptKey) -> &mut Performing {
        let server = self.server.get_or_insert_with(Server::default);
        server.attempts.entry(key.clone()).or_default()
    }

    fn server_will(&mut self, what: ServerWork) {
        let (delay, life) = (1 + self.random.below(50), self.life);
        self.schedule(delay, Happening::Server { life, what });
    }

    fn again_later(&mut self, what: ServerWork) {
        let (delay, life) = (200 + self.random.below(800), self.life);
        self.schedule(delay, Happening::Server { life, what });
    }

    pub(crate) fn server_works(&mut self, what: ServerWork) {
        if let ServerWork::Timer(id, timer) = what {
            return self.timer(id, timer);
        }
        if self.containers.down {
            return self.again_later(what); // nothing is known, nothing is told
        }
        match what {
            ServerWork::Ensure(key) => self.ensure(&key),
            ServerWork::Look(key) => self.look(&key),
            ServerWork::Stop(key) => self.stop(&key),
            ServerWork::Collect(key) => self.collect(&key),
            ServerWork::Timer(..) => {}
        }
    }

    fn timer(&mut self, id: RunId, timer: Timer) {
        self.tell(id, Fact::TimerFired(timer));
    }

    fn ensure(&mut self, key: &AttemptKey) {
        let stop = self.attempt(key).stop;
        let there = self.containers.there.contains_key(key);
        if stop.is_some() && !there {
            self.attempt(key).ensuring = false;
            return self.tell_of(key, |task, attempt| Fact::Vanished { task, attempt });
        }
        if !there && self.chaos && self.random.one_in(10) {
            let retryable = !self.random.one_in(4);
            let class = if retryable { FailureClass::Engine } else { FailureClass::Image };
            self.attempt(key).ensuring = false;
            let failure =
                StartFailure { class, text: "chaos".to_owned(), retryable, exit_code: None };
            return self.tell_of(key, |task, attempt| Fact::StartFailed { task, attempt, failure });
        }
        self.make_container(key);
        if self.chaos && self.random.one_in(10) {
            return self.again_later(ServerWork::Ensure(key.clone())); // the answer was lost
        }
        let attempt = self.attempt(key);
        attempt.ensuring = false;
        attempt.watching = true;
        self.look(key);
    }

    /// What the attempt's task does: told of a start once, of an end, of an absence.
    fn look(&mut self, key: &AttemptKey) {
        if !self.attempt(key).watching {
            return;
        }
        let Some(container) = self.containers.there.get(key).cloned() else {
            self.attempt(key).watching = false;
            return self.tell_of(key, |task, attempt| Fact::Vanished { task, attempt });
        };
        if !self.attempt(key).told_started {
            self.attempt(key).told_started = true;
            let (at, handle) = (Timestamp::from_ms(container.started), Containers::handle(key));
            self.tell_of(key, |task, attempt| Fact::Started {
                task,
                attempt,
                container: handle,
                digest: None,
                pull: None,
                at,
            });
        }
        if self.server.is_none() {
            return;
        }
        match container.exit {
            Some(exit) => {
                self.attempt(key).watching = false;
                let container = Containers::handle(key);
                self.tell_of(key, |task, attempt| Fact::Exited { task, attempt, container, exit });
            }
            None if self.attempt(key).stop.is_some() => self.stop(key),
            None => {}
        }
    }

    fn stop(&mut self, key: &AttemptKey) {
        if let Some(force) = self.attempt(key).stop {
            self.signal(key, force == Force::Kill);
        }
        self.again_later(ServerWork::Look(key.clone()));
    }

    fn collect(&mut self, key: &AttemptKey) {
        self.containers.there.remove(key);
        let log = LogSummary { state: LogState::Sealed, bytes: 0, lines: 0 };
        self.tell_of(key, |task, attempt| Fact::Collected { task, attempt, log });
    }

    fn tell_of(
        &mut self,
        key: &AttemptKey,
        fact: impl FnOnce(gofer_core::ids::TaskId, u32) -> Fact,
    ) {
        let id = self.disk.values().find(|run| run.spec.uid == key.uid).map(|run| run.spec.key.run);
        if let Some(id) = id {
            self.tell(id, fact(key.task.clone(), key.attempt));
        }
    }

    /// Runs that hold a slot, by what is committed.
    pub(crate) fn holding_slots(&self) -> BTreeSet<RunId> {
        let running =
            self.disk.values().filter(|run| matches!(run.state, RunState::Running { .. }));
        running.map(|run| run.spec.key.run).collect()
    }
}
