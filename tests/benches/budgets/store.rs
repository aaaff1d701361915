//! Durable steps of runs per second with many who write at once, through the store as the engine
//! drives it: a thread that takes whatever waits, one commit for all of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use gofer_core::ids::{AttemptKey, NamespaceId, PipelineId, PipelineKey, RunUid, TaskId};
use gofer_core::log::{LogState, LogSummary};
use gofer_core::pipeline::{
    Origin, OriginKind, PipelineConfig, PullPolicy, Retries, TaskConfig, content_hash,
};
use gofer_core::ports::driver::{Exit, Handle};
use gofer_core::run::{Actor, ActorKind, Event, Fact, Run, RunPolicy};
use gofer_core::time::Timestamp;
use gofer_store::{
    DeployOrder, Done, GROUP_JOBS_MAX, Job, Registration, StartRun, Store, StoreError, Tx,
};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::Size;
use crate::raw_sqlite::RawSqlite;
use crate::report::{Rate, Report, Row};

const N_WRITERS: usize = 64;
/// Blocks of each kind, one after the other.
const N_BLOCKS: usize = 4;

pub(crate) async fn measure(size: Size, report: &mut Report) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut store = open(dir.path())?;
    prepare(&mut store)?;
    let writer = Writer::start(store)?;
    let raw = RawSqlite::new()?;
    let block = Duration::from_millis(u64::try_from(size.of(2000))?);
    let (mut gofer, mut bare, mut next_uid) = (Rate::default(), Rate::default(), 1);
    for _ in 0..N_BLOCKS {
        let before = writer.counts();
        let begun = Instant::now();
        let mut writers = JoinSet::new();
        for _ in 0..N_WRITERS {
            writers.spawn(write_runs(writer.clone(), next_uid, begun + block));
            next_uid += 1_000_000;
        }
        let mut n_steps = 0;
        while let Some(ended) = writers.join_next().await {
            n_steps += ended??;
        }
        gofer.add(n_steps, begun.elapsed());
        let (n_jobs, n_groups) = writer.counts();
        let n_rows = (n_jobs - before.0).div_ceil((n_groups - before.1).max(1));
        let begun = Instant::now();
        while begun.elapsed() < block {
            bare.add(n_rows, raw.commit(n_rows)?);
        }
    }
    let (n_jobs, n_groups) = writer.counts();
    report.row(Row {
        what: "durable state transitions, 64 writers",
        measured: format!("{gofer} ({} to a commit)", n_jobs.div_ceil(n_groups.max(1))),
        reference: format!("SQLite, as many rows to a commit: {bare}"),
        ratio: Some(gofer.per_s() / bare.per_s()),
        budget: "≥ 5000/s",
        met: Some(gofer.per_s() >= 5000.0),
    });
    Ok(())
}

/// Takes runs of one task from start to settled, one after another; gives the number of steps.
async fn write_runs(writer: Writer, first_uid: u64, end: Instant) -> Result<usize> {
    let mut n_steps = 0;
    for n in first_uid.. {
        if Instant::now() >= end {
            break;
        }
        let (order, uid) = (order(n)?, uid(n)?);
        let mut run = writer.call(move |tx| Ok(tx.start_run(&order, at(1))?.run)).await?;
        n_steps += 1;
        for fact in facts(&uid)? {
            let step = run.step(Event::Fact(fact), at(2))?;
            run = writer
                .call(move |tx| {
                    tx.save_run(&run, &step.next, &step.emitted, at(2)).map(|()| step.next)
                })
                .await?;
            n_steps += 1;
        }
    }
    Ok(n_steps)
}

/// The store's thread.
#[derive(Clone)]
struct Writer {
    jobs: mpsc::Sender<Job>,
    n_jobs: Arc<AtomicUsize>,
    n_groups: Arc<AtomicUsize>,
}

impl Writer {
    fn start(mut store: Store) -> Result<Self> {
        let (jobs, mut inbox) = mpsc::channel::<Job>(2 * GROUP_JOBS_MAX);
        let writer = Self { jobs, n_jobs: Arc::default(), n_groups: Arc::default() };
        let (n_jobs, n_groups) = (Arc::clone(&writer.n_jobs), Arc::clone(&writer.n_groups));
        std::thread::Builder::new().spawn(move || {
            while let Some(first) = inbox.blocking_recv() {
                let mut group = vec![first];
                while group.len() < GROUP_JOBS_MAX
                    && let Ok(job) = inbox.try_recv()
                {
                    group.push(job);
                }
                n_jobs.fetch_add(group.len(), Ordering::Relaxed);
                n_groups.fetch_add(1, Ordering::Relaxed);
                // The jobs are told of a fault, and say so.
                store.run_group(group).ok();
            }
        })?;
        Ok(writer)
    }

    fn counts(&self) -> (usize, usize) {
        (self.n_jobs.load(Ordering::Relaxed), self.n_groups.load(Ordering::Relaxed))
    }

