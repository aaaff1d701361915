//! The engine may be another machine with another clock: its times are shown, but they move nothing
//! beyond the attempt that they are of.

use super::*;
use crate::run::{Effect, Event, TaskState};

const LIMIT_MS: u64 = 60_000;
const QUEUED_MS: i64 = 1_000_000;
const NOW_MS: i64 = 1_000_500;

/// A run whose task was ordered and has a time limit, and the task.
fn starting() -> (Run, TaskId) {
    let task = TaskConfig { timeout_ms: Some(LIMIT_MS), ..task("build", &[]) };
    let id = task.id.clone();
    let run = run_of(vec![task], None);
    let admitted = Event::Fact(Fact::Admitted);
    (run.step(admitted, Timestamp::from_ms(QUEUED_MS)).unwrap().next, id)
}

/// When the task started and when its time limit runs out, for an engine that gives this time.
fn after_start_at(engine_ms: i64) -> (i64, i64) {
    let (run, task) = starting();
    let fact = Event::Fact(started(&task, 1, engine_ms));
    let step = run.step(fact, Timestamp::from_ms(NOW_MS)).unwrap();
    let TaskState::Running { since, .. } = step.next.task(&task).unwrap().state else {
        panic!("it does not run: {:?}", step.next.task(&task));
    };
    assert_eq!(step.next.task(&task).unwrap().attempts[0].started, Some(since));
    let mut orders = step.effects.iter();
    let armed = orders.find(|order| matches!(order, Effect::ArmTimer { .. })).unwrap();
    let timer = Timer::TaskTimeout { task, attempt: 1 };
    let Effect::ArmTimer { timer: armed, at } = armed.clone() else { unreachable!("an arming") };
    assert_eq!(armed, timer);
    (since.as_ms(), at.as_ms())
}

#[test]
fn an_engines_clock_does_not_move_a_time_limit() {
    let limit = i64::try_from(LIMIT_MS).unwrap();
    assert_eq!(after_start_at(QUEUED_MS + 200), (QUEUED_MS + 200, QUEUED_MS + 200 + limit));
    assert_eq!(after_start_at(NOW_MS + 3_600_000), (NOW_MS, NOW_MS + limit), "an hour ahead");
    assert_eq!(after_start_at(0), (QUEUED_MS, QUEUED_MS + limit), "years behind");
}

#[test]
fn an_attempt_ends_between_its_start_and_now_whatever_the_engine_says() {
    for (started_ms, ended_ms) in [(0, 1), (NOW_MS + 5_000, NOW_MS + 9_000), (NOW_MS, QUEUED_MS)] {
        let (run, task) = starting();
        let Fact::Exited { task, attempt, container, exit } = exited(&task, 1, 0, ExitKind::Plain)
        else {
            panic!("an exit");
        };
        let exit = Exit { started_ms: Some(started_ms), ended_ms, ..exit };
        let fact = Event::Fact(Fact::Exited { task: task.clone(), attempt, container, exit });
        let next = run.step(fact, Timestamp::from_ms(NOW_MS)).unwrap().next;
        let record = &next.task(&task).unwrap().attempts[0];
        let (start, end) = (record.started.unwrap().as_ms(), record.ended.unwrap().as_ms());
        assert!(QUEUED_MS <= start && start <= end && end <= NOW_MS, "{start} to {end}");
    }
}
