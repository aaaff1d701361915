//! The fake engine's inside: containers as scripts against a clock, images, event queues. All of it
//! is computed when somebody looks ([`State::advance`]), so there is no task that could outlive a
//! test, and a paused clock gives the same result as a running one.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use gofer_core::ids::{AttemptKey, InstanceId};
use gofer_core::log::Frame;
use gofer_core::ports::driver::{ContainerSpec, EngineEvent, Exit};
use tokio::time::Instant;

use super::image::{FakeImage, FakeImport};
use super::program::{End, OnTerm, Program, Step};

/// What the fake engine's clock shows when it is made: 2023-11-14T22:13:20Z.
const FIRST_MS: i64 = 1_700_000_000_000;

#[derive(Debug)]
pub(super) struct State {
    pub(super) made_at: Instant,
    pub(super) containers: BTreeMap<String, Container>,
    pub(super) programs: Vec<(String, Vec<String>, Program)>,
    pub(super) images: BTreeMap<String, FakeImage>,
    /// Imported images that have lost their names, by id.
    pub(super) nameless: BTreeMap<String, FakeImport>,
    pub(super) starts: BTreeMap<AttemptKey, u32>,
    pub(super) listeners: BTreeMap<u64, Listener>,
    pub(super) faults: Faults,
    pub(super) counts: Counts,
}

/// What goes wrong, until a test says otherwise.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) unreachable: bool,
    pub(super) answers_to_lose: u32,
    pub(super) delay: Duration,
    pub(super) repeat_events: bool,
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) next_id: u64,
    /// Grows when open streams break.
    pub(super) breaks: u64,
    pub(super) registry_calls: u64,
    pub(super) pulls_under_way: u64,
}

/// An open event stream and what it has not been given yet.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) instance: InstanceId,
    pub(super) queue: VecDeque<EngineEvent>,
}

#[derive(Debug)]
pub(super) struct Container {
    pub(super) id: String,
    pub(super) image_id: String,
    pub(super) spec: ContainerSpec,
    pub(super) program: Program,
    pub(super) stage: Stage,
    pub(super) frames: Vec<Frame>,
}

