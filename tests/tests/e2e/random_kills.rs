//! Fifteen kills at random moments. The long campaign (`cargo run -p gofer-tests --example
//! campaign`) does the same with hundreds.

use anyhow::Result;
use gofer_tests::stage::Stage;
use gofer_tests::stage::chaos::random_kills;
use gofer_tests::stage::dag::Dag;

const N_KILLS: u32 = 15;

#[tokio::test(flavor = "multi_thread")]
async fn kills_at_random_moments_change_nothing() -> Result<()> {
    let seed = std::env::var("GOFER_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
    println!("seed {seed}; GOFER_TEST_SEED={seed} gives the same kills again");
    let mut stage = Stage::up().await?;
    let dag = Dag { n_lines: 10, pause_ms: 150 };
    let tally = random_kills(&mut stage, dag, seed, (N_KILLS, 2)).await?;
    println!("{tally:?}");
    Ok(())
}
