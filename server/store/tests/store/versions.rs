//! Versions and deployments.

use gofer_core::history::EntryKind;
use gofer_core::ids::Version;
use gofer_core::pipeline::ConfigState;
use gofer_core::problem::Kind;
use gofer_store::{
    DeployOrder, DeploymentStatus, EntryFilter, Order, Registered, RollbackOrder, StartRun,
};

use crate::support::{
    World, ann, at, config, deploy_order, key, page, problem, refused, registration,
};

fn states(world: &World) -> Vec<(Version, ConfigState)> {
    let page = world.reader().configs(&key("simple"), &page(100, None)).unwrap();
    page.items.iter().rev().map(|config| (config.version, config.state)).collect()
}

fn rollback(
    world: &mut World,
    base: Option<Version>,
) -> crate::support::Answer<gofer_store::Deployed> {
    let order = RollbackOrder {
        key: key("simple"),
        base,
        version_limit: 5,
        by: ann(),
        reason: "it broke".into(),
    };
    let now = world.now();
    world.run(move |tx| tx.rollback(&order, now))
}

#[test]
fn the_first_version_makes_the_pipeline_and_the_same_content_makes_none() {
    let mut world = World::new();
    let first = world.register("simple", "a").unwrap();
    assert_eq!(first, Registered { version: 1, changed: true, created_pipeline: true });
    let same = world.register("simple", "a").unwrap();
    assert_eq!(same, Registered { version: 1, changed: false, created_pipeline: false });
    assert_eq!(world.register("simple", "b").unwrap().version, 2);
    assert_eq!(world.register("simple", "a").unwrap().version, 3, "only the newest is compared");

    let record = world.reader().config(&key("simple"), Some(2)).unwrap();
    assert_eq!((record.state, record.registered_by), (ConfigState::Unreleased, ann()));
    assert_eq!(*record.config, config("simple", "b"));
    assert_eq!(record.origin, crate::support::origin());
    let pipeline = world.reader().pipeline(&key("simple")).unwrap();
    assert_eq!((pipeline.live, pipeline.newest, pipeline.enabled), (None, Some(3), true));
    assert_eq!(pipeline.name, "Name a", "nothing is live, so the newest gives the name");
}

#[test]
fn a_registration_in_no_namespace_is_refused() {
    let mut world = World::new();
    let registration = registration("nowhere", &config("simple", "a"));
    let answer = world.run(move |tx| tx.register(&registration, at(1)));
    refused(answer, Kind::NotFound, "NOT_FOUND");
}

#[test]
fn a_deploy_switches_whole_and_tells() {
    let mut world = World::with_pipeline();
    world.register("simple", "v2").unwrap();
    let deployed = world.deploy("simple", 2).unwrap();
    assert!(deployed.changed);
    let deployment = &deployed.deployment;
    assert_eq!((deployment.deployment, deployment.from, deployment.to), (2, Some(1), 2));
    assert_eq!(deployment.status, Some(DeploymentStatus::Successful));
    assert_eq!((&deployment.by, deployment.reason.as_str()), (&ann(), "it is time"));
    assert_eq!(states(&world), [(1, ConfigState::Deprecated), (2, ConfigState::Live)]);
    let old = world.reader().config(&key("simple"), Some(1)).unwrap();
    assert_eq!(old.deprecated, deployment.ended);
    let newest =
        world.reader().entries(&EntryFilter::default(), None, 1, Order::NewestFirst).unwrap();
    assert_eq!(newest[0].entry.kind, EntryKind::DeploymentCompleted);

    let again = world.deploy("simple", 2).unwrap();
    assert_eq!((again.changed, &again.deployment), (false, deployment));
    assert_eq!(world.reader().deployments(&key("simple"), &page(10, None)).unwrap().total, 2);
    assert_eq!(world.reader().config(&key("simple"), None).unwrap().version, 2);
    assert_eq!(world.reader().deployment(&key("simple"), 2).unwrap(), *deployment);
    refused(world.reader().deployment(&key("simple"), 3).map(drop), Kind::NotFound, "NOT_FOUND");
}

#[test]
fn a_deploy_of_another_base_or_of_nothing_changes_nothing() {
    let mut world = World::with_pipeline();
    world.up("simple", "v2");
    world.register("simple", "v3").unwrap();
    let seq = world.reader().newest_seq().unwrap();
    let order = DeployOrder { base: Some(1), ..deploy_order("simple", 3) };
    let answer = world.run(move |tx| tx.deploy(&order, at(9)));
    refused(answer, Kind::Conflict, "LIVE_VERSION_CHANGED");
    assert_eq!(problem(world.deploy("simple", 9)).nearest, ["3", "2", "1"]);
    assert_eq!(problem(world.deploy("simpel", 1)).nearest, ["simple"]);
    assert_eq!(world.reader().newest_seq().unwrap(), seq);
    assert_eq!(world.reader().pipeline(&key("simple")).unwrap().live, Some(2));
}

