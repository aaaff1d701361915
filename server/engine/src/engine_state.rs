//! Whether the container engine answers. It is never "down": while it does not answer, nothing is
//! known, and nothing fails.

use std::sync::Arc;
use std::time::Duration;

use gofer_core::ports::driver::{DriverError, FaultKind};
use gofer_core::time::Timestamp;
use tokio::sync::watch;

use crate::limits::{ENGINE_BACKOFF_MAX, ENGINE_BACKOFF_MIN};

/// What is known of the container engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineState {
    /// It answers.
    Up,
    /// It does not.
    Unknown {
        /// Since when.
        since: Timestamp,
        /// What the last call met.
        error: String,
    },
}

/// The state, for all who call the engine.
#[derive(Debug, Clone)]
pub(crate) struct EngineWatch {
    state: Arc<watch::Sender<EngineState>>,
}

impl EngineWatch {
    pub(crate) fn new() -> Self {
        Self { state: Arc::new(watch::Sender::new(EngineState::Up)) }
    }

    pub(crate) fn get(&self) -> EngineState {
        self.state.borrow().clone()
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<EngineState> {
        self.state.subscribe()
    }

    /// The engine answered. True where it had not before.
    pub(crate) fn is_up(&self) -> bool {
        self.state.send_if_modified(|state| {
            let was_unknown = *state != EngineState::Up;
            *state = EngineState::Up;
            was_unknown
        })
    }

    /// A call met an engine that does not answer. True where it had before.
    pub(crate) fn is_unknown(&self, error: &DriverError, now: Timestamp) -> bool {
        self.state.send_if_modified(|state| {
            let was_up = *state == EngineState::Up;
            if was_up {
                *state = EngineState::Unknown { since: now, error: error.message.clone() };
            }
            was_up
        })
    }

    /// Waits before call number `n_tries` to an engine that did not answer; not at all once it does.
    pub(crate) async fn back_off(&self, n_tries: u32) {
        let wait = wait_of(n_tries);
        let mut state = self.subscribe();
        let up = async { state.wait_for(|state| *state == EngineState::Up).await.is_ok() };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            // Up again: the small wait keeps a flapping engine from being hammered.
            _up = up => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// The wait before call number `n_tries`: doubles with each.
pub(crate) fn wait_of(n_tries: u32) -> Duration {
    let factor = 1_u32.checked_shl(n_tries).unwrap_or(u32::MAX);
    ENGINE_BACKOFF_MIN.saturating_mul(factor).min(ENGINE_BACKOFF_MAX)
}

/// Whether a fault says that the engine does not answer.
pub(crate) fn is_unreachable(error: &DriverError) -> bool {
    error.kind == FaultKind::Unreachable
}
