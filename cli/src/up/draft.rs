//! What a program declared, as the validator of the server takes it.

use gofer_client::model::{DependencySpec, Need, PipelineSpec, Place as Source, TaskSpec};
use gofer_core::pipeline::{
    Draft, DraftDependency, DraftPair, DraftRegistryAuth, DraftRetries, DraftTask, Place,
};

pub(crate) fn draft(spec: &PipelineSpec) -> Draft {
    Draft {
        id: spec.id.clone(),
        name: spec.name.clone(),
        description: spec.description.clone(),
        parallelism: u64::from(spec.parallelism.unwrap_or(0)),
        timeout_ms: spec.timeout_ms,
        tasks: spec.tasks.iter().map(task).collect(),
        place: place(spec.source.as_ref()),
    }
}

fn place(source: Option<&Source>) -> Option<Place> {
    source.map(|source| Place {
        file: source.file.clone(),
        line: source.line,
        column: source.column.unwrap_or(0),
    })
}

fn task(task: &TaskSpec) -> DraftTask {
    let own_place = place(task.source.as_ref());
    DraftTask {
        id: task.id.clone(),
        description: task.description.clone(),
        image: task.image.clone(),
        registry_auth: task.registry_auth.as_ref().map(|auth| DraftRegistryAuth {
            username: auth.username.clone(),
            password: auth.password.clone(),
            place: own_place.clone(),
        }),
        pull_policy: task.pull_policy.word().to_lowercase(),
        depends_on: task.depends_on.iter().map(dependency).collect(),
        variables: task
            .variables
            .iter()
            .map(|variable| DraftPair {
                key: variable.key.clone(),
                value: variable.value.clone(),
                place: own_place.clone(),
            })
            .collect(),
        entrypoint: task.entrypoint.clone(),
        command: task.command.clone(),
        script: task.script.clone(),
        retries: task.retries.map(|retries| DraftRetries {
            count: Some(u64::from(retries.count)),
            delay_ms: retries.delay_ms,
            factor: retries.factor,
            cap_ms: retries.cap_ms,
            place: own_place.clone(),
        }),
        timeout_ms: task.timeout_ms,
        cpu_milli: task.cpu_milli,
        memory_bytes: task.memory_bytes,
        user: task.user.clone().unwrap_or_default(),
        workdir: task.workdir.clone().unwrap_or_default(),
        inject_api_token: task.inject_api_token,
        labels: task.labels.iter().map(|label| pair(label, own_place.clone())).collect(),
        place: own_place,
    }
}

/// A label is a free word; `key=value` is read as what it looks like.
fn pair(label: &str, place: Option<Place>) -> DraftPair {
    let (key, value) = label.split_once('=').unwrap_or((label, ""));
    DraftPair { key: key.to_owned(), value: value.to_owned(), place }
}

fn dependency(dependency: &DependencySpec) -> DraftDependency {
    let need = match dependency.status {
        Need::Unknown => String::new(), // not given, which the validator refuses
        Need::Any | Need::Success | Need::Failure => dependency.status.word().to_lowercase(),
    };
    DraftDependency {
        parent: dependency.parent.clone(),
        need,
        place: place(dependency.source.as_ref()),
    }
}

#[cfg(test)]
mod tests {
    use gofer_client::model::PullPolicy;
    use gofer_core::pipeline::validate;

    use super::*;

    fn spec() -> PipelineSpec {
        let task = |id: &str, parents: &[&str]| TaskSpec {
            id: id.into(),
            description: String::new(),
            image: "ubuntu:24.04".into(),
            registry_auth: None,
            pull_policy: PullPolicy::IfNotPresent,
            depends_on: parents
                .iter()
                .map(|parent| DependencySpec {
                    parent: (*parent).into(),
                    status: Need::Success,
                    source: Some(Source { file: "src/main.rs".into(), line: 14, column: Some(10) }),
                })
                .collect(),
            variables: vec![],
            entrypoint: vec![],
            command: vec![],
            script: None,
            retries: None,
            timeout_ms: None,
            cpu_milli: None,
            memory_bytes: None,
            user: None,
            workdir: None,
            inject_api_token: false,
            labels: vec![],
            source: None,
        };
        let tasks = vec![task("build", &[]), task("deploy", &["build"])];
        PipelineSpec {
            id: "simple".into(),
            name: "Simple".into(),
            tasks,
            ..PipelineSpec::default()
        }
    }

    #[test]
    fn a_good_pipeline_passes_the_servers_own_validator() {
        validate(&draft(&spec())).unwrap();
    }

    #[test]
    fn a_fault_keeps_its_place() {
        let mut spec = spec();
        spec.tasks[1].depends_on[0].parent = "biuld".into();
        let faults = validate(&draft(&spec)).unwrap_err();
        let place = faults[0].place.as_ref().unwrap();
        assert_eq!(place.to_string(), "src/main.rs:14:10");
    }
}
