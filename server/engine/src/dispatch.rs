//! The dispatcher: it owns the lanes of admission and knows the owner of every live run. A run
//! gets an owner when it is admitted, or when somebody asks for it before or after; two owners of
//! one run cannot be, because only this loop makes them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use gofer_core::admission::Place;
use gofer_core::ids::{RunKey, RunUid};
use gofer_core::problem::{Kind, Problem};
use gofer_core::run::{Run, RunState};
use tokio::sync::{mpsc, oneshot, watch};

use crate::engine::Shared;
use crate::lanes::Lanes;
use crate::limits::{DISPATCH_INBOX_MAX, READ_AGAIN_AFTER, RETRY_MS};
use crate::runs::{Owner, RunHandle};
use crate::tasks::{TaskKind, Tasks};

/// What the dispatcher takes in.
#[derive(Debug)]
pub(crate) enum Message {
    /// A run was accepted and committed as PENDING.
    Queue(Box<Run>),
    /// A run that was found in the store at the start of the server.
    Recovered(Box<Run>),
    /// An admitted run that could not be read is to be tried again.
    Admitted(RunKey),
    /// A run needs its slot no longer.
    Released(RunKey, RunUid),
    /// A run's owner has ended.
    Ended(RunKey, RunUid),
    /// Find or make the run's owner; a settled run needs none.
    Find(RunKey, oneshot::Sender<Result<RunHandle, Problem>>),
    /// Find the run's owner, if it has one.
    Peek(RunKey, oneshot::Sender<Option<RunHandle>>),
    /// Where does the run wait?
    Place(RunKey, oneshot::Sender<Option<Place>>),
}

/// The way to the dispatcher.
#[derive(Debug, Clone)]
pub(crate) struct Dispatch {
    inbox: mpsc::Sender<Message>,
    tasks: Tasks,
    /// Grows when a queue moves: wakes those who show a place in one.
    moves: watch::Sender<u64>,
}

impl Dispatch {
    pub(crate) fn new(tasks: Tasks) -> (Self, mpsc::Receiver<Message>) {
        let (inbox, messages) = mpsc::channel(DISPATCH_INBOX_MAX);
        (Self { inbox, tasks, moves: watch::Sender::new(0) }, messages)
    }

    /// Tells and waits for room.
    pub(crate) async fn tell(&self, message: Message) {
        if self.inbox.send(message).await.is_err() {
            tracing::debug!("the dispatcher has ended");
        }
    }

    /// Tells from where nothing can be waited for. Never lost, except at shutdown.
    pub(crate) fn tell_later(&self, message: Message) {
        match self.inbox.try_send(message) {
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
            Err(mpsc::error::TrySendError::Full(message)) => {
                let this = self.clone();
                self.tasks.spawn(TaskKind::Background, "late message", async move {
                    this.tell(message).await;
                });
            }
        }
    }

    /// Tells from a thread outside the runtime; waits for room.
    pub(crate) fn tell_from_thread(&self, message: Message) {
        if self.inbox.blocking_send(message).is_err() {
            tracing::debug!("the dispatcher has ended");
        }
    }

    /// The run's owner, made where there is none and something is left to do.
    pub(crate) async fn find(&self, key: &RunKey) -> Result<RunHandle, Problem> {
        let (tell, answer) = oneshot::channel();
        self.tell(Message::Find(key.clone(), tell)).await;
        answer.await.map_err(|_ended| stopping())?
    }

    /// The run's owner, if it has one.
    pub(crate) async fn peek(&self, key: &RunKey) -> Option<RunHandle> {
        let (tell, answer) = oneshot::channel();
        self.tell(Message::Peek(key.clone(), tell)).await;
        answer.await.ok().flatten()
    }

    /// Told whenever a queue has moved.
    pub(crate) fn moves(&self) -> watch::Receiver<u64> {
        self.moves.subscribe()
    }

    /// Where the run waits, if it does.
    pub(crate) async fn place(&self, key: &RunKey) -> Option<Place> {
        let (tell, answer) = oneshot::channel();
        self.tell(Message::Place(key.clone(), tell)).await;
        answer.await.ok().flatten()
    }
}

/// The dispatcher's state.
pub(crate) struct Dispatcher {
    shared: Arc<Shared>,
    messages: mpsc::Receiver<Message>,
    lanes: Lanes,
    live: BTreeMap<RunKey, (RunUid, RunHandle)>,
}

impl Dispatcher {
    pub(crate) fn spawn(shared: &Arc<Shared>, messages: mpsc::Receiver<Message>) {
        let dispatcher = Self {
            shared: Arc::clone(shared),
            messages,
            lanes: Lanes::default(),
            live: BTreeMap::new(),
        };
        shared.tasks.spawn(TaskKind::Owner, "dispatcher", dispatcher.dispatch());
    }

