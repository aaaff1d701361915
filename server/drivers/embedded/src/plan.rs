//! From the port's spec and an image to what a shim needs: the image's settings under the task's, as
//! Docker merges them, so that one pipeline means the same on both engines.

use std::collections::BTreeMap;
use std::path::PathBuf;

use gofer_core::ports::driver::{ContainerSpec, DriverError, FaultKind};
use gofer_images::{ImageConfig, StoredImage};

use crate::files::VERSION;
use crate::files::spec::{EnvMessage, Network, SpecFile};
use crate::limits;

/// Where commands are looked up if neither image nor task says so; Docker's default.
const PATH_DEFAULT: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Says whether `spec` could run at all.
pub(crate) fn validate(spec: &ContainerSpec) -> Result<(), DriverError> {
    fault_in(spec).map_or(Ok(()), |fault| Err(refusal(spec, &fault)))
}

fn refusal(spec: &ContainerSpec, fault: &str) -> DriverError {
    DriverError::new(FaultKind::Config, format!("could not run {}: {fault}", spec.key))
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
            "memory of {memory} bytes is less than the 6 MiB that a process needs"
        ));
    }
    if spec.cpu_milli.is_some_and(|cpu| cpu < limits::CPU_MILLI_MIN) {
        return Some("cpu is less than the hundredth that the kernel can share out".to_owned());
    }
    let mut names = spec.env.keys();
    if let Some(name) = names.find(|name| name.is_empty() || name.contains(['=', '\0'])) {
        return Some(format!("the variable name {name:?} is empty or holds '=' or NUL"));
    }
    if let Some((name, _)) = spec.env.iter().find(|(_, value)| value.contains('\0')) {
        return Some(format!("the value of the variable {name:?} holds NUL"));
    }
    let of_process = [&spec.user, &spec.workdir].into_iter().flatten();
    let mut words = spec.entrypoint.iter().chain(&spec.command).chain(of_process);
    words.any(|word| word.contains('\0')).then(|| "the command holds NUL".to_owned())
}

/// The image that a container is made from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Base<'a> {
    /// `sha256:…`.
    pub(crate) id: &'a str,
    /// Its layers, lowest first.
    pub(crate) layers: &'a [PathBuf],
    /// What it says of its containers.
    pub(crate) config: &'a ImageConfig,
}

impl<'a> From<&'a StoredImage> for Base<'a> {
    fn from(image: &'a StoredImage) -> Self {
        Self { id: &image.id, layers: &image.layers, config: &image.config }
    }
}

/// What the container of `spec` is made of, with this image and on this machine.
pub(crate) fn spec_file(
    spec: &ContainerSpec,
    image: Base<'_>,
    network: Network,
    boot_id: &str,
) -> Result<SpecFile, DriverError> {
    let argv = argv(spec, image.config);
    if argv.first().is_none_or(String::is_empty) {
        return Err(refusal(spec, "neither the task nor its image names a command"));
    }
    Ok(SpecFile {
        v: VERSION,
        instance: spec.instance.clone(),
        key: spec.key.clone(),
        boot_id: boot_id.to_owned(),
        spec_hash: spec.hash(),
        image_id: image.id.to_owned(),
        layers: image.layers.to_vec(),
        argv,
        workdir: workdir(spec, image.config),
        user: spec.user.clone().or_else(|| image.config.user.clone()).filter(|u| !u.is_empty()),
        hostname: hostname(spec),
        cpu_milli: spec.cpu_milli,
        memory_bytes: spec.memory_bytes,
        pids_max: spec.pids_max,
        network,
        labels: spec.labels.clone(),
    })
}

/// Entry point and command. An entry point of the task's own leaves the image's command behind,
/// which was written for another program.
fn argv(spec: &ContainerSpec, image: &ImageConfig) -> Vec<String> {
    let (of_image, command) = (&image.entrypoint, &image.cmd);
    let (entrypoint, command) = match (spec.entrypoint.is_empty(), spec.command.is_empty()) {
        (true, true) => (of_image, command),
        (true, false) => (of_image, &spec.command),
        (false, _) => (&spec.entrypoint, &spec.command),
    };
    entrypoint.iter().chain(command).cloned().collect()
}

fn workdir(spec: &ContainerSpec, image: &ImageConfig) -> String {
    let of_image = image.workdir.as_ref().filter(|workdir| !workdir.is_empty());
    match spec.workdir.as_ref().or(of_image) {
        Some(workdir) if workdir.starts_with('/') => workdir.clone(),
        Some(workdir) => format!("/{workdir}"),
        None => "/".to_owned(),
    }
}

/// The task's name and attempt: what a person wants to see in a prompt. A host name has no `_`.
fn hostname(spec: &ContainerSpec) -> String {
    let task = spec.key.task.as_str().to_lowercase().replace('_', "-");
    format!("{}-{}", task.trim_matches('-'), spec.key.attempt)
}

