//! The content hash of a config. Registering content that hashes like the newest version makes no
//! new version, so the hash must depend on the content alone: not on the order of maps, tasks or
//! parents, not on a serialisation library, not on source places (a config has none).
//!
//! The form is a row of (name, value) pairs, each with its length before it. A field at its default
//! is left out, so that a field added later does not change the hash of a config without it.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::config::{
    Dependency, Need, PipelineConfig, PullPolicy, RegistryAuth, Retries, TaskConfig,
};

/// The first text in the hash. Another form of the content gets another number.
const FORM: &str = "gofer.pipeline.v1";

/// The hash of the content of a config: SHA-256, 64 lower-case hexadecimal digits. Names and
/// descriptions count, because people are shown them; the order of tasks does not.
#[must_use]
pub fn content_hash(config: &PipelineConfig) -> String {
    // No `..` in these patterns: a field that is added must be thought about here.
    let PipelineConfig { id, name, description, parallelism, timeout_ms, tasks } = config;
    let mut canon = Canon(Sha256::new());
    canon.text("form", FORM);
    canon.text("id", id.as_str());
    canon.text("name", name);
    canon.text("description", description);
    canon.number("parallelism", u64::from(*parallelism), 0);
    canon.optional("timeout_ms", *timeout_ms);
    let mut tasks: Vec<&TaskConfig> = tasks.iter().collect();
    tasks.sort_by(|a, b| a.id.cmp(&b.id));
    for config in tasks {
        task(&mut canon, config);
    }
    canon.finish()
}

fn task(canon: &mut Canon, config: &TaskConfig) {
    let TaskConfig {
        id,
        description,
        image,
        registry_auth,
        pull_policy,
        depends_on,
        variables,
        entrypoint,
        command,
        script,
        retries,
        timeout_ms,
        cpu_milli,
        memory_bytes,
        user,
        workdir,
        labels,
    } = config;
    // The id is never left out: it also says where one task ends and the next begins.
    canon.pair("task", id.as_str());
    canon.text("description", description);
    canon.text("image", image);
    if let Some(RegistryAuth { username, password }) = registry_auth {
        canon.pair("registry_auth.username", username);
        canon.pair("registry_auth.password", password);
    }
    canon.text("pull_policy", pull_policy_word(*pull_policy));
    parents(canon, depends_on);
    canon.map("variable", variables);
    canon.list("entrypoint", entrypoint);
    canon.list("command", command);
    if let Some(script) = script {
        canon.pair("script", script);
    }
    let Retries { count, delay_ms, factor_milli, cap_ms } = *retries;
    canon.number("retries.count", u64::from(count), u64::from(Retries::NONE.count));
    canon.number("retries.delay_ms", delay_ms, Retries::NONE.delay_ms);
    canon.number(
        "retries.factor_milli",
        u64::from(factor_milli),
        u64::from(Retries::NONE.factor_milli),
    );
    canon.optional("retries.cap_ms", cap_ms);
    canon.optional("timeout_ms", *timeout_ms);
    canon.optional("cpu_milli", cpu_milli.map(u64::from));
    canon.optional("memory_bytes", *memory_bytes);
    canon.text("user", user.as_deref().unwrap_or_default());
    canon.text("workdir", workdir.as_deref().unwrap_or_default());
    canon.map("label", labels);
}

fn parents(canon: &mut Canon, depends_on: &[Dependency]) {
    let mut sorted: Vec<&Dependency> = depends_on.iter().collect();
    sorted.sort_by(|a, b| (&a.parent, a.need).cmp(&(&b.parent, b.need)));
    for Dependency { parent, need } in sorted {
        canon.pair("parent", parent.as_str());
        let need = match need {
            Need::Any => "any",
            Need::Success => "success",
            Need::Failure => "failure",
        };
        canon.pair("need", need);
    }
}

/// The word of a policy; empty for the default.
fn pull_policy_word(policy: PullPolicy) -> &'static str {
    match policy {
        PullPolicy::IfNotPresent => "",
        PullPolicy::Always => "always",
        PullPolicy::Never => "never",
    }
}

/// The canonical form on its way into the hash.
struct Canon(Sha256);

impl Canon {
    fn pair(&mut self, name: &str, value: &str) {
        for text in [name, value] {
            // Widening: no platform of ours has texts beyond 64 bits.
            self.0.update((text.len() as u64).to_le_bytes());
            self.0.update(text.as_bytes());
        }
    }

