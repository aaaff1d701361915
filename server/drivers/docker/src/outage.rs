//! Tells an exit of the task from an exit that the engine caused by going down.
//!
//! Docker keeps no record of its own restarts. Two things serve instead. The **epoch**: dockerd
//! makes its default network `bridge` anew at each start, so that network's `Created` time is the
//! start of the engine's present life (checked on 20.10; without such a network the epoch is
//! unknown). And the **outage** as we met it: a graceful shutdown closes the listener first, then
//! stops the containers, so nothing that ended before our last answered call was ended by it.
//!
//! ```text
//!   last answer        stream lost    epoch     stream back
//!  ─────┼──────────────────┼─ ─ ─ ─ ─ ─┼────────────┼──────►
//!   own │◄──── outage: an exit in here is the engine's ────►│ own
//! ```
//!
//! An outage counts only when the epoch moved: a broken connection alone ends no container. With
//! live-restore nothing is ever interrupted, since containers outlive their engine. What we did
//! not watch is judged by the exit code: the daemon ends containers by SIGTERM and SIGKILL, and
//! writes 255 for those whose end it missed. Where the server went down with the engine, as at a
//! reboot, the outage begins at the last contact of the server's life before, which it kept: a
//! task that handled SIGTERM and left with 0 has not succeeded.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use crate::limits;

/// Exit codes that a container gets from a daemon that goes down: SIGKILL, SIGTERM, end missed.
const SHUTDOWN_CODES: [i32; 3] = [137, 143, 255];

/// The record of one exit, as far as it matters here. Times in engine milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) oom: bool,
    pub(crate) started_ms: i64,
    pub(crate) ended_ms: i64,
}

/// What the engine says of itself now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct EngineNow {
    pub(crate) epoch_ms: Option<i64>,
    pub(crate) live_restore: bool,
}

/// A time in which the engine was down, between two moments of ours. What started in the new life
/// was not ended by the end of the old one, however soon it ended: `born_ms` is when that life
/// began, or when we met it where the engine does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Outage {
    from_ms: i64,
    born_ms: i64,
    to_ms: i64,
}

#[derive(Debug, Default)]
pub(crate) struct EngineLife {
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// The engine's clock, taken at one moment of ours.
    clock: Option<(i64, Instant)>,
    /// When the latest call that was answered had been sent.
    answered_ms: Option<i64>,
    /// Set while the event stream is lost: the latest answer before.
    lost_from_ms: Option<i64>,
    now: Option<EngineNow>,
    /// When a driver before this one, in an earlier process, was answered last.
    remembered_ms: Option<i64>,
    outages: VecDeque<Outage>,
}

impl EngineLife {
    /// Takes over from a driver of an earlier process: when that was answered last.
    pub(crate) fn remember(&self, last_contact_ms: i64) {
        self.with(|seen| seen.remembered_ms = Some(last_contact_ms));
    }

    /// Notes what the engine's clock shows now.
    pub(crate) fn clock_is(&self, engine_ms: i64) {
        self.with(|seen| seen.clock = Some((engine_ms, Instant::now())));
    }

    /// The engine's clock now, in milliseconds; none until it was asked once.
    pub(crate) fn now_ms(&self) -> Option<i64> {
        self.with(|seen| seen.now_ms())
    }

    /// Notes that a call sent at `sent_ms` was answered.
    pub(crate) fn answered(&self, sent_ms: Option<i64>) {
        self.with(|seen| seen.answered_ms = seen.answered_ms.max(sent_ms));
    }

    /// Notes that the event stream broke.
    pub(crate) fn lost(&self) {
        self.with(|seen| {
            if seen.lost_from_ms.is_none() {
                seen.lost_from_ms = seen.answered_ms;
            }
        });
    }

    /// The moment before which no exit can be the engine's doing, should it turn out that the
    /// engine has a new life. To be taken before the call that finds that out.
    pub(crate) fn last_certain_ms(&self) -> Option<i64> {
        self.with(|seen| seen.lost_from_ms.or(seen.answered_ms))
    }

