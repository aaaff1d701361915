//! The one writer. A thread of its own takes whatever is queued (never waits for more), runs it as
//! one transaction and then tells each caller. Callers get typed answers; an answer comes only
//! after the commit has reached the disk.

use gofer_core::problem::Problem;
use gofer_store::{Done, Job, Store, StoreError, Tx};
use tokio::sync::{mpsc, oneshot};

use crate::limits::{GROUP_JOBS_MAX, RETRY_MS, WRITER_QUEUE_MAX};

/// A handle to the writer thread.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    jobs: mpsc::Sender<Job>,
}

impl Writer {
    /// Starts the thread. It ends when the last handle is dropped; the receiver tells when the
    /// store is closed.
    pub(crate) fn start(store: Store) -> std::io::Result<(Self, oneshot::Receiver<()>)> {
        let (jobs, inbox) = mpsc::channel(WRITER_QUEUE_MAX);
        let (closed, is_closed) = oneshot::channel();
        std::thread::Builder::new().name("store writer".to_owned()).spawn(move || {
            write_until_closed(store, inbox);
            drop(closed);
        })?;
        Ok((Self { jobs }, is_closed))
    }

    /// Runs `work` in a transaction and gives its answer once that is on disk.
    ///
    /// # Errors
    /// What `work` said, or why the commit failed; in both cases nothing of `work` is kept.
    pub(crate) async fn call<T, W>(&self, work: W) -> Result<T, Problem>
    where
        T: Send + 'static,
        W: FnOnce(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        self.call_then(work, |_value| {}).await
    }

    /// The same; `then` sees the value on the writer's thread once it is on disk, in the order of
    /// the commits. It must not wait for a write.
    ///
    /// # Errors
    /// As [`Writer::call`].
    pub(crate) async fn call_then<T, W, N>(&self, work: W, then: N) -> Result<T, Problem>
    where
        T: Send + 'static,
        W: FnOnce(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
        N: FnOnce(&T) + Send + 'static,
    {
        let (tell, answer) = oneshot::channel();
        let job: Job = Box::new(move |tx| match work(tx) {
            Ok(value) => Done::Keep(Box::new(move |committed| {
                let answer = committed.map(|()| value);
                if let Ok(value) = &answer {
                    then(value);
                }
                if tell.send(answer).is_err() {
                    tracing::debug!("nobody waited for a committed answer");
                }
            })),
            Err(error) => Done::Undo(Box::new(move |_committed| {
                if tell.send(Err(error)).is_err() {
                    tracing::debug!("nobody waited for a refused write");
                }
            })),
        });
        self.send(job, answer).await
    }

    /// Runs `work` in a transaction, gives its answer and keeps nothing of it.
    ///
    /// # Errors
    /// What `work` said.
    pub(crate) async fn rehearse<T, W>(&self, work: W) -> Result<T, Problem>
    where
        T: Send + 'static,
        W: FnOnce(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (tell, answer) = oneshot::channel();
        let job: Job = Box::new(move |tx| {
            let outcome = work(tx);
            Done::Undo(Box::new(move |_committed| {
                if tell.send(outcome).is_err() {
                    tracing::debug!("nobody waited for a rehearsal");
                }
            }))
        });
        self.send(job, answer).await
    }

    async fn send<T>(
        &self,
        job: Job,
        answer: oneshot::Receiver<Result<T, StoreError>>,
    ) -> Result<T, Problem> {
        self.jobs.send(job).await.map_err(|_closed| closed())?;
        answer.await.map_err(|_dropped| not_begun())?.map_err(|error| problem(&error))
    }
}

fn write_until_closed(mut store: Store, mut inbox: mpsc::Receiver<Job>) {
    while let Some(first) = inbox.blocking_recv() {
        let mut group = vec![first];
        while group.len() < GROUP_JOBS_MAX {
            match inbox.try_recv() {
                Ok(job) => group.push(job),
                Err(_empty_or_closed) => break,
            }
        }
        if let Err(error) = store.run_group(group) {
            tracing::error!(%error, "a group of writes failed; its callers were told");
        }
    }
}

/// The problem that a store's error is for the caller; faults of ours go into the log.
pub(crate) fn problem(error: &StoreError) -> Problem {
    let problem = error.to_problem();
    if problem.kind == gofer_core::problem::Kind::Internal {
        tracing::error!(error = %error, "the store failed");
    }
    problem
}

/// The store dropped the job unrun: it could not begin a transaction.
fn not_begun() -> Problem {
    Problem::unavailable("the store could not begin a transaction", RETRY_MS)
}

fn closed() -> Problem {
    Problem::unavailable("the server is shutting down", RETRY_MS)
}
