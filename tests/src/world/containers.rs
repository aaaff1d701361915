//! The engine of the world: what is true of containers, whoever listens. It tells a server of
//! changes only while that server watches, and only in that server's life.

use std::collections::BTreeMap;

use gofer_core::ids::AttemptKey;
use gofer_core::ports::driver::{Exit, Handle};

use super::{Happening, ServerWork, World};

#[derive(Debug, Default)]
pub(crate) struct Containers {
    pub(crate) there: BTreeMap<AttemptKey, Container>,
    /// How often each attempt's container was started, over all time.
    pub(crate) starts: BTreeMap<AttemptKey, u32>,
    /// How each container truly ended, also after it was removed.
    pub(crate) ends: BTreeMap<AttemptKey, Exit>,
    pub(crate) down: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Container {
    pub(crate) started: i64,
    pub(crate) exit: Option<Exit>,
    pub(crate) ignores_term: bool,
    pub(crate) code: i32,
}

impl Containers {
    pub(crate) fn handle(key: &AttemptKey) -> Handle {
        Handle { key: key.clone(), id: format!("c-{key}") }
    }
}

impl World {
    /// Creates and starts a container, unless it was there already.
    pub(crate) fn make_container(&mut self, key: &AttemptKey) {
        if self.containers.there.contains_key(key) {
            return;
        }
        *self.containers.starts.entry(key.clone()).or_insert(0) += 1;
        let code = self.random.pick(&[0, 0, 0, 1, 57, 137]).unwrap_or(0);
        let ignores_term = self.random.one_in(3);
        let container = Container { started: self.now, exit: None, ignores_term, code };
        self.containers.there.insert(key.clone(), container);
        // Some never end by themselves; only a time limit and its SIGKILL gets rid of those.
        if self.has_time_limit(key) && self.random.one_in(3) {
            return;
        }
        let lasts = self.random.below(6_000);
        self.schedule(lasts, Happening::ContainerEnds(key.clone()));
    }

    fn has_time_limit(&self, key: &AttemptKey) -> bool {
        let run = self.disk.values().find(|run| run.spec.uid == key.uid);
        run.and_then(|run| run.spec.config.task(&key.task))
            .is_some_and(|task| task.timeout_ms.is_some())
    }

    pub(crate) fn container_ends(&mut self, key: &AttemptKey) {
        let code = self.containers.there.get(key).map_or(0, |container| container.code);
        self.end(key, code, false);
    }

    /// Ends a container that runs, and wakes whoever watches it.
    pub(crate) fn end(&mut self, key: &AttemptKey, code: i32, interrupted: bool) {
        let ended_ms = self.now;
        let Some(container) = self.containers.there.get_mut(key) else { return };
        if container.exit.is_some() {
            return;
        }
        let started_ms = Some(container.started);
        let exit = Exit { code, oom: false, interrupted, started_ms, ended_ms };
        container.exit = Some(exit.clone());
        self.containers.ends.insert(key.clone(), exit);
        self.wake(key);
    }

    /// An event of the engine: a hint to look, which may be doubled or lost with the connection.
    fn wake(&mut self, key: &AttemptKey) {
        let watched = self.server.as_ref().is_some_and(|server| server.watches(key));
        if !watched || self.containers.down {
            return;
        }
        let times = if self.chaos && self.random.one_in(5) { 2 } else { 1 };
        for _ in 0..times {
            let (delay, life) = (1 + self.random.below(20), self.life);
            self.schedule(delay, Happening::Server { life, what: ServerWork::Look(key.clone()) });
        }
    }

    pub(crate) fn signal(&mut self, key: &AttemptKey, kill: bool) {
        let Some(container) = self.containers.there.get(key) else { return };
        if kill {
            self.end(key, 137, false);
        } else if !container.ignores_term {
            // Some programs end well when asked to: that must not look like success.
            let code = if self.random.one_in(2) { 0 } else { 143 };
            self.end(key, code, false);
        }
    }

    pub(crate) fn engine_down(&mut self) {
        self.containers.down = true;
        let away = 100 + self.random.below(10_000);
        self.schedule(away, Happening::EngineUp);
    }

    /// The engine answers again; whoever watches must look, for events in between are lost.
    pub(crate) fn engine_up(&mut self) {
        self.containers.down = false;
        let watched: Vec<AttemptKey> =
            self.server.as_ref().map(|s| s.watched()).unwrap_or_default();
        for key in watched {
            let life = self.life;
            self.schedule(1, Happening::Server { life, what: ServerWork::Look(key) });
        }
    }

    /// The daemon goes down under its containers and comes back.
    pub(crate) fn daemon_restarts(&mut self) {
        let running: Vec<AttemptKey> = self.containers.there.keys().cloned().collect();
        for key in running {
            let code = if self.random.one_in(2) { 0 } else { 137 };
            self.end(&key, code, true);
        }
        self.engine_down();
    }

    pub(crate) fn somebody_removes_a_container(&mut self) {
        let keys: Vec<AttemptKey> = self.containers.there.keys().cloned().collect();
        if let Some(key) = self.random.pick(&keys) {
            // Only what runs: an ended one holds the only record of its exit, and nothing could
            // tell its removal from a container that never was.
            if self.containers.there.get(&key).is_some_and(|container| container.exit.is_none())
                && self.server.as_ref().is_some_and(|server| server.knows_started(&key))
            {
                self.containers.there.remove(&key);
                self.wake(&key);
            }
        }
    }

    pub(crate) fn somebody_kills_a_container(&mut self) {
        let keys: Vec<AttemptKey> = self.containers.there.keys().cloned().collect();
        if let Some(key) = self.random.pick(&keys) {
            self.end(&key, 137, false);
        }
    }
}
