//! The server that is killed, and the one that comes after it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use gofer_core::run::{Event, Fact};
use gofer_store::{Done, EntryFilter, Job, Order, PageRequest, Store};

use crate::support::{World, at, config, deploy_order, everything, registration, run_key, uid};

const DIR_VARIABLE: &str = "GOFER_STORE_TEST_DIR";
const ROUNDS: u64 = 6;
/// Answers after which the child is killed; it goes on writing until then.
const ANSWERS: usize = 300;

/// The child: writes and tells what was answered, until it is killed.
fn write_until_killed(dir: &Path) -> ! {
    let mut store = Store::open(dir, &uid(0), at(0)).unwrap();
    let mut n = u64::try_from(store.reader().unwrap().active_runs().unwrap().len()).unwrap();
    loop {
        let jobs = (0..7)
            .map(|_| {
                n += 1;
                start_and_admit(n)
            })
            .collect();
        store.run_group(jobs).unwrap();
    }
}

/// Starts a run and admits it in one job; the answer goes to standard output.
fn start_and_admit(n: u64) -> Job {
    let mut order = World::order_with_uid("simple", uid(1_000 + n));
    order.idempotency_key = Some(format!("k{n}"));
    Box::new(move |tx| {
        let run = tx.start_run(&order, at(9)).unwrap().run;
        let step = run.step(Event::Fact(Fact::Admitted), at(9)).unwrap();
        tx.save_run(&run, &step.next, &step.emitted, at(9)).unwrap();
        let seq = tx.newest_seq();
        Done::Keep(Box::new(move |end| {
            end.unwrap();
            let mut out = std::io::stdout().lock();
            writeln!(out, "answered {} {} {seq}", run.spec.key.run, run.spec.uid).unwrap();
            out.flush().unwrap();
        }))
    })
}

/// Lets a child write, kills it, and gives what it had answered by then.
fn write_and_kill(dir: &Path) -> Vec<(u64, String, u64)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::a_killed_server_has_kept_all_that_it_answered", "--nocapture"])
        .env(DIR_VARIABLE, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut answers = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        // The test runner's own words may stand before the first answer.
        let Some((_, answer)) = line.split_once("answered ") else { continue };
        let words: Vec<&str> = answer.split(' ').collect();
        let [run, uid, seq] = words[..] else { continue }; // the kill may cut the last line
        answers.push((run.parse().unwrap(), uid.to_owned(), seq.parse().unwrap()));
        if answers.len() == ANSWERS {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    answers
}

fn check(dir: &Path, answers: &[(u64, String, u64)]) {
    let store = Store::open(dir, &uid(0), at(0)).unwrap();
    let reader = store.reader().unwrap();
    let newest = reader.newest_seq().unwrap();
    for (number, uid, seq) in answers {
        let run = reader.run(&run_key("simple", *number)).unwrap();
        assert_eq!((run.spec.uid.as_str(), run.generation), (uid.as_str(), 1), "run {number}");
        assert!(*seq <= newest);
    }
    let runs = reader.active_runs().unwrap();
    let numbers: Vec<u64> = runs.iter().map(|run| run.spec.key.run).collect();
    assert_eq!(
        numbers,
        (1..=numbers.len() as u64).collect::<Vec<_>>(),
        "no gap, nothing half done"
    );
    assert!(runs.iter().all(|run| run.generation == 1 && run.tasks.len() == 2));
    let total = reader.runs(&everything(), &PageRequest::default()).unwrap().total;
    assert_eq!(total, numbers.len() as u64);
    // Two for the pipeline, two for each run, numbered without a gap.
    assert_eq!(newest, 2 + 2 * total);
    let last = reader.entries(&EntryFilter::default(), None, 500, Order::NewestFirst).unwrap();
    assert!(last.windows(2).all(|pair| pair[0].seq == pair[1].seq + 1));
}

#[test]
fn a_killed_server_has_kept_all_that_it_answered() {
    if let Some(dir) = std::env::var_os(DIR_VARIABLE) {
        write_until_killed(Path::new(&dir)); // this process is the child
    }
    let mut world = World::new();
    let first = registration("default", &config("simple", "v1"));
    world.run(move |tx| tx.register(&first, at(1))).unwrap();
    world.run(|tx| tx.deploy(&deploy_order("simple", 1), at(1))).unwrap();
    world.store = None;
    let mut answers = Vec::new();
    for _ in 0..ROUNDS {
        answers.extend(write_and_kill(world.dir.path()));
        check(world.dir.path(), &answers);
    }
    assert!(answers.len() >= ANSWERS * usize::try_from(ROUNDS).unwrap());
}
