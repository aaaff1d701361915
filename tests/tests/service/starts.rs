//! Starting runs: numbers without gaps, the queue, idempotency, dry runs, refusals.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use gofer_client::model::{EventKind, RunState, RunStatus, TaskRunState, Waiting};
use gofer_client::{Cancel, ErrorKind, Mode, StartRun};
use gofer_proto::sdk::v1 as sdk;
use gofer_tests::fake::Program;

use super::support::{House, NAMESPACE, key_of, one_at_once, simple, start, task_of};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_starts_at_once_get_twenty_consecutive_numbers() {
    let house = House::up().await;
    let pipeline = house.deploy(simple("numbers", "quick")).await;
    let started = join_all((0..20).map(|_| house.client.start_run(start(&pipeline)))).await;
    let ids: BTreeSet<u64> = started.into_iter().map(|one| one.unwrap().run.id).collect();
    assert_eq!(ids, (1..=20).collect());
    for id in ids {
        house.ends(&pipeline.run(id), RunStatus::Successful).await;
    }
    house.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_of_one_runs_two_hundred_one_after_another() {
    const N_QUEUED: u64 = 200;
    let house = House::up().await;
    house.fake.program("held", Program::forever());
    let pipeline = house.deploy(one_at_once("queue", "held")).await;
    let first = house.start(&pipeline).await;
    let holder = house.wait_running(&first, "work").await;
    let queued = join_all((0..N_QUEUED).map(|_| house.client.start_run(start(&pipeline)))).await;
    assert!(queued.into_iter().all(|one| one.unwrap().run.state == RunState::Pending));
    for place in [1, 2, N_QUEUED / 2, N_QUEUED] {
        let run = house.run(&pipeline.run(place + 1)).await;
        let position = u32::try_from(place).unwrap();
        assert_eq!(run.waiting, Some(Waiting::Slot { position, limit: 1 }), "run {}", run.id);
        let work = task_of(&run, "work");
        assert_eq!((work.state, work.started_at), (TaskRunState::Waiting, None));
        assert_eq!((run.started_at, run.ended_at, run.duration_ms), (None, None, None));
    }
    house.fake.program("held", Program::exit(0).wait(Duration::from_millis(1)));
    house.fake.finish(&key_of(&holder, "work", 1), 0);
    house.ends(&pipeline.run(N_QUEUED + 1), RunStatus::Successful).await;
    assert_eq!(house.spy.running_max(), 1, "more than one run went on at once");
    for kind in [EventKind::RunStarted, EventKind::RunCompleted] {
        let order: Vec<u64> =
            house.events(&[kind]).await.iter().filter_map(|event| event.run_id).collect();
        assert_eq!(order, (1..=N_QUEUED + 1).collect::<Vec<_>>(), "{kind}");
    }
    let runs = house.runs(&pipeline).await;
    assert!(runs.iter().all(|run| run.status == Some(RunStatus::Successful)));
    house.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_that_are_started_at_once_get_their_slots_by_number() {
    let house = House::up().await;
    house.fake.program("held", Program::forever());
    for round in 0..12 {
        let id = format!("round{round}");
        let limited = sdk::Pipeline { parallelism: Some(3), ..simple(&id, "held") };
        let pipeline = house.deploy(limited).await;
        join_all((0..12).map(|_| house.client.start_run(start(&pipeline)))).await;
        for id in 1..=3 {
            house.wait_running(&pipeline.run(id), "work").await;
        }
        let fourth = house.run(&pipeline.run(4)).await;
        assert_eq!(fourth.waiting, Some(Waiting::Slot { position: 1, limit: 3 }), "{id}");
        let force = Cancel { force: true, ..Cancel::default() };
        assert_eq!(house.client.cancel_all_runs(&pipeline, force).await.unwrap().len(), 12);
    }
    house.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_smaller_limit_of_pipeline_and_server_holds() {
    let house = House::up_with(|config| config.engine.run_parallelism_limit = 2).await;
    house.fake.program("held", Program::exit(0).wait(Duration::from_millis(30)));
    for (id, own, want) in [("unset", None, 2), ("larger", Some(9), 2)] {
        let pipeline = super::support::pipeline(id, simple(id, "held").tasks);
        let pipeline = sdk::Pipeline { parallelism: own, ..pipeline };
        let pipeline = house.deploy(pipeline).await;
        join_all((0..8).map(|_| house.client.start_run(start(&pipeline)))).await;
        for id in 1..=8 {
            house.ends(&pipeline.run(id), RunStatus::Successful).await;
        }
        assert_eq!(house.spy.running_max(), want, "{id}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idempotency_key_gives_fifty_callers_one_run() {
    let mut house = House::up().await;
    let pipeline = house.deploy(simple("once", "quick")).await;
    let order = |key: &str| StartRun { idempotency_key: Some(key.to_owned()), ..start(&pipeline) };
    let answers = join_all((0..50).map(|_| house.client.start_run(order("push-1")))).await;
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert!(answers.iter().all(|one| one.run.id == 1));
    assert_eq!(answers.iter().filter(|one| !one.existing).count(), 1, "one call made the run");
    assert_eq!(house.client.start_run(order("push-2")).await.unwrap().run.id, 2);
    house.ends(&pipeline.run(2), RunStatus::Successful).await;
    house.restart().await;
    let again = house.client.start_run(order("push-1")).await.unwrap();
    assert_eq!((again.run.id, again.existing), (1, true), "the key outlives the server");
    assert_eq!(house.runs(&pipeline).await.len(), 2);
    assert_eq!(house.fake.all_starts().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_says_what_would_be_and_starts_nothing() {
    let house = House::up().await;
    let pipeline = house.deploy(simple("rehearsal", "quick")).await;
    let dry = StartRun { mode: Mode::DryRun, ..start(&pipeline) };
    for _ in 0..3 {
        let answer = house.client.start_run(dry.clone()).await.unwrap();
        assert_eq!((answer.run.id, answer.run.version, answer.existing), (1, 1, false));
    }
    assert_eq!(house.runs(&pipeline).await, []);
    assert_eq!(house.events(&[EventKind::RunCreated]).await, []);
    let run = house.start(&pipeline).await;
    assert_eq!(run.run, 1, "dry runs take no numbers");
    house.ends(&run, RunStatus::Successful).await;
    assert_eq!(house.fake.all_starts().len(), 1);
}

async fn check_refused(house: &House, pipeline: &str, reason: &str) {
    let pipeline = gofer_client::model::PipelineRef::new(NAMESPACE, pipeline);
    for mode in [Mode::DryRun, Mode::Commit] {
        let error =
            house.client.start_run(StartRun { mode, ..start(&pipeline) }).await.unwrap_err();
        assert_eq!((error.kind, error.reason.as_str()), (ErrorKind::Rejected, reason));
        assert!(error.next.is_some(), "{error:?} names no next step");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_start_says_why_and_what_to_do() {
    let mut house = House::up().await;
    house.fake.program("held", Program::forever());
    house.register(simple("undeployed", "quick")).await;
    check_refused(&house, "undeployed", "NOTHING_DEPLOYED").await;
    let pipeline = house.deploy(simple("switched", "held")).await;
    let going_on = house.start(&pipeline).await;
    let before = house.wait_running(&going_on, "work").await;
    house.client.disable_pipeline(&pipeline).await.unwrap();
    check_refused(&house, "switched", "PIPELINE_DISABLED").await;
    house.restart().await;
    check_refused(&house, "switched", "PIPELINE_DISABLED").await;
    house.client.enable_pipeline(&pipeline).await.unwrap();
    assert!(house.client.set_ingress(false).await.unwrap().changed);
    check_refused(&house, "switched", "INGRESS_OFF").await;
    let error = house.client.retry_run(&going_on, "").await.unwrap_err();
    assert_eq!(error.reason, "INGRESS_OFF", "a retry is a start");
    assert!(house.client.set_ingress(true).await.unwrap().changed);
    house.fake.finish(&key_of(&before, "work", 1), 0);
    house.ends(&going_on, RunStatus::Successful).await;
    assert_eq!(house.runs(&pipeline).await.len(), 1);
    let again = house.client.retry_run(&going_on, "once more").await.unwrap();
    assert_eq!((again.id, again.retry_of, again.version), (2, Some(1), 1));
    assert_eq!(again.initiator.reason, "once more");
}
