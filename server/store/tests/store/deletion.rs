//! Deleting pipelines and namespaces.

use gofer_core::history::EntryKind;
use gofer_core::problem::Kind;
use gofer_store::{
    DeletionReport, EntryFilter, Order, Progress, Registered, StartRun, UnfinishedDeletions,
};

use crate::support::{
    World, at, config, deploy_order, everything, key, namespace, page, refused, registration,
};

/// Calls until nothing is left; gives the number of calls.
fn finish(world: &mut World, id: &'static str) -> usize {
    (1..)
        .find(|_| {
            world.run(move |tx| tx.finish_delete_pipeline(&key(id), at(9))).unwrap()
                == Progress::Done
        })
        .unwrap()
}

fn count(world: &World, table: &str) -> i64 {
    let sql = rusqlite::Connection::open(world.dir.path().join("gofer.db")).unwrap();
    sql.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

#[test]
fn a_pipeline_that_is_going_takes_nothing_new_and_is_not_listed() {
    let mut world = World::with_pipeline();
    let repeated = StartRun { idempotency_key: Some("k".into()), ..world.order("simple") };
    world.start_order(repeated.clone()).unwrap();
    world.run(|tx| tx.begin_delete_pipeline(&key("simple"), at(9))).unwrap();
    world.run(|tx| tx.begin_delete_pipeline(&key("simple"), at(9))).unwrap();
    let order = world.order("simple");
    refused(world.start_order(order), Kind::Rejected, "BEING_DELETED");
    refused(world.register("simple", "v2"), Kind::Rejected, "BEING_DELETED");
    refused(world.deploy("simple", 1), Kind::Rejected, "BEING_DELETED");
    assert!(world.start_order(repeated).unwrap().existing);
    let reader = world.reader();
    assert_eq!(reader.pipelines(&namespace("default"), &page(10, None)).unwrap().total, 0);
    assert!(reader.pipeline(&key("simple")).unwrap().deleting);
    let answer = world.run(|tx| tx.finish_delete_pipeline(&key("simple"), at(9)));
    refused(answer, Kind::Rejected, "RUNS_ACTIVE");
    world.reopen();
    let left = UnfinishedDeletions { namespaces: vec![], pipelines: vec![key("simple")] };
    assert_eq!(world.reader().unfinished_deletions().unwrap(), left);
}

#[test]
fn a_deleted_pipeline_leaves_only_its_history_and_starts_again_from_1() {
    let mut world = World::with_pipeline();
    world.up("simple", "v2");
    for _ in 0..2 {
        let run = world.start("simple");
        world.settle(&run);
    }
    let report = world.reader().pipeline_deletion(&key("simple")).unwrap();
    let want = DeletionReport {
        n_pipelines: 1,
        n_versions: 2,
        n_deployments: 2,
        n_runs: 2,
        n_active_runs: 0,
        log_bytes: 246,
    };
    assert_eq!(report, want);
    let begun = world.run(|tx| tx.finish_delete_pipeline(&key("simple"), at(9)));
    refused(begun, Kind::Rejected, "DELETION_NOT_BEGUN");
    let seq = world.reader().newest_seq().unwrap();
    world.run(|tx| tx.begin_delete_pipeline(&key("simple"), at(9))).unwrap();
    finish(&mut world, "simple");
    for table in ["pipelines", "configs", "config_bodies", "deployments", "runs", "task_runs"] {
        assert_eq!(count(&world, table), 0, "{table}");
    }
    let newest = world.reader().entry(seq + 1).unwrap().entry;
    assert_eq!(newest.kind, EntryKind::PipelineDeleted);
    assert_eq!(world.reader().newest_seq().unwrap(), seq + 1);
    assert_eq!(finish(&mut world, "simple"), 1, "what is gone is done");

    let again = world.register("simple", "v1").unwrap();
    assert_eq!(again, Registered { version: 1, changed: true, created_pipeline: true });
    assert_eq!(world.deploy("simple", 1).unwrap().deployment.deployment, 1);
    assert_eq!(world.start("simple").spec.key.run, 1);
}

#[test]
fn an_old_run_of_a_deleted_pipeline_cannot_be_saved_into_the_new_one() {
    let mut world = World::with_pipeline();
    let old = world.start("simple");
    let settled = world.settle(&old);
    world.run(|tx| tx.begin_delete_pipeline(&key("simple"), at(9))).unwrap();
    finish(&mut world, "simple");
    world.up("simple", "v1");
    world.start("simple");
    let answer = world.run(move |tx| tx.save_run(&old, &settled, &[], at(9)));
    refused(answer, Kind::Conflict, "RUN_CHANGED");
}

#[test]
fn a_long_past_goes_in_portions() {
    let mut world = World::with_pipeline();
    world.up("other", "v1");
    for _ in 0..3 {
        let orders: Vec<StartRun> = (0..500).map(|_| world.order("simple")).collect();
        let jobs = orders.into_iter().map(|order| {
            crate::support::job(move |tx| {
                let run = tx.start_run(&order, at(9))?.run;
                let mut done = run.clone();
                done.generation = 1;
                done.state = gofer_core::run::RunState::Complete {
                    started: None,
                    ended: at(9),
                    outcome: gofer_core::run::RunOutcome {
                        status: gofer_core::run::RunStatus::Successful,
                        reason: None,
                        text: String::new(),
                    },
                    cancel: None,
                };
                tx.save_run(&run, &done, &[], at(9))
            })
            .0
        });
        // Nobody waits for these answers.
        let jobs: Vec<_> = jobs.map(quiet).collect();
        world.store().run_group(jobs).unwrap();
    }
    let kept = world.start("other");
    world.run(|tx| tx.begin_delete_pipeline(&key("simple"), at(9))).unwrap();
    assert!(finish(&mut world, "simple") > 2);
    assert_eq!(count(&world, "task_runs"), 2);
    assert_eq!(world.reader().run(&kept.spec.key).unwrap(), kept);
}

/// The same job without a completion that anybody hears.
fn quiet(job: gofer_store::Job) -> gofer_store::Job {
    Box::new(move |tx| match job(tx) {
        gofer_store::Done::Keep(_) => gofer_store::Done::Keep(Box::new(|end| end.unwrap())),
        gofer_store::Done::Undo(_) => panic!("the job failed"),
    })
}

#[test]
fn a_namespace_goes_with_all_that_is_in_it() {
    let mut world = World::with_pipeline();
    world.run(|tx| tx.create_namespace(&namespace("team"), "", "", at(1))).unwrap();
    for id in ["one", "two"] {
        let registration = registration("team", &config(id, "v1"));
        let mut order = deploy_order(id, 1);
        order.key.namespace = namespace("team");
        world.run(move |tx| tx.register(&registration, at(2))).unwrap();
        world.run(move |tx| tx.deploy(&order, at(2))).unwrap();
        let mut order = world.order(id);
        order.key.namespace = namespace("team");
        let run = world.start_order(order).unwrap().run;
        world.settle(&run);
    }
    let report = world.reader().namespace_deletion(&namespace("team")).unwrap();
    assert_eq!((report.n_pipelines, report.n_runs, report.log_bytes), (2, 2, 246));
    let early = world.run(|tx| tx.finish_delete_namespace(&namespace("team"), at(3)));
    refused(early, Kind::Rejected, "DELETION_NOT_BEGUN");
    let going = world.run(|tx| tx.begin_delete_namespace(&namespace("team"), at(3))).unwrap();
    let ids: Vec<&str> = going.iter().map(|key| key.pipeline.as_str()).collect();
    assert_eq!(ids, ["one", "two"]);
    assert_eq!(world.reader().unfinished_deletions().unwrap().pipelines, going);
    assert_eq!(world.reader().namespaces(None, &page(10, None)).unwrap().total, 1);
    let late = registration("team", &config("three", "v1"));
    refused(world.run(move |tx| tx.register(&late, at(4))), Kind::Rejected, "BEING_DELETED");

    let n_calls = (1..)
        .find(|_| {
            let answer = world.run(|tx| tx.finish_delete_namespace(&namespace("team"), at(5)));
            answer.unwrap() == Progress::Done
        })
        .unwrap();
    assert_eq!(n_calls, 3);
    let filter =
        EntryFilter { namespaces: Some([namespace("team")].into()), ..EntryFilter::default() };
    let last = world.reader().entries(&filter, None, 3, Order::NewestFirst).unwrap();
    let kinds: Vec<EntryKind> = last.iter().map(|record| record.entry.kind).collect();
    assert_eq!(
        kinds,
        [EntryKind::NamespaceDeleted, EntryKind::PipelineDeleted, EntryKind::PipelineDeleted]
    );
    assert_eq!(count(&world, "pipelines"), 1);
    refused(world.reader().namespace(&namespace("team")).map(drop), Kind::NotFound, "NOT_FOUND");
    assert_eq!(world.reader().runs(&everything(), &page(1, None)).unwrap().total, 0);
}
