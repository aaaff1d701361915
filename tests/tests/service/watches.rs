//! Watches: whole snapshots, numbered changes, one last state; and readers that never read.

use std::time::Duration;

use futures_util::future::join_all;
use gofer_client::model::{PipelineRef, RunRef, RunState, RunStatus, TaskRunStatus, Waiting};
use gofer_client::watch::{EventUpdate, RunUpdate};
use gofer_client::{ErrorKind, EventQuery, Mode};
use gofer_proto::v1 as pb;
use gofer_tests::fake::Program;
use pb::event_service_client::EventServiceClient;
use pb::log_service_client::LogServiceClient;
use pb::run_service_client::RunServiceClient;
use pb::watch_run_response::Item;
use tonic::Streaming;

use super::support::{House, key_of, pipeline, simple, soon, start, task, task_of};
use super::wire;

async fn watch(house: &House, run: &RunRef) -> Streaming<pb::WatchRunResponse> {
    let request = pb::WatchRunRequest {
        namespace_id: run.pipeline.namespace.clone(),
        pipeline_id: run.pipeline.pipeline.clone(),
        run_id: run.run,
    };
    let channel = wire::channel(house.server.data_dir()).await;
    RunServiceClient::new(channel).watch_run(request).await.unwrap().into_inner()
}

