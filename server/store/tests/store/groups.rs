//! Groups of jobs: one commit, and no job in another's way.

use std::sync::mpsc::sync_channel;

use gofer_core::problem::Kind;
use gofer_store::{Done, Job, StartRun, StoreError};

use crate::support::{World, at, everything, job, key, page, run_key};

#[test]
fn starts_of_one_group_get_consecutive_numbers() {
    let mut world = World::with_pipeline();
    let orders: Vec<StartRun> = (0..20 * 16).map(|_| world.order("simple")).collect();
    let (jobs, answers): (Vec<_>, Vec<_>) =
        orders.into_iter().map(|order| job(move |tx| tx.start_run(&order, at(9)))).unzip();
    world.store().run_group(jobs).unwrap();
    let numbers: Vec<u64> =
        answers.into_iter().map(|answer| answer().unwrap().run.spec.key.run).collect();
    assert_eq!(numbers, (1..=320).collect::<Vec<u64>>());
}

#[test]
fn a_job_that_fails_changes_nothing_and_leaves_no_gap() {
    let mut world = World::with_pipeline();
    let seq = world.reader().newest_seq().unwrap();
    let orders: Vec<StartRun> = (0..5).map(|_| world.order("simple")).collect();
    let taken = orders[0].uid.clone();
    let (jobs, answers): (Vec<_>, Vec<_>) = orders
        .into_iter()
        .zip(0..)
        .map(|(order, n)| {
            let taken = taken.clone();
            job(move |tx| {
                let started = tx.start_run(&order, at(9))?;
                match n {
                    // A rule says no after the run was written.
                    1 => tx.delete_config(&key("simple"), 1, at(9))?,
                    // The database says no: the unique id is taken.
                    3 => drop(tx.start_run(&StartRun { uid: taken, ..order }, at(9))?),
                    _ => {}
                }
                Ok(started.run.spec.key.run)
            })
        })
        .unzip();
    world.store().run_group(jobs).unwrap();
    let answers: Vec<_> = answers.into_iter().map(|answer| answer()).collect();
    let shown: Vec<String> = answers.iter().map(|answer| format!("{answer:?}")).collect();
    assert!(matches!(answers[0], Ok(1)), "{shown:?}");
    assert!(
        matches!(&answers[1], Err(StoreError::Problem(p)) if p.kind == Kind::Rejected),
        "{shown:?}"
    );
    assert!(matches!(answers[2], Ok(2)), "{shown:?}");
    assert!(matches!(answers[3], Err(StoreError::Sql(_))), "{shown:?}");
    assert!(matches!(answers[4], Ok(3)), "{shown:?}");
    let reader = world.reader();
    assert_eq!(reader.runs(&everything(), &page(10, None)).unwrap().total, 3);
    assert_eq!(reader.newest_seq().unwrap(), seq + 3);
    assert_eq!(world.start("simple").spec.key.run, 4);
}

#[test]
fn a_job_that_met_a_fault_is_undone_whatever_it_says() {
    let mut world = World::with_pipeline();
    let (first, second) = (world.order("simple"), world.order("simple"));
    let (sender, receiver) = sync_channel(1);
    let job: Job = Box::new(move |tx| {
        tx.start_run(&first, at(9)).unwrap();
        assert!(tx.start_run(&first, at(9)).is_err(), "the unique id is taken");
        let after = tx.start_run(&second, at(9));
        assert!(matches!(after, Err(StoreError::NotCommitted(_))), "{after:?}");
        Done::Keep(Box::new(move |end| sender.send(end).unwrap()))
    });
    world.store().run_group(vec![job]).unwrap();
    assert!(receiver.recv().unwrap().is_err());
    assert_eq!(world.reader().runs(&everything(), &page(10, None)).unwrap().total, 0);
}

#[test]
fn completions_come_in_order_and_after_the_commit() {
    let mut world = World::with_pipeline();
    let (sender, receiver) = sync_channel(8);
    let jobs: Vec<Job> = (1..=8_u64)
        .map(|n| -> Job {
            let (order, sender, reader) = (world.order("simple"), sender.clone(), world.reader());
            Box::new(move |tx| {
                let run = tx.start_run(&order, at(9)).unwrap().run;
                assert!(reader.run(&run.spec.key).is_err(), "not committed yet");
                Done::Keep(Box::new(move |end| {
                    end.unwrap();
                    assert!(reader.run(&run_key("simple", 8)).is_ok(), "all were committed");
                    sender.send(n).unwrap();
                }))
            })
        })
        .collect();
    drop(sender);
    world.store().run_group(jobs).unwrap();
    assert_eq!(receiver.iter().collect::<Vec<_>>(), (1..=8).collect::<Vec<_>>());
}

#[test]
fn a_snapshot_sees_one_state_through_several_reads() {
    let mut world = World::with_pipeline();
    let reader = world.reader();
    let (before, after) = reader
        .snapshot(|view| {
            let before = view.newest_seq()?;
            world.start("simple");
            Ok((before, view.newest_seq()?))
        })
        .unwrap();
    assert_eq!(before, after);
    assert_eq!(reader.newest_seq().unwrap(), after + 1);
}

#[test]
fn an_empty_group_and_a_checkpoint_are_harmless() {
    let mut world = World::with_pipeline();
    world.store().run_group(Vec::new()).unwrap();
    world.store().checkpoint().unwrap();
    let log = world.dir.path().join("gofer.db-wal");
    assert_eq!(std::fs::metadata(log).unwrap().len(), 0);
    assert!(world.store().free_bytes().unwrap() > 0);
}
