//! The server's settings: what the command line says, else the environment, else the settings file,
//! else the default.
//!
//! ```text
//!  keys ── the one table ──> file (HCL) ──┐
//!                      └───> environment ─┴─> given ─> Config   and: sample, help
//! ```

mod file;
mod given;
mod keys;
mod sample;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use gofer_engine::EngineConfig;

use self::given::{Given, Origin};
pub use self::keys::{KEYS, Key, Kind};
pub use self::sample::sample;
use crate::error::StartError;

/// Names the settings file.
const FILE_VARIABLE: &str = "GOFER_CONFIG_PATH";
/// Where the settings file lies if nobody names another.
const FILE_DEFAULT: &str = "/etc/gofer/gofer.hcl";

/// The settings of one server.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where everything lies that must survive.
    pub data_dir: PathBuf,
    /// Where to listen. Port 0 takes a free one; the file `address` in the data directory says which.
    pub address: SocketAddr,
    /// Whether to let everybody in who can reach the address, which is then a loopback one.
    pub dev_mode: bool,
    /// What to log, as `tracing` filters say it: `info`, `debug`, `gofer_engine=debug`.
    pub log_level: String,
    /// How long a stopping server waits for what is under way.
    pub shutdown_timeout: Duration,
    /// Which container engine is asked for.
    pub scheduler: Scheduler,
    /// The engine's settings.
    pub engine: EngineConfig,
}

/// Which container engine is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scheduler {
    /// Docker where it answers, else the embedded engine.
    #[default]
    Auto,
    /// Docker, whether it answers now or not.
    Docker,
    /// The engine in this binary.
    Embedded,
}

impl Scheduler {
    /// From the word of the setting `scheduler.engine`; none where it is no such word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "auto" => Some(Self::Auto),
            "docker" => Some(Self::Docker),
            "embedded" => Some(Self::Embedded),
            _unknown => None,
        }
    }

    /// The word of the setting.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Docker => "docker",
            Self::Embedded => "embedded",
        }
    }
}

impl Config {
    /// The settings from the environment, the settings file and the defaults.
    ///
    /// # Errors
    /// A file that cannot be read, an unknown key, or a value that its key cannot have; each with
    /// its place.
    pub fn load() -> Result<Self, StartError> {
        let mut config = Self::default();
        for given in from_file()?.into_iter().chain(from_environment()) {
            config.set(&given)?;
        }
        Ok(config)
    }

    fn set(&mut self, given: &Given) -> Result<(), StartError> {
        let engine = &mut self.engine;
        match given.key.path {
            "data_dir" => self.data_dir = PathBuf::from(&given.value),
            "log_level" => self.log_level.clone_from(&given.value),
            "run_parallelism_limit" => engine.run_parallelism_limit = given.number()?,
            "pipeline_version_limit" => engine.pipeline_version_limit = given.number()?,
            "task_run_log_expiry" => engine.task_run_log_expiry = given.number()?,
            "task_run_stop_timeout" => engine.task_run_stop_timeout_ms = given.duration_ms()?,
            "task_run_timeout_max" => engine.task_timeout_ms_max = Some(given.duration_ms()?),
            "event_log_retention" => engine.event_log_retention_ms = given.duration_ms()?,
            "server.host" => self.address = given.address()?,
            "server.address" => engine.advertised_host.clone_from(&given.value),
            "server.shutdown_timeout" => {
                self.shutdown_timeout = Duration::from_millis(given.duration_ms()?);
            }
            "scheduler.engine" => {
                self.scheduler = Scheduler::parse(given.choice()?).unwrap_or_default();
            }
            unknown => unreachable!("the table holds a key that nobody reads: {unknown}"),
        }
        Ok(())
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: default_data_dir(),
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            dev_mode: false,
            log_level: "info".to_owned(),
            shutdown_timeout: Duration::from_secs(15),
            scheduler: Scheduler::Auto,
            engine: EngineConfig::default(),
        }
    }
}

/// What the settings file says. One that is named must be there; the usual one may be missing.
fn from_file() -> Result<Vec<Given>, StartError> {
    if let Some(named) = variable(FILE_VARIABLE) {
        return file::read(Path::new(&named));
    }
    let usual = Path::new(FILE_DEFAULT);
    if usual.exists() { file::read(usual) } else { Ok(Vec::new()) }
}

/// What the environment says.
fn from_environment() -> impl Iterator<Item = Given> {
    KEYS.iter().filter_map(|key| {
        variable(&key.variable()).map(|value| Given { key, value, origin: Origin::Environment })
    })
}

/// As root `/var/lib/gofer`, else the user's data directory by the XDG rules.
fn default_data_dir() -> PathBuf {
    if rustix::process::geteuid().is_root() {
        return PathBuf::from("/var/lib/gofer");
    }
    let data_home = variable("XDG_DATA_HOME").map(PathBuf::from);
    let home = || variable("HOME").map(|home| PathBuf::from(home).join(".local/share"));
    data_home.or_else(home).unwrap_or_else(|| PathBuf::from(".")).join("gofer")
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(path: &str, value: &str) -> Given {
        let key = keys::find(path).unwrap();
        Given { key, value: value.to_owned(), origin: Origin::Environment }
    }

    #[test]
    fn every_key_is_read() {
        for key in KEYS {
            let value = match key.kind {
                Kind::Text if key.path == "server.host" => "127.0.0.1:1",
                Kind::Text => "text",
                Kind::Number => "7",
                Kind::Duration => "7s",
                Kind::Choice(words) => words[0],
            };
            Config::default().set(&given(key.path, value)).unwrap();
        }
    }

    #[test]
    fn the_defaults_of_the_table_are_the_defaults() {
        let mut from_table = Config::default();
        for key in KEYS {
            if key.example == key.default {
                from_table.set(&given(key.path, key.default)).unwrap();
            }
        }
        assert_eq!(format!("{from_table:?}"), format!("{:?}", Config::default()));
    }

    #[test]
    fn a_wrong_value_names_its_variable_and_the_rule() {
        let wrong = Config::default().set(&given("scheduler.engine", "podman"));
        assert_eq!(
            wrong.unwrap_err().to_string(),
            "GOFER_SCHEDULER__ENGINE=\"podman\": one of auto, docker, embedded is needed"
        );
        let wrong = Config::default().set(&given("task_run_stop_timeout", "5 parsecs"));
        assert_eq!(
            wrong.unwrap_err().to_string(),
            "GOFER_TASK_RUN_STOP_TIMEOUT=\"5 parsecs\": a length of time is needed, for example 90s, 5m or 1h30m"
        );
    }
}
