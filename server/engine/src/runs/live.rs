//! What others may see of a live run: its last committed state, and the progress of attempts that
//! nobody needs on disk. Both are levels: whoever looks late sees the newest, and only that.

use std::collections::BTreeMap;
use std::sync::Arc;

use gofer_core::ids::TaskId;
use gofer_core::ports::driver::PullProgress;
use gofer_core::problem::Problem;
use gofer_core::run::{Event, Request, Run};
use gofer_core::time::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};

use super::Input;
use super::owner::problem_of;

/// What an attempt does that is not worth a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LiveAttempt {
    /// Its image is being pulled.
    Pulling {
        /// The image reference.
        image: String,
        /// How far.
        progress: PullProgress,
    },
}

/// Progress of all attempts of a run, by task.
pub(crate) type LiveBoard = Arc<watch::Sender<BTreeMap<TaskId, LiveAttempt>>>;

/// The way to a live run's owner.
#[derive(Debug, Clone)]
pub(crate) struct RunHandle {
    pub(super) inbox: mpsc::Sender<Input>,
    pub(super) watch: RunWatch,
}

/// A live run as watchers see it.
#[derive(Debug, Clone)]
pub struct RunWatch {
    /// The last committed state.
    pub run: watch::Receiver<Arc<Run>>,
    /// Progress of attempts.
    pub live: watch::Receiver<BTreeMap<TaskId, LiveAttempt>>,
}

impl RunHandle {
    /// The way to a run that changes no more: its answers come from the rules, its watches have
    /// ended, and nobody owns it.
    pub(crate) fn settled(run: Run) -> Self {
        let (inbox, _closed) = mpsc::channel(1);
        let (_ended, run) = watch::channel(Arc::new(run));
        let (_none, live) = watch::channel(BTreeMap::new());
        Self { inbox, watch: RunWatch { run, live } }
    }

    /// Asks the owner and waits until its answer is committed. None where the owner has ended
    /// meanwhile: the run must be looked up again. A settled run has no owner for long and changes
    /// no more, so its answer is the rule's.
    pub(crate) async fn request(
        &self,
        request: Request,
        now: Timestamp,
    ) -> Option<Result<(), Problem>> {
        let run = Arc::clone(&self.watch.run.borrow());
        if run.is_settled() {
            let step = run.step(Event::Request(request), now);
            return Some(step.map(drop).map_err(|rejected| problem_of(&rejected)));
        }
        let (tell, answer) = oneshot::channel();
        self.inbox.send(Input::Request(request, tell)).await.ok()?;
        answer.await.ok()
    }

    /// Tells that the run has a slot. Gives the owner's inbox back where it is full.
    pub(crate) fn admitted(&self) -> Result<(), mpsc::Sender<Input>> {
        self.inbox.try_send(Input::admitted()).map_err(|_full| self.inbox.clone())
    }

    /// Whether the owner has ended, though nobody was told yet.
    pub(crate) fn is_over(&self) -> bool {
        self.inbox.is_closed()
    }

    pub(crate) fn watch(&self) -> RunWatch {
        self.watch.clone()
    }
}
