//! What the modules share: a house with a server, its engine and a client in it, pipelines in a few
//! words, and waits for a level with a deadline.

use std::sync::Arc;
use std::time::Duration;

use gofer_client::model::{
    Attempt, Event, EventKind, LogState, Origin, OriginKind, PageRequest, PipelineRef, Run, RunRef,
    RunState, RunStatus, TaskRun,
};
use gofer_client::program::{self, Declared};
use gofer_client::{Client, Deploy, EventQuery, LogStart, Mode, NewNamespace, ReadLog, StartRun};
use gofer_core::ids::{AttemptKey, RunUid, TaskId};
use gofer_proto::sdk::v1 as sdk;
use gofer_server::Config;
use gofer_tests::fake::{FakeEngine, Program};
use gofer_tests::harness::InProcess;
use prost::Message as _;
use tokio::time::Instant;

use super::spy::Spy;

/// The namespace of every test.
pub(crate) const NAMESPACE: &str = "tests";
/// The longest that anything is waited for.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);
/// How often a level is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A server with everything around it.
pub(crate) struct House {
    pub(crate) server: InProcess,
    pub(crate) fake: FakeEngine,
    pub(crate) spy: Spy,
    pub(crate) client: Client,
}

impl House {
    pub(crate) async fn up() -> Self {
        Self::up_with(|_| {}).await
    }

    pub(crate) async fn up_with(change: impl FnOnce(&mut Config)) -> Self {
        let fake = FakeEngine::new();
        let spy = Spy::new(&fake);
        let server = InProcess::start_with(Arc::new(spy.clone()), change).await.unwrap();
        let client = server.client().unwrap();
        let id = NAMESPACE.to_owned();
        client.create_namespace(NewNamespace { id, ..NewNamespace::default() }).await.unwrap();
        Self { server, fake, spy, client }
    }

    /// Stops the server in order and starts it again on the same data.
    pub(crate) async fn restart(&mut self) {
        self.server.down().await;
        self.server.up().await.unwrap();
    }

    /// Registers a pipeline and makes it live.
    pub(crate) async fn deploy(&self, pipeline: sdk::Pipeline) -> PipelineRef {
        let reference = PipelineRef::new(NAMESPACE, &pipeline.id);
        let version = self.register(pipeline).await;
        self.client.deploy(deploy(&reference, version)).await.unwrap();
        reference
    }

    /// Registers a pipeline and gives the version.
    pub(crate) async fn register(&self, pipeline: sdk::Pipeline) -> u64 {
        let declared = declared(pipeline);
        let registered =
            self.client.register_pipeline(NAMESPACE, &declared, origin(), Mode::Commit).await;
        registered.unwrap().version
    }

    pub(crate) async fn start(&self, pipeline: &PipelineRef) -> RunRef {
        self.client.start_run(start(pipeline)).await.unwrap().run.reference()
    }

    /// Deploys a pipeline and starts a run of it.
    pub(crate) async fn start_new(&self, pipeline: sdk::Pipeline) -> RunRef {
        let pipeline = self.deploy(pipeline).await;
        self.start(&pipeline).await
    }

    pub(crate) async fn run(&self, run: &RunRef) -> Run {
        self.client.run(run).await.unwrap()
    }

