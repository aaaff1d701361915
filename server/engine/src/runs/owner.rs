//! The owner of one active run: the only task that changes it.
//!
//! ```text
//!  select one input ─> step (core) ─> commit ─> publish ─> perform effects ─> …  until settled
//! ```
//!
//! Inputs that are waiting are taken together: one commit for all of them. A request is answered
//! after the commit. A fact is never given up: while the disk is full the owner tries again, for
//! the facts are true whatever the disk says. Requests are then refused instead.

use std::collections::BTreeMap;
use std::sync::Arc;

use gofer_core::history::Entry;
use gofer_core::ids::{AttemptNumber, TaskId};
use gofer_core::problem::{Kind, Problem};
use gofer_core::run::{Effect, Event, Fact, Force, Rejected, Request, Run};
use tokio::sync::{mpsc, oneshot, watch};

use super::attempt::{AttemptHandle, Mode};
use super::live::{LiveBoard, RunHandle, RunWatch};
use super::timers::Timers;
use crate::dispatch::Message;
use crate::engine::Shared;
use crate::failpoint;
use crate::limits::{FULL_BACKOFF, RUN_INBOX_MAX, RUN_INPUTS_PER_COMMIT_MAX};
use crate::tasks::TaskKind;

/// Where the answer to a request goes.
pub(crate) type Reply = oneshot::Sender<Result<(), Problem>>;

/// What an owner takes in.
#[derive(Debug)]
pub(crate) enum Input {
    /// A wish, and where the answer goes.
    Request(Request, Reply),
    /// Something that is true.
    Fact(Fact),
}

impl Input {
    pub(crate) fn admitted() -> Self {
        Self::Fact(Fact::Admitted)
    }
}

/// The owner.
pub(crate) struct Owner {
    shared: Arc<Shared>,
    run: Arc<Run>,
    inbox: mpsc::Receiver<Input>,
    /// Given to those who bring facts.
    facts: mpsc::Sender<Input>,
    published: watch::Sender<Arc<Run>>,
    live: LiveBoard,
    timers: Timers,
    attempts: BTreeMap<(TaskId, AttemptNumber), AttemptHandle>,
}

/// How an owner's loop goes on after a commit.
enum Committed {
    Yes,
    /// The stored run is not this one any more.
    Gone,
    /// The server stops.
    Stopping,
}

impl Owner {
    /// Spawns the owner of a run that was just loaded or created.
    pub(crate) fn spawn(shared: &Arc<Shared>, run: Run) -> RunHandle {
        let (facts, inbox) = mpsc::channel(RUN_INBOX_MAX);
        let run = Arc::new(run);
        let published = watch::Sender::new(Arc::clone(&run));
        let live: LiveBoard = Arc::new(watch::Sender::new(BTreeMap::new()));
        let watch = RunWatch { run: published.subscribe(), live: live.subscribe() };
        let handle = RunHandle { inbox: facts.clone(), watch };
        let name = format!("run {}", run.spec.key);
        let owner = Self {
            shared: Arc::clone(shared),
            run,
            inbox,
            facts,
            published,
            live,
            timers: Timers::default(),
            attempts: BTreeMap::new(),
        };
        shared.tasks.spawn(TaskKind::Owner, name, owner.own());
        handle
    }

    async fn own(mut self) {
        self.perform(self.run.resume(), Freshness::Resumed);
        let stop = self.shared.tasks.stop(TaskKind::Owner).clone();
        while !self.run.is_settled() {
            let first = tokio::select! {
                () = stop.cancelled() => return,
                Some(input) = self.inbox.recv() => input,
                timer = self.timers.next(&*self.shared.clock) => Input::Fact(Fact::TimerFired(timer)),
            };
            let inputs = self.and_all_that_wait(first);
            match self.take(inputs).await {
                Committed::Yes => {}
                Committed::Gone => break,
                Committed::Stopping => return,
            }
        }
        self.retire();
    }

