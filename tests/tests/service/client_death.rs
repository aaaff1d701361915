//! Clients that go away in the middle of a call. The call was accepted or it was not; nothing in
//! between is ever on disk, and numbers have no gaps.

use std::time::Duration;

use gofer_client::model::{PipelineRef, RunState};
use gofer_client::{Cancel, Client, ErrorKind, Mode, Rollback};
use gofer_tests::fake::Program;

use super::support::{Dice, House, NAMESPACE, declared, deploy, origin, simple, start, until};

const N_CALLS: u64 = 200;

/// Makes one call of a random kind.
async fn call(client: Client, pipeline: PipelineRef, what: u64, number: u64) {
    let spare = format!("spare{}", number % 5);
    // What became of it is the question of the test, not of the call.
    match what {
        0..=3 => drop(client.start_run(start(&pipeline)).await),
        4 => {
            let version = declared(simple(&pipeline.pipeline, &format!("image{number}")));
            drop(client.register_pipeline(NAMESPACE, &version, origin(), Mode::Commit).await);
        }
        5 => drop(client.deploy(deploy(&pipeline, 1 + number % 7)).await),
        6 => {
            let (base_version, reason, mode) = (None, String::new(), Mode::Commit);
            drop(client.rollback(Rollback { pipeline, base_version, reason, mode }).await);
        }
        7 => drop(client.cancel_run(&pipeline.run(1 + number % 90), Cancel::default()).await),
        8 => {
            let version = declared(simple(&spare, "quick"));
            drop(client.register_pipeline(NAMESPACE, &version, origin(), Mode::Commit).await);
        }
        _ => drop(client.delete_pipeline(&PipelineRef::new(NAMESPACE, spare), Mode::Commit).await),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_die_in_the_middle_of_their_calls_tear_nothing() {
    let seed = std::env::var("GOFER_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7);
    println!("seed {seed}");
    let mut dice = Dice(seed);
    let mut house = House::up_with(|config| {
        config.engine.run_parallelism_limit = 4;
        config.engine.pipeline_version_limit = 3;
    })
    .await;
    house.fake.program("busy", Program::exit(0).wait(Duration::from_millis(3)));
    let pipeline = house.deploy(simple("torn", "busy")).await;
    for number in 0..N_CALLS {
        // A connection of its own, now and then: then the socket goes with the call.
        let own = dice.below(4) == 0;
        let client = if own { house.server.client().unwrap() } else { house.client.clone() };
        let work = call(client, pipeline.clone(), dice.below(10), number);
        let life = Duration::from_micros(dice.below(6_000));
        drop(tokio::time::timeout(life, work).await);
    }
    check_whole(&house, &pipeline).await;
    house.restart().await;
    check_whole(&house, &pipeline).await;
    house.nothing_is_left().await;
}

async fn check_whole(house: &House, pipeline: &PipelineRef) {
    let ended = async || {
        let runs = house.runs(pipeline).await;
        runs.iter().all(|run| run.state == RunState::Complete).then_some(runs)
    };
    let runs = until("all runs had ended", ended).await;
    assert!(runs.len() > 5, "only {} starts came through", runs.len());
    let ids: Vec<u64> = runs.iter().map(|run| run.id).collect();
    assert_eq!(ids, (1..).take(runs.len()).collect::<Vec<u64>>(), "numbers have a gap");
    for run in &runs {
        let config = house.run(&run.reference()).await;
        assert_eq!(config.task_runs.len(), 1);
    }
    let versions = house.client.pipeline_configs(pipeline, &Default::default()).await.unwrap();
    let live = versions.items.iter().filter(|one| one.state == super::versions::LIVE).count();
    assert_eq!(live, 1, "{versions:#?}");
    let deployments = house.client.deployments(pipeline, &Default::default()).await.unwrap();
    assert_eq!(
        deployments.items.first().map(|newest| newest.to_version),
        house.client.pipeline(pipeline).await.unwrap().live_version,
        "the newest deployment is the live one"
    );
    let seqs: Vec<u64> = house.events(&[]).await.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, (1..).take(seqs.len()).collect::<Vec<u64>>());
    for number in 0..5 {
        let spare = PipelineRef::new(NAMESPACE, format!("spare{number}"));
        let settled = async || match house.client.pipeline(&spare).await {
            Ok(found) => (found.newest_version == 1).then_some(()),
            Err(error) => (error.kind == ErrorKind::NotFound).then_some(()),
        };
        until("the spare pipeline was there or gone", settled).await;
    }
}