/// All messages up to the end, put together as a reader would. Checks their order.
async fn read_to_end(mut stream: Streaming<pb::WatchRunResponse>) -> (Vec<u64>, pb::Run) {
    let (mut generations, mut now) = (Vec::new(), None::<pb::Run>);
    loop {
        let message =
            soon("a message", stream.message()).await.unwrap().expect("an end comes first");
        let generation = message.generation;
        assert!(generations.last().is_none_or(|last| *last <= generation), "{generations:?}");
        match (message.item.expect("every message says something"), &mut now) {
            (Item::Snapshot(run), None) => now = Some(run),
            (Item::Change(change), Some(run)) => {
                let task_runs = std::mem::take(&mut run.task_runs);
                *run = change.run.expect("a change has the run's head");
                run.task_runs = task_runs;
                for changed in change.task_runs {
                    let mut tasks = run.task_runs.iter_mut();
                    let known = tasks.find(|one| one.task_id == changed.task_id);
                    *known.expect("a change is of a known task run") = changed;
                }
            }
            (Item::End(end), Some(_)) => {
                assert_eq!(end.reason(), pb::RunWatchEndReason::RunComplete);
                assert!(soon("the close", stream.message()).await.unwrap().is_none());
                return (generations, now.unwrap());
            }
            (item, _) => panic!("out of order: {item:?} after {generations:?}"),
        }
        generations.push(generation);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_is_a_snapshot_then_growing_changes_then_the_end() {
    let house = House::up().await;
    house.fake.program("held", Program::forever());
    let run =
        house.start_new(pipeline("seen", vec![task("one", "held"), task("two", "held")])).await;
    house.wait_running(&run, "one").await;
    let now = house.wait_running(&run, "two").await;
    let stream = watch(&house, &run).await;
    house.fake.finish(&key_of(&now, "one", 1), 0);
    let one_done = |run: &gofer_client::model::Run| task_of(run, "one").status.is_some();
    house.wait(&run, "half done", one_done).await;
    house.fake.finish(&key_of(&now, "two", 1), 3);
    let (generations, seen) = read_to_end(stream).await;
    assert!(generations.len() >= 2, "{generations:?}");
    assert!(generations.windows(2).all(|pair| pair[0] < pair[1]), "{generations:?}");
    assert_eq!((seen.state(), seen.status()), (pb::RunState::Complete, pb::RunStatus::Failed));
    let statuses: Vec<_> = seen.task_runs.iter().map(pb::TaskRun::status).collect();
    assert_eq!(statuses, [pb::TaskRunStatus::Successful, pb::TaskRunStatus::Failed]);
    let (generations, again) = read_to_end(watch(&house, &run).await).await;
    assert_eq!(generations.len(), 1, "a run that is over: the snapshot and the end");
    assert_eq!(again.status(), pb::RunStatus::Failed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_gets_fewer_messages_and_the_last_state() {
    const N_TASKS: usize = 250;
    let house = House::up().await;
    house.fake.program("busy", Program::exit(0).wait(Duration::from_millis(20)));
    let tasks = (0..N_TASKS).map(|n| {
        let mut task = task(&format!("task{n}"), "busy");
        // Fat enough that one state does not fit into what a connection buffers.
        task.variables
            .push(gofer_proto::sdk::v1::Variable { key: "FAT".into(), value: "x".repeat(2_000) });
        task
    });
    let run = house.start_new(pipeline("fat", tasks.collect())).await;
    let stream = watch(&house, &run).await;
    let done = house.ends(&run, RunStatus::Successful).await;
    let (generations, seen) = read_to_end(stream).await;
    assert_eq!(seen.state(), pb::RunState::Complete);
    assert!(seen.task_runs.iter().all(|one| one.status() == pb::TaskRunStatus::Successful));
    let (first, last) = (generations[0], generations[generations.len() - 1]);
    let n_changes = usize::try_from(last - first).unwrap();
    assert!(n_changes < 5 || generations.len() <= n_changes / 2, "{generations:?}");
    assert!(last >= done.generation - 2 * N_TASKS as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_goes_on_after_a_restart() {
    let mut house = House::up().await;
    house.fake.program("held", Program::forever());
    let run = house.start_new(simple("resumed", "held")).await;
    let now = house.wait_running(&run, "work").await;
    let mut watch = house.client.watch_run(run.clone());
    assert_eq!(soon("a snapshot", watch.next()).await.unwrap().unwrap(), RunUpdate::Snapshot);
    for _ in 0..2 {
        house.restart().await;
        while soon("a snapshot", watch.next()).await.unwrap().unwrap() != RunUpdate::Snapshot {}
        assert_eq!(watch.run().map(|run| run.state), Some(RunState::Running));
    }
    house.server.down().await;
    house.fake.finish(&key_of(&now, "work", 1), 0);
    house.server.up().await.unwrap();
    while soon("the end", watch.next()).await.unwrap().unwrap() != RunUpdate::Complete {}
    let seen = watch.run().unwrap();
    assert_eq!(task_of(seen, "work").status, Some(TaskRunStatus::Successful));
    assert!(watch.next().await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_tells_of_a_pull_and_of_the_place_in_the_queue() {
    let house = House::up().await;
    house.fake.program("held", Program::forever());
    let pipeline = house.deploy(super::support::one_at_once("queue", "held")).await;
    let runs = join_all((0..3).map(|_| house.start(&pipeline))).await;
    let first = house.wait_running(&runs[0].pipeline.run(1), "work").await;
    let mut watch = house.client.watch_run(pipeline.run(3));
    let slot = |position| Some(Waiting::Slot { position, limit: 1 });
    soon("a snapshot", watch.next()).await.unwrap().unwrap();
    assert_eq!(watch.run().unwrap().waiting, slot(2));
    house.fake.finish(&key_of(&first, "work", 1), 0);
    while watch.run().unwrap().waiting != slot(1) {
        soon("the new place", watch.next()).await.unwrap().unwrap();
    }
    house
        .client
        .cancel_all_runs(&pipeline, gofer_client::Cancel { force: true, ..Default::default() })
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_tells_that_the_engine_does_not_answer_and_that_it_does_again() {
    let house = House::up().await;
    house.fake.program("held", Program::forever());
    let run = house.start_new(simple("away", "held")).await;
    house.wait_running(&run, "work").await;
    let mut watch = house.client.watch_run(run.clone());
    soon("a snapshot", watch.next()).await.unwrap().unwrap();
    for away in [true, false] {
        house.fake.set_unreachable(away);
        let is_told = |run: &gofer_client::model::Run| {
            matches!(task_of(run, "work").waiting, Some(Waiting::EngineUnknown { .. })) == away
        };
        while !is_told(watch.run().unwrap()) {
            soon("a change", watch.next()).await.unwrap().unwrap();
        }
    }
    let now = house.run(&run).await;
    house.fake.finish(&key_of(&now, "work", 1), 0);
    house.ends(&run, RunStatus::Successful).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watched_run_that_is_deleted_ends_its_watch() {
    let house = House::up().await;
    house.fake.program("held", Program::forever());
    let run = house.start_new(simple("doomed", "held")).await;
    house.wait_running(&run, "work").await;
    let mut watch = house.client.watch_run(run.clone());
    soon("a snapshot", watch.next()).await.unwrap().unwrap();
    house.client.delete_pipeline(&run.pipeline, Mode::Commit).await.unwrap();
    loop {
        match soon("the end", watch.next()).await {
            Some(Ok(_)) => {}
            Some(Err(error)) => assert_eq!(error.kind, ErrorKind::NotFound, "{error:?}"),
            None => return,
        }
    }
}

/// The numbers of the next `n_events` events.
async fn take(follow: &mut gofer_client::watch::EventFollow, n_events: usize) -> Vec<u64> {
    let mut seqs = Vec::new();
    while seqs.len() < n_events {
        match soon("an event", follow.next()).await.unwrap().unwrap() {
            EventUpdate::Event(event) => seqs.push(event.seq),
            EventUpdate::Opened { .. } | EventUpdate::Lost(_) => {}
        }
    }
    seqs
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_come_once_and_without_a_gap_under_load_and_across_restarts() {
    let mut house = House::up().await;
    let pipeline = house.deploy(simple("noisy", "quick")).await;
    let query = EventQuery { from: Some(1), ..EventQuery::default() };
    let mut follow = house.client.follow_events(query);
    let mut seen = take(&mut follow, 3).await;
    for round in 1..=3 {
        join_all((0..25).map(|_| house.client.start_run(start(&pipeline)))).await;
        seen.extend(take(&mut follow, 20).await);
        house.restart().await;
        for id in 1..=round * 25 {
            house.ends(&pipeline.run(id), RunStatus::Successful).await;
        }
    }
    let newest = house.events(&[]).await.last().unwrap().seq;
    let n_more = usize::try_from(newest).unwrap() - seen.len();
    seen.extend(take(&mut follow, n_more).await);
    assert_eq!(seen, (1..=newest).collect::<Vec<_>>());
    let middle = EventQuery { from: Some(newest / 2), ..EventQuery::default() };
    let n_rest = usize::try_from(newest - newest / 2 + 1).unwrap();
    let rest = take(&mut house.client.follow_events(middle), n_rest).await;
    assert_eq!(rest, (newest / 2..=newest).collect::<Vec<_>>());
}

async fn deaf_readers(house: &House, run: &RunRef) -> impl Sized {
    let channel = wire::channel(house.server.data_dir()).await;
    let PipelineRef { namespace, pipeline } = run.pipeline.clone();
    let from_seq = Some(1);
    let events = pb::FollowEventsRequest { from_seq, ..Default::default() };
    let logs = pb::FollowRunLogsRequest {
        namespace_id: namespace.clone(),
        pipeline_id: pipeline.clone(),
        run_id: run.run,
        ..Default::default()
    };
    let log = pb::FollowLogRequest {
        namespace_id: namespace,
        pipeline_id: pipeline,
        run_id: run.run,
        task_id: "work".into(),
        ..Default::default()
    };
    (
        EventServiceClient::new(channel.clone()).follow_events(events).await.unwrap(),
        LogServiceClient::new(channel.clone()).follow_run_logs(logs).await.unwrap(),
        LogServiceClient::new(channel).follow_log(log).await.unwrap(),
        watch(house, run).await,
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_never_read_stop_nobody() {
    let house = House::up().await;
    let loud = Program::forever().out(format!("{}\n", "x".repeat(16 * 1024 - 1)).repeat(64));
    house.fake.program("loud", loud);
    let run = house.start_new(simple("loud", "loud")).await;
    let loud_now = house.wait_running(&run, "work").await;
    let mut deaf = Vec::new();
    for _ in 0..3 {
        deaf.push(deaf_readers(&house, &run).await);
    }
    let pipeline = house.deploy(simple("others", "quick")).await;
    join_all((0..100).map(|_| house.client.start_run(start(&pipeline)))).await;
    for id in 1..=100 {
        house.ends(&pipeline.run(id), RunStatus::Successful).await;
    }
    house.fake.finish(&key_of(&loud_now, "work", 1), 0);
    house.ends(&run, RunStatus::Successful).await;
    assert_eq!(house.log_bytes(&run, "work").await.len(), 1024 * 1024);
    drop(deaf);
    house.nothing_is_left().await;
}