    /// The run needs no owner any more. Whoever still asks finds the inbox closed and looks the
    /// run up again.
    fn retire(self) {
        let Self { shared, run, inbox, .. } = self;
        drop(inbox); // before it is told of: whoever hears of the end finds the inbox closed
        let key = &run.spec.key;
        shared.dispatch.tell_later(Message::Ended(key.clone(), run.spec.uid.clone()));
        shared.expiry.run_ended(&key.pipeline);
    }

    fn and_all_that_wait(&mut self, first: Input) -> Vec<Input> {
        let mut inputs = vec![first];
        while inputs.len() < RUN_INPUTS_PER_COMMIT_MAX {
            match self.inbox.try_recv() {
                Ok(input) => inputs.push(input),
                Err(_empty) => break,
            }
        }
        inputs
    }

    /// Decides on the inputs, commits, answers, carries out.
    async fn take(&mut self, inputs: Vec<Input>) -> Committed {
        let mut batch = Batch::decide(&self.run, inputs, self.shared.clock.now());
        loop {
            match self.commit(&batch).await {
                Ok(()) => break,
                // The run was deleted, or another owner of it has gone on: this one knows nothing.
                Err(problem) if matches!(problem.kind, Kind::NotFound | Kind::Conflict) => {
                    batch.answer(&Err(problem));
                    return Committed::Gone;
                }
                Err(problem) => {
                    tracing::error!(run = %self.run.spec.key, %problem, "could not commit a step; trying again");
                    batch = batch.refuse_requests(&self.run, &problem, self.shared.clock.now());
                    let stop = self.shared.tasks.stop(TaskKind::Owner);
                    tokio::select! {
                        () = stop.cancelled() => return Committed::Stopping,
                        () = tokio::time::sleep(FULL_BACKOFF) => {}
                    }
                }
            }
        }
        failpoint::hit("step.committed");
        self.run = Arc::new(batch.next.clone());
        self.published.send_replace(Arc::clone(&self.run));
        let effects = std::mem::take(&mut batch.effects);
        batch.answer(&Ok(()));
        self.perform(effects, Freshness::New);
        Committed::Yes
    }

    async fn commit(&self, batch: &Batch) -> Result<(), Problem> {
        if batch.next.generation == self.run.generation {
            return Ok(());
        }
        failpoint::hit("step.before_commit");
        let (before, next) = (Arc::clone(&self.run), batch.next.clone());
        let (entries, now) = (batch.emitted.clone(), self.shared.clock.now());
        let saved =
            self.shared.writer.call(move |tx| tx.save_run(&before, &next, &entries, now)).await;
        if saved.is_ok() {
            self.shared.feed.grew();
        }
        saved
    }

    /// Carries effects out. None of them waits: an attempt's work goes on in its own task.
    fn perform(&mut self, effects: Vec<Effect>, freshness: Freshness) {
        for (n_done, effect) in effects.into_iter().enumerate() {
            if n_done == 1 {
                failpoint::hit("step.half_performed");
            }
            match effect {
                Effect::EnsureContainer { task, attempt } => {
                    let mode = match freshness {
                        Freshness::New => Mode::EnsureNew,
                        Freshness::Resumed => Mode::EnsureAgain,
                    };
                    self.attempt(task, attempt, mode);
                }
                Effect::WatchContainer { task, attempt } => {
                    self.attempt(task, attempt, Mode::Watch);
                }
                Effect::StopContainer { task, attempt } => {
                    self.want_stop(task, attempt, Force::Grace);
                }
                Effect::KillContainer { task, attempt } => {
                    self.want_stop(task, attempt, Force::Kill);
                }
                Effect::CollectContainer { task, attempt } => {
                    if let Some(handle) = self.attempt(task, attempt, Mode::Collect) {
                        handle.want_collect();
                    }
                }
                Effect::ArmTimer { timer, at } => self.timers.arm(timer, at),
                Effect::ReleaseSlot => {
                    let spec = &self.run.spec;
                    let released = Message::Released(spec.key.clone(), spec.uid.clone());
                    self.shared.dispatch.tell_later(released);
                }
            }
        }
        self.forget_collected();
    }

    fn want_stop(&mut self, task: TaskId, attempt: AttemptNumber, force: Force) {
        if let Some(handle) = self.attempt(task, attempt, Mode::Watch) {
            handle.want_stop(force);
        }
    }

