//! From our spec of a container to Docker's. What is not set here is the engine's default, so each
//! default that matters to a promise is written out: no restart, no removal by the engine, a log
//! that is never rotated.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigLogConfig, RestartPolicy, RestartPolicyNameEnum,
};
use gofer_core::ports::driver::{ContainerSpec, DriverError, FaultKind};

use crate::{labels, limits};

/// Capabilities of Docker's default set that a job has no use for: raw packets, device nodes,
/// writing the kernel's audit log.
const CAPABILITIES_DROPPED: [&str; 3] = ["NET_RAW", "MKNOD", "AUDIT_WRITE"];

/// Says whether Docker could run `spec`, without asking it.
pub(crate) fn validate(spec: &ContainerSpec) -> Result<(), DriverError> {
    fault_in(spec).map_or(Ok(()), |fault| {
        Err(DriverError::new(FaultKind::Config, format!("could not run {}: {fault}", spec.key)))
    })
}

fn fault_in(spec: &ContainerSpec) -> Option<String> {
    if spec.image.trim().is_empty() {
        return Some("no image is named".to_owned());
    }
    if let Some(workdir) = spec.workdir.as_deref().filter(|workdir| !workdir.starts_with('/')) {
        return Some(format!("the working directory {workdir:?} is not absolute"));
    }
    if let Some(memory) = spec.memory_bytes.filter(|memory| *memory < limits::MEMORY_BYTES_MIN) {
        return Some(format!(
            "memory of {memory} bytes is less than the 6 MiB that Docker asks for"
        ));
    }
    if spec.cpu_milli.is_some_and(|cpu| cpu < 10) {
        return Some("cpu is less than the hundredth that Docker asks for".to_owned());
    }
    let mut names = spec.env.keys();
    if let Some(name) = names.find(|name| name.is_empty() || name.contains(['=', '\0'])) {
        return Some(format!("the variable name {name:?} is empty or holds '=' or NUL"));
    }
    if let Some(name) =
        spec.env.iter().find(|(_, value)| value.contains('\0')).map(|(name, _)| name)
    {
        return Some(format!("the value of the variable {name:?} holds NUL"));
    }
    let mut words = spec.entrypoint.iter().chain(&spec.command);
    words.any(|word| word.contains('\0')).then(|| "the command holds NUL".to_owned())
}

/// The body of the create call for `spec`.
pub(crate) fn of(spec: &ContainerSpec) -> ContainerCreateBody {
    let some = |words: &Vec<String>| (!words.is_empty()).then(|| words.clone());
    ContainerCreateBody {
        image: Some(spec.image.clone()),
        entrypoint: some(&spec.entrypoint),
        cmd: some(&spec.command),
        env: Some(spec.env.iter().map(|(name, value)| format!("{name}={value}")).collect()),
        user: spec.user.clone(),
        working_dir: spec.workdir.clone(),
        labels: Some(labels::of(spec)),
        tty: Some(false),
        open_stdin: Some(false),
        host_config: Some(host_config(spec)),
        ..ContainerCreateBody::default()
    }
}

fn host_config(spec: &ContainerSpec) -> HostConfig {
    let memory = spec.memory_bytes.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
    HostConfig {
        memory,
        // Equal to the memory means: no swap on top. Without it a job would swap before it is
        // told that it needs more.
        memory_swap: memory,
        nano_cpus: spec.cpu_milli.map(|milli| i64::from(milli) * 1_000_000),
        pids_limit: Some(i64::from(spec.pids_max)),
        init: Some(false),
        auto_remove: Some(false),
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::NO),
            maximum_retry_count: None,
        }),
        cap_drop: Some(CAPABILITIES_DROPPED.map(str::to_owned).to_vec()),
        security_opt: Some(vec!["no-new-privileges".to_owned()]),
        log_config: Some(log_config()),
        ..HostConfig::default()
    }
}

/// The `local` log, not `json-file`: the latter writes bytes that are no UTF-8 as U+FFFD, and
/// bytes must come back exact (it is also half as fast). Every option is written out, since
/// options of the engine's configuration would fill the gaps: blocking, because the other mode
/// drops lines; one file of a size that no disk reaches, because rotation drops them too.
fn log_config() -> HostConfigLogConfig {
    let options = [
        ("mode", "blocking"),
        ("max-size", limits::ENGINE_LOG_SIZE_MAX),
        ("max-file", "1"),
        ("compress", "false"),
    ];
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    HostConfigLogConfig {
        typ: Some("local".to_owned()),
        config: Some(options.into_iter().map(owned).collect::<HashMap<_, _>>()),
    }
}
