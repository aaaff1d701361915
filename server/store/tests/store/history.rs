//! The history: numbers without gaps, filters, pruning.

use std::collections::BTreeSet;

use gofer_core::history::{Ended, Entry, EntryKind, Subject};
use gofer_core::ids::TaskId;
use gofer_core::problem::Kind;
use gofer_core::run::Reason;
use gofer_store::{EntryFilter, EntryRecord, Order, Progress};

use crate::support::{World, at, key, namespace, refused};

fn entry(id: &str) -> Entry {
    Entry {
        kind: EntryKind::TaskRunCompleted,
        subject: Subject {
            namespace: Some(namespace("default")),
            pipeline: Some(key(id).pipeline),
            version: Some(1),
            run: Some(2),
            task: Some(TaskId::parse("build").unwrap()),
            attempt: Some(3),
        },
        ended: Some(Ended::Failed),
        reason: Some(Reason::OutOfMemory),
        text: "wörds".into(),
    }
}

fn lost() -> Entry {
    Entry::new(EntryKind::EngineLost, Subject::default(), "gone")
}

fn seqs(records: &[EntryRecord]) -> Vec<u64> {
    records.iter().map(|record| record.seq).collect()
}

#[test]
fn entries_read_back_by_number_in_both_directions() {
    let mut world = World::new();
    assert_eq!(
        (world.reader().newest_seq().unwrap(), world.reader().oldest_seq().unwrap()),
        (0, 0)
    );
    let entries = [entry("one"), lost(), entry("two"), entry("one")];
    let last = world.run(move |tx| tx.append_entries(&entries, at(5))).unwrap();
    assert_eq!(last, Some(4));
    assert_eq!(world.run(|tx| tx.append_entries(&[], at(5))).unwrap(), None);
    let reader = world.reader();
    let first = reader.entry(1).unwrap();
    assert_eq!((first.time, &first.entry), (at(5), &entry("one")));
    refused(reader.entry(5).map(drop), Kind::NotFound, "NOT_FOUND");

    let all = EntryFilter::default();
    let list = |filter: &EntryFilter, from, limit, order| {
        seqs(&reader.entries(filter, from, limit, order).unwrap())
    };
    assert_eq!(list(&all, None, 3, Order::OldestFirst), [1, 2, 3]);
    assert_eq!(list(&all, Some(4), 3, Order::OldestFirst), [4]);
    assert_eq!(list(&all, Some(5), 3, Order::OldestFirst), [0_u64; 0]);
    assert_eq!(list(&all, Some(u64::MAX), 3, Order::OldestFirst), [0_u64; 0]);
    assert_eq!(list(&all, None, 2, Order::NewestFirst), [4, 3]);
    assert_eq!(list(&all, Some(2), 9, Order::NewestFirst), [2, 1]);

    let namespaces = Some(BTreeSet::from([namespace("default")]));
    let ours = EntryFilter { namespaces, ..all.clone() };
    assert_eq!(list(&ours, None, 9, Order::OldestFirst), [1, 3, 4]);
    let one = EntryFilter { pipeline: Some(key("one").pipeline), ..ours.clone() };
    assert_eq!(list(&one, None, 9, Order::NewestFirst), [4, 1]);
    assert_eq!(list(&one, Some(2), 9, Order::OldestFirst), [4]);
    let kinds = BTreeSet::from([EntryKind::EngineLost]);
    assert_eq!(
        list(&EntryFilter { kinds: kinds.clone(), ..all }, None, 9, Order::OldestFirst),
        [2]
    );
    assert_eq!(list(&EntryFilter { kinds, ..ours }, None, 9, Order::OldestFirst), [0_u64; 0]);
    let nothing = EntryFilter { namespaces: Some(BTreeSet::new()), ..EntryFilter::default() };
    assert_eq!(list(&nothing, None, 9, Order::OldestFirst), [0_u64; 0]);
}

#[test]
fn pruning_takes_the_old_end_and_never_the_newest_number() {
    let mut world = World::new();
    for ms in [10, 20, 5, 30] {
        world.run(move |tx| tx.append_entries(&[lost()], at(ms))).unwrap();
    }
    assert_eq!(world.run(|tx| tx.prune_history(at(15), at(2_000))).unwrap(), Progress::Done);
    assert_eq!(world.reader().oldest_seq().unwrap(), 2, "what is kept has no gap");
    assert_eq!(world.run(|tx| tx.prune_history(at(1_000), at(2_000))).unwrap(), Progress::Done);
    assert_eq!(world.reader().oldest_seq().unwrap(), 4);
    world.reopen();
    let last = world.run(|tx| tx.append_entries(&[lost()], at(40))).unwrap();
    assert_eq!(last, Some(5), "a number is not given twice");
}

#[test]
fn pruning_works_in_portions() {
    let mut world = World::new();
    let entries: Vec<Entry> = (0..12_000).map(|_| lost()).collect();
    world.run(move |tx| tx.append_entries(&entries, at(1))).unwrap();
    assert_eq!(prune_all(&mut world, 2, 3), 3);
    assert_eq!(world.reader().oldest_seq().unwrap(), 12_000);
}

/// Prunes until nothing is left to do, and gives the number of calls.
fn prune_all(world: &mut World, before: i64, now: i64) -> usize {
    let call = |world: &mut World| world.run(move |tx| tx.prune_history(at(before), at(now)));
    (1..).find(|_| call(world).unwrap() == Progress::Done).unwrap()
}

#[test]
fn entries_from_the_future_do_not_stop_the_pruning() {
    let mut world = World::new();
    let mut append = |n_entries: usize, ms: i64| {
        let entries: Vec<Entry> = (0..n_entries).map(|_| lost()).collect();
        world.run(move |tx| tx.append_entries(&entries, at(ms))).unwrap();
    };
    append(3, 10);
    append(6_000, 9_999); // the clock was ahead for a day
    append(2, 20);
    append(1, 9_999);
    append(1, 50);
    append(1, 60);
    let oldest = |world: &World| world.reader().oldest_seq().unwrap();
    prune_all(&mut world, 15, 100);
    assert_eq!(oldest(&world), 4, "nothing says how old what came then is");
    prune_all(&mut world, 30, 100);
    assert_eq!(oldest(&world), 6_006);
    prune_all(&mut world, 55, 100);
    assert_eq!(oldest(&world), 6_008);
}
