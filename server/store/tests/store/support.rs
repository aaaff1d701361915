//! A store in a directory of its own, and short ways to make things in it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::sync_channel;

use gofer_core::ids::{
    AttemptKey, InstanceId, NamespaceId, PipelineId, PipelineKey, RunKey, RunUid, TaskId, Version,
};
use gofer_core::log::{LogState, LogSummary};
use gofer_core::pipeline::{
    Dependency, Need, Origin, OriginKind, PipelineConfig, PullPolicy, Retries, TaskConfig,
    content_hash,
};
use gofer_core::ports::driver::{Exit, Handle};
use gofer_core::problem::{Kind, Problem};
use gofer_core::run::{Actor, ActorKind, Event, Fact, Run, RunPolicy};
use gofer_core::time::Timestamp;
use gofer_store::{
    Completion, DeployOrder, Deployed, Done, Job, PageRequest, Reader, Registered, Registration,
    RunFilter, StartRun, Started, Store, StoreError, Tx,
};
use tempfile::TempDir;

pub(crate) struct World {
    pub(crate) dir: TempDir,
    pub(crate) store: Option<Store>,
    clock_ms: i64,
    n_uids: u64,
}

pub(crate) type Answer<T> = Result<T, StoreError>;

impl World {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), &uid(0), at(0)).unwrap();
        Self { dir, store: Some(store), clock_ms: 1_000, n_uids: 0 }
    }

    /// A world with pipeline `default:simple`, version 1 live.
    pub(crate) fn with_pipeline() -> Self {
        let mut world = Self::new();
        world.up("simple", "v1");
        world
    }

    pub(crate) fn store(&mut self) -> &mut Store {
        self.store.as_mut().unwrap()
    }

    pub(crate) fn reader(&self) -> Reader {
        self.store.as_ref().unwrap().reader().unwrap()
    }

    /// Closes the store and opens it again.
    pub(crate) fn reopen(&mut self) {
        self.store = None;
        let store = Store::open(self.dir.path(), &uid(999), at(self.clock_ms)).unwrap();
        self.store = Some(store);
    }

    pub(crate) fn now(&mut self) -> Timestamp {
        self.clock_ms += 1;
        at(self.clock_ms)
    }

    pub(crate) fn fresh_uid(&mut self) -> RunUid {
        self.n_uids += 1;
        uid(self.n_uids)
    }

    /// Runs one job in a group of its own; an error undoes it.
    pub(crate) fn run<T: Send + 'static>(
        &mut self,
        f: impl FnOnce(&Tx<'_>) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        let (job, answer) = job(f);
        self.store().run_group(vec![job]).unwrap();
        answer()
    }

    /// Registers a pipeline whose content depends on `content`, and makes that version live.
    pub(crate) fn up(&mut self, id: &str, content: &str) -> Version {
        let version = self.register(id, content).unwrap().version;
        self.deploy(id, version).unwrap();
        version
    }

    pub(crate) fn register(&mut self, id: &str, content: &str) -> Answer<Registered> {
        let now = self.now();
        let registration = registration("default", &config(id, content));
        self.run(move |tx| tx.register(&registration, now))
    }

    pub(crate) fn deploy(&mut self, id: &str, version: Version) -> Answer<Deployed> {
        let now = self.now();
        let order = deploy_order(id, version);
        self.run(move |tx| tx.deploy(&order, now))
    }

    pub(crate) fn order(&mut self, id: &str) -> StartRun {
        let uid = self.fresh_uid();
        Self::order_with_uid(id, uid)
    }

    pub(crate) fn order_with_uid(id: &str, uid: RunUid) -> StartRun {
        StartRun {
            key: key(id),
            version: None,
            variables: BTreeMap::from([("WHO".into(), "me".into())]),
            idempotency_key: None,
            initiator: ann(),
            reason: "because".into(),
            retry_of: None,
            uid,
            policy: RunPolicy::default(),
            server_parallelism: 0,
        }
    }

    pub(crate) fn start(&mut self, id: &str) -> Run {
        let order = self.order(id);
        self.start_order(order).unwrap().run
    }

    pub(crate) fn start_order(&mut self, order: StartRun) -> Answer<Started> {
        let now = self.now();
        self.run(move |tx| tx.start_run(&order, now))
    }

    /// Commits one step of a run.
    pub(crate) fn step(&mut self, run: &Run, fact: Fact) -> Run {
        self.event(run, Event::Fact(fact))
    }

    pub(crate) fn event(&mut self, run: &Run, event: Event) -> Run {
        let now = self.now();
        let (before, step) = (run.clone(), run.step(event, now).unwrap());
        let next = step.next.clone();
        self.run(move |tx| tx.save_run(&before, &step.next, &step.emitted, now)).unwrap();
        next
    }

    /// Takes a run of the two tasks of [`config`] to its settled end.
    pub(crate) fn settle(&mut self, run: &Run) -> Run {
        let facts = vec![
            Fact::Admitted,
            exited("build"),
            exited("test"),
            collected("build", 100),
            collected("test", 23),
        ];
        let settled = facts.into_iter().fold(run.clone(), |run, fact| self.step(&run, fact));
        assert!(settled.is_settled());
        settled
    }
}

