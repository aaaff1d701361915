//! Places at which a test may let the process die, to prove that it can die there. The variable
//! `GOFER_FAILPOINT` names one, `name` or `name:n` for the n-th time it is passed; without the
//! variable a place costs one load.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

const NAMES: &[&str] = &[
    "start_run.before_commit",
    "start_run.committed",
    "step.before_commit",
    "step.committed",
    "step.half_performed",
    "attempt.pulled",
    "attempt.ensured",
    "attempt.exit_seen",
    "log.appended",
    "log.sealed",
    "attempt.removed",
    "deploy.committed",
    "deletion.begun",
    "deletion.runs_cancelled",
    "deletion.logs_removed",
];

/// The names of all places.
#[must_use]
pub fn names() -> &'static [&'static str] {
    NAMES
}

struct Armed {
    name: String,
    left: AtomicU64,
}

fn armed() -> Option<&'static Armed> {
    static ARMED: OnceLock<Option<Armed>> = OnceLock::new();
    let armed = ARMED.get_or_init(|| {
        let wish = std::env::var("GOFER_FAILPOINT").ok()?;
        let (name, nth) = wish.split_once(':').unwrap_or((&wish, "1"));
        let left = nth.parse().ok().filter(|n| *n > 0)?;
        let known: BTreeMap<&str, ()> = NAMES.iter().map(|name| (*name, ())).collect();
        known
            .contains_key(name)
            .then(|| Armed { name: name.to_owned(), left: AtomicU64::new(left) })
    });
    armed.as_ref()
}

/// Passes the place `name`: ends the process at once, without any clean-up, if it is the armed one.
pub fn hit(name: &'static str) {
    if let Some(armed) = armed()
        && armed.name == name
        && armed.left.fetch_sub(1, Ordering::Relaxed) == 1
    {
        std::process::abort();
    }
}