    async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T> {
        let (job, answer) = job(work);
        self.jobs.send(job).await.map_err(|_| anyhow!("the store's thread ended"))?;
        Ok(answer.await??)
    }
}

/// A job, and where its answer comes after the commit.
pub(crate) fn job<T: Send + 'static>(
    work: impl FnOnce(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
) -> (Job, oneshot::Receiver<Result<T, StoreError>>) {
    let (tell, answer) = oneshot::channel();
    let job: Job = Box::new(move |tx| {
        let done = work(tx);
        Done::Keep(Box::new(move |end| {
            // Nobody waits where the bench has ended.
            tell.send(done.and_then(|value| end.map(|()| value))).ok();
        }))
    });
    (job, answer)
}

pub(crate) fn open(dir: &std::path::Path) -> Result<Store> {
    Ok(Store::open(dir, &uid(0)?, at(0))?)
}

/// Makes the pipeline `bench:seeded` with one task, live.
pub(crate) fn prepare(store: &mut Store) -> Result<()> {
    let config = config()?;
    let deploy = DeployOrder {
        key: key()?,
        version: 1,
        base: None,
        version_limit: 5,
        by: somebody(),
        reason: String::new(),
    };
    let registration = Registration {
        namespace: key()?.namespace,
        content_hash: content_hash(&config),
        config,
        origin: Origin { kind: OriginKind::Api, git_commit: None, git_dirty: false, author: None },
        by: somebody(),
    };
    let (job, mut answer) = job(move |tx| {
        tx.create_namespace(&registration.namespace, "", "", at(0))?;
        tx.register(&registration, at(0))?;
        tx.deploy(&deploy, at(0))
    });
    store.run_group(vec![job])?;
    answer.try_recv().context("the answer of a job")??;
    Ok(())
}

/// The facts that take a run of one task to its settled end.
pub(crate) fn facts(uid: &RunUid) -> Result<[Fact; 4]> {
    let task = TaskId::parse("work")?;
    let key = AttemptKey { uid: uid.clone(), task: task.clone(), attempt: 1 };
    let container = Handle { key, id: "0".repeat(64) };
    let exit = Exit { code: 0, oom: false, interrupted: false, started_ms: Some(1), ended_ms: 2 };
    let log = LogSummary { state: LogState::Sealed, bytes: 100, lines: 1 };
    let digest = Some(format!("quick@sha256:{}", "0".repeat(64)));
    Ok([
        Fact::Admitted,
        Fact::Started {
            task: task.clone(),
            attempt: 1,
            container: container.clone(),
            digest,
            pull: None,
            at: at(1),
        },
        Fact::Exited { task: task.clone(), attempt: 1, container, exit },
        Fact::Collected { task, attempt: 1, log },
    ])
}

/// Takes a run through all of its life in memory and writes the end.
pub(crate) fn settle(tx: &Tx<'_>, run: &Run, uid: &RunUid) -> Result<(), StoreError> {
    let facts = facts(uid).into_iter().flatten();
    let stepped = facts.fold(run.clone(), |run, fact| match run.step(Event::Fact(fact), at(2)) {
        Ok(step) => step.next,
        Err(_facts_are_never_rejected) => run,
    });
    tx.save_run(run, &stepped, &[], at(2))
}

pub(crate) fn order(n: u64) -> Result<StartRun> {
    Ok(StartRun {
        key: key()?,
        version: None,
        variables: BTreeMap::from([("WHO".to_owned(), "bench".to_owned())]),
        idempotency_key: None,
        initiator: somebody(),
        reason: String::new(),
        retry_of: None,
        uid: uid(n)?,
        policy: RunPolicy::default(),
        server_parallelism: 0,
    })
}

pub(crate) fn uid(n: u64) -> Result<RunUid> {
    Ok(RunUid::parse(&format!("{n:026}"))?)
}

fn key() -> Result<PipelineKey> {
    let namespace = NamespaceId::parse(crate::scene::NAMESPACE)?;
    Ok(PipelineKey { namespace, pipeline: PipelineId::parse("seeded")? })
}

fn somebody() -> Actor {
    Actor { kind: ActorKind::User, name: "bench".to_owned() }
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_ms(ms)
}

fn config() -> Result<PipelineConfig> {
    let work = TaskConfig {
        id: TaskId::parse("work")?,
        description: String::new(),
        image: "quick".to_owned(),
        registry_auth: None,
        pull_policy: PullPolicy::IfNotPresent,
        depends_on: Vec::new(),
        variables: BTreeMap::new(),
        entrypoint: Vec::new(),
        command: vec!["true".to_owned()],
        script: None,
        retries: Retries::NONE,
        timeout_ms: None,
        cpu_milli: None,
        memory_bytes: None,
        user: None,
        workdir: None,
        labels: BTreeMap::new(),
    };
    Ok(PipelineConfig {
        id: key()?.pipeline,
        name: String::new(),
        description: String::new(),
        parallelism: 0,
        timeout_ms: None,
        tasks: vec![work],
    })
}
