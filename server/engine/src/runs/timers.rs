//! The timers of one run. They hold points of the wall clock, as the machine gave them, and look at
//! the clock again and again: clocks may be set, and machines may sleep.

use std::collections::BTreeSet;
use std::time::Duration;

use gofer_core::ports::Clock;
use gofer_core::run::Timer;
use gofer_core::time::Timestamp;

use crate::limits::TIMER_NAP_MAX;

#[derive(Debug, Default)]
pub(super) struct Timers {
    armed: BTreeSet<(Timestamp, Timer)>,
}

impl Timers {
    /// Arms a timer. Arming the same twice is arming it once.
    pub(super) fn arm(&mut self, timer: Timer, at: Timestamp) {
        self.armed.insert((at, timer));
    }

    /// Waits for the next timer that is due and takes it out; for ever where none is armed.
    /// Dropping the wait loses nothing: a timer is taken only when it is returned.
    pub(super) async fn next(&mut self, clock: &dyn Clock) -> Timer {
        loop {
            let Some((at, _)) = self.armed.first() else {
                std::future::pending::<()>().await;
                continue;
            };
            let wait = Duration::from_millis(at.ms_since(clock.now()));
            if wait.is_zero()
                && let Some((_, timer)) = self.armed.pop_first()
            {
                return timer;
            }
            tokio::time::sleep(wait.min(TIMER_NAP_MAX)).await;
        }
    }
}
