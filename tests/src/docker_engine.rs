//! A Docker engine of a test's own, for what no test may do to the machine's: stop it, kill it.
//! Everything of it lies in one short temporary folder (a unix socket's path has 107 bytes), it has
//! a bridge of its own, touches no firewall, and names its containers apart from those of any other
//! engine. Dropping it ends its processes, found by that folder in their command lines, unmounts
//! what they left and removes folder and bridge. It needs root.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bollard::{API_DEFAULT_VERSION, Docker};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// How long an engine may take to start or to stop. A graceful stop gives containers 10 seconds.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a dropped engine may take to stop before it is killed.
const STOP_PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(50);

/// A private dockerd.
#[derive(Debug)]
pub struct DockerEngine {
    folder: TempDir,
    bridge: String,
    options: Vec<String>,
    daemon: Option<Child>,
}

impl DockerEngine {
    /// Starts one and waits until it answers.
    ///
    /// # Errors
    /// Where dockerd or ip is missing, or we are not root; with the end of dockerd's log.
    pub async fn start() -> Result<Self> {
        Self::start_with(&[]).await
    }

    /// Starts one with further options of dockerd, for example `--live-restore`.
    ///
    /// # Errors
    /// As [`DockerEngine::start`].
    pub async fn start_with(options: &[&str]) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let folder = tempfile::Builder::new().prefix("gofd-").rand_bytes(6).tempdir_in("/tmp")?;
        let tail: String = folder.path().to_string_lossy().chars().rev().take(6).collect();
        // At most 15 bytes, and an address range from our pid and a count: two at once differ.
        let bridge = format!("gofd{tail}");
        let number = std::process::id() * 8 + COUNT.fetch_add(1, Ordering::Relaxed) % 8;
        let range = format!("10.{}.{}.1/24", 200 + number % 50, number / 50 % 250);
        ip(&["link", "add", "name", &bridge, "type", "bridge"])?;
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        let mut engine = Self { folder, bridge, options, daemon: None };
        ip(&["address", "add", &range, "dev", &engine.bridge])?;
        ip(&["link", "set", &engine.bridge, "up"])?;
        engine.launch().await?;
        Ok(engine)
    }

    /// Where it listens, in the form of `DOCKER_HOST`.
    #[must_use]
    pub fn host(&self) -> String {
        format!("unix://{}", self.path("s").display())
    }

    /// A client of it.
    ///
    /// # Errors
    /// Where the socket is not there.
    pub fn client(&self) -> Result<Docker> {
        Ok(Docker::connect_with_unix(&self.host(), 120, API_DEFAULT_VERSION)?)
    }

    /// Stops it gracefully, as a service manager does; its containers get SIGTERM, then SIGKILL.
    ///
    /// # Errors
    /// Where it does not end in time.
    pub async fn stop(&mut self) -> Result<()> {
        self.end(Signal::TERM).await
    }

    /// Kills it at once; its containers go on for the moment.
    ///
    /// # Errors
    /// Where it does not end in time.
    pub async fn kill9(&mut self) -> Result<()> {
        self.end(Signal::KILL).await?;
        self.forget_containerd().await
    }

    /// Waits until the killed dockerd's containerd, which dies with it, is dead. A dead process
    /// that nobody has reaped yet looks alive to the next dockerd, which then waits for it for ever;
    /// hence its pid file goes too.
    async fn forget_containerd(&self) -> Result<()> {
        let pid_file = self.path("e/containerd/containerd.pid");
        let Ok(pid) = fs::read_to_string(&pid_file) else {
            return Ok(());
        };
        for _ in 0..PATIENCE.as_millis() / PAUSE.as_millis() {
            let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
            let state = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().next());
            if matches!(state, None | Some("Z" | "X")) {
                return Ok(fs::remove_file(&pid_file)?);
            }
            tokio::time::sleep(PAUSE).await;
        }
        bail!("containerd {pid} outlives its dockerd")
    }

    /// Starts it again after [`DockerEngine::stop`] or [`DockerEngine::kill9`].
    ///
    /// # Errors
    /// As [`DockerEngine::start`].
    pub async fn launch(&mut self) -> Result<()> {
        let log = fs::File::options().create(true).append(true).open(self.path("log"))?;
        fs::write(self.path("json"), "{}")?;
        let daemon = Command::new("dockerd")
            .arg("--config-file")
            .arg(self.path("json"))
            .arg("--host")
            .arg(self.host())
            .arg("--data-root")
            .arg(self.path("d"))
            .arg("--exec-root")
            .arg(self.path("e"))
            .arg("--pidfile")
            .arg(self.path("pid"))
            .arg("--bridge")
            .arg(&self.bridge)
            .args(["--containerd-namespace", &self.bridge])
            .args(["--containerd-plugins-namespace", &format!("{}p", self.bridge)])
            .args(["--iptables=false", "--ip6tables=false", "--ip-masq=false"])
            .args(["--userland-proxy=false", "--shutdown-timeout", "10"])
            .args(&self.options)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("start dockerd: install Debian's package docker.io")?;
        self.daemon = Some(daemon);
        for _ in 0..PATIENCE.as_millis() / PAUSE.as_millis() {
            if let Some(daemon) = &mut self.daemon
                && let Some(status) = daemon.try_wait()?
            {
                bail!("dockerd ended with {status}:\n{}", self.log_tail());
            }
            if let Ok(docker) = self.client()
                && docker.ping().await.is_ok()
            {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
        bail!("dockerd does not answer:\n{}", self.log_tail())
    }

    /// Stops it gracefully and starts it again.
    ///
    /// # Errors
    /// As its two parts.
    pub async fn restart(&mut self) -> Result<()> {
        self.stop().await?;
        self.launch().await
    }

    async fn end(&mut self, signal: Signal) -> Result<()> {
        let Some(mut daemon) = self.daemon.take() else {
            return Ok(());
        };
        kill_process(Pid::from_child(&daemon), signal)?;
        for _ in 0..PATIENCE.as_millis() / PAUSE.as_millis() {
            if daemon.try_wait()?.is_some() {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
        self.daemon = Some(daemon);
        bail!("dockerd does not end:\n{}", self.log_tail())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn log_tail(&self) -> String {
        let log = fs::read_to_string(self.path("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(30).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// Ends dockerd, and then whatever still runs out of our folder: its containerd, shims and,
    /// through their parents, the containers' processes.
    fn end_all(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            kill_process(Pid::from_child(&daemon), Signal::TERM).unwrap_or_default();
            let n_looks = STOP_PATIENCE.as_millis() / PAUSE.as_millis();
            let ended = (0..n_looks).any(|_| {
                std::thread::sleep(PAUSE);
                !matches!(daemon.try_wait(), Ok(None))
            });
            if !ended && daemon.kill().and_then(|()| daemon.wait()).is_err() {
                complain(&format!("could not end dockerd {}", daemon.id()));
            }
        }
        for _ in 0..20 {
            let left = processes_of(self.folder.path());
            if left.is_empty() {
                return;
            }
            for pid in left {
                kill_process(pid, Signal::KILL).unwrap_or_default();
            }
            std::thread::sleep(PAUSE);
        }
    }
}

impl Drop for DockerEngine {
    fn drop(&mut self) {
        self.end_all();
        unmount_below(self.folder.path());
        if let Err(error) = ip(&["link", "delete", &self.bridge]) {
            complain(&format!("left the bridge {}: {error:#}", self.bridge));
        }
    }
}

fn ip(arguments: &[&str]) -> Result<()> {
    let done = Command::new("ip")
        .args(arguments)
        .output()
        .context("run ip: install Debian's package iproute2")?;
    if !done.status.success() {
        bail!(
            "ip {}: {} (are we root?)",
            arguments.join(" "),
            String::from_utf8_lossy(&done.stderr).trim()
        );
    }
    Ok(())
}

/// Processes that name our folder in their command line, and all below them.
fn processes_of(folder: &Path) -> Vec<Pid> {
    let folder = folder.to_string_lossy().into_owned();
    let mut parents = Vec::new();
    let mut ours = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&command).contains(&folder)
            && pid != std::process::id().cast_signed()
        {
            ours.push(pid);
        }
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // The name in brackets may hold anything, so count from the last one.
        let parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1));
        if let Some(parent) = parent.and_then(|parent| parent.parse::<i32>().ok()) {
            parents.push((pid, parent));
        }
    }
    let mut seen = 0;
    while let Some(parent) = ours.get(seen).copied() {
        let below = parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid);
        let new: Vec<i32> = below.filter(|pid| !ours.contains(pid)).collect();
        ours.extend(new);
        seen += 1;
    }
    ours.into_iter().filter_map(Pid::from_raw).collect()
}

/// A killed engine leaves the file systems of its containers mounted, and a folder with a mount in
/// it cannot be removed.
fn unmount_below(folder: &Path) {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let folder = folder.to_string_lossy();
    let ours = mounts.lines().filter_map(|line| line.split(' ').nth(1));
    let ours: Vec<&str> = ours.filter(|path| path.starts_with(folder.as_ref())).collect();
    for path in ours.into_iter().rev() {
        let done = Command::new("umount").arg("--lazy").arg(path).status();
        if !done.is_ok_and(|status| status.success()) {
            complain(&format!("left the mount {path}"));
        }
    }
}

#[expect(clippy::print_stderr, reason = "a drop has nobody else to tell, and the test shows it")]
fn complain(text: &str) {
    eprintln!("{text}");
}
