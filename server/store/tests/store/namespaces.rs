//! Namespaces, and the door of the whole server.

use std::collections::BTreeSet;

use gofer_core::history::EntryKind;
use gofer_core::problem::Kind;
use gofer_store::{EntryFilter, NamespaceChange, Order};

use crate::support::{World, at, namespace, page, problem, refused};

#[test]
fn the_default_namespace_is_there_from_the_beginning() {
    let world = World::new();
    let default = world.reader().namespace(&namespace("default")).unwrap();
    assert_eq!(
        (default.name.as_str(), default.created, default.deleting),
        ("default", at(0), false)
    );
}

#[test]
fn a_namespace_is_made_changed_and_told_of() {
    let mut world = World::new();
    let made = world.run(|tx| tx.create_namespace(&namespace("team"), "", "ours", at(5))).unwrap();
    assert_eq!((made.name.as_str(), made.description.as_str()), ("team", "ours"));
    let taken = world.run(|tx| tx.create_namespace(&namespace("team"), "x", "", at(6)));
    refused(taken, Kind::AlreadyExists, "NAMESPACE_EXISTS");

    let change = NamespaceChange { name: Some("The Team".into()), description: None };
    let same = change.clone();
    world.run(move |tx| tx.update_namespace(&namespace("team"), &change, at(7))).unwrap();
    let now = world.run(move |tx| tx.update_namespace(&namespace("team"), &same, at(8))).unwrap();
    assert_eq!((now.name.as_str(), now.created, now.updated), ("The Team", at(5), at(7)));

    let entries =
        world.reader().entries(&EntryFilter::default(), None, 10, Order::OldestFirst).unwrap();
    let kinds: Vec<EntryKind> = entries.iter().map(|record| record.entry.kind).collect();
    assert_eq!(kinds, [EntryKind::NamespaceCreated, EntryKind::NamespaceUpdated]);
    assert_eq!(entries[1].time, at(7));
}

#[test]
fn a_namespace_that_is_not_there_offers_the_nearest() {
    let world = World::new();
    let problem = problem(world.reader().namespace(&namespace("defualt")));
    assert_eq!((problem.kind, problem.nearest), (Kind::NotFound, vec!["default".to_owned()]));
}

#[test]
fn a_list_shows_only_what_the_caller_may_see() {
    let mut world = World::new();
    for id in ["aaa", "bbb", "ccc"] {
        world.run(move |tx| tx.create_namespace(&namespace(id), "", "", at(1))).unwrap();
    }
    let visible = BTreeSet::from([namespace("bbb"), namespace("default"), namespace("nope")]);
    let seen = world.reader().namespaces(Some(&visible), &page(10, None)).unwrap();
    let ids: Vec<&str> = seen.items.iter().map(|item| item.id.as_str()).collect();
    assert_eq!((ids, seen.total), (vec!["bbb", "default"], 2));
    assert_eq!(world.reader().namespaces(None, &page(10, None)).unwrap().total, 4);
}

#[test]
fn the_door_is_shut_and_opened_and_only_changes_are_told() {
    let mut world = World::with_pipeline();
    let seq = world.reader().newest_seq().unwrap();
    assert!(world.run(|tx| tx.set_ingress(false, at(1))).unwrap());
    assert!(!world.run(|tx| tx.set_ingress(false, at(2))).unwrap());
    assert!(!world.reader().ingress().unwrap());
    let order = world.order("simple");
    refused(world.start_order(order), Kind::Rejected, "INGRESS_OFF");
    world.reopen();
    assert!(!world.reader().ingress().unwrap(), "a restart does not open the door");
    assert!(world.run(|tx| tx.set_ingress(true, at(3))).unwrap());
    world.start("simple");
    assert_eq!(world.reader().newest_seq().unwrap(), seq + 3);
}
