//! A pipeline as a program sent it: from the message to a draft, and from a checked config back to
//! the message, which is how a version is shown.

use gofer_core::pipeline::{
    Dependency, Draft, DraftDependency, DraftPair, DraftRegistryAuth, DraftRetries, DraftTask,
    PipelineConfig, Place, PullPolicy, RegistryAuth, Retries, TaskConfig,
};
use gofer_proto::sdk::v1 as sdk;

use super::common::need;

pub(crate) fn draft(pipeline: sdk::Pipeline) -> Draft {
    // An SDK may leave the name out; the id serves then.
    let name = if pipeline.name.is_empty() { pipeline.id.clone() } else { pipeline.name };
    Draft {
        id: pipeline.id,
        name,
        description: pipeline.description,
        parallelism: u64::from(pipeline.parallelism.unwrap_or(0)),
        timeout_ms: pipeline.timeout_ms,
        tasks: pipeline.tasks.into_iter().map(draft_task).collect(),
        place: pipeline.source.map(place),
    }
}

fn draft_task(task: sdk::Task) -> DraftTask {
    let pull_policy = pull_policy_text(task.pull_policy);
    DraftTask {
        id: task.id,
        description: task.description,
        image: task.image,
        registry_auth: task.registry_auth.map(|auth| DraftRegistryAuth {
            username: auth.username,
            password: auth.password,
            place: None,
        }),
        pull_policy,
        depends_on: task.depends_on.into_iter().map(draft_dependency).collect(),
        variables: task.variables.into_iter().map(|v| pair(v.key, v.value)).collect(),
        entrypoint: task.entrypoint,
        command: task.command,
        script: task.script,
        retries: task.retries.map(|retries| DraftRetries {
            count: Some(u64::from(retries.count)),
            delay_ms: retries.delay_ms,
            factor: retries.factor,
            cap_ms: retries.cap_ms,
            place: None,
        }),
        timeout_ms: task.timeout_ms,
        cpu_milli: task.cpu_milli,
        memory_bytes: task.memory_bytes,
        user: task.user.unwrap_or_default(),
        workdir: task.workdir.unwrap_or_default(),
        inject_api_token: task.inject_api_token,
        labels: task.labels.into_iter().map(label).collect(),
        place: task.source.map(place),
    }
}

/// An unknown number becomes a word that the check refuses by name.
fn pull_policy_text(number: i32) -> String {
    match sdk::PullPolicy::try_from(number) {
        Ok(sdk::PullPolicy::Unspecified) => String::new(),
        Ok(sdk::PullPolicy::IfNotPresent) => "if-not-present".to_owned(),
        Ok(sdk::PullPolicy::Always) => "always".to_owned(),
        Ok(sdk::PullPolicy::Never) => "never".to_owned(),
        Err(_unknown) => number.to_string(),
    }
}

fn draft_dependency(dependency: sdk::DependsOn) -> DraftDependency {
    let need = match sdk::RequiredStatus::try_from(dependency.status) {
        Ok(sdk::RequiredStatus::Unspecified) => String::new(),
        Ok(sdk::RequiredStatus::Any) => "any".to_owned(),
        Ok(sdk::RequiredStatus::Success) => "success".to_owned(),
        Ok(sdk::RequiredStatus::Failure) => "failure".to_owned(),
        Err(_unknown) => dependency.status.to_string(),
    };
    DraftDependency { parent: dependency.parent, need, place: dependency.source.map(place) }
}

fn pair(key: String, value: String) -> DraftPair {
    DraftPair { key, value, place: None }
}

/// Labels travel as `key=value`.
fn label(text: String) -> DraftPair {
    match text.split_once('=') {
        Some((key, value)) => pair(key.to_owned(), value.to_owned()),
        None => pair(text, String::new()),
    }
}

fn place(source: sdk::Source) -> Place {
    Place { file: source.file, line: source.line, column: source.column.unwrap_or(0) }
}

pub(crate) fn pipeline(config: &PipelineConfig) -> sdk::Pipeline {
    sdk::Pipeline {
        id: config.id.to_string(),
        name: config.name.clone(),
        description: config.description.clone(),
        parallelism: (config.parallelism > 0).then_some(config.parallelism),
        timeout_ms: config.timeout_ms,
        tasks: config.tasks.iter().map(task).collect(),
        source: None,
    }
}

fn task(config: &TaskConfig) -> sdk::Task {
    // A script was made into entry point and command; shown as what it was.
    let (entrypoint, command) = match config.script {
        Some(_) => (Vec::new(), Vec::new()),
        None => (config.entrypoint.clone(), config.command.clone()),
    };
    let variables = config.variables.iter();
    sdk::Task {
        id: config.id.to_string(),
        description: config.description.clone(),
        image: config.image.clone(),
        registry_auth: config.registry_auth.as_ref().map(shown_auth),
        pull_policy: pull_policy(config.pull_policy).into(),
        depends_on: config.depends_on.iter().map(depends_on).collect(),
        variables: variables
            .map(|(key, value)| sdk::Variable { key: key.clone(), value: value.clone() })
            .collect(),
        entrypoint,
        command,
        script: config.script.clone(),
        retries: (config.retries != Retries::NONE).then(|| retries(config.retries)),
        timeout_ms: config.timeout_ms,
        cpu_milli: config.cpu_milli.map(u64::from),
        memory_bytes: config.memory_bytes,
        user: config.user.clone(),
        workdir: config.workdir.clone(),
        inject_api_token: false,
        labels: config.labels.iter().map(|(key, value)| format!("{key}={value}")).collect(),
        source: None,
    }
}

/// A password that is not a placeholder is never shown.
fn shown_auth(auth: &RegistryAuth) -> sdk::RegistryAuth {
    let is_placeholder = gofer_core::placeholder::parse(&auth.password).is_ok_and(|pieces| {
        pieces
            .iter()
            .all(|piece| matches!(piece, gofer_core::placeholder::Piece::Placeholder { .. }))
    });
    let password = if is_placeholder { auth.password.clone() } else { "••••".to_owned() };
    sdk::RegistryAuth { username: auth.username.clone(), password }
}

fn pull_policy(policy: PullPolicy) -> sdk::PullPolicy {
    match policy {
        PullPolicy::IfNotPresent => sdk::PullPolicy::IfNotPresent,
        PullPolicy::Always => sdk::PullPolicy::Always,
        PullPolicy::Never => sdk::PullPolicy::Never,
    }
}

fn depends_on(dependency: &Dependency) -> sdk::DependsOn {
    sdk::DependsOn {
        parent: dependency.parent.to_string(),
        status: need(dependency.need).into(),
        source: None,
    }
}

fn retries(retries: Retries) -> sdk::Retries {
    sdk::Retries {
        count: retries.count,
        delay_ms: Some(retries.delay_ms),
        factor: Some(f64::from(retries.factor_milli) / 1000.0),
        cap_ms: retries.cap_ms,
    }
}
