//! A server that goes down and comes up again, in every state worth it: nothing is started twice,
//! nothing is lost, nothing is left behind, and no promise changes.

use std::time::Duration;

use gofer_client::model::{
    EventKind, PipelineRef, Reason, Run, RunStatus, TaskRunState, TaskRunStatus, Waiting,
};
use gofer_client::{Cancel, ErrorKind, Mode};
use gofer_proto::sdk::v1 as sdk;
use gofer_tests::fake::{FakeImage, Program};

use super::support::{
    House, NAMESPACE, after, key_of, last_attempt, lines, one_at_once, pipeline, retried, simple,
    soon, task, task_of, until,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_container_is_adopted_and_its_end_is_the_runs() {
    let mut house = House::up().await;
    house.fake.program("held", Program::forever());
    let child = after(task("child", "quick"), "work", sdk::RequiredStatus::Success);
    let run = house.start_new(pipeline("adopted", vec![task("work", "held"), child])).await;
    let before = house.wait_running(&run, "work").await;
    for _ in 0..3 {
        house.restart().await;
        let now = house.run(&run).await;
        assert_eq!(now.generation, before.generation, "a restart changes nothing");
        assert_eq!(task_of(&now, "work"), task_of(&before, "work"));
    }
    house.fake.finish(&key_of(&before, "work", 1), 0);
    house.ends(&run, RunStatus::Successful).await;
    house.nothing_is_left().await;
    assert_eq!(house.fake.all_starts().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_that_fell_into_the_gap_is_collected_with_its_code() {
    for (code, status) in [(0, RunStatus::Successful), (7, RunStatus::Failed)] {
        let mut house = House::up().await;
        house.fake.program("held", Program::forever());
        let run = house.start_new(simple("gap", "held")).await;
        let before = house.wait_running(&run, "work").await;
        house.server.down().await;
        house.fake.finish(&key_of(&before, "work", 1), code);
        house.server.up().await.unwrap();
        let done = house.ends(&run, status).await;
        let exit = last_attempt(task_of(&done, "work")).exit.unwrap();
        assert_eq!(exit.code, Some(code));
        house.nothing_is_left().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_that_vanished_in_the_gap_is_no_success() {
    let mut house = House::up().await;
    house.fake.program("held", Program::forever());
    let run = house.start_new(simple("vanished", "held")).await;
    let before = house.wait_running(&run, "work").await;
    house.server.down().await;
    house.fake.vanish(&key_of(&before, "work", 1));
    house.fake.program("held", Program::exit(0));
    house.server.up().await.unwrap();
    let done = house.ends(&run, RunStatus::Successful).await;
    let work = task_of(&done, "work");
    assert_eq!((work.attempts.len(), work.infra_failures), (2, 1), "{work:#?}");
    house.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_goes_on_without_loss_or_repetition() {
    let mut house = House::up().await;
    let (program, written) = lines(400, Duration::from_millis(3));
    house.fake.program("talks", program.err("last words, without an end"));
    let run = house.start_new(simple("talks", "talks")).await;
    house.wait_running(&run, "work").await;
    for n_more in 1..=4 {
        let page = async || {
            let read = super::support::read_log(&run, "work", gofer_client::LogStart::First);
            let page = house.client.read_log(&read).await.unwrap();
            (page.total_lines >= n_more * 60).then_some(())
        };
        until("the log grew", page).await;
        house.restart().await;
    }
    house.server.down().await;
    tokio::time::sleep(Duration::from_millis(400)).await; // the end falls into the gap
    house.server.up().await.unwrap();
    house.ends(&run, RunStatus::Successful).await;
    let read = house.log_bytes(&run, "work").await;
    let whole = [written.as_slice(), b"last words, without an end"].concat();
    assert!(read == whole, "{} bytes of {} are the same", common(&read, &whole), whole.len());
    house.nothing_is_left().await;
}

fn common(one: &[u8], other: &[u8]) -> usize {
    one.iter().zip(other).take_while(|(a, b)| a == b).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_queue_keeps_its_order() {
    let mut house = House::up().await;
    house.fake.program("held", Program::forever());
    let pipeline = house.deploy(one_at_once("queue", "held")).await;
    let first = house.start(&pipeline).await;
    let holder = house.wait_running(&first, "work").await;
    for _ in 0..12 {
        house.start(&pipeline).await;
    }
    house.restart().await;
    for id in 2..=13_u32 {
        let run = house.run(&pipeline.run(u64::from(id))).await;
        assert_eq!(run.waiting, Some(Waiting::Slot { position: id - 1, limit: 1 }), "run {id}");
    }
    house.fake.program("held", Program::exit(0).wait(Duration::from_millis(1)));
    house.fake.finish(&key_of(&holder, "work", 1), 0);
    house.ends(&pipeline.run(6), RunStatus::Successful).await;
    house.restart().await;
    house.ends(&pipeline.run(13), RunStatus::Successful).await;
    assert_eq!(house.spy.running_max(), 1);
    let started = house.events(&[EventKind::RunStarted]).await;
    let order: Vec<u64> = started.iter().filter_map(|event| event.run_id).collect();
    assert_eq!(order, (1..=13).collect::<Vec<_>>());
    house.nothing_is_left().await;
}

/// Stops the server, lets time pass, and starts it again.
async fn sleep_through(house: &mut House, time: Duration) {
    house.server.down().await;
    tokio::time::sleep(time).await;
    house.server.up().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_time_limit_that_passed_in_the_gap_is_kept() {
    let mut house = House::up().await;
    house.fake.program("slow", Program::forever());
    let work = sdk::Task { timeout_ms: Some(600), ..task("work", "slow") };
    let by_task = house.start_new(pipeline("by_task", vec![work])).await;
    let limited = sdk::Pipeline { timeout_ms: Some(600), ..simple("by_run", "slow") };
    let by_run = house.start_new(limited).await;
    house.wait_running(&by_task, "work").await;
    house.wait_running(&by_run, "work").await;
    sleep_through(&mut house, Duration::from_millis(700)).await;
    for run in [&by_task, &by_run] {
        let done = house.ends(run, RunStatus::Failed).await;
        assert_eq!(done.reason, Some(Reason::TimedOut));
        assert_eq!(task_of(&done, "work").attempts.len(), 1);
    }
    house.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_time_limit_that_has_not_passed_goes_on_counting() {
    let mut house = House::up().await;
    house.fake.program("slow", Program::forever());
    let work = sdk::Task { timeout_ms: Some(900), ..task("work", "slow") };
    let run = house.start_new(pipeline("counting", vec![work])).await;
    house.wait_running(&run, "work").await;
    house.restart().await;
    assert!(house.run(&run).await.status.is_none());
    let done = house.ends(&run, RunStatus::Failed).await;
    let attempt = last_attempt(task_of(&done, "work")).clone();
    let took = attempt.ended_at.unwrap().ms_since(attempt.started_at.unwrap());
    assert!((899..5_000).contains(&took), "stopped after {took} ms");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_between_attempts_ends_when_it_should() {
    let mut house = House::up().await;
    house.fake.program("flaky", Program::exit(1));
    let work = retried(task("work", "flaky"), 1, 500);
    let run = house.start_new(pipeline("flaky", vec![work])).await;
    let backs_off =
        |run: &Run| matches!(task_of(run, "work").waiting, Some(Waiting::Backoff { .. }));
    let before = house.wait(&run, "between attempts", backs_off).await;
    let Some(Waiting::Backoff { until, .. }) = task_of(&before, "work").waiting else {
        panic!("{before:#?}")
    };
    house.fake.program("flaky", Program::exit(0));
    house.restart().await;
    let done = house.ends(&run, RunStatus::Successful).await;
    let work = task_of(&done, "work");
    assert_eq!(work.attempts.len(), 2);
    assert!(last_attempt(work).queued_at >= until, "the wait was cut short");
    house.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_goes_on_and_its_grace_too() {
    for gap_ms in [0, 500] {
        let mut house = House::up_with(|config| config.engine.task_run_stop_timeout_ms = 400).await;
        house.fake.program("deaf", Program::forever().ignoring_term());
        let run = house.start_new(simple("deaf", "deaf")).await;
        house.wait_running(&run, "work").await;
        house.client.cancel_run(&run, Cancel::default()).await.unwrap();
        sleep_through(&mut house, Duration::from_millis(gap_ms)).await;
        let done = house.ends(&run, RunStatus::Cancelled).await;
        assert_eq!(task_of(&done, "work").status, Some(TaskRunStatus::Cancelled));
        house.nothing_is_left().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_whose_container_ended_in_the_gap_is_a_cancel() {
    let mut house = House::up().await;
    house.fake.program("deaf", Program::forever().ignoring_term());
    let run = house.start_new(simple("deaf", "deaf")).await;
    let now = house.wait_running(&run, "work").await;
    house.client.cancel_run(&run, Cancel::default()).await.unwrap();
    house.server.down().await;
    house.fake.finish(&key_of(&now, "work", 1), 0);
    house.server.up().await.unwrap();
    house.ends(&run, RunStatus::Cancelled).await;
    house.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pull_that_was_cut_off_is_made_again() {
    let mut house = House::up().await;
    let slow = FakeImage { takes: Duration::from_millis(300), bytes: 100, ..FakeImage::remote() };
    house.fake.image("slow", slow);
    let run = house.start_new(simple("pulls", "slow")).await;
    until("the pull began", async || (house.fake.pulls_under_way() == 1).then_some(())).await;
    house.server.down().await;
    assert_eq!(house.fake.pulls_under_way(), 0, "a stopped server pulls no more");
    house.server.up().await.unwrap();
    let done = house.ends(&run, RunStatus::Successful).await;
    assert_eq!(task_of(&done, "work").attempts.len(), 1, "the same attempt goes on");
    house.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_whose_answer_was_never_heard_is_found_again() {
    let mut house = House::up().await;
    house.fake.program("held", Program::forever());
    let pipeline = house.deploy(simple("unheard", "held")).await;
    house.fake.lose_answers(1);
    let run = house.start(&pipeline).await;
    until("the container was made", async || (!house.fake.left().is_empty()).then_some(())).await;
    house.server.down().await;
    let key = house.fake.left()[0].key.clone();
    house.fake.finish(&key, 0);
    house.server.up().await.unwrap();
    let done = house.ends(&run, RunStatus::Successful).await;
    assert_eq!(task_of(&done, "work").attempts.len(), 1);
    house.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_starts_without_its_engine_goes_on_when_it_comes() {
    let mut house = House::up().await;
    house.fake.program("held", Program::forever());
    let run = house.start_new(simple("early", "held")).await;
    let before = house.wait_running(&run, "work").await;
    house.server.down().await;
    house.fake.set_unreachable(true);
    house.server.up().await.unwrap();
    let now = house.run(&run).await;
    assert_eq!(task_of(&now, "work").state, TaskRunState::Running);
    house.fake.finish(&key_of(&before, "work", 1), 0);
    house.fake.set_unreachable(false);
    house.ends(&run, RunStatus::Successful).await;
    house.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_that_was_begun_is_finished_by_the_next_server() {
    let mut house = House::up().await;
    house.fake.program("deaf", Program::forever().ignoring_term());
    let run = house.start_new(simple("doomed", "deaf")).await;
    let kept = house.start_new(simple("kept", "deaf")).await;
    house.wait_running(&run, "work").await;
    let kept_now = house.wait_running(&kept, "work").await;
    house.fake.set_unreachable(true);
    let (client, doomed) = (house.client.clone(), run.pipeline.clone());
    let mut deletion = tokio::task::JoinSet::new();
    deletion.spawn(async move { client.delete_pipeline(&doomed, Mode::Commit).await });
    let cancelled = |run: &Run| run.cancel.is_some();
    house.wait(&run, "cancelled by the deletion", cancelled).await;
    house.server.down().await;
    let answer = soon("the deletion's answer", deletion.join_next()).await.unwrap().unwrap();
    let error = answer.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable, "the server went away: {error:?}");
    house.fake.set_unreachable(false);
    house.server.up().await.unwrap();
    let gone = PipelineRef::new(NAMESPACE, "doomed");
    let is_gone = async || {
        let found = house.client.pipeline(&gone).await;
        found.is_err_and(|error| error.kind == ErrorKind::NotFound).then_some(())
    };
    until("the pipeline was gone", is_gone).await;
    house.fake.finish(&key_of(&kept_now, "work", 1), 0);
    house.ends(&kept, RunStatus::Successful).await;
    house.nothing_is_left().await;
}
