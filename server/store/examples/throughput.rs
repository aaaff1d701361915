#![allow(warnings)]
#[path = "../tests/store/support.rs"]
mod support;
use gofer_core::run::*;
use gofer_store::*;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Instant;
use support::*;

fn writer(mut store: Store, rx: Receiver<Job>) -> thread::JoinHandle<(Store, u64)> {
    thread::spawn(move || {
        let mut groups = 0;
        while let Ok(first) = rx.recv() {
            let mut jobs = vec![first];
            while jobs.len() < 512 {
                match rx.try_recv() {
                    Ok(j) => jobs.push(j),
                    Err(_) => break,
                }
            }
            store.run_group(jobs).unwrap();
            groups += 1;
        }
        (store, groups)
    })
}
fn call<T: Send + 'static>(
    tx: &SyncSender<Job>,
    f: impl FnOnce(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
) -> T {
    let (s, r) = sync_channel(1);
    tx.send(Box::new(move |t: &Tx<'_>| {
        let v = f(t);
        if v.is_ok() {
            Done::Keep(Box::new(move |e| {
                e.unwrap();
                s.send(v.unwrap()).unwrap();
            }))
        } else {
            println!("{:?}", v.as_ref().err());
            Done::Undo(Box::new(move |_| {}))
        }
    }))
    .unwrap();
    r.recv().unwrap()
}
fn main() {
    let base = std::env::args().nth(1).unwrap();
    let dir = tempfile::tempdir_in(base).unwrap();
    let mut store = Store::open(dir.path(), &uid(0), at(0)).unwrap();
    let n_pipes = 8;
    for n in 0..n_pipes {
        let id = format!("pipe{n}");
        let reg = registration("default", &config(&id, "v1"));
        let (j, a) = job(move |tx| tx.register(&reg, at(1)));
        store.run_group(vec![j]).unwrap();
        a().unwrap();
        let o = deploy_order(&id, 1);
        let (j, a) = job(move |tx| tx.deploy(&o, at(1)));
        store.run_group(vec![j]).unwrap();
        a().unwrap();
    }
    let mut uids = 0u64;
    for &(threads, per) in &[(16usize, 1500usize), (64, 500), (1, 500)] {
        let (tx, rx) = sync_channel::<Job>(512);
        let h = writer(store, rx);
        let t = Instant::now();
        let hs: Vec<_> = (0..threads)
            .map(|k| {
                let tx = tx.clone();
                let u0 = uids + (k * per) as u64 + 1;
                thread::spawn(move || {
                    for i in 0..per {
                        let o =
                            World::order_with_uid(&format!("pipe{}", k % 8), uid(u0 + i as u64));
                        call(&tx, move |t| t.start_run(&o, at(5)));
                    }
                })
            })
            .collect();
        for h in hs {
            h.join().unwrap();
        }
        let el = t.elapsed().as_secs_f64();
        uids += (threads * per) as u64;
        drop(tx);
        let (s, g) = h.join().unwrap();
        store = s;
        println!(
            "start_run {threads} clients: {:.0}/s, {:.1} a commit, {:.2} ms each",
            (threads * per) as f64 / el,
            (threads * per) as f64 / g as f64,
            el * 1000.0 * threads as f64 / (threads * per) as f64
        );
    }
    for &threads in &[64usize, 16, 1] {
        let (tx, rx) = sync_channel::<Job>(512);
        let h = writer(store, rx);
        let per = 200;
        let steps = 5;
        // runs to step
        let mut runs = vec![];
        for k in 0..threads {
            let mut v = vec![];
            for i in 0..per {
                uids += 1;
                let o = World::order_with_uid(&format!("pipe{}", k % 8), uid(uids));
                v.push(o);
            }
            runs.push(v);
        }
        let hs: Vec<_> = runs
            .into_iter()
            .map(|v| {
                let tx = tx.clone();
                thread::spawn(move || {
                    v.into_iter()
                        .map(|o| call(&tx, move |t| t.start_run(&o, at(5))).run)
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        let runs: Vec<Vec<Run>> = hs.into_iter().map(|h| h.join().unwrap()).collect();
        let t = Instant::now();
        let hs: Vec<_> = runs
            .into_iter()
            .map(|v| {
                let tx = tx.clone();
                thread::spawn(move || {
                    for run in v {
                        let mut run = run;
                        for f in [
                            Fact::Admitted,
                            exited("build"),
                            exited("test"),
                            collected("build", 1),
                            collected("test", 1),
                        ] {
                            let step = run.step(Event::Fact(f), at(9)).unwrap();
                            let next = step.next.clone();
                            let before = run;
                            call(&tx, move |t| {
                                t.save_run(&before, &step.next, &step.emitted, at(9))
                            });
                            run = next;
                        }
                    }
                })
            })
            .collect();
        for h in hs {
            h.join().unwrap();
        }
        let el = t.elapsed().as_secs_f64();
        drop(tx);
        let (s, g) = h.join().unwrap();
        store = s;
        println!(
            "save_run {threads} writers: {:.0}/s, {:.2} ms each",
            (threads * per * steps) as f64 / el,
            el * 1000.0 / (per * steps) as f64
        );
    }
    println!(
        "db {} MB, wal {} MB",
        std::fs::metadata(dir.path().join("gofer.db")).unwrap().len() >> 20,
        std::fs::metadata(dir.path().join("gofer.db-wal")).unwrap().len() >> 20
    );
    // grow to 100k runs
    let have = store.reader().unwrap().run_uids().unwrap().len();
    for _ in (have..100_000).step_by(500) {
        let jobs: Vec<Job> = (0..500)
            .map(|i| {
                uids += 1;
                let o = World::order_with_uid(&format!("pipe{}", i % 8), uid(uids));
                let j: Job = Box::new(move |t: &Tx<'_>| {
                    let run = t.start_run(&o, at(uids as i64)).unwrap().run;
                    let mut done = run.clone();
                    done.generation = 1;
                    done.state = RunState::Complete {
                        started: None,
                        ended: at(9),
                        outcome: RunOutcome {
                            status: RunStatus::Successful,
                            reason: None,
                            text: "2 of 2 task runs successful".into(),
                        },
                        cancel: None,
                    };
                    t.save_run(&run, &done, &[], at(9)).unwrap();
                    Done::Keep(Box::new(|e| e.unwrap()))
                });
                j
            })
            .collect();
        store.run_group(jobs).unwrap();
    }
    drop(store);
    let t = Instant::now();
    let mut store = Store::open(dir.path(), &uid(0), at(0)).unwrap();
    let r = store.reader().unwrap();
    println!("open {:?}", t.elapsed());
    let time = |what: &str, f: &dyn Fn()| {
        let t = Instant::now();
        f();
        println!("{what}: {:?}", t.elapsed());
    };
    time("active_runs", &|| {
        println!("{} active", r.active_runs().unwrap().len());
    });
    time("runs page ns", &|| {
        println!("total {}", r.runs(&everything(), &page(50, None)).unwrap().total);
    });
    let f = RunFilter { statuses: [RunStatus::Failed].into(), ..everything() };
    time("runs failed", &|| {
        println!("total {}", r.runs(&f, &page(50, None)).unwrap().total);
    });
    let f = RunFilter { pipeline: Some(key("pipe0").pipeline), ..everything() };
    time("runs pipe", &|| {
        println!("total {}", r.runs(&f, &page(50, None)).unwrap().total);
    });
    let f = RunFilter {
        pipeline: Some(key("pipe0").pipeline),
        states: [StateKind::Running].into(),
        ..everything()
    };
    time("runs pipe running", &|| {
        println!("total {}", r.runs(&f, &page(50, None)).unwrap().total);
    });
    time("pipelines", &|| {
        r.pipelines(&namespace("default"), &page(50, None)).unwrap();
    });
    time("run", &|| {
        r.run(&run_key("pipe0", 77)).unwrap();
    });
    time("expired", &|| {
        println!("{}", r.expired_logs(&key("pipe0"), 20).unwrap().len());
    });
    time("log_owners", &|| {
        r.log_owners().unwrap();
    });
    time("entries", &|| {
        r.entries(&EntryFilter::default(), None, 100, Order::NewestFirst).unwrap();
    });
    time("entries ns", &|| {
        r.entries(
            &EntryFilter { namespaces: Some([namespace("default")].into()), ..Default::default() },
            None,
            100,
            Order::NewestFirst,
        )
        .unwrap();
    });
    time("entries ns none", &|| {
        r.entries(
            &EntryFilter { namespaces: Some([namespace("nothing")].into()), ..Default::default() },
            None,
            100,
            Order::NewestFirst,
        )
        .unwrap();
    });
    time("entries pipe", &|| {
        r.entries(
            &EntryFilter {
                namespaces: Some([namespace("default")].into()),
                pipeline: Some(key("pipe0").pipeline),
                ..Default::default()
            },
            None,
            100,
            Order::NewestFirst,
        )
        .unwrap();
    });
    time("deletion report", &|| {
        println!("{:?}", r.pipeline_deletion(&key("pipe0")).unwrap());
    });
    let t = Instant::now();
    store.checkpoint().unwrap();
    println!("checkpoint {:?}", t.elapsed());
    let t = Instant::now();
    let (j, a) = job(|tx| tx.begin_delete_pipeline(&key("pipe1"), at(9)));
    store.run_group(vec![j]).unwrap();
    a().unwrap();
    let (j, a) = job(|tx| tx.finish_delete_pipeline(&key("pipe1"), at(9)));
    store.run_group(vec![j]).unwrap();
    println!("{:?}", a().map(|_| ()));
    println!("portion {:?}", t.elapsed());
    let statm = std::fs::read_to_string("/proc/self/status").unwrap();
    for l in statm.lines() {
        if l.starts_with("VmRSS") {
            println!("{l}");
        }
    }
}
