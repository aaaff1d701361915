//! The rules in a world of crashes and lies; see `gofer_tests::world`.
//!
//! `GOFER_SEED=n cargo test -p gofer-tests --test simulation` lives through one seed alone,
//! `GOFER_SEEDS=n` through that many.

use std::panic::catch_unwind;

use gofer_tests::world::World;

/// Seeds of a normal run: seconds, in a debug build.
const N_SEEDS: u64 = 3_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn every_promise_survives_the_chaos() {
    if let Some(seed) = number("GOFER_SEED") {
        return World::live(seed);
    }
    let n_seeds = number("GOFER_SEEDS").unwrap_or(N_SEEDS);
    for seed in 0..n_seeds {
        if let Err(panic) = catch_unwind(|| World::live(seed)) {
            eprintln!("seed {seed} broke a promise; GOFER_SEED={seed} lives through it alone");
            std::panic::resume_unwind(panic);
        }
    }
    println!("{n_seeds} worlds, seeds 0 to {}", n_seeds - 1);
}