    async fn dispatch(mut self) {
        let stop = self.shared.tasks.stop(TaskKind::Owner).clone();
        loop {
            let message = tokio::select! {
                () = stop.cancelled() => return,
                message = self.messages.recv() => message,
            };
            let Some(message) = message else { return };
            self.take(message).await;
        }
    }

    async fn take(&mut self, message: Message) {
        match message {
            Message::Queue(run) => self.queue(*run).await,
            Message::Recovered(run) => self.recovered(*run).await,
            Message::Admitted(key) => self.start(VecDeque::from([key]), None).await,
            Message::Released(key, uid) => {
                if let Some(admitted) = self.lanes.release(&key, &uid) {
                    self.start(admitted.into(), None).await;
                    self.shared.dispatch.moves.send_modify(|n| *n = n.wrapping_add(1));
                }
            }
            Message::Ended(key, uid) => {
                // A later owner of the same run is not over, and stays.
                let over = |(live, handle): &(RunUid, RunHandle)| *live == uid && handle.is_over();
                if self.live.get(&key).is_some_and(over) {
                    self.live.remove(&key);
                }
            }
            Message::Find(key, tell) => {
                let found = self.find(&key).await;
                answer(tell, found);
            }
            Message::Peek(key, tell) => {
                answer(tell, self.live.get(&key).map(|(_, handle)| handle.clone()));
            }
            Message::Place(key, tell) => answer(tell, self.lanes.place(&key)),
        }
    }

    async fn queue(&mut self, run: Run) {
        let admitted = self.lanes.queue(&run);
        self.start(admitted.into(), Some(run)).await;
    }

    async fn recovered(&mut self, run: Run) {
        match &run.state {
            RunState::Pending => self.queue(run).await,
            RunState::Running { .. } => {
                self.lanes.restore(&run);
                self.own(run);
            }
            RunState::Complete { .. } => {
                self.own(run);
            }
        }
    }

    /// Gives admitted runs their owners. A run that was deleted meanwhile gives its slot back.
    async fn start(&mut self, mut admitted: VecDeque<RunKey>, in_hand: Option<Run>) {
        let mut in_hand = in_hand;
        while let Some(key) = admitted.pop_front() {
            // An owner of this very run has been and gone: what is in hand is old.
            let known = self.live.get(&key).map(|(uid, _)| uid.clone());
            in_hand = in_hand.filter(|run| Some(&run.spec.uid) != known.as_ref());
            let handle = match self.live.get(&key) {
                // One that is over is a namesake's: its end was not told here yet.
                Some((_, handle)) if !handle.is_over() => handle.clone(),
                Some(_) | None => match self.obtain(&key, &mut in_hand).await {
                    Ok(run) => self.own(run),
                    Err(problem) if problem.kind == Kind::NotFound => {
                        admitted.extend(self.lanes.forget(&key));
                        continue;
                    }
                    Err(problem) => {
                        tracing::error!(run = %key, %problem, "could not read an admitted run; trying again");
                        self.try_again(key);
                        continue;
                    }
                },
            };
            self.admit(&handle);
        }
    }

    async fn obtain(&self, key: &RunKey, in_hand: &mut Option<Run>) -> Result<Run, Problem> {
        match in_hand.take_if(|run| run.spec.key == *key) {
            Some(run) => Ok(run),
            None => self.shared.stored_run(key).await,
        }
    }

    fn admit(&self, handle: &RunHandle) {
        if let Err(inbox) = handle.admitted() {
            self.shared.tasks.spawn(TaskKind::Background, "late admission", async move {
                if inbox.send(crate::runs::Input::admitted()).await.is_err() {
                    tracing::debug!("an admitted run has ended");
                }
            });
        }
    }

    fn try_again(&self, key: RunKey) {
        let dispatch = self.shared.dispatch.clone();
        self.shared.tasks.spawn(TaskKind::Background, "admission again", async move {
            tokio::time::sleep(READ_AGAIN_AFTER).await;
            dispatch.tell(Message::Admitted(key)).await;
        });
    }

    async fn find(&mut self, key: &RunKey) -> Result<RunHandle, Problem> {
        match self.live.get(key) {
            Some((_, handle)) if !handle.is_over() => Ok(handle.clone()),
            Some(_) | None => {
                let run = self.shared.stored_run(key).await?;
                Ok(if run.is_settled() { RunHandle::settled(run) } else { self.own(run) })
            }
        }
    }

    fn own(&mut self, run: Run) -> RunHandle {
        let (key, uid) = (run.spec.key.clone(), run.spec.uid.clone());
        let handle = Owner::spawn(&self.shared, run);
        self.live.insert(key, (uid, handle.clone()));
        handle
    }
}

/// The answer of a dispatcher that is there no more.
fn stopping() -> Problem {
    Problem::unavailable("the server is shutting down", RETRY_MS)
}

fn answer<T>(tell: oneshot::Sender<T>, value: T) {
    if tell.send(value).is_err() {
        tracing::debug!("nobody waited for the dispatcher's answer");
    }
}
