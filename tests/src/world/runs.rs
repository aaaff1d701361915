//! Random runs: a DAG of a few tasks with retries and time limits.

use std::collections::BTreeMap;
use std::sync::Arc;

use gofer_core::ids::{NamespaceId, PipelineId, PipelineKey, RunId, RunKey, RunUid, TaskId};
use gofer_core::pipeline::{Dependency, Need, PipelineConfig, PullPolicy, Retries, TaskConfig};
use gofer_core::run::{Actor, ActorKind, Run, RunPolicy, RunSpec};
use gofer_core::time::Timestamp;

use super::Random;

const NAMES: [&str; 6] = ["alpha", "bravo", "charlie", "delta", "echo_1", "foxtrot"];

pub(super) fn user() -> Actor {
    Actor { kind: ActorKind::User, name: "ada".to_owned() }
}

pub(super) fn random_run(random: &mut Random, id: RunId, limit: u32) -> Run {
    let n_tasks = 1 + usize::try_from(random.below(NAMES.len() as u64)).expect("small");
    let tasks = (0..n_tasks).map(|ix| random_task(random, ix)).collect();
    let pipeline = PipelineId::parse("simple").expect("a name");
    let namespace = NamespaceId::parse("default").expect("a name");
    let config = PipelineConfig {
        id: pipeline.clone(),
        name: "Simple".to_owned(),
        description: String::new(),
        parallelism: limit,
        timeout_ms: random.one_in(6).then(|| 5_000 + random.below(60_000)),
        tasks,
    };
    Run::new(Arc::new(RunSpec {
        key: RunKey { pipeline: PipelineKey { namespace, pipeline }, run: id },
        uid: RunUid::parse(&format!("{id:026}")).expect("a uid"),
        version: 1,
        config: Arc::new(config),
        variables: BTreeMap::new(),
        initiator: user(),
        reason: String::new(),
        created: Timestamp::from_ms(0),
        retry_of: None,
        policy: RunPolicy {
            stop_grace_ms: 2_000,
            infra_retries: 3,
            infra_delay_ms: 100,
            task_timeout_ms_max: None,
            parallelism: Some(limit),
        },
    }))
}

fn random_task(random: &mut Random, ix: usize) -> TaskConfig {
    let mut depends_on = Vec::new();
    for parent in NAMES.iter().take(ix) {
        if random.one_in(3) {
            let need = random.pick(&[Need::Any, Need::Success, Need::Success, Need::Failure]);
            let parent = TaskId::parse(parent).expect("a name");
            depends_on.push(Dependency { parent, need: need.unwrap_or(Need::Any) });
        }
    }
    let retries = Retries {
        count: u32::try_from(random.below(3)).expect("small"),
        delay_ms: random.below(2) * 500,
        factor_milli: 2000,
        cap_ms: None,
    };
    TaskConfig {
        id: TaskId::parse(NAMES[ix]).expect("a name"),
        description: String::new(),
        image: "busybox".to_owned(),
        registry_auth: None,
        pull_policy: PullPolicy::IfNotPresent,
        depends_on,
        variables: BTreeMap::new(),
        entrypoint: Vec::new(),
        command: Vec::new(),
        script: None,
        retries,
        timeout_ms: random.one_in(4).then(|| 500 + random.below(5_000)),
        cpu_milli: None,
        memory_bytes: None,
        user: None,
        workdir: None,
        labels: BTreeMap::new(),
    }
}
