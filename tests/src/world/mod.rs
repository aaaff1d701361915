//! A small world in which the rules live through chaos: a virtual clock, an engine as deaf as a
//! real one, and a server that forgets everything but what it committed. One seed gives one
//! history, always the same.
//!
//! ```text
//!  chaos (seeded): crashes at any commit, lost answers, doubled events, engine down, containers
//!                  vanishing, daemons restarting, cancels and kills from users
//!  then a quiet phase: no faults, no requests; now everything must settle
//! ```
//!
//! The server here performs effects the way the engine crate does (an attempt at a time, orders as
//! levels, nothing told while the engine is away), with virtual time in place of tasks.

mod checks;
mod containers;
mod random;
mod runs;
mod server;

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use gofer_core::ids::{AttemptKey, RunId};
use gofer_core::run::{Event, Fact, Force, Request, Run, Scope, Timer};
use gofer_core::time::Timestamp;

use containers::Containers;
pub use random::Random;
use server::Server;

/// How long chaos lasts, in virtual milliseconds.
const CHAOS_MS: i64 = 60_000;
/// How long everything may take to settle after that.
const QUIET_MS: i64 = 3_600_000;

/// Something that will happen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Happening {
    /// A fact or a look reaches the server of that life.
    Server { life: u32, what: ServerWork },
    /// A container ends by itself.
    ContainerEnds(AttemptKey),
    /// The next act of chaos.
    Chaos,
    /// The server comes up again.
    Restart,
    /// The engine comes up again.
    EngineUp,
}

/// Work of a server that a crash forgets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ServerWork {
    /// The order to make a container reaches the engine.
    Ensure(AttemptKey),
    /// The container is looked at.
    Look(AttemptKey),
    /// A stop or kill reaches the engine.
    Stop(AttemptKey),
    /// The container is collected.
    Collect(AttemptKey),
    /// A timer is due.
    Timer(RunId, Timer),
}

/// The world.
#[derive(Debug)]
pub struct World {
    pub(crate) random: Random,
    pub(crate) now: i64,
    order: u64,
    coming: BinaryHeap<std::cmp::Reverse<(i64, u64, Happening)>>,
    /// What is committed: all that a server that comes up knows.
    pub(crate) disk: BTreeMap<RunId, Run>,
    /// Accepted cancels: committed, so promised.
    pub(crate) promised_cancels: BTreeSet<(RunId, Option<String>)>,
    pub(crate) limit: u32,
    pub(crate) server: Option<Server>,
    pub(crate) life: u32,
    pub(crate) containers: Containers,
    pub(crate) chaos: bool,
}

impl World {
    /// Lives through one seed.
    ///
    /// # Panics
    /// Where a promise is broken; the text names the seed.
    pub fn live(seed: u64) {
        let mut world = Self::new(seed);
        world.start_server();
        world.schedule(1, Happening::Chaos);
        world.go_on_until(CHAOS_MS);
        world.calm_down();
        world.go_on_until(CHAOS_MS + QUIET_MS);
        world.check_settled(seed);
    }

    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let limit = 1 + u32::try_from(random.below(3)).unwrap_or(0);
        let n_runs = 1 + random.below(4);
        let mut disk = BTreeMap::new();
        for id in 1..=n_runs {
            disk.insert(id, runs::random_run(&mut random, id, limit));
        }
        Self {
            random,
            now: 0,
            order: 0,
            coming: BinaryHeap::new(),
            disk,
            promised_cancels: BTreeSet::new(),
            limit,
            server: None,
            life: 0,
            containers: Containers::default(),
            chaos: true,
        }
    }

    pub(crate) fn schedule(&mut self, in_ms: u64, happening: Happening) {
        let at = self.now + i64::try_from(in_ms).unwrap_or(i64::MAX / 2);
        self.order += 1;
        self.coming.push(std::cmp::Reverse((at, self.order, happening)));
    }

    pub(crate) fn timestamp(&self) -> Timestamp {
        Timestamp::from_ms(self.now)
    }

    fn go_on_until(&mut self, end: i64) {
        while let Some(std::cmp::Reverse((at, _, _))) = self.coming.peek() {
            if *at > end {
                break;
            }
            let Some(std::cmp::Reverse((at, _, happening))) = self.coming.pop() else { break };
            self.now = self.now.max(at);
            self.happen(happening);
            self.check_now();
        }
        self.now = self.now.max(end);
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Server { life, what } if life == self.life && self.server.is_some() => {
                self.server_works(what);
            }
            Happening::Server { .. } => {} // a server that is dead does nothing
            Happening::ContainerEnds(key) => self.container_ends(&key),
            Happening::Chaos => self.wreak(),
            Happening::Restart => self.start_server(),
            Happening::EngineUp => self.engine_up(),
        }
    }

    /// One act of chaos, and the next one later.
    fn wreak(&mut self) {
        if !self.chaos {
            return;
        }
        match self.random.below(9) {
            0 | 1 => self.crash(),
            2 => self.engine_down(),
            3 => self.daemon_restarts(),
            4 => self.somebody_removes_a_container(),
            5 => self.somebody_kills_a_container(),
            6 => self.somebody_cancels(),
            _ => {}
        }
        let pause = 200 + self.random.below(8_000);
        self.schedule(pause, Happening::Chaos);
    }

    fn somebody_cancels(&mut self) {
        let ids: Vec<RunId> = self.disk.keys().copied().collect();
        let Some(id) = self.random.pick(&ids) else { return };
        let force = if self.random.one_in(2) { Force::Kill } else { Force::Grace };
        let scope = match self.disk.get(&id) {
            Some(run) if self.random.one_in(2) => {
                let tasks: Vec<_> = run.tasks.iter().map(|task| task.task.clone()).collect();
                self.random.pick(&tasks).map_or(Scope::Run, Scope::Task)
            }
            Some(_) | None => Scope::Run,
        };
        let by = runs::user();
        let cancel = Request::Cancel { scope, force, by, reason: String::new() };
        self.take_in(id, &Event::Request(cancel));
    }

    /// The end of all chaos: the engine is there, and so is a server.
    fn calm_down(&mut self) {
        self.chaos = false;
        self.engine_up();
        if self.server.is_none() {
            self.start_server();
        }
    }

    pub(crate) fn tell(&mut self, id: RunId, fact: Fact) {
        self.take_in(id, &Event::Fact(fact));
    }
}