    /// Notes what the engine says of itself now; a moved epoch closes an outage that began at
    /// `certain_ms`.
    pub(crate) fn settle(&self, now: EngineNow, certain_ms: Option<i64>) {
        self.with(|seen| {
            let was_lost = seen.lost_from_ms.take().is_some();
            let moved = match (seen.now.and_then(|before| before.epoch_ms), now.epoch_ms) {
                (Some(before), Some(after)) => before != after,
                // Without an epoch a lost connection is all there is to go by. An attempt that is
                // made again is the smaller harm than a success that was none.
                (_, None) | (None, _) => was_lost && seen.now.is_some(),
            };
            if let (true, Some(from_ms), Some(to_ms)) = (moved, certain_ms, seen.now_ms()) {
                let born_ms = now.epoch_ms.unwrap_or(to_ms);
                seen.keep(Outage { from_ms, born_ms, to_ms });
            }
            // The engine was started while nobody of ours was there to see it go down.
            if let (Some(from_ms), Some(epoch_ms)) = (seen.remembered_ms.take(), now.epoch_ms)
                && from_ms < epoch_ms
            {
                seen.keep(Outage {
                    from_ms,
                    born_ms: epoch_ms,
                    to_ms: epoch_ms.saturating_add(limits::EPOCH_SLACK_MS),
                });
            }
            seen.now = Some(now);
        });
    }

    /// Whether an exit can only be judged with the engine's own word on its life, asked after the
    /// exit was seen.
    pub(crate) fn is_doubtful(&self, ended: &Ended) -> bool {
        SHUTDOWN_CODES.contains(&ended.code)
            || self.with(|seen| {
                let unseen = seen.lost_from_ms.or(seen.remembered_ms);
                unseen.is_some_and(|from_ms| ended.ended_ms >= from_ms) || seen.in_outage(ended)
            })
    }

    /// Whether the engine went down under the container.
    pub(crate) fn interrupted(&self, ended: &Ended, now: EngineNow) -> bool {
        // The engine saw the kernel's kill itself, so it was up; and it wins over the code.
        if now.live_restore || ended.oom {
            return false;
        }
        let by_code = now.epoch_ms.is_some_and(|epoch_ms| {
            SHUTDOWN_CODES.contains(&ended.code)
                && ended.started_ms < epoch_ms
                && ended.ended_ms <= epoch_ms.saturating_add(limits::EPOCH_SLACK_MS)
        });
        by_code || self.with(|seen| seen.in_outage(ended))
    }