    /// A text whose default is empty.
    fn text(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.pair(name, value);
        }
    }

    fn number(&mut self, name: &str, value: u64, default: u64) {
        if value != default {
            self.pair(name, &value.to_string());
        }
    }

    fn optional(&mut self, name: &str, value: Option<u64>) {
        if let Some(value) = value {
            self.pair(name, &value.to_string());
        }
    }

    fn list(&mut self, name: &str, values: &[String]) {
        for value in values {
            self.pair(name, value);
        }
    }

    fn map<'a>(&mut self, name: &str, pairs: impl IntoIterator<Item = (&'a String, &'a String)>) {
        for (key, value) in pairs {
            self.pair(name, key);
            self.pair("=", value);
        }
    }

    fn finish(self) -> String {
        let mut hex = String::with_capacity(64);
        for byte in self.0.finalize() {
            // Writing to a String cannot fail.
            write!(hex, "{byte:02x}").unwrap_or_default();
        }
        hex
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::super::draft::{
        Draft, DraftDependency, DraftPair, DraftRegistryAuth, DraftRetries, DraftTask, Place,
    };
    use super::super::validate;
    use super::*;

    fn pair(key: &str, value: &str) -> DraftPair {
        DraftPair { key: key.into(), value: value.into(), place: None }
    }

    fn dependency(parent: &str, need: &str) -> DraftDependency {
        DraftDependency { parent: parent.into(), need: need.into(), place: None }
    }

    fn draft() -> Draft {
        let task =
            |id: &str| DraftTask { id: id.into(), image: "alpine".into(), ..DraftTask::default() };
        let last = DraftTask {
            description: "ships it".into(),
            registry_auth: Some(DraftRegistryAuth {
                username: "ann".into(),
                password: "secret{{registry}}".into(),
                place: None,
            }),
            pull_policy: "always".into(),
            depends_on: vec![dependency("build", "success"), dependency("test", "any")],
            variables: vec![pair("A", "1"), pair("B", "2"), pair("C", "")],
            entrypoint: vec!["/bin/ship".into()],
            command: vec!["--to".into(), "prod".into()],
            retries: Some(DraftRetries {
                count: Some(3),
                factor: Some(1.5),
                ..DraftRetries::default()
            }),
            timeout_ms: Some(60_000),
            cpu_milli: Some(500),
            memory_bytes: Some(64 << 20),
            user: "1000".into(),
            workdir: "/srv".into(),
            labels: vec![pair("team", "a"), pair("tier", "b")],
            ..task("ship")
        };
        Draft {
            id: "simple".into(),
            name: "Simple".into(),
            tasks: vec![
                task("build"),
                DraftTask { script: Some("make test".into()), ..task("test") },
                last,
            ],
            ..Draft::default()
        }
    }

    #[track_caller]
    fn check(draft: &Draft) -> String {
        content_hash(&validate(draft).unwrap())
    }

    /// The stored versions of every installation carry such hashes: when this test fails, every
    /// unchanged pipeline would get a new version.
    #[test]
    fn the_hash_of_a_known_config_stays() {
        assert_eq!(
            check(&draft()),
            "761fe97b6e9aa90cc87f00d79910680426e211dd58cbd82579b9b7ebbcb7de65"
        );
    }

    #[test]
    fn source_places_do_not_count() {
        let mut placed = draft();
        let place = Some(Place { file: "src/main.rs".into(), line: 1, column: 1 });
        placed.place.clone_from(&place);
        for task in &mut placed.tasks {
            task.place.clone_from(&place);
        }
        assert_eq!(check(&placed), check(&draft()));
    }

    #[test]
    fn every_change_of_content_counts() {
        let changes: Vec<fn(&mut Draft)> = vec![
            |_| {},
            |d| d.id = "other".into(),
            |d| d.name = "Other".into(),
            |d| d.description = "x".into(),
            |d| d.parallelism = 1,
            |d| d.timeout_ms = Some(1),
            |d| d.tasks[2].id = "shop".into(),
            |d| d.tasks[2].description = "x".into(),
            |d| d.tasks[2].image = "alpine:3".into(),
            |d| d.tasks[2].registry_auth = None,
            |d| d.tasks[2].pull_policy = "never".into(),
            |d| d.tasks[2].pull_policy = String::new(),
            |d| d.tasks[2].depends_on[0].need = "failure".into(),
            |d| d.tasks[2].depends_on.truncate(1),
            |d| d.tasks[2].variables[0].value = "2".into(),
            |d| d.tasks[2].variables[0].key = "a".into(),
            |d| d.tasks[2].entrypoint[0] = "/bin/x".into(),
            |d| d.tasks[2].entrypoint.clear(),
            |d| d.tasks[2].command = vec!["prod".into(), "--to".into()],
            |d| d.tasks[2].command = vec!["--toprod".into()],
            |d| d.tasks[1].script = Some("make".into()),
            |d| d.tasks[2].retries = None,
            |d| d.tasks[2].retries.as_mut().unwrap().delay_ms = Some(1),
            |d| d.tasks[2].retries.as_mut().unwrap().factor = Some(2.0),
            |d| d.tasks[2].retries.as_mut().unwrap().cap_ms = Some(1),
            |d| d.tasks[2].timeout_ms = None,
            |d| d.tasks[2].cpu_milli = Some(501),
            |d| d.tasks[2].memory_bytes = None,
            |d| d.tasks[2].user = "root".into(),
            |d| d.tasks[2].workdir = String::new(),
            |d| d.tasks[2].labels[0].value = "b".into(),
            |d| d.tasks[2].labels.truncate(1),
            |d| d.tasks.truncate(2),
        ];
        let hash = |change: &fn(&mut Draft)| {
            let mut draft = draft();
            change(&mut draft);
            check(&draft)
        };
        let hashes: BTreeSet<String> = changes.iter().map(hash).collect();
        assert_eq!(hashes.len(), changes.len(), "two contents have one hash");
    }

    proptest! {
        #[test]
        fn order_does_not_count(
            tasks in Just(draft().tasks).prop_shuffle(),
            parents in Just(draft().tasks[2].depends_on.clone()).prop_shuffle(),
            variables in Just(draft().tasks[2].variables.clone()).prop_shuffle(),
            labels in Just(draft().tasks[2].labels.clone()).prop_shuffle(),
        ) {
            let mut shuffled = Draft { tasks, ..draft() };
            let ship = shuffled.tasks.iter_mut().find(|task| task.id == "ship").unwrap();
            (ship.depends_on, ship.variables, ship.labels) = (parents, variables, labels);
            prop_assert_eq!(check(&shuffled), check(&draft()));
        }
    }
}
