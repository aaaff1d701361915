//! A whole server for a test, in two makes: [`InProcess`] serves the fake engine (or any driver)
//! from this process and can be stopped and started again on the same data; [`Binary`] is the real
//! `gofer`, to be killed. Both listen on a port of their own and keep their data in a folder that
//! goes with the test.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use gofer_client::{Client, Target};
use gofer_core::ports::driver::Driver;
use gofer_server::{Config, Running};
use tempfile::TempDir;

/// The longest that anything in a test may take before the test is given up.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A server in this process.
#[derive(Debug)]
pub struct InProcess {
    dir: TempDir,
    driver: Arc<dyn Driver>,
    config: Config,
    running: Option<Running>,
}

impl InProcess {
    /// Starts a server on a driver.
    ///
    /// # Errors
    /// Where it does not start.
    pub async fn start(driver: Arc<dyn Driver>) -> Result<Self> {
        Self::start_with(driver, |_| {}).await
    }

    /// The same, with other settings.
    ///
    /// # Errors
    /// Where it does not start.
    pub async fn start_with(
        driver: Arc<dyn Driver>,
        change: impl FnOnce(&mut Config),
    ) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let mut config = Config {
            data_dir: dir.path().to_path_buf(),
            address: ([127, 0, 0, 1], 0).into(),
            dev_mode: true,
            ..Config::default()
        };
        config.engine.infra_delay_ms = 50;
        change(&mut config);
        let mut server = Self { dir, driver, config, running: None };
        server.up().await?;
        Ok(server)
    }

    /// Starts it again, on the same data and at the same address.
    ///
    /// # Errors
    /// Where it does not start.
    pub async fn up(&mut self) -> Result<()> {
        let driver = Arc::clone(&self.driver);
        let running = gofer_server::start(self.config.clone(), |_| Ok(driver)).await?;
        self.config.address = running.address;
        self.running = Some(running);
        Ok(())
    }

    /// Stops it in order.
    pub async fn down(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop(Duration::from_secs(10)).await;
        }
    }

    /// Its data directory.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        self.dir.path()
    }

    /// A client of it.
    ///
    /// # Errors
    /// Where its certificate cannot be read.
    pub fn client(&self) -> Result<Client> {
        client_of(self.dir.path())
    }

    /// Its engine.
    ///
    /// # Panics
    /// Where it is down.
    #[must_use]
    pub fn engine(&self) -> &gofer_engine::Engine {
        self.running.as_ref().expect("the server is up").engine()
    }
}

/// The real binary.
#[derive(Debug)]
pub struct Binary {
    dir: TempDir,
    environment: Vec<(String, String)>,
    child: Option<Child>,
}

impl Binary {
    /// A data directory and an environment; nothing runs yet.
    ///
    /// # Errors
    /// Where no folder can be made.
    pub fn new(environment: &[(&str, &str)]) -> Result<Self> {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let dir = tempfile::tempdir()?;
        Ok(Self { dir, environment: environment.iter().map(own).collect(), child: None })
    }

    /// Starts the server and waits until it answers; `failpoint` is armed for this life only.
    ///
    /// # Errors
    /// Where it does not answer in time; the text has the end of its log.
    pub async fn up(&mut self, failpoint: Option<&str>) -> Result<()> {
        self.spawn(failpoint)?;
        let end = tokio::time::Instant::now() + PATIENCE;
        loop {
            if self.has_died()? {
                bail!("the server died before it answered: {}", self.log_end());
            }
            if let Ok(client) = client_of(self.dir.path())
                && client.info().await.is_ok()
            {
                return Ok(());
            }
            if tokio::time::Instant::now() > end {
                bail!("the server does not answer: {}", self.log_end());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Starts the server and does not wait: an armed failpoint may end it before it answers.
    ///
    /// # Errors
    /// Where the binary is not there.
    pub fn spawn(&mut self, failpoint: Option<&str>) -> Result<()> {
        // The last life's address would be taken for this one's.
        match std::fs::remove_file(self.dir.path().join("address")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log_path())?;
        let mut command = Command::new(gofer_binary()?);
        command
            .args(["service", "start", "--dev-mode", "--address", "127.0.0.1:0", "--data-dir"])
            .arg(self.dir.path())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env_remove("GOFER_FAILPOINT")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        if let Some(name) = failpoint {
            command.env("GOFER_FAILPOINT", name);
        }
        self.child = Some(command.spawn()?);
        Ok(())
    }

    /// Whether the server has ended by itself.
    ///
    /// # Errors
    /// Where the system does not say.
    pub fn has_died(&mut self) -> Result<bool> {
        match &mut self.child {
            Some(child) => Ok(child.try_wait()?.is_some()),
            None => Ok(true),
        }
    }

    /// Kills the server with SIGKILL.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Stops the server with SIGTERM and waits for its end.
    ///
    /// # Errors
    /// Where it does not end in time.
    pub async fn stop(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(pid.context("a process id")?, rustix::process::Signal::TERM)?;
        let end = tokio::time::Instant::now() + PATIENCE;
        while child.try_wait()?.is_none() {
            if tokio::time::Instant::now() > end {
                child.kill()?;
                child.wait()?;
                bail!("the server did not stop: {}", self.log_end());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Its data directory.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        self.dir.path()
    }

    /// A client of it.
    ///
    /// # Errors
    /// Where it never answered.
    pub fn client(&self) -> Result<Client> {
        client_of(self.dir.path())
    }

    /// A command of the same binary that speaks to this server.
    ///
    /// # Errors
    /// Where the binary is not there or the server never answered.
    pub fn command(&self, args: &[&str]) -> Result<Command> {
        let mut command = Command::new(gofer_binary()?);
        let address = std::fs::read_to_string(self.dir.path().join("address"))?;
        command
            .args(args)
            .env("GOFER_CLI_HOST", format!("https://{address}"))
            .env("GOFER_DATA_DIR", self.dir.path())
            .env("GOFER_CLI_CONFIG", self.dir.path().join("cli.hcl"))
            .stdin(Stdio::null());
        Ok(command)
    }

    fn log_path(&self) -> PathBuf {
        self.dir.path().join("server.log")
    }

    /// The end of the server's log, for the text of a failure.
    #[must_use]
    pub fn log_end(&self) -> String {
        let log = std::fs::read_to_string(self.log_path()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines
            .iter()
            .skip(lines.len().saturating_sub(40))
            .fold(String::new(), |text, line| text + "\n" + line)
    }
}

impl Drop for Binary {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            eprintln!("could not kill a server: {error}");
        }
    }
}

/// The binary that the workspace built.
///
/// # Errors
/// Where it is not there.
pub fn gofer_binary() -> Result<PathBuf> {
    let mut dir = std::env::current_exe()?;
    dir.pop();
    if dir.ends_with("deps") || dir.ends_with("examples") {
        dir.pop();
    }
    let binary = dir.join("gofer");
    if !binary.exists() {
        bail!("{} is missing; `cargo build -p gofer` makes it", binary.display());
    }
    Ok(binary)
}

/// A client of the server that has its data there.
///
/// # Errors
/// Where it does not say yet where it listens.
pub fn client_of(data_dir: &Path) -> Result<Client> {
    let address =
        std::fs::read_to_string(data_dir.join("address")).context("the server's address")?;
    let ca_pem = std::fs::read_to_string(data_dir.join(gofer_server::CA_FILE))?;
    let target = Target { ca_pem: Some(ca_pem), ..Target::new(format!("https://{address}")) };
    Ok(Client::connect(&target)?)
}
