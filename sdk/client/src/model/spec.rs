//! What an author declares: a pipeline and its tasks, unchecked.

use serde::Serialize;

use super::words;

/// A pipeline as its program declared it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct PipelineSpec {
    /// Its id.
    pub id: String,
    /// Name for people; may be empty.
    pub name: String,
    /// What it is for; may be empty.
    pub description: String,
    /// How many runs may go on at once. `None`: only the server's limit holds.
    pub parallelism: Option<u32>,
    /// Time limit of a run, in milliseconds. `None`: no limit.
    pub timeout_ms: Option<u64>,
    /// Its tasks, in the order of declaration.
    pub tasks: Vec<TaskSpec>,
    /// Where it is declared.
    pub source: Option<Place>,
}

/// A task as its program declared it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaskSpec {
    /// Its id.
    pub id: String,
    /// What it does; may be empty.
    pub description: String,
    /// Image of its container.
    pub image: String,
    /// How to sign in to the image's registry. `None`: anonymously.
    pub registry_auth: Option<RegistryAuthSpec>,
    /// When the image is fetched.
    pub pull_policy: PullPolicy,
    /// Its parents, and how they must end.
    pub depends_on: Vec<DependencySpec>,
    /// Environment variables, placeholders unresolved.
    pub variables: Vec<VariableSpec>,
    /// Replaces the image's entry point; empty keeps it.
    pub entrypoint: Vec<String>,
    /// Replaces the image's command; empty keeps it.
    pub command: Vec<String>,
    /// Shell script in place of both. `None`: none.
    pub script: Option<String>,
    /// What happens after a failure of its own doing. `None`: nothing.
    pub retries: Option<RetriesSpec>,
    /// Time limit of one attempt, in milliseconds. `None`: the server's.
    pub timeout_ms: Option<u64>,
    /// CPU limit in thousandths of one core. `None`: no limit.
    pub cpu_milli: Option<u64>,
    /// Memory limit in bytes. `None`: no limit.
    pub memory_bytes: Option<u64>,
    /// User in the container. `None`: the image's.
    pub user: Option<String>,
    /// Working directory in the container. `None`: the image's.
    pub workdir: Option<String>,
    /// Whether the container gets a token for the API.
    pub inject_api_token: bool,
    /// Free words.
    pub labels: Vec<String>,
    /// Where it is declared.
    pub source: Option<Place>,
}

/// A parent, and how it must end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DependencySpec {
    /// Id of the parent.
    pub parent: String,
    /// How it must end.
    pub status: Need,
    /// Where the edge is declared.
    pub source: Option<Place>,
}

words! {
    /// How a parent must have ended for its child to start.
    Need is gofer_proto::sdk::v1::RequiredStatus {
        /// SUCCESSFUL, FAILED or SKIPPED.
        Any = "ANY",
        /// SUCCESSFUL.
        Success = "SUCCESS",
        /// FAILED.
        Failure = "FAILURE",
    }
}

words! {
    /// When the image of a task is fetched.
    PullPolicy is gofer_proto::sdk::v1::PullPolicy {
        /// Only if the engine does not hold it.
        IfNotPresent = "IF_NOT_PRESENT",
        /// Before every attempt.
        Always = "ALWAYS",
        /// Never.
        Never = "NEVER",
    }
}

/// One environment variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VariableSpec {
    /// Name.
    pub key: String,
    /// Value, placeholders unresolved.
    pub value: String,
}

/// Credentials for a registry, as written. `Debug` never shows the password.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct RegistryAuthSpec {
    /// User name.
    pub username: String,
    /// Password, which should be a placeholder. Never serialised.
    #[serde(skip)]
    pub password: String,
}

impl std::fmt::Debug for RegistryAuthSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RegistryAuthSpec").field("username", &self.username).finish_non_exhaustive()
    }
}

/// How a failed attempt is made again.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RetriesSpec {
    /// How many further attempts there are.
    pub count: u32,
    /// Wait before the first of them, in milliseconds. `None`: the server's default.
    pub delay_ms: Option<u64>,
    /// What the wait is multiplied by. `None`: the server's default.
    pub factor: Option<f64>,
    /// Longest wait, in milliseconds. `None`: the server's default.
    pub cap_ms: Option<u64>,
}

/// A place in the source text of a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Path of the file, relative to the project.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1. `None`: unknown.
    pub column: Option<u32>,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)?;
        self.column.map_or(Ok(()), |column| write!(f, ":{column}"))
    }
}
