//! Every state × every event, as one snapshot.

use std::fmt::Write as _;

use super::super::*;
use super::*;
use crate::log::{LogState, LogSummary};

fn first() -> TaskId {
    task_id("first")
}

/// A run with a root that may be retried once after 50 ms and a child that needs its success.
fn base() -> Run {
    let mut root = task("first", &[]);
    root.retries = Retries { count: 1, delay_ms: 50, factor_milli: 2000, cap_ms: None };
    root.timeout_ms = Some(1000);
    run_of(vec![root, task("second", &[("first", Need::Success)])], Some(60_000))
}

fn walk(run: &Run, events: &[Event]) -> Run {
    events.iter().fold(run.clone(), |run, event| {
        run.step(event.clone(), Timestamp::from_ms(100)).unwrap().next
    })
}

fn cancel(scope: Scope, force: Force, kind: ActorKind) -> Event {
    let by = Actor { kind, name: "ada".to_owned() };
    Event::Request(Request::Cancel { scope, force, by, reason: String::new() })
}

fn fail_start(class: FailureClass, retryable: bool, exit_code: Option<i32>) -> Event {
    let failure = StartFailure { class, text: format!("{class:?}"), retryable, exit_code };
    Event::Fact(Fact::StartFailed { task: first(), attempt: 1, failure })
}

fn states() -> Vec<(&'static str, Run)> {
    use Event::Fact as F;
    let base = base();
    let admitted = walk(&base, &[F(Fact::Admitted)]);
    let running = walk(&admitted, &[F(started(&first(), 1, 100))]);
    let exit = |code, kind| F(exited(&first(), 1, code, kind));
    let user_cancel = |force| cancel(Scope::Run, force, ActorKind::User);
    vec![
        ("pending", base),
        ("starting", admitted.clone()),
        ("running", running.clone()),
        ("backoff", walk(&running, &[exit(57, ExitKind::Plain)])),
        ("starting/stopping", walk(&admitted, &[user_cancel(Force::Grace)])),
        ("running/stopping", walk(&running, &[user_cancel(Force::Grace)])),
        ("running/killing", walk(&running, &[user_cancel(Force::Kill)])),
        (
            "running/task timed out",
            walk(
                &running,
                &[F(Fact::TimerFired(Timer::TaskTimeout { task: first(), attempt: 1 }))],
            ),
        ),
        ("running/run timed out", walk(&running, &[F(Fact::TimerFired(Timer::RunTimeout))])),
        ("first done, second starting", walk(&running, &[exit(0, ExitKind::Plain)])),
        (
            "complete, successful",
            walk(
                &running,
                &[exit(0, ExitKind::Plain), F(exited(&task_id("second"), 1, 0, ExitKind::Plain))],
            ),
        ),
        (
            "complete, cancelled",
            walk(&running, &[user_cancel(Force::Kill), exit(0, ExitKind::Plain)]),
        ),
    ]
}

fn events() -> Vec<(&'static str, Event)> {
    use Event::Fact as F;
    let exit = |code, kind| F(exited(&first(), 1, code, kind));
    let [backoff, task_timeout, grace, run_timeout] = timers(&first(), 1);
    let backoff_2 = Timer::Backoff { task: first(), attempt: 2 };
    let log = LogSummary { state: LogState::Sealed, bytes: 3, lines: 1 };
    vec![
        ("cancel run", cancel(Scope::Run, Force::Grace, ActorKind::User)),
        ("cancel run by system, kill", cancel(Scope::Run, Force::Kill, ActorKind::System)),
        ("cancel task", cancel(Scope::Task(first()), Force::Grace, ActorKind::User)),
        (
            "cancel unknown task",
            cancel(Scope::Task(task_id("other")), Force::Grace, ActorKind::User),
        ),
        ("admitted", F(Fact::Admitted)),
        ("started", F(started(&first(), 1, 100))),
        ("image missing", fail_start(FailureClass::Image, false, None)),
        ("pull hiccup", fail_start(FailureClass::Image, true, None)),
        ("command not found", fail_start(FailureClass::Config, false, Some(127))),
        ("bad setting", fail_start(FailureClass::Config, false, None)),
        ("engine failed", fail_start(FailureClass::Engine, true, None)),
        ("exited 0", exit(0, ExitKind::Plain)),
        ("exited 1", exit(1, ExitKind::Plain)),
        ("exited 137", exit(137, ExitKind::Plain)),
        ("exited 137 by oom", exit(137, ExitKind::Oom)),
        ("exited 0, interrupted", exit(0, ExitKind::Interrupted)),
        ("exited 0, attempt 2", F(exited(&first(), 2, 0, ExitKind::Plain))),
        ("vanished", F(Fact::Vanished { task: first(), attempt: 1 })),
        ("backoff over, attempt 1", F(Fact::TimerFired(backoff))),
        ("backoff over, attempt 2", F(Fact::TimerFired(backoff_2))),
        ("task timeout", F(Fact::TimerFired(task_timeout))),
        ("grace over", F(Fact::TimerFired(grace))),
        ("run timeout", F(Fact::TimerFired(run_timeout))),
        ("collected", F(Fact::Collected { task: first(), attempt: 1, log })),
    ]
}

