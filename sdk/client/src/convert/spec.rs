//! What an author declares.

use gofer_proto::sdk::v1 as pb;

use crate::model::{
    DependencySpec, Need, PipelineSpec, Place, PullPolicy, RegistryAuthSpec, RetriesSpec, TaskSpec,
    VariableSpec,
};

impl From<pb::Source> for Place {
    fn from(wire: pb::Source) -> Self {
        Self { file: wire.file, line: wire.line, column: wire.column }
    }
}

impl From<pb::Pipeline> for PipelineSpec {
    fn from(wire: pb::Pipeline) -> Self {
        Self {
            id: wire.id,
            name: wire.name,
            description: wire.description,
            parallelism: wire.parallelism,
            timeout_ms: wire.timeout_ms,
            tasks: wire.tasks.into_iter().map(Into::into).collect(),
            source: wire.source.map(Into::into),
        }
    }
}

impl From<pb::Task> for TaskSpec {
    fn from(wire: pb::Task) -> Self {
        Self {
            id: wire.id,
            description: wire.description,
            image: wire.image,
            registry_auth: wire
                .registry_auth
                .map(|auth| RegistryAuthSpec { username: auth.username, password: auth.password }),
            // Not given counts as this one.
            pull_policy: match wire.pull_policy {
                0 => PullPolicy::IfNotPresent,
                given => PullPolicy::from_wire(given),
            },
            depends_on: wire.depends_on.into_iter().map(Into::into).collect(),
            variables: wire
                .variables
                .into_iter()
                .map(|variable| VariableSpec { key: variable.key, value: variable.value })
                .collect(),
            entrypoint: wire.entrypoint,
            command: wire.command,
            script: wire.script,
            retries: wire.retries.map(|retries| RetriesSpec {
                count: retries.count,
                delay_ms: retries.delay_ms,
                factor: retries.factor,
                cap_ms: retries.cap_ms,
            }),
            timeout_ms: wire.timeout_ms,
            cpu_milli: wire.cpu_milli,
            memory_bytes: wire.memory_bytes,
            user: wire.user,
            workdir: wire.workdir,
            inject_api_token: wire.inject_api_token,
            labels: wire.labels,
            source: wire.source.map(Into::into),
        }
    }
}

impl From<pb::DependsOn> for DependencySpec {
    fn from(wire: pb::DependsOn) -> Self {
        Self {
            parent: wire.parent,
            status: Need::from_wire(wire.status),
            source: wire.source.map(Into::into),
        }
    }
}