/// A job and a way to its answer, as an engine would make them.
pub(crate) fn job<T: Send + 'static>(
    f: impl FnOnce(&Tx<'_>) -> Answer<T> + Send + 'static,
) -> (Job, impl FnOnce() -> Answer<T>) {
    let (sender, receiver) = sync_channel(1);
    let job: Job = Box::new(move |tx| {
        let result = f(tx);
        let keep = result.is_ok();
        let completion: Completion = Box::new(move |end| {
            sender.send(result.and_then(|value| end.map(|()| value))).unwrap();
        });
        if keep { Done::Keep(completion) } else { Done::Undo(completion) }
    });
    (job, move || receiver.try_recv().expect("the job was answered before run_group returned"))
}

pub(crate) fn at(ms: i64) -> Timestamp {
    Timestamp::from_ms(ms)
}

pub(crate) fn uid(n: u64) -> InstanceId {
    RunUid::parse(&format!("{n:026}")).unwrap()
}

pub(crate) fn namespace(id: &str) -> NamespaceId {
    NamespaceId::parse(id).unwrap()
}

pub(crate) fn key(id: &str) -> PipelineKey {
    PipelineKey { namespace: namespace("default"), pipeline: PipelineId::parse(id).unwrap() }
}

pub(crate) fn run_key(id: &str, run: u64) -> RunKey {
    RunKey { pipeline: key(id), run }
}

pub(crate) fn ann() -> Actor {
    Actor { kind: ActorKind::User, name: "ann".into() }
}

pub(crate) fn origin() -> Origin {
    Origin { kind: OriginKind::Up, git_commit: Some("abc".into()), git_dirty: true, author: None }
}

pub(crate) fn registration(in_namespace: &str, config: &PipelineConfig) -> Registration {
    Registration {
        namespace: namespace(in_namespace),
        config: config.clone(),
        content_hash: content_hash(config),
        origin: origin(),
        by: ann(),
    }
}

pub(crate) fn deploy_order(id: &str, version: Version) -> DeployOrder {
    DeployOrder {
        key: key(id),
        version,
        base: None,
        version_limit: 5,
        by: ann(),
        reason: "it is time".into(),
    }
}

fn task(id: &str) -> TaskConfig {
    TaskConfig {
        id: TaskId::parse(id).unwrap(),
        description: String::new(),
        image: "alpine".into(),
        registry_auth: None,
        pull_policy: PullPolicy::IfNotPresent,
        depends_on: Vec::new(),
        variables: BTreeMap::new(),
        entrypoint: Vec::new(),
        command: vec!["true".into()],
        script: None,
        retries: Retries::NONE,
        timeout_ms: None,
        cpu_milli: None,
        memory_bytes: None,
        user: None,
        workdir: None,
        labels: BTreeMap::new(),
    }
}

/// Two tasks, `test` after `build`; `content` tells versions apart.
pub(crate) fn config(id: &str, content: &str) -> PipelineConfig {
    let mut test = task("test");
    let parent = TaskId::parse("build").unwrap();
    test.depends_on.push(Dependency { parent, need: Need::Success });
    PipelineConfig {
        id: PipelineId::parse(id).unwrap(),
        name: format!("Name {content}"),
        description: content.to_owned(),
        parallelism: 3,
        timeout_ms: None,
        tasks: vec![task("build"), test],
    }
}

pub(crate) fn exited(task: &str) -> Fact {
    let exit = Exit { code: 0, oom: false, interrupted: false, started_ms: Some(1), ended_ms: 2 };
    let task = TaskId::parse(task).unwrap();
    let key = AttemptKey { uid: uid(1), task: task.clone(), attempt: 1 };
    Fact::Exited { task, attempt: 1, container: Handle { key, id: "c1".into() }, exit }
}

pub(crate) fn collected(task: &str, bytes: u64) -> Fact {
    let log = LogSummary { state: LogState::Sealed, bytes, lines: 1 };
    Fact::Collected { task: TaskId::parse(task).unwrap(), attempt: 1, log }
}

pub(crate) fn everything() -> RunFilter {
    RunFilter {
        namespace: namespace("default"),
        pipeline: None,
        states: BTreeSet::new(),
        statuses: BTreeSet::new(),
        since: None,
    }
}

pub(crate) fn page(limit: u32, cursor: Option<String>) -> PageRequest {
    PageRequest { limit: Some(limit), cursor }
}

/// The problem of an operation that has to fail.
#[track_caller]
pub(crate) fn problem<T: std::fmt::Debug>(answer: Answer<T>) -> Problem {
    match answer {
        Err(StoreError::Problem(problem)) => *problem,
        other => panic!("a rule should have said no, but: {other:?}"),
    }
}

#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(answer: Answer<T>, kind: Kind, reason: &str) {
    let problem = problem(answer);
    assert_eq!((problem.kind, problem.reason), (kind, reason), "{problem:?}");
}
