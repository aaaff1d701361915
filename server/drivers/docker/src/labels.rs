//! The labels on our containers. They are read by later releases, which adopt the containers of
//! this one, so a key here never changes its meaning. The event filter, `list` and the tests rely
//! on them; people see them in `docker ps`.

use std::collections::HashMap;

use gofer_core::ids::{AttemptKey, InstanceId, RunUid, TaskId};
use gofer_core::ports::driver::ContainerSpec;

/// Which server made it.
pub const INSTANCE: &str = "dev.gofer.instance";
/// The run's unique id.
pub const RUN: &str = "dev.gofer.run";
/// The task in it.
pub const TASK: &str = "dev.gofer.task";
/// The attempt's number.
pub const ATTEMPT: &str = "dev.gofer.attempt";
/// The hash of the spec it was made from; see [`ContainerSpec::hash`].
pub const SPEC: &str = "dev.gofer.spec";
/// Put before each of the spec's own labels, so that they can never pose as ours.
pub const OWN_PREFIX: &str = "dev.gofer.label.";

/// All labels of the container of `spec`.
pub(crate) fn of(spec: &ContainerSpec) -> HashMap<String, String> {
    let own = spec.labels.iter().map(|(key, value)| (format!("{OWN_PREFIX}{key}"), value.clone()));
    let ours = [
        (INSTANCE, spec.instance.to_string()),
        (RUN, spec.key.uid.to_string()),
        (TASK, spec.key.task.to_string()),
        (ATTEMPT, spec.key.attempt.to_string()),
        (SPEC, spec.hash()),
    ];
    own.chain(ours.into_iter().map(|(key, value)| (key.to_owned(), value))).collect()
}

/// Which attempt a container with these labels belongs to; none where they are not ours.
pub(crate) fn key_of(labels: &HashMap<String, String>) -> Option<AttemptKey> {
    Some(AttemptKey {
        uid: RunUid::parse(labels.get(RUN)?).ok()?,
        task: TaskId::parse(labels.get(TASK)?).ok()?,
        attempt: labels.get(ATTEMPT)?.parse().ok()?,
    })
}

/// The filter text that only this instance's containers pass.
pub(crate) fn instance_filter(instance: &InstanceId) -> String {
    format!("{INSTANCE}={instance}")
}

/// Whether a container with these labels was made from `spec`.
pub(crate) fn same_spec(labels: Option<&HashMap<String, String>>, spec: &ContainerSpec) -> bool {
    labels.and_then(|labels| labels.get(SPEC)).is_some_and(|found| spec.has_hash(found))
}
