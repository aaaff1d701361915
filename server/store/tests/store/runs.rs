//! Runs: starting, steps, logs.

use std::collections::BTreeSet;

use gofer_core::history::EntryKind;
use gofer_core::log::LogState;
use gofer_core::problem::Kind;
use gofer_core::run::{Event, Fact, Run, RunStatus};
use gofer_store::{EntryFilter, Order, RunFilter, StartRun, StateKind};

use crate::support::{
    World, at, collected, config, everything, exited, key, page, problem, refused, run_key, uid,
};

#[test]
fn a_started_run_reads_back_as_it_was_answered() {
    let mut world = World::with_pipeline();
    let order = StartRun { server_parallelism: 2, ..world.order("simple") };
    let started = world.start_order(order).unwrap();
    assert!(!started.existing);
    let run = started.run;
    assert_eq!((run.spec.key.run, run.spec.version, run.generation), (1, 1, 0));
    assert_eq!(run.spec.policy.parallelism, Some(2), "the smaller limit wins");
    assert_eq!(*run.spec.config, config("simple", "v1"));
    let reader = world.reader();
    assert_eq!(reader.run(&run_key("simple", 1)).unwrap(), run);
    assert_eq!(reader.active_runs().unwrap(), std::slice::from_ref(&run));
    let summary = reader.run_summary(&run_key("simple", 1)).unwrap();
    assert_eq!((&summary.variables, summary.uid), (&run.spec.variables, run.spec.uid.clone()));
    assert_eq!(reader.pipeline(&key("simple")).unwrap().last_run.unwrap().key.run, 1);
}

#[test]
fn a_start_of_what_is_not_there_is_refused() {
    let mut world = World::with_pipeline();
    let order = StartRun { version: Some(7), ..world.order("simple") };
    assert_eq!(problem(world.start_order(order)).nearest, ["1"]);
    let order = StartRun { retry_of: Some(7), ..world.order("simple") };
    refused(world.start_order(order), Kind::NotFound, "NOT_FOUND");
    world.register("other", "v1").unwrap();
    let order = world.order("other");
    refused(world.start_order(order), Kind::Rejected, "NOTHING_DEPLOYED");
    let order = world.order("nothing");
    refused(world.start_order(order), Kind::NotFound, "NOT_FOUND");
    assert_eq!(world.start("simple").spec.key.run, 1, "what was refused took no number");
}

#[test]
fn every_step_reads_back_and_is_told() {
    let mut world = World::with_pipeline();
    let run = world.start("simple");
    let settled = world.settle(&run);
    let reader = world.reader();
    assert_eq!(reader.run(&run.spec.key).unwrap(), settled);
    assert!(reader.active_runs().unwrap().is_empty());
    let summary = reader.run_summary(&run.spec.key).unwrap();
    assert_eq!((summary.state, summary.generation), (settled.state.clone(), settled.generation));
    let filter = EntryFilter::default();
    let entries = reader.entries(&filter, None, 100, Order::OldestFirst).unwrap();
    let kinds: Vec<EntryKind> =
        entries.iter().filter(|e| e.entry.subject.run.is_some()).map(|e| e.entry.kind).collect();
    assert_eq!(
        kinds,
        [
            EntryKind::RunCreated,
            EntryKind::RunStarted,
            EntryKind::TaskRunCompleted,
            EntryKind::TaskRunCompleted,
            EntryKind::RunCompleted
        ]
    );
    assert_eq!(reader.pipeline_deletion(&key("simple")).unwrap().log_bytes, 123);
}