fn show_state(run: &Run) -> String {
    let state = match &run.state {
        RunState::Pending => "PENDING".to_owned(),
        RunState::Running { cancel, timed_out, .. } => {
            let cancel = cancel.as_ref().map_or("", |_| " cancel accepted");
            format!("RUNNING{cancel}{}", if *timed_out { " timed out" } else { "" })
        }
        RunState::Complete { outcome, .. } => {
            format!("COMPLETE {:?} {:?}", outcome.status, outcome.reason)
        }
    };
    run.tasks.iter().fold(state, |mut text, task| {
        let shown = match &task.state {
            TaskState::Complete { outcome, .. } => {
                format!("{:?}/{:?}", outcome.status(), outcome.reason())
            }
            TaskState::Waiting => "waiting".to_owned(),
            TaskState::Backoff { attempt, until } => format!("backoff#{attempt}@{}", until.as_ms()),
            TaskState::Starting { attempt } => format!("starting#{attempt}"),
            TaskState::Running { attempt, .. } => format!("running#{attempt}"),
            TaskState::Stopping { attempt, because, force, since, .. } => {
                let was = if since.is_some() { "running" } else { "starting" };
                format!("stopping#{attempt}({because:?},{force:?},{was})")
            }
        };
        write!(text, " · {}={shown}", task.task).unwrap();
        text
    })
}

fn show_effect(effect: &Effect) -> String {
    match effect {
        Effect::EnsureContainer { task, attempt } => format!("ensure {task}#{attempt}"),
        Effect::WatchContainer { task, attempt } => format!("watch {task}#{attempt}"),
        Effect::StopContainer { task, attempt } => format!("stop {task}#{attempt}"),
        Effect::KillContainer { task, attempt } => format!("kill {task}#{attempt}"),
        Effect::CollectContainer { task, attempt } => format!("collect {task}#{attempt}"),
        Effect::ArmTimer { timer, at } => {
            let name = match timer {
                Timer::Backoff { .. } => "backoff",
                Timer::TaskTimeout { .. } => "task timeout",
                Timer::Grace { .. } => "grace",
                Timer::RunTimeout => "run timeout",
            };
            format!("arm {name}@{}", at.as_ms())
        }
        Effect::ReleaseSlot => "release slot".to_owned(),
    }
}

fn show_effects(effects: &[Effect]) -> String {
    effects.iter().map(show_effect).collect::<Vec<_>>().join(", ")
}

#[test]
fn every_state_meets_every_event() {
    let mut table = String::new();
    for (state_name, run) in states() {
        writeln!(table, "# {state_name}: {}", show_state(&run)).unwrap();
        writeln!(table, "  resume: {}", show_effects(&run.resume())).unwrap();
        for (event_name, event) in events() {
            let cell = match run.step(event, Timestamp::from_ms(200)) {
                Err(rejected) => format!("REJECTED {rejected}"),
                Ok(step) if step.next == run && step.effects.is_empty() => "absorbed".to_owned(),
                Ok(step) => {
                    let told: Vec<_> =
                        step.emitted.iter().map(|e| format!("{:?}", e.kind)).collect();
                    format!(
                        "{}\n      do: {}\n      tell: {}",
                        show_state(&step.next),
                        show_effects(&step.effects),
                        told.join(", ")
                    )
                }
            };
            writeln!(table, "  {event_name} => {cell}").unwrap();
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn the_dag_table_is_the_specified_one() {
    let mut table = String::new();
    for need in [Need::Any, Need::Success, Need::Failure] {
        let statuses = [
            TaskStatus::Successful,
            TaskStatus::Failed,
            TaskStatus::Cancelled,
            TaskStatus::Skipped,
        ];
        let fits: Vec<_> = statuses
            .iter()
            .filter(|s| dag::satisfies(need, **s))
            .map(|s| format!("{s:?}"))
            .collect();
        writeln!(table, "{need:?}: {}", fits.join(", ")).unwrap();
    }
    assert_eq!(table, "Any: Successful, Failed, Skipped\nSuccess: Successful\nFailure: Failed\n");
}