    /// The performer of an attempt; spawned in `mode` where there is none.
    fn attempt(
        &mut self,
        task: TaskId,
        number: AttemptNumber,
        mode: Mode,
    ) -> Option<&AttemptHandle> {
        let key = (task, number);
        if !self.attempts.contains_key(&key) {
            let position =
                self.run.spec.config.tasks.iter().position(|config| config.id == key.0)?;
            let handle = AttemptHandle::spawn(
                &self.shared,
                (&self.run, position, number),
                mode,
                self.facts.clone(),
                Arc::clone(&self.live),
            )?;
            self.attempts.insert(key.clone(), handle);
        }
        self.attempts.get(&key)
    }

    fn forget_collected(&mut self) {
        let run = &self.run;
        self.attempts.retain(|(task, number), _| {
            let attempt = run.task(task).and_then(|task| task.attempt(*number));
            attempt.is_some_and(|attempt| attempt.collected.is_none())
        });
    }
}

/// Whether effects are given for the first time. A resumed order may have been carried out before.
#[derive(Debug, Clone, Copy)]
enum Freshness {
    New,
    Resumed,
}

/// What some inputs come to, before the commit.
struct Batch {
    next: Run,
    effects: Vec<Effect>,
    emitted: Vec<Entry>,
    facts: Vec<Fact>,
    replies: Vec<(Reply, Result<(), Problem>)>,
}

impl Batch {
    /// Steps through the inputs.
    fn decide(run: &Run, inputs: Vec<Input>, now: gofer_core::time::Timestamp) -> Self {
        let mut batch = Self {
            next: run.clone(),
            effects: Vec::new(),
            emitted: Vec::new(),
            facts: Vec::new(),
            replies: Vec::new(),
        };
        for input in inputs {
            match input {
                Input::Fact(fact) => {
                    batch.facts.push(fact.clone());
                    if let Err(rejected) = batch.step(Event::Fact(fact), now) {
                        tracing::error!(%rejected, "a fact was rejected");
                    }
                }
                Input::Request(request, reply) => match batch.step(Event::Request(request), now) {
                    Ok(()) => batch.replies.push((reply, Ok(()))),
                    // Not answered yet: it rests on facts of this batch, which are not on disk.
                    Err(rejected) => batch.replies.push((reply, Err(problem_of(&rejected)))),
                },
            }
        }
        batch
    }

    fn step(&mut self, event: Event, now: gofer_core::time::Timestamp) -> Result<(), Rejected> {
        let step = self.next.step(event, now)?;
        self.next = step.next;
        self.effects.extend(step.effects);
        self.emitted.extend(step.emitted);
        Ok(())
    }

    /// The same without its requests, which are told of the problem.
    fn refuse_requests(
        mut self,
        run: &Run,
        problem: &Problem,
        now: gofer_core::time::Timestamp,
    ) -> Self {
        let facts = std::mem::take(&mut self.facts);
        self.answer(&Err(problem.clone()));
        Self::decide(run, facts.into_iter().map(Input::Fact).collect(), now)
    }

    /// Answers every request: its own result where the batch was committed, else why it was not.
    fn answer(self, committed: &Result<(), Problem>) {
        for (reply, own) in self.replies {
            answer(reply, committed.clone().and(own));
        }
    }
}

fn answer(reply: Reply, result: Result<(), Problem>) {
    if reply.send(result).is_err() {
        tracing::debug!("nobody waited for the answer to a request");
    }
}

/// A rejected request as its caller is told.
pub(super) fn problem_of(rejected: &Rejected) -> Problem {
    let message = rejected.to_string();
    match rejected {
        Rejected::RunComplete { .. } => {
            Problem::rejected("RUN_COMPLETE", message, "nothing is left to cancel")
        }
        Rejected::TaskComplete { .. } => {
            Problem::rejected("TASK_RUN_COMPLETE", message, "nothing is left to cancel")
        }
        Rejected::NoSuchTask { .. } => Problem::new(Kind::NotFound, "NOT_FOUND", message),
    }
}
