//! Every setting of the server, once. The file, the environment, the help text and the sample are
//! all made from this table, so none of them can forget one.

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its place in the file: `log_level`, `scheduler.engine`.
    pub path: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// What holds where nobody says anything, as a person would write it: a value, or a sentence
    /// where it depends on the machine.
    pub default: &'static str,
    /// A value that it may have, for the sample file.
    pub example: &'static str,
    /// What it does, in a few words.
    pub help: &'static str,
}

/// What a setting may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A whole number from 0.
    Number,
    /// A length of time: `90s`, `5m`, `1h30m`.
    Duration,
    /// One of these words.
    Choice(&'static [&'static str]),
}

/// The engines that can be asked for.
pub(super) const ENGINES: &[&str] = &["auto", "docker", "embedded"];

const fn key(path: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Key {
    Key { path, kind, default, example: default, help }
}

impl Key {
    /// The same with an example, where the default is no value.
    const fn such_as(self, example: &'static str) -> Self {
        Self { example, ..self }
    }
}

/// All settings, in the order of the sample file.
pub const KEYS: &[Key] = &[
    key(
        "data_dir",
        Kind::Text,
        "/var/lib/gofer as root, else ~/.local/share/gofer",
        "directory for everything that must survive",
    )
    .such_as("/var/lib/gofer"),
    key("log_level", Kind::Text, "info", "what to log: error, warn, info, debug, trace"),
    key(
        "run_parallelism_limit",
        Kind::Number,
        "200",
        "most runs of one pipeline at once where it sets no limit; 0 for no limit",
    ),
    key(
        "pipeline_version_limit",
        Kind::Number,
        "5",
        "versions of a pipeline that are kept; 0 keeps all",
    ),
    key(
        "task_run_log_expiry",
        Kind::Number,
        "20",
        "later runs after which a run's logs are removed",
    ),
    key("task_run_stop_timeout", Kind::Duration, "5m", "time between SIGTERM and SIGKILL"),
    key("task_run_timeout_max", Kind::Duration, "none", "ceiling for every task's time limit")
        .such_as("24h"),
    key("event_log_retention", Kind::Duration, "4380h", "age at which history is removed"),
    key("server.host", Kind::Text, "127.0.0.1:8080", "address to listen on, host:port"),
    key(
        "server.address",
        Kind::Text,
        "the address that it listens on",
        "address under which containers reach the server",
    )
    .such_as("127.0.0.1:8080"),
    key("server.shutdown_timeout", Kind::Duration, "15s", "how long a stopping server waits"),
    key(
        "scheduler.engine",
        Kind::Choice(ENGINES),
        "auto",
        "container engine: docker, embedded, or auto (Docker where it answers, else embedded)",
    ),
];

impl Key {
    /// The variable of the environment: `GOFER_`, then the path in capitals, `__` for each dot.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("GOFER_{}", self.path.to_uppercase().replace('.', "__"))
    }
}

/// The setting at `path`.
pub(super) fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}
