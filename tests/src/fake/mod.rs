//! A container engine in memory, as deaf as a real one: after a lost stream nobody is told of what
//! was missed, and an engine that is down keeps what it had. [`FakeEngine`] is the machine and
//! stays when a server is killed; [`FakeDriver`] is one server's connection to it. Time is tokio's,
//! so a test may pause it.
//!
//! ```text
//!  test ── FakeEngine (script, break, count) ──┐
//!                                              ├── State: containers, images, open streams
//!  server ── FakeDriver (the port) ────────────┘
//! ```

mod driver;
mod image;
mod program;
mod shelf;
mod state;
mod streams;

pub use driver::FakeDriver;
pub use image::{FakeImage, FakeImport};
pub use program::{Program, Refusal};

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gofer_core::ids::AttemptKey;
use tokio::sync::watch;
use tokio::time::Instant;

use state::{Cause, State};

/// A handle to the fake engine; clones are the same engine.
#[derive(Debug, Clone)]
pub struct FakeEngine {
    state: Arc<Mutex<State>>,
    /// Counts changes, so that whoever waits looks again.
    changes: watch::Sender<u64>,
}

/// A container that is still on the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// Its attempt.
    pub key: AttemptKey,
    /// Whether it runs.
    pub running: bool,
}

impl Default for FakeEngine {
    fn default() -> Self {
        Self::new()
    }
}

impl FakeEngine {
    /// An engine that answers, with no container. Its images are all there, and all succeed.
    #[must_use]
    pub fn new() -> Self {
        Self { state: Arc::new(Mutex::new(State::new())), changes: watch::Sender::new(0) }
    }

    /// From now on containers of this image run this program.
    pub fn program(&self, image: &str, program: Program) {
        self.program_for(image, &[], program);
    }

    /// From now on containers of this image with exactly this entry point and command run this
    /// program.
    pub fn program_for(&self, image: &str, words: &[String], program: Program) {
        let taught = (image.to_owned(), words.to_vec(), program);
        self.change(|state| state.programs.push(taught));
    }

    /// Says what is true of this image.
    pub fn image(&self, name: &str, image: FakeImage) {
        self.change(|state| state.images.insert(name.to_owned(), image));
    }

    /// While on, every call fails as unreachable and open streams break; containers run on.
    pub fn set_unreachable(&self, unreachable: bool) {
        self.change(|state| {
            state.faults.unreachable = unreachable;
            if unreachable {
                state.break_streams();
            }
        });
    }

    /// The answers to the next `n` calls that change something are lost after the act.
    pub fn lose_answers(&self, n: u32) {
        self.change(|state| state.faults.answers_to_lose = n);
    }

    /// Every call takes this long before it acts.
    pub fn set_delay(&self, delay: Duration) {
        self.change(|state| state.faults.delay = delay);
    }

    /// While on, every event comes twice.
    pub fn set_repeat_events(&self, repeat: bool) {
        self.change(|state| state.faults.repeat_events = repeat);
    }

    /// Breaks open streams without any other harm.
    pub fn break_streams(&self) {
        self.change(State::break_streams);
    }

    /// The engine goes down: it ends what runs, as interrupted, and answers no more.
    pub fn down(&self) {
        self.change(|state| {
            state.faults.unreachable = true;
            state.break_streams();
            state.end_all(Instant::now());
        });
    }

    /// The engine is back, with the containers it had.
    pub fn up(&self) {
        self.change(|state| state.faults.unreachable = false);
    }

    /// Down and up again.
    pub fn restart(&self) {
        self.down();
        self.up();
    }

    /// The container of this attempt is gone, and nobody is told.
    pub fn vanish(&self, key: &AttemptKey) {
        self.change(|state| {
            if let Some(name) = state.name_of(key) {
                state.containers.remove(&name);
            }
        });
    }

    /// Ends the running container of this attempt with this code, as if by itself.
    pub fn finish(&self, key: &AttemptKey, code: i32) {
        self.change(|state| {
            if let Some(name) = state.name_of(key) {
                state.end(&name, Instant::now(), code, Cause::Own);
            }
        });
    }

    /// Containers that were ever started for this attempt. More than one is a broken promise.
    #[must_use]
    pub fn starts(&self, key: &AttemptKey) -> u32 {
        self.look(|state| state.starts.get(key).copied().unwrap_or(0))
    }

    /// All attempts that were ever started, with the number of starts.
    #[must_use]
    pub fn all_starts(&self) -> Vec<(AttemptKey, u32)> {
        self.look(|state| state.starts.iter().map(|(key, n)| (key.clone(), *n)).collect())
    }

    /// The containers that are on the engine now.
    #[must_use]
    pub fn left(&self) -> Vec<Left> {
        self.look(|state| {
            let left = |one: &state::Container| Left {
                key: one.spec.key.clone(),
                running: one.is_running(),
            };
            state.containers.values().map(left).collect()
        })
    }

    /// Times that the registry was asked for anything.
    #[must_use]
    pub fn registry_calls(&self) -> u64 {
        self.look(|state| state.counts.registry_calls)
    }

    /// Pulls that go on now.
    #[must_use]
    pub fn pulls_under_way(&self) -> u64 {
        self.look(|state| state.counts.pulls_under_way)
    }

    /// The engine's clock, milliseconds since the epoch.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.look(|state| state.ms_at(Instant::now()))
    }

    /// Looks at the state as it is now.
    fn look<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.advance(Instant::now()) {
            self.changes.send_modify(|n| *n += 1);
        }
        act(&mut state)
    }

    /// The same for what changes it: whoever waits looks again.
    fn change<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let done = self.look(act);
        self.changes.send_modify(|n| *n += 1);
        done
    }

    /// Waits until `ready` gives something.
    async fn until<T>(&self, mut ready: impl FnMut(&mut State) -> Option<T>) -> T {
        let mut changes = self.changes.subscribe();
        loop {
            changes.borrow_and_update();
            if let Some(found) = self.look(&mut ready) {
                return found;
            }
            let due = self.look(|state| state.next_due());
            tokio::select! {
                // The sender lives in self, so this never fails.
                _ = changes.changed() => {}
                () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
            }
        }
    }
}