/// The whole environment, but HOME: that is looked up with the user, in the image.
pub(crate) fn environment(spec: &ContainerSpec, image: &ImageConfig) -> EnvMessage {
    let mut env = BTreeMap::from([
        ("PATH".to_owned(), PATH_DEFAULT.to_owned()),
        ("HOSTNAME".to_owned(), hostname(spec)),
    ]);
    env.extend(image.env.iter().cloned());
    env.extend(spec.env.iter().map(|(name, value)| (name.clone(), value.clone())));
    EnvMessage { env }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gofer_core::ids::{AttemptKey, RunUid, TaskId};

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn spec() -> ContainerSpec {
        let uid = RunUid::parse("01j9zzzzzzzzzzzzzzzzzzzzzz").unwrap();
        ContainerSpec {
            instance: uid.clone(),
            key: AttemptKey { uid, task: TaskId::parse("_Build_it").unwrap(), attempt: 2 },
            image: "a:1".to_owned(),
            entrypoint: Vec::new(),
            command: Vec::new(),
            env: BTreeMap::from([("A".to_owned(), "task".to_owned())]),
            user: None,
            workdir: None,
            cpu_milli: None,
            memory_bytes: None,
            pids_max: 64,
            labels: BTreeMap::new(),
        }
    }

    fn image() -> ImageConfig {
        let env = [("A", "image"), ("B", "image")];
        ImageConfig {
            entrypoint: words("enter"),
            cmd: words("c d"),
            env: env.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            user: Some("job".to_owned()),
            workdir: Some("work".to_owned()),
            ..ImageConfig::default()
        }
    }

    fn file(spec: &ContainerSpec, config: &ImageConfig) -> Result<SpecFile, DriverError> {
        let base = Base { id: "sha256:1", layers: &["/layers/1".into()], config };
        spec_file(spec, base, Network::None, "boot")
    }

    #[track_caller]
    fn check_argv(entrypoint: &str, command: &str, want: &str) {
        let spec =
            ContainerSpec { entrypoint: words(entrypoint), command: words(command), ..spec() };
        assert_eq!(argv(&spec, &image()), words(want));
    }

    #[test]
    fn entry_point_and_command_merge_as_docker_merges_them() {
        check_argv("", "", "enter c d");
        check_argv("", "x", "enter x");
        check_argv("run", "", "run");
        check_argv("run", "x", "run x");
    }

    #[test]
    fn the_tasks_settings_win_over_the_images() {
        let made = file(&spec(), &image()).unwrap();
        assert_eq!((made.user.as_deref(), made.workdir.as_str()), (Some("job"), "/work"));
        let own = ContainerSpec {
            user: Some("0".to_owned()),
            workdir: Some("/tmp".to_owned()),
            ..spec()
        };
        let made = file(&own, &image()).unwrap();
        assert_eq!((made.user.as_deref(), made.workdir.as_str()), (Some("0"), "/tmp"));
        let env = environment(&spec(), &image()).env;
        let value = |name: &str| env.get(name).map(String::as_str);
        assert_eq!((value("A"), value("B")), (Some("task"), Some("image")));
        assert_eq!((value("PATH"), value("HOSTNAME")), (Some(PATH_DEFAULT), Some("build-it-2")));
    }

    #[test]
    fn no_command_at_all_is_the_users_fault() {
        let mut bare = image();
        bare.entrypoint.clear();
        bare.cmd.clear();
        let fault = file(&spec(), &bare).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Config);
    }

    #[track_caller]
    fn check_refused(spec: &ContainerSpec, want: &str) {
        let fault = validate(spec).unwrap_err();
        assert_eq!((fault.kind, fault.retryable), (FaultKind::Config, false));
        assert!(fault.message.contains(want), "{}", fault.message);
    }

    #[test]
    fn what_can_never_run_is_refused_before_anything_is_made() {
        validate(&spec()).unwrap();
        check_refused(&ContainerSpec { image: " ".to_owned(), ..spec() }, "no image");
        check_refused(&ContainerSpec { workdir: Some("a".to_owned()), ..spec() }, "absolute");
        check_refused(&ContainerSpec { memory_bytes: Some(1 << 20), ..spec() }, "6 MiB");
        check_refused(&ContainerSpec { cpu_milli: Some(9), ..spec() }, "hundredth");
        check_refused(&ContainerSpec { command: words("a\0b"), ..spec() }, "NUL");
        check_refused(&ContainerSpec { user: Some("a\0".to_owned()), ..spec() }, "NUL");
        let env = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
        check_refused(&ContainerSpec { env: env("a=b", ""), ..spec() }, "variable name");
        check_refused(&ContainerSpec { env: env("a", "\0"), ..spec() }, "holds NUL");
    }
}
