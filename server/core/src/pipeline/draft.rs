//! A pipeline as a program or an API call sends it: nothing is checked, nothing is refused. The
//! edges fill these types from their messages; [`validate`](super::validate()) is the only way on.

use std::fmt;

/// Where in the author's program a thing was written.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The file, relative to the project; empty where only the line is known.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1; 0 where it is not known.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.file.is_empty() {
            write!(f, "{}:", self.file)?;
        }
        write!(f, "{}", self.line)?;
        if self.column > 0 {
            write!(f, ":{}", self.column)?;
        }
        Ok(())
    }
}

/// An unchecked pipeline. Empty texts and absent numbers mean "not given".
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Draft {
    /// The pipeline's id.
    pub id: String,
    /// A name for people.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Most runs at once; 0 leaves it to the server.
    pub parallelism: u64,
    /// Time limit of a run, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// The tasks in the author's order.
    pub tasks: Vec<DraftTask>,
    /// Where the pipeline was written.
    pub place: Option<Place>,
}

/// An unchecked task. Empty texts and absent numbers mean "not given".
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DraftTask {
    /// Its id in the pipeline.
    pub id: String,
    /// What it is for.
    pub description: String,
    /// The image reference.
    pub image: String,
    /// Credentials for the image's registry.
    pub registry_auth: Option<DraftRegistryAuth>,
    /// `if-not-present`, `always` or `never`, in either case and with `_` for `-`; empty is the first.
    pub pull_policy: String,
    /// Parents and what is needed of them.
    pub depends_on: Vec<DraftDependency>,
    /// The task's own variables; values may hold placeholders.
    pub variables: Vec<DraftPair>,
    /// Replaces the image's entry point; empty keeps it.
    pub entrypoint: Vec<String>,
    /// Replaces the image's command; empty keeps it.
    pub command: Vec<String>,
    /// A script in place of entry point and command. An empty one that was given is a fault: it
    /// would silently run the image's own command.
    pub script: Option<String>,
    /// What happens after a user failure.
    pub retries: Option<DraftRetries>,
    /// Time limit of one attempt, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// Thousandths of a CPU.
    pub cpu_milli: Option<u64>,
    /// Bytes of memory.
    pub memory_bytes: Option<u64>,
    /// User or `uid:gid` in the container.
    pub user: String,
    /// Working directory in the container.
    pub workdir: String,
    /// Whether the task wants a token for the API.
    pub inject_api_token: bool,
    /// Labels for people and tools.
    pub labels: Vec<DraftPair>,
    /// Where the task was written.
    pub place: Option<Place>,
}

/// An unchecked parent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DraftDependency {
    /// The parent's id.
    pub parent: String,
    /// `any`, `success` or `failure`, in either case.
    pub need: String,
    /// Where the dependency was written.
    pub place: Option<Place>,
}

/// An unchecked variable or label.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DraftPair {
    /// Its name.
    pub key: String,
    /// Its value.
    pub value: String,
    /// Where it was written.
    pub place: Option<Place>,
}

/// Unchecked credentials. `Debug` never shows the password.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct DraftRegistryAuth {
    /// User name, or a placeholder for it.
    pub username: String,
    /// Password or token, or a placeholder for it.
    pub password: String,
    /// Where they were written.
    pub place: Option<Place>,
}

impl fmt::Debug for DraftRegistryAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DraftRegistryAuth")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// Unchecked retries.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DraftRetries {
    /// How many further attempts; absent is 0.
    pub count: Option<u64>,
    /// Wait before the first of them, in milliseconds; absent is 0.
    pub delay_ms: Option<u64>,
    /// Each further wait is this many times the one before; absent is 1.
    pub factor: Option<f64>,
    /// The longest wait, in milliseconds.
    pub cap_ms: Option<u64>,
    /// Where they were written.
    pub place: Option<Place>,
}

/// What a node counts beside its texts: else millions of empty ones would weigh nothing.
const NODE_BYTES: usize = 16;

impl Draft {
    /// The bytes of all texts and 16 for each node, as a measure of the memory that a draft costs.
    #[must_use]
    pub fn n_bytes(&self) -> usize {
        let own = [&self.id, &self.name, &self.description];
        own.iter().map(|text| text.len()).sum::<usize>()
            + place_bytes(self.place.as_ref())
            + self.tasks.iter().map(DraftTask::n_bytes).sum::<usize>()
    }
}

impl DraftTask {
    /// The bytes of its texts and its nodes.
    fn n_bytes(&self) -> usize {
        let own = [
            &self.id,
            &self.description,
            &self.image,
            &self.pull_policy,
            &self.user,
            &self.workdir,
        ];
        let lists = self.entrypoint.iter().chain(&self.command).chain(&self.script);
        let auth = self.registry_auth.as_ref().map_or(0, |auth| {
            auth.username.len() + auth.password.len() + place_bytes(auth.place.as_ref())
        });
        let parents = self.depends_on.iter().map(|dependency| {
            dependency.parent.len() + dependency.need.len() + place_bytes(dependency.place.as_ref())
        });
        let pairs = self.variables.iter().chain(&self.labels);
        own.iter().map(|text| text.len()).sum::<usize>()
            + lists.map(|text| text.len() + NODE_BYTES).sum::<usize>()
            + auth
            + parents.sum::<usize>()
            + pairs
                .map(|pair| pair.key.len() + pair.value.len() + place_bytes(pair.place.as_ref()))
                .sum::<usize>()
            + place_bytes(self.place.as_ref())
    }
}

/// The bytes of a node's place, and those of the node itself.
fn place_bytes(place: Option<&Place>) -> usize {
    place.map_or(0, |place| place.file.len()) + NODE_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_prints_as_editors_read_it() {
        let place = Place { file: "src/main.rs".into(), line: 9, column: 5 };
        assert_eq!(place.to_string(), "src/main.rs:9:5");
        assert_eq!(Place { column: 0, ..place.clone() }.to_string(), "src/main.rs:9");
        assert_eq!(Place { file: String::new(), ..place }.to_string(), "9:5");
    }

    #[test]
    fn no_debug_output_shows_a_password() {
        let auth =
            DraftRegistryAuth { username: "ann".into(), password: "hunter2".into(), place: None };
        let task = DraftTask { registry_auth: Some(auth), ..DraftTask::default() };
        assert!(!format!("{task:?}").contains("hunter2"));
    }
}