#[test]
fn a_rollback_goes_back_step_by_step() {
    let mut world = World::with_pipeline();
    refused(rollback(&mut world, None), Kind::Rejected, "NOTHING_TO_ROLL_BACK_TO");
    world.up("simple", "v2");
    world.up("simple", "v3");
    refused(rollback(&mut world, Some(1)), Kind::Conflict, "LIVE_VERSION_CHANGED");
    let back = rollback(&mut world, Some(3)).unwrap();
    assert_eq!((back.deployment.from, back.deployment.to), (Some(3), 2));
    assert_eq!(back.deployment.text, "rolled back from version 3 to version 2");
    assert_eq!(rollback(&mut world, None).unwrap().deployment.to, 1);
    let live = world.reader().config(&key("simple"), None).unwrap();
    assert_eq!((live.version, live.deprecated), (1, None));
}

#[test]
fn the_oldest_versions_are_pruned_and_their_texts_with_them() {
    let mut world = World::with_pipeline();
    for n in 2..=5 {
        world.up("simple", &format!("v{n}"));
    }
    let order = StartRun { version: Some(1), ..world.order("simple") };
    world.start_order(order).unwrap();
    world.register("simple", "v6").unwrap();
    let deployed = world.deploy("simple", 6).unwrap();
    assert_eq!(deployed.pruned, [1]);
    world.register("simple", "v7").unwrap();
    assert_eq!(world.deploy("simple", 7).unwrap().pruned, [2]);
    assert_eq!(states(&world).len(), 5);
    assert_eq!(
        *world.reader().run(&crate::support::run_key("simple", 1)).unwrap().spec.config,
        config("simple", "v1")
    );
    world.reopen();
    assert_eq!(
        *world.reader().run(&crate::support::run_key("simple", 1)).unwrap().spec.config,
        config("simple", "v1"),
        "the run keeps what it ran"
    );
    assert_eq!(n_bodies(&world), 6, "five versions, and one that only a run holds");
}

fn n_bodies(world: &World) -> i64 {
    let sql = rusqlite::Connection::open(world.dir.path().join("gofer.db")).unwrap();
    sql.query_row("SELECT count(*) FROM config_bodies", [], |row| row.get(0)).unwrap()
}

#[test]
fn a_version_is_deleted_unless_it_is_live_and_its_number_is_not_given_again() {
    let mut world = World::with_pipeline();
    world.register("simple", "v2").unwrap();
    refused(
        world.run(|tx| tx.delete_config(&key("simple"), 1, at(1))),
        Kind::Rejected,
        "VERSION_LIVE",
    );
    world.run(|tx| tx.delete_config(&key("simple"), 2, at(1))).unwrap();
    refused(
        world.run(|tx| tx.delete_config(&key("simple"), 2, at(1))),
        Kind::NotFound,
        "NOT_FOUND",
    );
    assert_eq!(world.register("simple", "v2").unwrap().version, 3);
    assert_eq!(n_bodies(&world), 2);
}

#[test]
fn versions_with_one_text_share_it() {
    let mut world = World::with_pipeline();
    world.register("simple", "v2").unwrap();
    world.register("simple", "v1").unwrap();
    assert_eq!(n_bodies(&world), 2);
    world.deploy("simple", 3).unwrap();
    world.run(|tx| tx.delete_config(&key("simple"), 1, at(1))).unwrap();
    assert_eq!(n_bodies(&world), 2, "version 3 still holds it");
    assert_eq!(
        *world.reader().config(&key("simple"), None).unwrap().config,
        config("simple", "v1")
    );
}

#[test]
fn two_orders_of_tasks_are_one_content_but_two_texts() {
    let mut world = World::with_pipeline();
    let mut turned = config("simple", "v1");
    turned.tasks.reverse();
    world.register("simple", "v2").unwrap();
    let registration = registration("default", &turned);
    let version = world.run(move |tx| tx.register(&registration, at(9))).unwrap().version;
    assert_eq!(*world.reader().config(&key("simple"), Some(version)).unwrap().config, turned);
}

#[test]
fn a_disabled_pipeline_refuses_runs_until_it_is_enabled() {
    let mut world = World::with_pipeline();
    assert!(world.run(|tx| tx.set_pipeline_enabled(&key("simple"), false, at(1))).unwrap());
    assert!(!world.run(|tx| tx.set_pipeline_enabled(&key("simple"), false, at(1))).unwrap());
    assert!(!world.reader().pipeline(&key("simple")).unwrap().enabled);
    let order = world.order("simple");
    refused(world.start_order(order), Kind::Rejected, "PIPELINE_DISABLED");
    assert!(world.run(|tx| tx.set_pipeline_enabled(&key("simple"), true, at(1))).unwrap());
    world.start("simple");
}

#[test]
fn a_dry_run_is_the_deed_undone() {
    let mut world = World::with_pipeline();
    world.register("simple", "v2").unwrap();
    let seq = world.reader().newest_seq().unwrap();
    let order = deploy_order("simple", 2);
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    let job: gofer_store::Job = Box::new(move |tx| {
        let result = tx.deploy(&order, at(50));
        gofer_store::Done::Undo(Box::new(move |end| sender.send((result, end)).unwrap()))
    });
    world.store().run_group(vec![job]).unwrap();
    let (result, end) = receiver.recv().unwrap();
    assert_eq!(result.unwrap().deployment.to, 2);
    assert!(end.is_ok());
    assert_eq!(world.reader().pipeline(&key("simple")).unwrap().live, Some(1));
    assert_eq!(world.reader().newest_seq().unwrap(), seq);
    assert_eq!(world.deploy("simple", 2).unwrap().deployment.deployment, 2, "no number was lost");
}
