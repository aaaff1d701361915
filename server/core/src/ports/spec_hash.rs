//! The hash of a container's spec, which every driver keeps with the container: one that carries
//! another hash was made for something else, and is never taken for this attempt's.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::driver::ContainerSpec;

/// The form of the hash. A release that changes what is hashed counts it up; hashes of another
/// form are not compared, so that an upgrade adopts what runs.
const FORM: &str = "v1:";

impl ContainerSpec {
    /// A hash over all that makes the container, as text without blanks; the same for the same spec.
    #[must_use]
    pub fn hash(&self) -> String {
        let Self {
            instance,
            key,
            image,
            entrypoint,
            command,
            env,
            user,
            workdir,
            cpu_milli,
            memory_bytes,
            pids_max,
            labels,
        } = self;
        let mut hash = Hash(Sha256::new());
        hash.text(instance.as_str());
        hash.text(&key.to_string());
        hash.text(image);
        hash.list(entrypoint);
        hash.list(command);
        hash.map(env);
        hash.optional(user.as_deref());
        hash.optional(workdir.as_deref());
        hash.optional(cpu_milli.map(|cpu| cpu.to_string()).as_deref());
        hash.optional(memory_bytes.map(|memory| memory.to_string()).as_deref());
        hash.text(&pids_max.to_string());
        hash.map(labels);
        hash.0.finalize().iter().fold(FORM.to_owned(), |mut text, byte| {
            // Writing into a String cannot fail.
            write!(text, "{byte:02x}").unwrap_or_default();
            text
        })
    }

    /// Whether a container that carries the hash `found` was made from this spec. A hash of another
    /// release's form passes: the attempt in the container's name says enough.
    #[must_use]
    pub fn has_hash(&self, found: &str) -> bool {
        if found.starts_with(FORM) {
            return found == self.hash();
        }
        found.split_once(':').is_some_and(|(form, _)| form.starts_with('v'))
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{AttemptKey, RunUid, TaskId};

    fn spec() -> ContainerSpec {
        let uid = RunUid::parse("01j9zzzzzzzzzzzzzzzzzzzzzz").unwrap();
        ContainerSpec {
            instance: uid.clone(),
            key: AttemptKey { uid, task: TaskId::parse("build").unwrap(), attempt: 2 },
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

    #[test]
    fn every_setting_changes_the_hash_and_another_form_is_not_compared() {
        let hash = spec().hash();
        let others = [
            ContainerSpec { image: "a:2".to_owned(), ..spec() },
            ContainerSpec { entrypoint: vec!["a".to_owned()], ..spec() },
            ContainerSpec { command: vec!["a".to_owned()], ..spec() },
            ContainerSpec { env: BTreeMap::new(), ..spec() },
            ContainerSpec { user: Some(String::new()), ..spec() },
            ContainerSpec { workdir: Some("/".to_owned()), ..spec() },
            ContainerSpec { cpu_milli: Some(64), ..spec() },
            ContainerSpec { memory_bytes: Some(64), ..spec() },
            ContainerSpec { pids_max: 65, ..spec() },
            ContainerSpec { labels: spec().env, ..spec() },
        ];
        for other in &others {
            assert_ne!(other.hash(), hash, "{other:?}");
            assert!(!other.has_hash(&hash), "{other:?}");
        }
        assert!(spec().has_hash(&hash) && spec().has_hash("v0:other"));
        assert!(!spec().has_hash("") && !spec().has_hash("other"));
    }
}
