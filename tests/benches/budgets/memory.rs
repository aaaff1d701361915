//! Resident memory: of the real server with nothing to do, and of a server on the fake engine, in a
//! process of its own, before and after many runs. The fake's bookkeeping and the memory that an
//! allocator does not give back count against Gofer.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use gofer_client::{Client, NewNamespace};
use gofer_proto::sdk::v1 as sdk;
use gofer_tests::fake::{FakeDriver, FakeEngine, Program};
use gofer_tests::harness;
use tokio::task::JoinSet;

use crate::Size;
use crate::report::{Report, Row};
use crate::scene::{self, task};

/// Set in the process that serves on the fake engine; its data directory.
pub(crate) const CHILD: &str = "GOFER_BENCH_SERVES";
/// Memory is read when the server has been left alone for this long.
const REST: Duration = Duration::from_secs(2);
const N_CLIENTS: usize = 16;

pub(crate) async fn measure(size: Size, report: &mut Report) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let server = Process::server(dir.path())?;
    server.answers(dir.path()).await?;
    tokio::time::sleep(REST).await;
    let idle = server.resident_mib()?;
    drop(server);
    report.row(Row {
        what: "resident memory, idle server (release binary)",
        measured: format!("{idle:.1} MiB"),
        budget: "≤ 30 MiB",
        met: Some(idle <= 30.0),
        ..Row::default()
    });
    after_runs(size.of(10_000), report).await
}

async fn after_runs(n_runs: usize, report: &mut Report) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.env(CHILD, dir.path()).stdin(Stdio::piped());
    let server = Process(command.spawn()?);
    let client = server.answers(dir.path()).await?;
    tokio::time::sleep(REST).await;
    let before = server.resident_mib()?;
    let id = scene::NAMESPACE.to_owned();
    client.create_namespace(NewNamespace { id, ..NewNamespace::default() }).await?;
    let pipeline = sdk::Pipeline {
        id: "many".to_owned(),
        tasks: vec![task("work", "talks")],
        ..sdk::Pipeline::default()
    };
    let pipeline = scene::deploy(&client, pipeline).await?;
    let mut starters = JoinSet::new();
    for _ in 0..N_CLIENTS {
        let (client, pipeline) = (harness::client_of(dir.path())?, pipeline.clone());
        starters.spawn(async move {
            for _ in 0..n_runs.div_ceil(N_CLIENTS) {
                client.start_run(scene::start_run(&pipeline)).await?;
            }
            Ok::<(), gofer_client::ClientError>(())
        });
    }
    while let Some(ended) = starters.join_next().await {
        ended??;
    }
    scene::all_ended(&client, &pipeline).await?;
    tokio::time::sleep(REST).await;
    let after = server.resident_mib()?;
    report.row(Row {
        what: "resident memory after 10k finished runs (fake)",
        measured: format!("{after:.1} MiB ({n_runs} runs)"),
        reference: format!("the same process before: {before:.1} MiB"),
        ratio: Some(after / before),
        budget: "≤ 60 MiB",
        met: Some(after <= 60.0),
    });
    Ok(())
}

/// The life of the child process: a server on the fake engine until the parent is gone.
pub(crate) async fn serve(dir: PathBuf) -> Result<()> {
    let fake = FakeEngine::new();
    fake.program("talks", Program::exit(0).out("hello\n"));
    let driver = FakeDriver::port(fake);
    let running = gofer_server::start(scene::config(&dir)?, |_| Ok(driver)).await?;
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    running.stop(Duration::from_secs(10)).await;
    Ok(())
}

/// A server process; killed when it goes.
pub(crate) struct Process(Child);

impl Process {
    /// The real binary on this data directory.
    pub(crate) fn server(data_dir: &Path) -> Result<Self> {
        // The address of an earlier life would be taken for this one's.
        if let Err(error) = std::fs::remove_file(data_dir.join("address"))
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(error.into());
        }
        let mut command = Command::new(
            harness::gofer_binary().context("run `cargo build --release -p gofer` first")?,
        );
        command
            .args(["service", "start", "--dev-mode", "--address", "127.0.0.1:0", "--data-dir"])
            .arg(data_dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Ok(Self(command.spawn()?))
    }

    /// Waits until the server answers a call.
    pub(crate) async fn answers(&self, data_dir: &Path) -> Result<Client> {
        let mut answered = None;
        scene::until(async || {
            if let Ok(client) = harness::client_of(data_dir)
                && client.info().await.is_ok()
            {
                answered = Some(client);
            }
            Ok(answered.is_some())
        })
        .await?;
        answered.context("an answer")
    }

    pub(crate) fn resident_mib(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next()).context("VmRSS")?;
        Ok(kib.parse::<f64>()? / 1024.0)
    }

    /// Stops it with SIGTERM and waits for its end.
    pub(crate) async fn stop(mut self) -> Result<()> {
        let pid = i32::try_from(self.0.id()).ok().and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(pid.context("a process id")?, rustix::process::Signal::TERM)?;
        scene::until(async || Ok(self.0.try_wait()?.is_some())).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A process that has ended already is as good.
        if self.0.kill().and_then(|()| self.0.wait()).is_err() {
            eprintln!("could not end a server");
        }
    }
}
