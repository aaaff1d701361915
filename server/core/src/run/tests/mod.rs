//! Two of the machine's three kinds of test: the table of every state × every event, as one
//! snapshot (a changed cell is a changed promise), and properties over random walks. The third,
//! the simulation with crashes and a deaf engine, is in the tests crate.

mod clocks;
mod properties;
mod table;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ids::{NamespaceId, PipelineId, PipelineKey, RunKey, RunUid, TaskId};
use crate::pipeline::{Dependency, Need, PipelineConfig, PullPolicy, Retries, TaskConfig};
use crate::ports::driver::{Exit, Handle};
use crate::time::Timestamp;

use super::{Actor, ActorKind, Fact, Run, RunPolicy, RunSpec, Timer};

pub(super) const UID: &str = "01hzzzzzzzzzzzzzzzzzzzzzz0";

pub(super) fn task_id(id: &str) -> TaskId {
    TaskId::parse(id).unwrap()
}

pub(super) fn task(id: &str, parents: &[(&str, Need)]) -> TaskConfig {
    let depends_on =
        parents.iter().map(|(parent, need)| Dependency { parent: task_id(parent), need: *need });
    TaskConfig {
        id: task_id(id),
        description: String::new(),
        image: "busybox".to_owned(),
        registry_auth: None,
        pull_policy: PullPolicy::IfNotPresent,
        depends_on: depends_on.collect(),
        variables: BTreeMap::new(),
        entrypoint: Vec::new(),
        command: Vec::new(),
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

pub(super) fn run_of(tasks: Vec<TaskConfig>, timeout_ms: Option<u64>) -> Run {
    let pipeline = PipelineId::parse("simple").unwrap();
    let namespace = NamespaceId::parse("default").unwrap();
    let config = PipelineConfig {
        id: pipeline.clone(),
        name: "Simple".to_owned(),
        description: String::new(),
        parallelism: 0,
        timeout_ms,
        tasks,
    };
    let policy = RunPolicy { infra_retries: 1, ..RunPolicy::default() };
    Run::new(Arc::new(RunSpec {
        key: RunKey { pipeline: PipelineKey { namespace, pipeline }, run: 7 },
        uid: RunUid::parse(UID).unwrap(),
        version: 1,
        config: Arc::new(config),
        variables: BTreeMap::new(),
        initiator: user(),
        reason: String::new(),
        created: Timestamp::from_ms(0),
        retry_of: None,
        policy,
    }))
}

pub(super) fn user() -> Actor {
    Actor { kind: ActorKind::User, name: "ada".to_owned() }
}

pub(super) fn handle(task: &TaskId, attempt: u32) -> Handle {
    let uid = RunUid::parse(UID).unwrap();
    let key = crate::ids::AttemptKey { uid, task: task.clone(), attempt };
    Handle { id: format!("c-{task}-{attempt}"), key }
}

pub(super) fn started(task: &TaskId, attempt: u32, at: i64) -> Fact {
    Fact::Started {
        task: task.clone(),
        attempt,
        container: handle(task, attempt),
        digest: None,
        pull: None,
        at: Timestamp::from_ms(at),
    }
}

pub(super) fn exited(task: &TaskId, attempt: u32, code: i32, kind: ExitKind) -> Fact {
    let exit = Exit {
        code,
        oom: kind == ExitKind::Oom,
        interrupted: kind == ExitKind::Interrupted,
        started_ms: Some(10),
        ended_ms: 20,
    };
    Fact::Exited { task: task.clone(), attempt, container: handle(task, attempt), exit }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExitKind {
    Plain,
    Oom,
    Interrupted,
}

pub(super) fn timers(task: &TaskId, attempt: u32) -> [Timer; 4] {
    let task = task.clone();
    [
        Timer::Backoff { task: task.clone(), attempt },
        Timer::TaskTimeout { task: task.clone(), attempt },
        Timer::Grace { task, attempt },
        Timer::RunTimeout,
    ]
}