#[test]
fn a_step_writes_only_the_task_runs_that_it_changed() {
    let mut world = World::with_pipeline();
    let run = world.start("simple");
    let run = world.step(&run, Fact::Admitted);
    let sql = rusqlite::Connection::open(world.dir.path().join("gofer.db")).unwrap();
    sql.execute("UPDATE task_runs SET state_kind = 'UNTOUCHED'", []).unwrap();
    world.step(&run, exited("build")); // which starts `test`
    let kinds = |sql: &rusqlite::Connection| -> Vec<String> {
        let mut rows = sql.prepare("SELECT state_kind FROM task_runs ORDER BY position").unwrap();
        rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    assert_eq!(kinds(&sql), ["COMPLETE", "STARTING"]);
    sql.execute("UPDATE task_runs SET state_kind = 'UNTOUCHED'", []).unwrap();
    let run = world.reader().run(&run.spec.key).unwrap();
    world.step(&run, collected("build", 1));
    assert_eq!(kinds(&sql), ["COMPLETE", "UNTOUCHED"]);
}

#[test]
fn a_complete_run_with_a_container_left_is_still_active() {
    let mut world = World::with_pipeline();
    let run = world.start("simple");
    let run = [Fact::Admitted, exited("build"), exited("test")]
        .into_iter()
        .fold(run, |run, fact| world.step(&run, fact));
    assert!(run.is_complete());
    assert_eq!(world.reader().active_runs().unwrap(), std::slice::from_ref(&run));
    assert_eq!(
        world.reader().active_runs_of(&key("simple")).unwrap(),
        std::slice::from_ref(&run.spec.key)
    );
}

#[test]
fn a_step_on_an_old_state_is_a_conflict_and_leaves_no_trace() {
    let mut world = World::with_pipeline();
    let run = world.start("simple");
    let admitted = world.step(&run, Fact::Admitted);
    let seq = world.reader().newest_seq().unwrap();
    let stale = run.step(Event::Fact(Fact::Admitted), at(9)).unwrap();
    let before = run.clone();
    let answer = world.run(move |tx| tx.save_run(&before, &stale.next, &stale.emitted, at(9)));
    refused(answer, Kind::Conflict, "RUN_CHANGED");
    assert_eq!(world.reader().run(&run.spec.key).unwrap(), admitted);
    assert_eq!(world.reader().newest_seq().unwrap(), seq);
}

#[test]
fn one_idempotency_key_is_one_run_in_a_group_and_over_groups() {
    let mut world = World::with_pipeline();
    let orders = |world: &mut World, n: usize| -> Vec<StartRun> {
        let order = |_| StartRun { idempotency_key: Some("k".into()), ..world.order("simple") };
        (0..n).map(order).collect()
    };
    let mut existing = Vec::new();
    for _ in 0..2 {
        let (jobs, answers): (Vec<_>, Vec<_>) = orders(&mut world, 50)
            .into_iter()
            .map(|order| crate::support::job(move |tx| tx.start_run(&order, at(9))))
            .unzip();
        world.store().run_group(jobs).unwrap();
        for answer in answers {
            let started = answer().unwrap();
            assert_eq!(started.run.spec.key.run, 1);
            existing.push(started.existing);
        }
    }
    assert_eq!(existing.iter().filter(|existing| !**existing).count(), 1);
    assert!(!existing[0]);
    world.reopen();
    world.run(|tx| tx.set_pipeline_enabled(&key("simple"), false, at(9))).unwrap();
    world.run(|tx| tx.set_ingress(false, at(9))).unwrap();
    let order = orders(&mut world, 1).remove(0);
    let started = world.start_order(order).unwrap();
    assert!(started.existing, "the answer stays the same though new runs are refused by now");
    assert_eq!(world.reader().runs(&everything(), &page(10, None)).unwrap().total, 1);
}

#[test]
fn an_idempotency_key_belongs_to_its_pipeline() {
    let mut world = World::with_pipeline();
    world.up("other", "v1");
    for id in ["simple", "other"] {
        let order = StartRun { idempotency_key: Some("k".into()), ..world.order(id) };
        assert!(!world.start_order(order).unwrap().existing);
    }
}

#[test]
fn a_retry_runs_what_the_old_run_ran_though_it_was_pruned() {
    let mut world = World::with_pipeline();
    world.start("simple");
    for n in 2..=7 {
        world.up("simple", &format!("v{n}"));
    }
    refused(world.reader().config(&key("simple"), Some(1)).map(drop), Kind::NotFound, "NOT_FOUND");
    let order = StartRun { retry_of: Some(1), ..world.order("simple") };
    let run = world.start_order(order).unwrap().run;
    assert_eq!((run.spec.version, run.spec.retry_of, run.spec.key.run), (1, Some(1), 2));
    assert_eq!(*run.spec.config, config("simple", "v1"));
}

fn expired(world: &World, n_keep: u32) -> Vec<u64> {
    let expired = world.reader().expired_logs(&key("simple"), n_keep).unwrap();
    expired.into_iter().map(|(key, _)| key.run).collect()
}

#[test]
fn logs_expire_once_enough_later_runs_exist() {
    let mut world = World::with_pipeline();
    let runs: Vec<Run> = (0..4).map(|_| world.start("simple")).collect();
    assert_eq!(expired(&world, 2), [0_u64; 0], "nothing has ended");
    for run in [&runs[0], &runs[1], &runs[3]] {
        world.settle(run);
    }
    assert_eq!(expired(&world, 2), [1, 2]);
    assert_eq!(expired(&world, 3), [1]);
    assert_eq!(expired(&world, 4), [0_u64; 0]);

    let first = runs[0].spec.uid.clone();
    let uids = [first.clone(), first, uid(77)];
    world.run(move |tx| tx.mark_logs_removed(&uids, at(9))).unwrap();
    assert_eq!(expired(&world, 2), [2]);
    let reader = world.reader();
    let task = &reader.run(&runs[0].spec.key).unwrap().tasks[0];
    assert_eq!(task.attempts[0].collected.unwrap().state, LogState::Removed);
    assert!(reader.run_summary(&runs[0].spec.key).unwrap().logs_removed);
    let kinds = BTreeSet::from([EntryKind::LogsExpired]);
    let filter = EntryFilter { kinds, ..EntryFilter::default() };
    assert_eq!(reader.entries(&filter, None, 10, Order::OldestFirst).unwrap().len(), 1);
}

#[test]
fn a_list_of_runs_is_filtered() {
    let mut world = World::with_pipeline();
    world.up("other", "v1");
    let first = world.start("simple");
    world.settle(&first);
    let second = world.start("simple");
    world.step(&second, Fact::Admitted);
    world.start("other");
    let list = |filter: RunFilter| -> Vec<String> {
        let page = world.reader().runs(&filter, &page(10, None)).unwrap();
        assert_eq!(page.total, page.items.len() as u64);
        page.items.iter().map(|item| item.key.to_string()).collect()
    };
    assert_eq!(list(everything()), ["default:other/1", "default:simple/2", "default:simple/1"]);
    let simple = RunFilter { pipeline: Some(key("simple").pipeline), ..everything() };
    assert_eq!(list(simple.clone()), ["default:simple/2", "default:simple/1"]);
    let states = BTreeSet::from([StateKind::Pending, StateKind::Running]);
    assert_eq!(list(RunFilter { states, ..everything() }), ["default:other/1", "default:simple/2"]);
    let statuses = BTreeSet::from([RunStatus::Successful]);
    assert_eq!(list(RunFilter { statuses, ..simple.clone() }), ["default:simple/1"]);
    let statuses = BTreeSet::from([RunStatus::Failed]);
    assert_eq!(list(RunFilter { statuses, ..everything() }), [""; 0]);
    let since = Some(second.spec.created);
    assert_eq!(list(RunFilter { since, ..simple }), ["default:simple/2"]);
    let pipeline = Some(key("simpel").pipeline);
    let answer = world.reader().runs(&RunFilter { pipeline, ..everything() }, &page(10, None));
    assert_eq!(problem(answer).nearest, ["simple"]);
}

#[test]
fn a_store_that_is_dropped_has_kept_all_that_it_answered() {
    let mut world = World::with_pipeline();
    let run = world.start("simple");
    let run = world.step(&run, Fact::Admitted);
    world.reopen();
    assert_eq!(world.reader().run(&run.spec.key).unwrap(), run);
    assert_eq!(world.reader().active_runs_of(&key("simple")).unwrap().len(), 1);
    assert_eq!(world.start("simple").spec.key.run, 2);
}
