//! Promises that hold on every walk: random graphs, random events in any order, doubled and stale.

use proptest::prelude::*;

use super::super::*;
use super::*;
use crate::log::{LogState, LogSummary};

const NAMES: [&str; 5] = ["task_a", "task_b", "task_c", "task_d", "task_e"];

/// A DAG of up to five tasks: each may need earlier ones.
fn graphs() -> impl Strategy<Value = Run> {
    let needs = prop::sample::select(vec![Need::Any, Need::Success, Need::Failure]);
    let edges = prop::collection::vec((any::<bool>(), needs), 10);
    let retries = prop::collection::vec(0_u32..2, 5);
    (1_usize..=5, edges, retries).prop_map(|(n_tasks, edges, retries)| {
        let mut edges = edges.into_iter();
        let tasks = NAMES.iter().take(n_tasks).enumerate().map(|(ix, name)| {
            let parents: Vec<_> = NAMES
                .iter()
                .take(ix)
                .filter_map(|parent| {
                    edges.next().filter(|(there, _)| *there).map(|(_, need)| (*parent, need))
                })
                .collect();
            let mut config = task(name, &parents);
            config.retries = Retries { count: retries[ix], ..Retries::NONE };
            config
        });
        run_of(tasks.collect(), None)
    })
}

fn events() -> impl Strategy<Value = Event> {
    let codes = prop::sample::select(vec![0, 1, 137, 143]);
    (0_u8..10, 0_usize..5, 1_u32..4, codes, any::<bool>()).prop_map(
        |(kind, which, attempt, code, flag)| {
            let id = task_id(NAMES[which]);
            let fact = match kind {
                0 => Fact::Admitted,
                1 | 2 => started(&id, attempt, 5),
                3 => {
                    let kind = if flag { ExitKind::Interrupted } else { ExitKind::Oom };
                    exited(&id, attempt, code, kind)
                }
                4 | 5 => exited(&id, attempt, code, ExitKind::Plain),
                6 => Fact::Vanished { task: id, attempt },
                7 => Fact::TimerFired(timers(&id, attempt)[usize::from(flag) * 2].clone()),
                8 => {
                    let log = LogSummary { state: LogState::Sealed, bytes: 0, lines: 0 };
                    Fact::Collected { task: id, attempt, log }
                }
                _ => {
                    let force = if flag { Force::Kill } else { Force::Grace };
                    let scope = if which == 0 { Scope::Run } else { Scope::Task(id) };
                    let reason = String::new();
                    return Event::Request(Request::Cancel { scope, force, by: user(), reason });
                }
            };
            Event::Fact(fact)
        },
    )
}

/// What must hold between a state and the one after it.
fn check_step(before: &Run, event: &Event, step: &Step) {
    let after = &step.next;
    if let RunState::Complete { outcome, .. } = &before.state {
        let RunState::Complete { outcome: later, .. } = &after.state else {
            panic!("a complete run came back to life by {event:?}")
        };
        assert_eq!(outcome, later, "the run's outcome changed by {event:?}");
    }
    for (then, now) in before.tasks.iter().zip(&after.tasks) {
        if let Some(outcome) = then.outcome() {
            assert_eq!(Some(outcome), now.outcome(), "an outcome changed by {event:?}");
        }
        let numbers: Vec<_> = now.attempts.iter().map(|a| a.number).collect();
        let want: Vec<_> = (1..=u32::try_from(numbers.len()).unwrap()).collect();
        assert_eq!(numbers, want, "attempts are numbered from 1 without gaps");
        if now.attempts.len() > then.attempts.len() {
            check_parents(after, now);
        }
    }
    let unchanged = before.state == after.state && before.tasks == after.tasks;
    assert_eq!(unchanged, before.generation == after.generation);
    assert!(!unchanged || step.emitted.is_empty(), "history tells of changes only");
}

fn check_parents(run: &Run, started: &TaskRun) {
    let config = run.spec.config.task(&started.task).unwrap();
    for dependency in &config.depends_on {
        let status =
            run.task(&dependency.parent).and_then(TaskRun::outcome).map(TaskOutcome::status);
        let fits = status.is_some_and(|status| dag::satisfies(dependency.need, status));
        assert!(fits, "{} started though {dependency:?} ended {status:?}", started.task);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn promises_hold_on_every_walk(run in graphs(), walk in prop::collection::vec(events(), 0..60)) {
        let mut run = run;
        let mut cancelled = false;
        let mut cancelled_tasks: Vec<TaskId> = Vec::new();
        for event in walk {
            let Ok(step) = run.step(event.clone(), Timestamp::from_ms(50)) else { continue };
            check_step(&run, &event, &step);
            if let Event::Request(Request::Cancel { scope, .. }) = &event {
                cancelled = true;
                if let Scope::Task(task) = scope {
                    cancelled_tasks.push(task.clone());
                }
            }
            // The same fact again changes nothing more.
            if let Event::Fact(_) = &event {
                let again = step.next.step(event.clone(), Timestamp::from_ms(50)).unwrap();
                prop_assert_eq!(&again.next, &step.next, "a doubled fact changed something: {:?}", event);
            }
            run = step.next;
        }
        if let RunState::Complete { outcome, .. } = &run.state {
            let failed = run.tasks.iter().any(|t| t.outcome().map(TaskOutcome::status) == Some(TaskStatus::Failed));
            let want = match (cancelled, failed) {
                (true, _) => RunStatus::Cancelled,
                (false, true) => RunStatus::Failed,
                (false, false) => RunStatus::Successful,
            };
            prop_assert_eq!(outcome.status, want);
        }
        for task in &cancelled_tasks {
            if let Some(outcome) = run.task(task).and_then(TaskRun::outcome) {
                prop_assert_eq!(outcome.status(), TaskStatus::Cancelled);
            }
        }
    }

    #[test]
    fn a_run_survives_the_disk(run in graphs(), walk in prop::collection::vec(events(), 0..30)) {
        let run = walk.into_iter().fold(run, |run, event| {
            run.step(event, Timestamp::from_ms(50)).map_or(run, |step| step.next)
        });
        let state: RunState = serde_json::from_str(&serde_json::to_string(&run.state).unwrap()).unwrap();
        prop_assert_eq!(&state, &run.state);
        for task in &run.tasks {
            let back: TaskRun = serde_json::from_str(&serde_json::to_string(task.as_ref()).unwrap()).unwrap();
            prop_assert_eq!(&back, task.as_ref());
        }
    }
}
