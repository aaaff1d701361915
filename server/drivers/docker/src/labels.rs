//! The labels on our containers. They are read by later releases, which adopt the containers of
//! this one, so a key here never changes its meaning. The event filter, `list` and the tests rely
//! on them; people see them in `docker ps`.

use std::collections::{BTreeMap, HashMap};

use gofer_core::ids::{AttemptKey, InstanceId, RunUid, TaskId};
use gofer_core::ports::driver::ContainerSpec;
use sha2::{Digest, Sha256};

/// Which server made it.
pub const INSTANCE: &str = "dev.gofer.instance";
/// The run's unique id.
pub const RUN: &str = "dev.gofer.run";
/// The task in it.
pub const TASK: &str = "dev.gofer.task";
/// The attempt's number.
pub const ATTEMPT: &str = "dev.gofer.attempt";
/// The hash of the spec it was made from; see `spec_hash`.
pub const SPEC: &str = "dev.gofer.spec";
/// Put before each of the spec's own labels, so that they can never pose as ours.
pub const OWN_PREFIX: &str = "dev.gofer.label.";

/// The form of the hash. A release that changes what is hashed counts it up; hashes of another
/// form are not compared, so that an upgrade adopts what runs.
const HASH_FORM: &str = "v1:";

/// All labels of the container of `spec`.
pub(crate) fn of(spec: &ContainerSpec) -> HashMap<String, String> {
    let own = spec.labels.iter().map(|(key, value)| (format!("{OWN_PREFIX}{key}"), value.clone()));
    let ours = [
        (INSTANCE, spec.instance.to_string()),
        (RUN, spec.key.uid.to_string()),
        (TASK, spec.key.task.to_string()),
        (ATTEMPT, spec.key.attempt.to_string()),
        (SPEC, spec_hash(spec)),
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

/// Whether a container that carries `found` was made from `spec`.
pub(crate) fn same_spec(found: Option<&String>, spec: &ContainerSpec) -> bool {
    match found {
        Some(hash) if hash.starts_with(HASH_FORM) => *hash == spec_hash(spec),
        // Another release's form: the attempt in the name says enough.
        Some(hash) => hash.split_once(':').is_some_and(|(form, _)| form.starts_with('v')),
        None => false,
    }
}

/// A hash over all that makes the container, the same for the same spec: maps in it are sorted.
pub(crate) fn spec_hash(spec: &ContainerSpec) -> String {
    let mut hash = Hash(Sha256::new());
    hash.text(spec.instance.as_str());
    hash.text(&spec.key.to_string());
    hash.text(&spec.image);
    hash.list(&spec.entrypoint);
    hash.list(&spec.command);
    hash.map(&spec.env);
    hash.optional(spec.user.as_deref());
    hash.optional(spec.workdir.as_deref());
    hash.optional(spec.cpu_milli.map(|cpu| cpu.to_string()).as_deref());
    hash.optional(spec.memory_bytes.map(|memory| memory.to_string()).as_deref());
    hash.text(&spec.pids_max.to_string());
    hash.map(&spec.labels);
    let digest = hash.0.finalize();
    let hex: String =
        digest.iter().flat_map(|byte| [byte >> 4, byte & 15]).filter_map(hex_digit).collect();
    format!("{HASH_FORM}{hex}")
}

fn hex_digit(value: u8) -> Option<char> {
    char::from_digit(u32::from(value), 16)
}

/// Puts the length before each text, so that two different specs never give the same bytes.
struct Hash(Sha256);

impl Hash {
    fn text(&mut self, text: &str) {
        self.0.update(format!("{}:", text.len()));
        self.0.update(text);
    }

    fn optional(&mut self, text: Option<&str>) {
        self.text(if text.is_some() { "some" } else { "none" });
        self.text(text.unwrap_or_default());
    }

    fn list(&mut self, texts: &[String]) {
        self.text(&texts.len().to_string());
        texts.iter().for_each(|text| self.text(text));
    }

    fn map(&mut self, texts: &BTreeMap<String, String>) {
        self.text(&texts.len().to_string());
        for (name, value) in texts {
            self.text(name);
            self.text(value);
        }
    }
}
