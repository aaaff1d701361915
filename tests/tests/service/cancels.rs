//! Cancel and force in every state that a run can be in. An accepted cancel is never reported as
//! anything else, whatever the container says on its way out.

use std::time::Duration;

use futures_util::future::join_all;
use gofer_client::model::{
    FailureClass, Reason, Run, RunRef, RunState, RunStatus, TaskRunState, TaskRunStatus, Waiting,
};
use gofer_client::{Cancel, ErrorKind};
use gofer_proto::sdk::v1 as sdk;
use gofer_tests::fake::{FakeImage, Program};

use super::spy::Order;
use super::support::{
    House, after, key_of, last_attempt, one_at_once, pipeline, retried, simple, start, task,
    task_of, until,
};

const GENTLE: bool = false;
const FORCED: bool = true;

fn cancel(force: bool) -> Cancel {
    Cancel { force, reason: "enough".to_owned() }
}

/// Cancels a run twice, waits for its end and looks at the outcome.
async fn check_cancelled(house: &House, run: &RunRef, force: bool) -> Run {
    for _ in 0..2 {
        let answer = house.client.cancel_run(run, cancel(force)).await.unwrap();
        let mark = answer.cancel.unwrap_or_else(|| panic!("the cancel is not shown"));
        assert_eq!((mark.forced, mark.reason.as_str()), (force, "enough"));
    }
    let done = house.ends(run, RunStatus::Cancelled).await;
    assert_eq!(done.reason, Some(Reason::UserCancelled));
    assert!(done.reason_text.as_ref().is_some_and(|text| text.contains("enough")), "{done:#?}");
    let again = house.client.cancel_run(run, cancel(force)).await.unwrap();
    assert_eq!(again.status, Some(RunStatus::Cancelled), "asked again, answered the same");
    house.nothing_is_left().await;
    done
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queued_run_is_cancelled_at_once_and_leaves_the_queue() {
    for force in [GENTLE, FORCED] {
        let house = House::up().await;
        house.fake.program("held", Program::forever());
        let pipeline = house.deploy(one_at_once("queue", "held")).await;
        let first = house.start(&pipeline).await;
        let holder = house.wait_running(&first, "work").await;
        let (second, third) = (house.start(&pipeline).await, house.start(&pipeline).await);
        let place = |position| Some(Waiting::Slot { position, limit: 1 });
        house.wait(&third, "second in the queue", |run| run.waiting == place(2)).await;
        let gone = house.client.cancel_run(&second, cancel(force)).await.unwrap();
        assert_eq!((gone.state, gone.status), (RunState::Complete, Some(RunStatus::Cancelled)));
        assert_eq!(gone.started_at, None, "it never had a slot");
        assert_eq!(task_of(&gone, "work").status, Some(TaskRunStatus::Cancelled));
        house.wait(&third, "first in the queue", |run| run.waiting == place(1)).await;
        house.fake.program("held", Program::exit(0));
        house.fake.finish(&key_of(&holder, "work", 1), 0);
        house.ends(&first, RunStatus::Successful).await;
        house.ends(&third, RunStatus::Successful).await;
        house.nothing_is_left().await;
        assert_eq!(house.fake.all_starts().len(), 2, "the cancelled run started nothing");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_waits_for_its_parent_is_cancelled_with_the_run() {
    for force in [GENTLE, FORCED] {
        let house = House::up().await;
        house.fake.program("held", Program::forever());
        let child = after(task("child", "quick"), "parent", sdk::RequiredStatus::Any);
        let run = house.start_new(pipeline("family", vec![task("parent", "held"), child])).await;
        house.wait_running(&run, "parent").await;
        let done = check_cancelled(&house, &run, force).await;
        for task in ["parent", "child"] {
            assert_eq!(task_of(&done, task).status, Some(TaskRunStatus::Cancelled), "{task}");
        }
        assert_eq!(task_of(&done, "child").attempts, []);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pull_is_given_up_for_a_cancel() {
    for force in [GENTLE, FORCED] {
        let house = House::up().await;
        let slow =
            FakeImage { takes: Duration::from_secs(100), bytes: 1_000, ..FakeImage::remote() };
        house.fake.image("slow", slow);
        let run = house.start_new(simple("pulls", "slow")).await;
        until("the pull began", async || (house.fake.pulls_under_way() == 1).then_some(())).await;
        let done = check_cancelled(&house, &run, force).await;
        assert_eq!(house.fake.pulls_under_way(), 0);
        assert_eq!(house.fake.all_starts(), [], "nothing was started");
        let attempt = last_attempt(task_of(&done, "work"));
        assert_eq!((attempt.exit, attempt.failure_class), (None, Some(FailureClass::Cancelled)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_that_is_being_made_is_stopped_once_it_is_there() {
    for (force, delay_ms) in [(GENTLE, 120), (FORCED, 120), (GENTLE, 30), (FORCED, 30)] {
        let house = House::up().await;
        house.fake.program("held", Program::forever());
        let pipeline = house.deploy(simple("creates", "held")).await;
        house.fake.set_delay(Duration::from_millis(delay_ms));
        let run = house.start(&pipeline).await;
        let now = house
            .wait(&run, "being made", |run| task_of(run, "work").state == TaskRunState::Processing)
            .await;
        let waiting = &task_of(&now, "work").waiting;
        assert!(matches!(waiting, Some(Waiting::Create | Waiting::Pull { .. })), "{waiting:?}");
        check_cancelled(&house, &run, force).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_ends_well_on_sigterm_is_cancelled_all_the_same() {
    let house = House::up().await;
    house.fake.program("polite", Program::forever().on_term(0));
    let run = house.start_new(simple("polite", "polite")).await;
    let now = house.wait_running(&run, "work").await;
    let done = check_cancelled(&house, &run, GENTLE).await;
    let work = task_of(&done, "work");
    assert_eq!(work.status, Some(TaskRunStatus::Cancelled));
    assert_eq!(last_attempt(work).exit.and_then(|exit| exit.code), Some(0));
    assert_eq!(house.spy.orders(), [Order::Stop(key_of(&now, "work", 1))]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_ignores_sigterm_is_told_once_and_killed_after_the_grace() {
    const GRACE_MS: u64 = 1_300; // longer than the server's look at what it told to stop
    let house = House::up_with(|config| config.engine.task_run_stop_timeout_ms = GRACE_MS).await;
    house.fake.program("deaf", Program::forever().ignoring_term());
    let run = house.start_new(simple("deaf", "deaf")).await;
    let key = key_of(&house.wait_running(&run, "work").await, "work", 1);
    let done = check_cancelled(&house, &run, GENTLE).await;
    assert_eq!(last_attempt(task_of(&done, "work")).exit.and_then(|exit| exit.code), Some(137));
    let (asked, ended) = (done.cancel.unwrap().requested_at, done.ended_at.unwrap());
    assert!(ended.ms_since(asked) >= GRACE_MS, "killed {} ms after", ended.ms_since(asked));
    let orders = house.spy.orders();
    assert_eq!(orders.first(), Some(&Order::Stop(key.clone())));
    let n_stops = orders.iter().filter(|order| **order == Order::Stop(key.clone())).count();
    assert_eq!(n_stops, 1, "a second SIGTERM means `now` to many programs: {orders:?}");
    assert_eq!(orders.last(), Some(&Order::Kill(key)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn force_kills_now_alone_or_after_a_gentle_cancel() {
    let house = House::up().await;
    house.fake.program("deaf", Program::forever().ignoring_term());
    let pipeline = house.deploy(simple("deaf", "deaf")).await;
    let at_once = house.start(&pipeline).await;
    house.wait_running(&at_once, "work").await;
    check_cancelled(&house, &at_once, FORCED).await;
    let later = house.start(&pipeline).await;
    house.wait_running(&later, "work").await;
    for _ in 0..3 {
        let now = house.client.cancel_run(&later, cancel(GENTLE)).await.unwrap();
        assert_eq!(now.state, RunState::Running, "it has five minutes to stop");
    }
    let now = house.run(&later).await;
    let work = task_of(&now, "work");
    assert_eq!(work.state, TaskRunState::Running);
    assert!(matches!(work.waiting, Some(Waiting::Stopping { forced: false, .. })), "{work:#?}");
    let generation = now.generation;
    house.client.cancel_run(&later, cancel(GENTLE)).await.unwrap();
    assert_eq!(house.run(&later).await.generation, generation, "asking again changes nothing");
    check_cancelled(&house, &later, FORCED).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_ends_the_wait_before_the_next_attempt() {
    for force in [GENTLE, FORCED] {
        let house = House::up().await;
        house.fake.program("fails", Program::exit(1));
        let work = retried(task("work", "fails"), 5, 3_600_000);
        let run = house.start_new(pipeline("retries", vec![work])).await;
        house
            .wait(&run, "between attempts", |run| {
                matches!(task_of(run, "work").waiting, Some(Waiting::Backoff { attempt: 2, .. }))
            })
            .await;
        let done = check_cancelled(&house, &run, force).await;
        assert_eq!(task_of(&done, "work").attempts.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_has_ended_by_itself_is_not_cancelled_any_more() {
    let house = House::up().await;
    house.fake.program("fails", Program::exit(1));
    for (id, image, status) in
        [("good", "quick", RunStatus::Successful), ("bad", "fails", RunStatus::Failed)]
    {
        let run = house.start_new(simple(id, image)).await;
        let before = house.ends(&run, status).await;
        for force in [GENTLE, FORCED] {
            let error = house.client.cancel_run(&run, cancel(force)).await.unwrap_err();
            assert_eq!((error.kind, error.reason.as_str()), (ErrorKind::Rejected, "RUN_COMPLETE"));
            let work = run.task("work");
            let error = house.client.cancel_task_run(&work, cancel(force)).await.unwrap_err();
            assert_eq!((error.kind, &*error.reason), (ErrorKind::Rejected, "TASK_RUN_COMPLETE"));
        }
        let now = house.run(&run).await;
        assert_eq!((now.status, now.cancel), (before.status, None));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_task_run_is_cancelled_and_the_others_go_on() {
    let house = House::up().await;
    house.fake.program("held", Program::forever());
    let tasks = vec![
        task("goes", "held"),
        task("stays", "held"),
        after(task("orphan", "quick"), "goes", sdk::RequiredStatus::Any),
        after(task("child", "quick"), "stays", sdk::RequiredStatus::Success),
    ];
    let run = house.start_new(pipeline("pair", tasks)).await;
    house.wait_running(&run, "goes").await;
    let now = house.wait_running(&run, "stays").await;
    for _ in 0..2 {
        house.client.cancel_task_run(&run.task("goes"), cancel(GENTLE)).await.unwrap();
    }
    let gone = |run: &Run| task_of(run, "orphan").status == Some(TaskRunStatus::Skipped);
    let during = house.wait(&run, "with one task run gone", gone).await;
    assert_eq!(task_of(&during, "stays").state, TaskRunState::Running, "the other goes on");
    house.client.cancel_task_run(&run.task("goes"), cancel(FORCED)).await.unwrap();
    house.fake.finish(&key_of(&now, "stays", 1), 0);
    let done = house.ends(&run, RunStatus::Cancelled).await;
    let statuses: Vec<_> = done.task_runs.iter().map(|one| one.status.unwrap()).collect();
    let want = [
        TaskRunStatus::Cancelled,
        TaskRunStatus::Successful,
        TaskRunStatus::Skipped,
        TaskRunStatus::Successful,
    ];
    assert_eq!(statuses, want);
    let missing = house.client.cancel_task_run(&run.task("stay"), cancel(GENTLE)).await;
    assert_eq!(missing.unwrap_err().kind, ErrorKind::NotFound);
    house.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_runs_of_a_pipeline_are_cancelled_at_once() {
    for force in [GENTLE, FORCED] {
        let house = House::up().await;
        house.fake.program("held", Program::forever());
        let mut pipeline = simple("many", "held");
        pipeline.parallelism = Some(2);
        let pipeline = house.deploy(pipeline).await;
        let other = house.start_new(simple("other", "held")).await;
        join_all((0..6).map(|_| house.client.start_run(start(&pipeline)))).await;
        for id in 1..=2 {
            house.wait_running(&pipeline.run(id), "work").await;
        }
        let ids = house.client.cancel_all_runs(&pipeline, cancel(force)).await.unwrap();
        assert_eq!(ids, (1..=6).map(|id| pipeline.run(id)).collect::<Vec<_>>());
        for id in 1..=6 {
            house.ends(&pipeline.run(id), RunStatus::Cancelled).await;
        }
        let again = house.client.cancel_all_runs(&pipeline, cancel(force)).await.unwrap();
        assert_eq!(again, []);
        assert_eq!(house.fake.all_starts().len(), 3, "none was admitted only to be cancelled");
        let other_now = house.wait_running(&other, "work").await;
        house.fake.finish(&key_of(&other_now, "work", 1), 0);
        house.ends(&other, RunStatus::Successful).await;
        house.nothing_is_left().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_is_accepted_while_the_engine_is_away_and_done_when_it_is_back() {
    let house = House::up().await;
    house.fake.program("held", Program::forever());
    let run = house.start_new(simple("away", "held")).await;
    house.wait_running(&run, "work").await;
    house.fake.set_unreachable(true);
    let now = house.client.cancel_run(&run, cancel(FORCED)).await.unwrap();
    assert_eq!(now.state, RunState::Running, "nobody knows what became of the container");
    house.fake.set_unreachable(false);
    house.ends(&run, RunStatus::Cancelled).await;
    house.nothing_is_left().await;
}
