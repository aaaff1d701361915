//! The demo's own server: a folder, a process that outlives the command, and the end of both.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use gofer_server::{Config, Scheduler};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::context::Context;
use crate::failure::Failure;
use crate::settings::CaCert;

/// How long the server may take to answer, and to end.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(20);
/// Lines of the server's log that are shown where it did not start.
const LOG_LINES: usize = 15;

/// The folder of the demo's server.
#[derive(Debug, Clone)]
pub(super) struct Home(PathBuf);

/// `gofer-demo` beside the data of a real server.
pub(super) fn default_dir() -> PathBuf {
    Config::default().data_dir.with_file_name("gofer-demo")
}

impl Home {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self(dir)
    }

    pub(super) fn dir(&self) -> &Path {
        &self.0
    }

    pub(super) fn exists(&self) -> bool {
        self.pid_file().exists()
    }

    fn pid_file(&self) -> PathBuf {
        self.0.join("demo.pid")
    }

    fn log_file(&self) -> PathBuf {
        self.0.join("server.log")
    }

    fn address_file(&self) -> PathBuf {
        self.0.join("address")
    }

    /// Points the command at this server, where it has one that answers.
    pub(super) async fn is_answering(&self, context: &mut Context) -> bool {
        if self.process().is_none() {
            return false;
        }
        let Ok(address) = std::fs::read_to_string(self.address_file()) else { return false };
        context.settings.host = format!("https://{}", address.trim());
        context.settings.ca_cert = CaCert::Named(self.0.join("tls/ca.pem"));
        match context.client() {
            Ok(client) => client.info().await.is_ok(),
            Err(_) => false,
        }
    }

    /// Has a server here, and points the command at it.
    pub(super) async fn start(
        &self,
        context: &mut Context,
        engine: Option<Scheduler>,
    ) -> Result<(), Failure> {
        if self.is_answering(context).await {
            context.out.say(&format!("the demo's server in {} goes on", self.0.display()));
            return Ok(());
        }
        let mut child = self.spawn(engine)?;
        let n_looks = PATIENCE.as_millis() / PAUSE.as_millis();
        for _ in 0..n_looks {
            if self.is_answering(context).await {
                context.out.say(&format!(
                    "a server in development mode answers at {}; its data and log are in {}",
                    context.settings.host,
                    self.0.display()
                ));
                return Ok(());
            }
            if matches!(child.try_wait(), Ok(Some(_))) {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(self.not_started())
    }

    fn spawn(&self, engine: Option<Scheduler>) -> Result<Child, Failure> {
        let failed = |tried: &'static str| {
            move |error: std::io::Error| Failure::file(tried, &self.0, &error)
        };
        std::fs::create_dir_all(&self.0).map_err(failed("make the demo's folder"))?;
        remove_file(&self.address_file())?;
        let log = File::create(self.log_file()).map_err(failed("write the server's log in"))?;
        let errors = log.try_clone().map_err(failed("write the server's log in"))?;
        let program = std::env::current_exe()
            .map_err(|error| Failure::internal("find this binary", &error))?;
        let mut command = Command::new(program);
        command.args(["service", "start", "--dev-mode", "--address", "127.0.0.1:0", "--data-dir"]);
        command.arg(&self.0).stdin(Stdio::null()).stdout(log).stderr(errors);
        if let Some(engine) = engine {
            command.args(["--engine", engine.word()]);
        }
        // Ctrl-C in the terminal ends the demo's command, not its server.
        command.process_group(0);
        let child = command.spawn().map_err(failed("start the demo's server in"))?;
        std::fs::write(self.pid_file(), child.id().to_string())
            .map_err(failed("write down the server's process in"))?;
        Ok(child)
    }

    fn not_started(&self) -> Failure {
        let log = std::fs::read_to_string(self.log_file()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let end = lines.get(lines.len().saturating_sub(LOG_LINES)..).unwrap_or_default().join("\n");
        let place = self.log_file();
        let text =
            format!("the demo's server did not answer; {} ends with\n{end}", place.display());
        Failure::of_kind(gofer_core::problem::Kind::Unavailable, text)
            .next("`gofer doctor` says what this machine lacks")
    }

    /// The server's process, where it is still the one that was started here.
    fn process(&self) -> Option<Pid> {
        let text = std::fs::read_to_string(self.pid_file()).ok()?;
        let pid = Pid::from_raw(text.trim().parse().ok()?)?;
        let words = std::fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).ok()?;
        let dir = self.0.as_os_str().as_encoded_bytes();
        words.split(|byte| *byte == 0).any(|word| word == dir).then_some(pid)
    }

    /// Stops the server and removes the folder with all in it.
    pub(super) async fn remove(&self) -> Result<(), Failure> {
        if let Some(pid) = self.process() {
            // The descriptor names this very process, whatever becomes of the number.
            let stopped = pidfd_open(pid, PidfdFlags::empty())
                .and_then(|process| pidfd_send_signal(process, Signal::TERM));
            if let Err(error) = stopped
                && error != Errno::SRCH
            {
                return Err(Failure::internal("stop the demo's server", &error));
            }
            let n_looks = PATIENCE.as_millis() / PAUSE.as_millis();
            for _ in 0..n_looks {
                if self.process().is_none() {
                    break;
                }
                tokio::time::sleep(PAUSE).await;
            }
            if self.process().is_some() {
                let text =
                    format!("the demo's server (process {}) does not end", pid.as_raw_nonzero());
                return Err(Failure::of_kind(gofer_core::problem::Kind::Rejected, text));
            }
        }
        std::fs::remove_dir_all(&self.0)
            .map_err(|error| Failure::file("remove the demo's folder", &self.0, &error))
    }
}

fn remove_file(path: &Path) -> Result<(), Failure> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(Failure::file("remove", path, &error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