    fn with<T>(&self, act: impl FnOnce(&mut Seen) -> T) -> T {
        // Nothing in here can panic half-way, so a poisoned lock guards whole data.
        act(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Seen {
    fn now_ms(&self) -> Option<i64> {
        let (engine_ms, at) = self.clock?;
        let passed_ms = i64::try_from(at.elapsed().as_millis()).unwrap_or(i64::MAX);
        Some(engine_ms.saturating_add(passed_ms))
    }

    fn keep(&mut self, outage: Outage) {
        if self.outages.len() == limits::OUTAGES_KEPT_MAX {
            self.outages.pop_front();
        }
        self.outages.push_back(outage);
    }

    fn in_outage(&self, ended: &Ended) -> bool {
        self.outages.iter().any(|outage| {
            ended.started_ms < outage.born_ms
                && (outage.from_ms..=outage.to_ms).contains(&ended.ended_ms)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: EngineNow = EngineNow { epoch_ms: Some(1_000), live_restore: false };
    const NEW: EngineNow = EngineNow { epoch_ms: Some(50_000), live_restore: false };

    #[test]
    fn a_reboot_under_server_and_engine_makes_no_success() {
        let life = EngineLife::default();
        life.remember(40_000);
        let left_with_0 = exit(0, 45_000);
        assert!(life.is_doubtful(&left_with_0));
        life.settle(NEW, None);
        assert!(life.interrupted(&left_with_0, NEW));
        assert!(!life.interrupted(&exit(0, 39_000), NEW), "it ended while the server was there");
    }

    #[test]
    fn a_server_that_was_away_alone_trusts_the_exits_of_that_time() {
        let life = EngineLife::default();
        life.remember(60_000);
        life.settle(NEW, None);
        assert!(!life.interrupted(&exit(0, 70_000), NEW));
    }

    fn exit(code: i32, ended_ms: i64) -> Ended {
        Ended { code, oom: false, started_ms: 10_000, ended_ms }
    }

    /// A driver that watched the old life until 40 s and found the new one at 55 s.
    fn watched() -> EngineLife {
        let life = EngineLife::default();
        life.clock_is(55_000);
        life.settle(OLD, None);
        life.answered(Some(40_000));
        life.lost();
        life.settle(NEW, life.last_certain_ms());
        life
    }

    #[test]
    fn an_exit_by_shutdown_in_an_earlier_life_is_interrupted() {
        let life = EngineLife::default();
        for code in SHUTDOWN_CODES {
            assert!(life.interrupted(&exit(code, 49_000), NEW), "{code}");
            assert!(life.interrupted(&exit(code, 51_000), NEW), "{code} while starting");
            assert!(!life.interrupted(&exit(code, 56_000), NEW), "{code} in the new life");
            assert!(!life.interrupted(&exit(code, 49_000), OLD), "{code} without a restart");
        }
    }

    #[test]
    fn an_exit_of_the_tasks_own_is_its_own() {
        let life = EngineLife::default();
        assert!(!life.interrupted(&exit(0, 49_000), NEW));
        assert!(!life.interrupted(&exit(57, 49_000), NEW));
        assert!(!life.interrupted(&Ended { oom: true, ..exit(137, 49_000) }, NEW));
        let live = EngineNow { live_restore: true, ..NEW };
        assert!(!life.interrupted(&exit(137, 49_000), live));
    }

    #[test]
    fn any_exit_in_an_outage_that_was_watched_is_interrupted() {
        let life = watched();
        assert!(life.interrupted(&exit(0, 41_000), NEW), "handled SIGTERM before the stream broke");
        assert!(life.interrupted(&exit(0, 54_000), NEW));
        assert!(!life.interrupted(&exit(0, 39_000), NEW), "answered for before");
        assert!(!life.interrupted(&exit(57, 39_000), NEW));
        assert!(!life.interrupted(&exit(0, 60_000), NEW), "after the return");
    }

    #[test]
    fn what_started_in_the_new_life_is_its_own_however_soon_it_ends() {
        let soon = Ended { code: 0, oom: false, started_ms: 50_200, ended_ms: 50_300 };
        assert!(!watched().interrupted(&soon, NEW), "it ended before we met the new life");
        let life = EngineLife::default();
        life.remember(40_000);
        life.settle(NEW, None);
        assert!(!life.interrupted(&soon, NEW), "it ended while the engine was starting");
        assert!(life.interrupted(&Ended { started_ms: 49_900, ..soon }, NEW));
    }

    #[test]
    fn a_broken_connection_alone_interrupts_nothing() {
        let life = EngineLife::default();
        life.clock_is(55_000);
        life.settle(OLD, None);
        life.answered(Some(40_000));
        life.lost();
        assert!(life.is_doubtful(&exit(0, 41_000)));
        life.settle(OLD, life.last_certain_ms());
        assert!(!life.interrupted(&exit(0, 41_000), OLD));
        assert!(!life.is_doubtful(&exit(0, 41_000)));
    }

    #[test]
    fn without_an_epoch_a_lost_stream_is_an_outage() {
        let life = EngineLife::default();
        let unknown = EngineNow::default();
        life.clock_is(55_000);
        life.settle(unknown, None);
        life.answered(Some(40_000));
        life.lost();
        life.settle(unknown, life.last_certain_ms());
        assert!(life.interrupted(&exit(0, 41_000), unknown));
        assert!(!life.interrupted(&exit(137, 39_000), unknown));
    }
}
