//! Read connections: a few, lent for one short transaction each, on the blocking pool.

use std::sync::{Arc, Mutex, PoisonError};

use gofer_core::problem::Problem;
use gofer_store::{Reader, StoreError};
use tokio::sync::Semaphore;

use crate::limits::READERS_MAX;
use crate::writer::problem;

/// A pool of read connections.
#[derive(Debug, Clone)]
pub(crate) struct Readers {
    idle: Arc<Mutex<Vec<Reader>>>,
    free: Arc<Semaphore>,
}

impl Readers {
    /// A pool over these connections.
    pub(crate) fn new(readers: Vec<Reader>) -> Self {
        let free = Arc::new(Semaphore::new(readers.len()));
        Self { idle: Arc::new(Mutex::new(readers)), free }
    }

    /// How many connections a server opens.
    pub(crate) const fn wanted() -> usize {
        READERS_MAX
    }

    /// Runs `read` on a connection.
    pub(crate) async fn read<T, R>(&self, read: R) -> Result<T, Problem>
    where
        T: Send + 'static,
        R: FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    {
        let free = Arc::clone(&self.free);
        let permit = free.acquire_owned().await.map_err(|_closed| lost())?;
        let idle = Arc::clone(&self.idle);
        let work = move || {
            let reader = lock(&idle).pop().ok_or_else(lost)?;
            let answer = read(&reader).map_err(|error| problem(&error));
            lock(&idle).push(reader);
            drop(permit); // only now: a caller that goes away must not lend the connection twice
            answer
        };
        tokio::task::spawn_blocking(work).await.map_err(|_panicked| lost())?
    }
}

fn lock(idle: &Mutex<Vec<Reader>>) -> std::sync::MutexGuard<'_, Vec<Reader>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

fn lost() -> Problem {
    Problem::internal("a read connection was lost")
}