#[derive(Debug)]
pub(super) enum Stage {
    Running { since_ms: i64, next_step: usize, due: Instant },
    Ended(Exit),
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            made_at: Instant::now(),
            containers: BTreeMap::new(),
            programs: Vec::new(),
            images: BTreeMap::new(),
            nameless: BTreeMap::new(),
            starts: BTreeMap::new(),
            listeners: BTreeMap::new(),
            faults: Faults::default(),
            counts: Counts::default(),
        }
    }

    pub(super) fn fresh_id(&mut self) -> u64 {
        self.counts.next_id += 1;
        self.counts.next_id
    }

    pub(super) fn ms_at(&self, at: Instant) -> i64 {
        let passed = at.saturating_duration_since(self.made_at).as_millis();
        FIRST_MS.saturating_add(i64::try_from(passed).unwrap_or(i64::MAX))
    }

    fn ns_at(&self, at: Instant) -> i64 {
        let passed = at.saturating_duration_since(self.made_at).as_nanos();
        let first_ns = FIRST_MS.saturating_mul(1_000_000);
        first_ns.saturating_add(i64::try_from(passed).unwrap_or(i64::MAX))
    }

    /// When something happens next of its own.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.containers.values().filter_map(Container::due).min()
    }

    /// Plays everything that is due, in the order of time; says whether there was anything.
    pub(super) fn advance(&mut self, now: Instant) -> bool {
        let mut changed = false;
        loop {
            let due = self.containers.iter().filter_map(|(name, one)| Some((one.due()?, name)));
            let Some((at, name)) = due.filter(|(at, _)| *at <= now).min() else {
                return changed;
            };
            let name = name.clone();
            self.play(&name, at);
            changed = true;
        }
    }

    fn play(&mut self, name: &str, at: Instant) {
        let time_ns = self.ns_at(at);
        let Some(one) = self.containers.get_mut(name) else { return };
        let Stage::Running { next_step, due, .. } = &mut one.stage else { return };
        match one.program.steps.get(*next_step) {
            Some(Step::Wait(time)) => {
                *due = at + *time;
                *next_step += 1;
            }
            Some(Step::Write(stream, data)) => {
                one.frames.push(Frame { stream: *stream, time_ns, data: data.clone() });
                *next_step += 1;
            }
            None => match one.program.end {
                End::Exit(code) => self.end(name, at, code, Cause::Own),
                End::OutOfMemory => self.end(name, at, 137, Cause::OutOfMemory),
                End::Never | End::Refused(_) => {}
            },
        }
    }

    /// Ends a running container; one that has ended stays as it is.
    pub(super) fn end(&mut self, name: &str, at: Instant, code: i32, cause: Cause) {
        let ended_ms = self.ms_at(at);
        let Some(one) = self.containers.get_mut(name) else { return };
        let Stage::Running { since_ms, .. } = one.stage else { return };
        one.stage = Stage::Ended(Exit {
            code,
            oom: cause == Cause::OutOfMemory,
            interrupted: cause == Cause::EngineDown,
            started_ms: Some(since_ms),
            ended_ms,
        });
        self.tell(name);
    }

    /// What the engine does to all containers when it goes down.
    pub(super) fn end_all(&mut self, at: Instant) {
        let running = |one: &&String| self.containers.get(*one).is_some_and(Container::is_running);
        let names: Vec<String> = self.containers.keys().filter(running).cloned().collect();
        for name in names {
            let code = match self.containers.get(&name).map(|one| one.program.on_term) {
                Some(OnTerm::Exit(code)) => code,
                Some(OnTerm::Ignore) | None => 137,
            };
            self.end(&name, at, code, Cause::EngineDown);
        }
    }

    /// Breaks every open stream; what they had not given yet is lost.
    pub(super) fn break_streams(&mut self) {
        self.counts.breaks += 1;
        self.listeners.clear();
    }

    /// Puts an event on the open streams of the container's instance. Streams that are opened
    /// later never hear of it.
    pub(super) fn tell(&mut self, name: &str) {
        let Some(one) = self.containers.get(name) else { return };
        let event = EngineEvent::Changed(one.spec.key.clone());
        for listener in self.listeners.values_mut() {
            if listener.instance == one.spec.instance {
                listener.queue.push_back(event.clone());
                if self.faults.repeat_events {
                    listener.queue.push_back(event.clone());
                }
            }
        }
    }

    pub(super) fn name_of(&self, key: &AttemptKey) -> Option<String> {
        let mut found = self.containers.iter().filter(|(_, one)| one.spec.key == *key);
        found.next().map(|(name, _)| name.clone())
    }

    pub(super) fn name_of_id(&self, id: &str) -> Option<String> {
        let mut found = self.containers.iter().filter(|(_, one)| one.id == id);
        found.next().map(|(name, _)| name.clone())
    }

    /// The id of what `image` names; an id names itself.
    pub(super) fn image_id(&self, image: &str) -> String {
        if image.starts_with("sha256:") {
            return image.to_owned();
        }
        self.images.get(image).map_or_else(|| FakeImage::default().id(image), |one| one.id(image))
    }

    /// The program for a container: by image and command, else by image, else one that succeeds.
    pub(super) fn program_for(&self, spec: &ContainerSpec) -> Program {
        let image = self.images.iter().find(|(name, image)| image.id(name) == spec.image);
        let image = image.map_or(spec.image.as_str(), |(name, _)| name.as_str());
        let words: Vec<&String> = spec.entrypoint.iter().chain(&spec.command).collect();
        let fits = |taught: &&(String, Vec<String>, Program)| {
            taught.0 == image && (taught.1.is_empty() || taught.1.iter().eq(words.iter().copied()))
        };
        let taught = self.programs.iter().filter(fits);
        // The most exact one; among equals the last one, which is the one taught last.
        let best = taught.max_by_key(|taught| !taught.1.is_empty());
        best.map_or_else(|| Program::exit(0), |(_, _, program)| program.clone())
    }
}

/// Why a container ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    Own,
    OutOfMemory,
    EngineDown,
}

impl Container {
    pub(super) fn is_running(&self) -> bool {
        matches!(self.stage, Stage::Running { .. })
    }

    fn due(&self) -> Option<Instant> {
        let Stage::Running { next_step, due, .. } = &self.stage else { return None };
        let over = *next_step >= self.program.steps.len();
        (!over || self.program.end != End::Never).then_some(*due)
    }
}
