//! What became of an attempt, told from its files alone. Pure: [`crate::look`] reads, this judges,
//! so that every mixture of files that a crash can leave has a test.
//!
//! ```text
//!  exit.json whole ──────────────────────────► Ended     (the shim may still be clearing up)
//!  else, another boot ───────────────────────► Lost      what reached the disk is not known
//!  else, lock busy ── shim.json ─────────────► Running
//!                  └─ none ──────────────────► Starting
//!  else, no `started` ───────────────────────► Created   nothing of the task has run, or will unasked
//!  else ─────────────────────────────────────► Lost      the shim died, and with it the container
//! ```
//!
//! The lock decides, never a process number: those are used again. A reader looks at `started` first,
//! then at the lock, then at the rest: a lock that is free *after* `started` was seen will never be
//! taken for this attempt again, so what is not written then never will be.

use crate::files::exit::{ExitFile, ShimFile};

/// The files of an attempt, read in the order that the head of this file tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct View {
    /// Whether the folder was made since the machine was started.
    pub(crate) boot: Boot,
    /// Whether the marker is there.
    pub(crate) started: bool,
    /// Whether a shim lives.
    pub(crate) lock: Lock,
    /// What the shim says of its processes; none where the file is missing or torn.
    pub(crate) shim: Option<ShimFile>,
    /// How it ended; none where the file is missing or torn.
    pub(crate) exit: Option<ExitFile>,
    /// When anything of the attempt was written last, milliseconds since the epoch.
    pub(crate) last_sign_ms: i64,
}

/// When an attempt's folder was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Boot {
    /// Since the machine was started.
    This,
    /// Before, or nobody knows.
    Another,
}

/// Whether a shim holds the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lock {
    /// It lives.
    Busy,
    /// It does not.
    Free,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Life {
    /// Made, and nothing of the task has run.
    Created,
    /// A shim is at work on it.
    Starting,
    /// Its first process exists.
    Running(ShimFile),
    /// It ended, or its start was refused; the shim's record.
    Ended(ExitFile),
    /// It may have run, and nobody will ever know how it ended.
    Lost(Lost),
}

/// What is left of an attempt whose end nobody saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lost {
    /// When it started, where that was written down.
    pub(crate) started_ms: Option<i64>,
    /// The last sign of life.
    pub(crate) last_sign_ms: i64,
    /// Its control group, where that was written down.
    pub(crate) cgroup: Option<String>,
}

/// Judges.
pub(crate) fn judge(view: View) -> Life {
    let View { boot, started, lock, shim, exit, last_sign_ms } = view;
    if let Some(exit) = exit {
        return Life::Ended(exit);
    }
    match (boot, started, lock) {
        (Boot::This, _, Lock::Busy) => shim.map_or(Life::Starting, Life::Running),
        (Boot::This, false, Lock::Free) => Life::Created,
        (Boot::This, true, Lock::Free) | (Boot::Another, _, _) => Life::Lost(Lost {
            started_ms: shim.as_ref().map(|shim| shim.started_ms),
            last_sign_ms,
            cgroup: shim.map(|shim| shim.cgroup),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::exit::{Outcome, Process};

    fn shim() -> ShimFile {
        ShimFile {
            v: 1,
            shim: Process { pid: 10, start_ticks: 1 },
            container: Process { pid: 11, start_ticks: 2 },
            boot_id: "b".to_owned(),
            cgroup: "/gofer/x".to_owned(),
            started_ms: 1_000,
        }
    }

    fn exit() -> ExitFile {
        ExitFile {
            v: 1,
            outcome: Outcome::Exited { code: 3 },
            oom_kills: 0,
            started_ms: Some(1_000),
            ended_ms: 2_000,
            cpu_us: None,
            memory_peak_bytes: None,
        }
    }

    fn view(started: bool, lock: Lock) -> View {
        View { boot: Boot::This, started, lock, shim: None, exit: None, last_sign_ms: 1_500 }
    }

    fn lost(shim: Option<&ShimFile>) -> Life {
        Life::Lost(Lost {
            started_ms: shim.map(|shim| shim.started_ms),
            last_sign_ms: 1_500,
            cgroup: shim.map(|shim| shim.cgroup.clone()),
        })
    }

    #[test]
    fn an_exit_record_is_the_truth_whatever_else_is_there() {
        for boot in [Boot::This, Boot::Another] {
            for (started, lock) in [(true, Lock::Busy), (true, Lock::Free), (false, Lock::Free)] {
                for shim in [None, Some(shim())] {
                    let view = View { boot, shim, exit: Some(exit()), ..view(started, lock) };
                    assert_eq!(judge(view), Life::Ended(exit()));
                }
            }
        }
    }

    #[test]
    fn without_the_marker_nothing_has_run() {
        assert_eq!(judge(view(false, Lock::Free)), Life::Created);
    }

    #[test]
    fn a_held_lock_means_alive() {
        // The marker comes a moment after the lock.
        for started in [false, true] {
            assert_eq!(judge(view(started, Lock::Busy)), Life::Starting);
        }
        let running = View { shim: Some(shim()), ..view(true, Lock::Busy) };
        assert_eq!(judge(running), Life::Running(shim()));
    }

    #[test]
    fn a_free_lock_without_an_exit_is_a_loss_and_never_a_start() {
        assert_eq!(judge(view(true, Lock::Free)), lost(None));
        let view = View { shim: Some(shim()), ..view(true, Lock::Free) };
        assert_eq!(judge(view), lost(Some(&shim())));
    }

    #[test]
    fn after_another_boot_nothing_is_started_that_may_have_run() {
        for (started, lock) in [(true, Lock::Busy), (true, Lock::Free), (false, Lock::Free)] {
            for shim in [None, Some(shim())] {
                let view = View { boot: Boot::Another, shim: shim.clone(), ..view(started, lock) };
                assert_eq!(judge(view), lost(shim.as_ref()));
            }
        }
    }
}
