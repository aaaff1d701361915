//! The server's settings: what the command line says, else the environment, else the default.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use gofer_engine::EngineConfig;

use crate::error::StartError;

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
    /// The engine's settings.
    pub engine: EngineConfig,
}

/// Every variable of the environment, with its help.
pub const VARIABLES: &[(&str, &str)] = &[
    ("GOFER_DATA_DIR", "directory for everything that must survive"),
    ("GOFER_SERVER__HOST", "address to listen on, host:port"),
    ("GOFER_SERVER__ADDRESS", "address under which containers reach the server"),
    ("GOFER_SERVER__SHUTDOWN_TIMEOUT", "how long a stopping server waits, for example 15s"),
    ("GOFER_LOG_LEVEL", "what to log: error, warn, info, debug, trace"),
    ("GOFER_RUN_PARALLELISM_LIMIT", "most runs of one pipeline at once; 0 for no limit"),
    ("GOFER_PIPELINE_VERSION_LIMIT", "versions of a pipeline that are kept; 0 keeps all"),
    ("GOFER_TASK_RUN_LOG_EXPIRY", "later runs after which a run's logs are removed"),
    ("GOFER_TASK_RUN_STOP_TIMEOUT", "time between SIGTERM and SIGKILL, for example 5m"),
    ("GOFER_TASK_RUN_TIMEOUT_MAX", "ceiling for every task's time limit, for example 24h"),
    ("GOFER_EVENT_LOG_RETENTION", "age at which history is removed, for example 4380h"),
];

impl Config {
    /// The settings from the environment and the defaults.
    ///
    /// # Errors
    /// A variable that does not parse.
    pub fn from_env() -> Result<Self, StartError> {
        let default = EngineConfig::default();
        let engine = EngineConfig {
            run_parallelism_limit: number(
                "GOFER_RUN_PARALLELISM_LIMIT",
                default.run_parallelism_limit,
            )?,
            pipeline_version_limit: number(
                "GOFER_PIPELINE_VERSION_LIMIT",
                default.pipeline_version_limit,
            )?,
            task_run_log_expiry: number("GOFER_TASK_RUN_LOG_EXPIRY", default.task_run_log_expiry)?,
            task_run_stop_timeout_ms: duration("GOFER_TASK_RUN_STOP_TIMEOUT")?
                .unwrap_or(default.task_run_stop_timeout_ms),
            task_timeout_ms_max: duration("GOFER_TASK_RUN_TIMEOUT_MAX")?,
            event_log_retention_ms: duration("GOFER_EVENT_LOG_RETENTION")?
                .unwrap_or(default.event_log_retention_ms),
            advertised_host: variable("GOFER_SERVER__ADDRESS").unwrap_or_default(),
            ..default
        };
        Ok(Self {
            data_dir: variable("GOFER_DATA_DIR").map_or_else(default_data_dir, PathBuf::from),
            address: address("GOFER_SERVER__HOST")?,
            dev_mode: false,
            log_level: variable("GOFER_LOG_LEVEL").unwrap_or_else(|| "info".to_owned()),
            shutdown_timeout: Duration::from_millis(
                duration("GOFER_SERVER__SHUTDOWN_TIMEOUT")?.unwrap_or(15_000),
            ),
            engine,
        })
    }
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

fn variable(name: &'static str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn number(name: &'static str, default: u32) -> Result<u32, StartError> {
    let Some(value) = variable(name) else { return Ok(default) };
    value.parse().map_err(|_wrong| StartError::Variable {
        variable: name,
        value,
        rule: "a whole number is needed",
    })
}

/// A duration in milliseconds: `90s`, `5m`, `1h30m`.
fn duration(name: &'static str) -> Result<Option<u64>, StartError> {
    let Some(value) = variable(name) else { return Ok(None) };
    let parsed: Option<jiff::SignedDuration> = value.parse().ok();
    let ms = parsed.and_then(|length| u64::try_from(length.as_millis()).ok());
    let rule = "a length of time is needed, for example 90s, 5m or 1h30m";
    ms.map(Some).ok_or(StartError::Variable { variable: name, value, rule })
}

fn address(name: &'static str) -> Result<SocketAddr, StartError> {
    let Some(value) = variable(name) else {
        return Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)));
    };
    let text = value.replace("localhost", "127.0.0.1");
    text.parse().map_err(|_wrong| StartError::Variable {
        variable: name,
        value,
        rule: "an address and a port are needed, for example 127.0.0.1:8080",
    })
}
