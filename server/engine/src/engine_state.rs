//! Whether the container engine answers. It is never "down": while it does not answer, nothing is
//! known, and nothing fails. Before it has been asked nothing is known either.
//!
//! ```text
//!  unknown, never asked ──> up <──> unknown
//!            └─────────────────────────^
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gofer_core::ports::driver::{DriverError, FaultKind};
use gofer_core::time::Timestamp;
use tokio::sync::watch;

use crate::limits::{ENGINE_BACK_PAUSE, ENGINE_BACKOFF_MAX, ENGINE_BACKOFF_MIN};

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
    /// Whether a call has met it, or has met its silence.
    asked: Arc<AtomicBool>,
}

/// What an answer of the engine is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contact {
    /// It answered before.
    Usual,
    /// It was never asked before.
    First,
    /// It had not answered.
    Again,
}

impl EngineWatch {
    pub(crate) fn new(now: Timestamp) -> Self {
        let error = "it was not asked yet".to_owned();
        let state = EngineState::Unknown { since: now, error };
        Self { state: Arc::new(watch::Sender::new(state)), asked: Arc::default() }
    }

    pub(crate) fn get(&self) -> EngineState {
        self.state.borrow().clone()
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<EngineState> {
        self.state.subscribe()
    }

    /// The engine answered.
    pub(crate) fn is_up(&self) -> Contact {
        let mut contact = Contact::Usual;
        self.state.send_if_modified(|state| {
            let was_asked = self.asked.swap(true, Ordering::Relaxed);
            let was_unknown = *state != EngineState::Up;
            *state = EngineState::Up;
            if was_unknown {
                contact = if was_asked { Contact::Again } else { Contact::First };
            }
            was_unknown
        });
        contact
    }

    /// A call met an engine that does not answer. True where it had before, or was never asked.
    pub(crate) fn is_unknown(&self, error: &DriverError, now: Timestamp) -> bool {
        self.state.send_if_modified(|state| {
            let was_asked = self.asked.swap(true, Ordering::Relaxed);
            let is_news = !was_asked || *state == EngineState::Up;
            if is_news {
                *state = EngineState::Unknown { since: now, error: error.message.clone() };
            }
            is_news
        })
    }

    /// Waits before call number `n_tries` to an engine that did not answer; not at all once it does.
    pub(crate) async fn back_off(&self, n_tries: u32) {
        let wait = wait_of(n_tries);
        let mut state = self.subscribe();
        let up = async { state.wait_for(|state| *state == EngineState::Up).await.is_ok() };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _up = up => tokio::time::sleep(ENGINE_BACK_PAUSE).await,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn watch() -> EngineWatch {
        EngineWatch::new(Timestamp::from_ms(1))
    }

    fn silence() -> DriverError {
        DriverError::new(FaultKind::Unreachable, "no answer")
    }

    #[test]
    fn an_engine_that_was_never_asked_is_unknown() {
        assert!(matches!(watch().get(), EngineState::Unknown { .. }));
    }

    #[test]
    fn a_first_answer_is_no_return() {
        let watch = watch();
        assert_eq!(watch.is_up(), Contact::First);
        assert_eq!(watch.is_up(), Contact::Usual);
        assert!(watch.is_unknown(&silence(), Timestamp::from_ms(2)));
        assert!(!watch.is_unknown(&silence(), Timestamp::from_ms(3)), "it is told once");
        assert_eq!(watch.is_up(), Contact::Again);
    }

    #[test]
    fn a_first_silence_is_told() {
        let watch = watch();
        assert!(watch.is_unknown(&silence(), Timestamp::from_ms(2)));
        let since = Timestamp::from_ms(2);
        assert_eq!(watch.get(), EngineState::Unknown { since, error: "no answer".to_owned() });
        assert_eq!(watch.is_up(), Contact::Again);
    }
}