    /// Waits until a run is as wanted.
    pub(crate) async fn wait(&self, run: &RunRef, what: &str, ready: impl Fn(&Run) -> bool) -> Run {
        let end = Instant::now() + DEADLINE;
        loop {
            let now = self.client.run(run).await.unwrap();
            if ready(&now) {
                return now;
            }
            assert!(Instant::now() < end, "run {run} never was {what}: {now:#?}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until the container of a task's latest attempt runs.
    pub(crate) async fn wait_running(&self, run: &RunRef, task: &str) -> Run {
        self.wait(run, "running", |run| is_running(task_of(run, task))).await
    }

    pub(crate) async fn complete(&self, run: &RunRef) -> Run {
        self.wait(run, "complete", |run| run.state == RunState::Complete).await
    }

    /// Waits for a run's end and for this status.
    pub(crate) async fn ends(&self, run: &RunRef, status: RunStatus) -> Run {
        let run = self.complete(run).await;
        assert_eq!(run.status, Some(status), "{run:#?}");
        run
    }

    /// Waits until a run has ended and its logs are whole: from then on nothing of it changes.
    pub(crate) async fn settles(&self, run: &RunRef) -> Run {
        let open = |attempt: &Attempt| attempt.log.is_some_and(|log| log.state == LogState::Open);
        let is_settled = |run: &Run| {
            let mut attempts = run.task_runs.iter().flat_map(|task| &task.attempts);
            run.state == RunState::Complete && !attempts.any(open)
        };
        self.wait(run, "settled", is_settled).await
    }

    /// Waits until the engine holds no container, and checks that no attempt was started twice.
    pub(crate) async fn nothing_is_left(&self) {
        until("no container was left", async || self.fake.left().is_empty().then_some(())).await;
        for (key, n_starts) in self.fake.all_starts() {
            assert_eq!(n_starts, 1, "{key} was started more than once");
        }
    }

    /// All events of these kinds; of any kind where none is named.
    pub(crate) async fn events(&self, kinds: &[EventKind]) -> Vec<Event> {
        let (mut events, mut from) = (Vec::new(), Some(1));
        while from.is_some() {
            let query = EventQuery { from, kinds: kinds.to_vec(), ..EventQuery::default() };
            let page = self.client.events(&query).await.unwrap();
            events.extend(page.items);
            from = page.next_seq;
        }
        events
    }

    /// The runs of a pipeline, by number.
    pub(crate) async fn runs(&self, pipeline: &PipelineRef) -> Vec<Run> {
        let mut query = gofer_client::RunQuery {
            namespace: pipeline.namespace.clone(),
            pipeline: Some(pipeline.pipeline.clone()),
            ..gofer_client::RunQuery::default()
        };
        let mut runs = Vec::new();
        loop {
            let page = self.client.runs(&query).await.unwrap();
            runs.extend(page.items);
            if page.next.is_none() {
                runs.reverse();
                return runs;
            }
            query.page = PageRequest { cursor: page.next, ..PageRequest::default() };
        }
    }

    /// All bytes of a task's log, page by page.
    pub(crate) async fn log_bytes(&self, run: &RunRef, task: &str) -> Vec<u8> {
        let (mut bytes, mut start) = (Vec::new(), LogStart::First);
        loop {
            let page = self.client.read_log(&read_log(run, task, start)).await.unwrap();
            if page.frames.is_empty() {
                return bytes;
            }
            bytes.extend(page.frames.iter().flat_map(|frame| frame.data.to_vec()));
            start = LogStart::Cursor(page.cursor.unwrap());
        }
    }
}

/// Waits for a level, with a deadline.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "waited in vain until {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Awaits something that must come.
pub(crate) async fn soon<T>(what: &str, work: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(DEADLINE, work).await;
    done.unwrap_or_else(|_elapsed| panic!("waited in vain for {what}"))
}

/// What a program would have printed.
pub(crate) fn declared(pipeline: sdk::Pipeline) -> Declared {
    let program = sdk::Program {
        kind: gofer_proto::PROGRAM_KIND.to_owned(),
        pipelines: vec![pipeline],
        ..sdk::Program::default()
    };
    let mut decoded = program::decode(&program.encode_to_vec()).unwrap();
    decoded.pipelines.remove(0)
}

pub(crate) fn origin() -> Origin {
    Origin { kind: OriginKind::Api, git_commit: None, git_dirty: None, author: None }
}

pub(crate) fn deploy(pipeline: &PipelineRef, version: u64) -> Deploy {
    Deploy {
        pipeline: pipeline.clone(),
        version,
        base_version: None,
        reason: String::new(),
        mode: Mode::Commit,
    }
}

pub(crate) fn start(pipeline: &PipelineRef) -> StartRun {
    StartRun {
        pipeline: pipeline.clone(),
        version: None,
        variables: Vec::new(),
        idempotency_key: None,
        reason: String::new(),
        mode: Mode::Commit,
    }
}

pub(crate) fn read_log(run: &RunRef, task: &str, start: LogStart) -> ReadLog {
    ReadLog { task_run: run.task(task), attempt: None, start, max_lines: None }
}

pub(crate) fn pipeline(id: &str, tasks: Vec<sdk::Task>) -> sdk::Pipeline {
    sdk::Pipeline { id: id.to_owned(), tasks, ..sdk::Pipeline::default() }
}

/// A pipeline of one task, `work`, that runs this image.
pub(crate) fn simple(id: &str, image: &str) -> sdk::Pipeline {
    pipeline(id, vec![task("work", image)])
}

/// The same, one run at once.
pub(crate) fn one_at_once(id: &str, image: &str) -> sdk::Pipeline {
    sdk::Pipeline { parallelism: Some(1), ..simple(id, image) }
}

pub(crate) fn task(id: &str, image: &str) -> sdk::Task {
    sdk::Task { id: id.to_owned(), image: image.to_owned(), ..sdk::Task::default() }
}

/// The task with one more parent.
pub(crate) fn after(mut task: sdk::Task, parent: &str, need: sdk::RequiredStatus) -> sdk::Task {
    let parent = parent.to_owned();
    task.depends_on.push(sdk::DependsOn { parent, status: need.into(), source: None });
    task
}

/// The task with retries, the first after `delay_ms`, each further one after twice as long.
pub(crate) fn retried(task: sdk::Task, count: u32, delay_ms: u64) -> sdk::Task {
    let retries = sdk::Retries { count, delay_ms: Some(delay_ms), factor: Some(2.0), cap_ms: None };
    sdk::Task { retries: Some(retries), ..task }
}

pub(crate) fn task_of<'a>(run: &'a Run, task: &str) -> &'a TaskRun {
    let found = run.task_runs.iter().find(|one| one.task_id == task);
    found.unwrap_or_else(|| panic!("no task {task} in {run:#?}"))
}

pub(crate) fn is_running(task: &TaskRun) -> bool {
    task.state == gofer_client::model::TaskRunState::Running
}

pub(crate) fn last_attempt(task: &TaskRun) -> &Attempt {
    task.attempts.last().unwrap_or_else(|| panic!("no attempt in {task:#?}"))
}

/// The engine's name for an attempt.
pub(crate) fn key_of(run: &Run, task: &str, attempt: u32) -> AttemptKey {
    AttemptKey {
        uid: RunUid::parse(&run.uid).unwrap(),
        task: TaskId::parse(task).unwrap(),
        attempt,
    }
}

/// Lines `line 0` to `line n-1`, a pause after each.
pub(crate) fn lines(n_lines: u32, pause: Duration) -> (Program, Vec<u8>) {
    let (mut program, mut bytes) = (Program::exit(0), Vec::new());
    for n in 0..n_lines {
        let line = format!("line {n} of {n_lines}\n");
        bytes.extend(line.as_bytes());
        program = program.out(line);
        if !pause.is_zero() {
            program = program.wait(pause);
        }
    }
    (program, bytes)
}

/// A small generator of numbers; the same seed gives the same ones.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}
