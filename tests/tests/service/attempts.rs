//! Attempts: two budgets that never touch each other, time limits, and what each failure is called.

use std::time::Duration;

use gofer_client::model::{
    EventKind, FailureClass, Reason, Run, RunRef, RunStatus, TaskRunState, TaskRunStatus, Waiting,
};
use gofer_proto::sdk::v1 as sdk;
use gofer_tests::fake::{FakeImage, Program, Refusal};

use super::support::{
    House, after, key_of, last_attempt, pipeline, retried, simple, task, task_of, until,
};

/// What a run of one task must come to.
struct Want {
    status: TaskRunStatus,
    reason: Option<Reason>,
    n_attempts: usize,
    failures: (u32, u32),
}

async fn check_end(house: &House, run: &RunRef, want: Want) -> Run {
    let done = house.complete(run).await;
    let work = task_of(&done, "work");
    assert_eq!((work.status, work.reason), (Some(want.status), want.reason), "{work:#?}");
    assert_eq!(work.attempts.len(), want.n_attempts, "{work:#?}");
    let failures = (work.user_failures, work.infra_failures);
    assert_eq!(failures, want.failures, "user and infrastructure failures of {work:#?}");
    let numbers: Vec<u32> = work.attempts.iter().map(|attempt| attempt.number).collect();
    assert_eq!(numbers, (1..).take(want.n_attempts).collect::<Vec<u32>>());
    assert_eq!(want.reason.is_some(), work.next_step.is_some(), "a reason has a next step");
    house.nothing_is_left().await;
    done
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_task_is_tried_again_after_longer_and_longer_waits() {
    let house = House::up().await;
    house.fake.program("fails", Program::exit(3));
    let work = retried(task("work", "fails"), 2, 40);
    let run = house.start_new(pipeline("retries", vec![work])).await;
    let want = Want {
        status: TaskRunStatus::Failed,
        reason: Some(Reason::AbnormalExit),
        n_attempts: 3,
        failures: (3, 0),
    };
    let done = check_end(&house, &run, want).await;
    let attempts = &task_of(&done, "work").attempts;
    let waits: Vec<u64> = attempts
        .windows(2)
        .map(|pair| pair[1].queued_at.ms_since(pair[0].ended_at.unwrap()))
        .collect();
    assert!(waits[0] >= 39 && waits[1] >= 79, "{waits:?}");
    for attempt in attempts {
        assert_eq!(attempt.exit.and_then(|exit| exit.code), Some(3));
        assert_eq!(attempt.failure_class, Some(FailureClass::User));
        assert!(attempt.image_digest.is_some() && attempt.container_id.is_some());
    }
    assert_eq!(house.events(&[EventKind::TaskRunRetried]).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_that_works_makes_a_success() {
    let house = House::up().await;
    house.fake.program("flaky", Program::exit(1));
    let work = retried(task("work", "flaky"), 3, 200);
    let run = house.start_new(pipeline("flaky", vec![work])).await;
    let failed_once = |run: &Run| task_of(run, "work").user_failures == 1;
    house.wait(&run, "failed once", failed_once).await;
    house.fake.program("flaky", Program::exit(0));
    let status = TaskRunStatus::Successful;
    let want = Want { status, reason: None, n_attempts: 2, failures: (1, 0) };
    check_end(&house, &run, want).await;
    house.ends(&run, RunStatus::Successful).await;
}

/// Lets the engine do harm to each of the first `n_times` attempts while it runs. All of it within
/// the time in which the server would find out by a regular look alone.
async fn harm(house: &House, run: &RunRef, n_times: u32, act: impl Fn(&House, &Run, u32)) {
    let harming = async {
        for number in 1..=n_times {
            let runs = |run: &Run| {
                let work = task_of(run, "work");
                work.state == TaskRunState::Running && last_attempt(work).number == number
            };
            let now = house.wait(run, "running again", runs).await;
            act(house, &now, number);
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(18), harming).await;
    in_time.expect("the server looks at once when its engine is back");
}

/// What an engine does to an attempt.
type Harm = fn(&House, &Run, u32);

fn engine_restarts(house: &House, _run: &Run, _number: u32) {
    house.fake.restart();
}

fn container_vanishes(house: &House, run: &Run, number: u32) {
    house.fake.vanish(&key_of(run, "work", number));
    house.fake.break_streams(); // vanished silently: only a look finds out
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_engines_failures_have_a_budget_of_their_own() {
    let harms: [(&str, Harm); 2] =
        [("restarted", engine_restarts), ("vanished", container_vanishes)];
    for (id, act) in harms {
        let house = House::up().await;
        house.fake.program("held", Program::forever().on_term(0));
        let pipeline = house.deploy(pipeline(id, vec![retried(task("work", "held"), 5, 1)])).await;
        let survives = house.start(&pipeline).await;
        harm(&house, &survives, 3, act).await;
        let last = |run: &Run| {
            let work = task_of(run, "work");
            work.state == TaskRunState::Running && last_attempt(work).number == 4
        };
        let now = house.wait(&survives, "at its last try", last).await;
        house.fake.finish(&key_of(&now, "work", 4), 0);
        let status = TaskRunStatus::Successful;
        let want = Want { status, reason: None, n_attempts: 4, failures: (0, 3) };
        check_end(&house, &survives, want).await;
        let lost = house.start(&pipeline).await;
        harm(&house, &lost, 4, act).await;
        let want = Want {
            status: TaskRunStatus::Failed,
            reason: Some(Reason::EngineLost),
            n_attempts: 4,
            failures: (0, 4),
        };
        let done = check_end(&house, &lost, want).await;
        let attempts = &task_of(&done, "work").attempts;
        assert!(attempts.iter().all(|one| one.failure_class == Some(FailureClass::Engine)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_that_stumbles_costs_no_retry_of_the_task() {
    let house = House::up().await;
    house.fake.image("stumbles", FakeImage { hiccups: 2, ..FakeImage::remote() });
    let run = house.start_new(simple("stumbles", "stumbles")).await;
    let status = TaskRunStatus::Successful;
    let want = Want { status, reason: None, n_attempts: 3, failures: (0, 2) };
    let done = check_end(&house, &run, want).await;
    let last = last_attempt(task_of(&done, "work"));
    assert!(last.pull_started_at.is_some() && last.pull_ended_at.is_some());
    house.fake.image("falls", FakeImage { hiccups: 100, ..FakeImage::remote() });
    let run = house.start_new(simple("falls", "falls")).await;
    let want = Want {
        status: TaskRunStatus::Failed,
        reason: Some(Reason::ImageError),
        n_attempts: 4,
        failures: (0, 4),
    };
    check_end(&house, &run, want).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_start_is_called_by_its_name_and_tried_once() {
    let house = House::up().await;
    house.fake.image("nowhere", FakeImage::missing());
    let refusals = [
        ("no_command", Refusal::CommandNotFound, Reason::AbnormalExit),
        ("no_rights", Refusal::NotExecutable, Reason::AbnormalExit),
        ("no_user", Refusal::UnknownUser, Reason::FailedPrecondition),
        ("no_folder", Refusal::BadWorkdir, Reason::FailedPrecondition),
    ];
    for (image, why, _) in refusals {
        house.fake.program(image, Program::refused(why));
    }
    let cases = refusals.map(|(image, _, reason)| (image, reason));
    for (image, reason) in cases.into_iter().chain([("nowhere", Reason::ImageError)]) {
        let work = retried(task("work", image), 2, 1);
        let run = house.start_new(pipeline(image, vec![work])).await;
        let done = house.complete(&run).await;
        let work = task_of(&done, "work");
        assert_eq!((work.status, work.reason), (Some(TaskRunStatus::Failed), Some(reason)));
        assert_eq!(work.attempts.len(), 1, "another attempt would not go better: {work:#?}");
        assert_eq!((work.user_failures, work.infra_failures), (0, 0), "{image}");
        assert!(work.reason_text.as_ref().is_some_and(|text| !text.is_empty()));
    }
    house.fake.program("no_room", Program::refused(Refusal::NoSpace));
    let run = house.start_new(simple("no_room", "no_room")).await;
    let want = Want {
        status: TaskRunStatus::Failed,
        reason: Some(Reason::SchedulerError),
        n_attempts: 4,
        failures: (0, 4),
    };
    check_end(&house, &run, want).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_for_want_of_memory_is_named() {
    let house = House::up().await;
    house.fake.program("greedy", Program::out_of_memory());
    let work = retried(task("work", "greedy"), 1, 1);
    let run = house.start_new(pipeline("greedy", vec![work])).await;
    let want = Want {
        status: TaskRunStatus::Failed,
        reason: Some(Reason::OutOfMemory),
        n_attempts: 2,
        failures: (2, 0),
    };
    let done = check_end(&house, &run, want).await;
    let attempt = last_attempt(task_of(&done, "work"));
    assert!(attempt.exit.is_some_and(|exit| exit.oom));
    assert_eq!(attempt.failure_class, Some(FailureClass::Oom));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_takes_too_long_is_stopped_and_counts_as_its_own_failure() {
    const LIMIT_MS: u64 = 120;
    let house = House::up().await;
    house.fake.program("slow", Program::forever().on_term(0));
    let work = sdk::Task { timeout_ms: Some(LIMIT_MS), ..retried(task("work", "slow"), 1, 1) };
    let run = house.start_new(pipeline("slow", vec![work])).await;
    let want = Want {
        status: TaskRunStatus::Failed,
        reason: Some(Reason::TimedOut),
        n_attempts: 2,
        failures: (2, 0),
    };
    let done = check_end(&house, &run, want).await;
    for attempt in &task_of(&done, "work").attempts {
        assert_eq!(attempt.failure_class, Some(FailureClass::Timeout));
        let took = attempt.ended_at.unwrap().ms_since(attempt.started_at.unwrap());
        assert!(took >= LIMIT_MS - 1, "stopped after {took} ms");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_takes_too_long_stops_what_runs_and_skips_what_waits() {
    let house = House::up().await;
    house.fake.program("slow", Program::forever());
    let child = after(task("child", "quick"), "work", sdk::RequiredStatus::Any);
    let pipeline = sdk::Pipeline {
        timeout_ms: Some(150),
        ..pipeline("slow", vec![task("work", "slow"), child])
    };
    let run = house.start_new(pipeline).await;
    let done = house.ends(&run, RunStatus::Failed).await;
    assert_eq!(done.reason, Some(Reason::TimedOut));
    let (work, child) = (task_of(&done, "work"), task_of(&done, "child"));
    assert_eq!((work.status, work.reason), (Some(TaskRunStatus::Failed), Some(Reason::TimedOut)));
    assert_eq!(child.status, Some(TaskRunStatus::Skipped));
    assert_eq!(child.reason, Some(Reason::TimedOut));
    house.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_fails_while_the_engine_does_not_answer() {
    let house = House::up().await;
    house.fake.program("held", Program::forever());
    let pipeline = house.deploy(simple("patient", "held")).await;
    let running = house.start(&pipeline).await;
    let before = house.wait_running(&running, "work").await;
    house.fake.set_unreachable(true);
    let started = house.start(&pipeline).await;
    for run in [&running, &started] {
        let unknown =
            |run: &Run| matches!(task_of(run, "work").waiting, Some(Waiting::EngineUnknown { .. }));
        let now = house.wait(run, "waiting for the engine", unknown).await;
        assert_eq!((now.status, task_of(&now, "work").status), (None, None));
    }
    let lost = async || house.events(&[EventKind::EngineLost]).await.pop();
    assert!(until("the loss was noted", lost).await.text.contains("does not answer"));
    house.fake.finish(&key_of(&before, "work", 1), 0);
    house.fake.program("held", Program::exit(0));
    tokio::time::sleep(Duration::from_millis(300)).await; // an outage of some length
    house.fake.set_unreachable(false);
    for run in [&running, &started] {
        let status = TaskRunStatus::Successful;
        let want = Want { status, reason: None, n_attempts: 1, failures: (0, 0) };
        check_end(&house, run, want).await;
    }
    let back = async || house.events(&[EventKind::EngineBack]).await.pop();
    until("the return was noted", back).await;
    let kinds: Vec<EventKind> = house
        .events(&[EventKind::EngineLost, EventKind::EngineBack])
        .await
        .iter()
        .map(|event| event.kind)
        .collect();
    assert_eq!(kinds, [EventKind::EngineLost, EventKind::EngineBack], "each told once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_lost_after_the_act_starts_nothing_twice() {
    let house = House::up().await;
    house.fake.program("short", Program::exit(0).wait(Duration::from_millis(5)));
    let pipeline = house.deploy(simple("lossy", "short")).await;
    for _ in 0..10 {
        house.fake.lose_answers(1);
        let run = house.start(&pipeline).await;
        house.ends(&run, RunStatus::Successful).await;
    }
    house.nothing_is_left().await;
    assert_eq!(house.fake.all_starts().len(), 10);
}
