//! The shim: the process that makes one container, is its parent, keeps its output and writes down
//! how it ended. It has one thread, survives every server, and what it knows lies in files.
//!
//! ```text
//!  lock ─ busy: another shim has it, leave
//!   │ `started` there: it ran once, leave
//!   │ spec.json, environment ─ the server is gone: leave, nothing has happened
//!   │ room for exit.json set aside ─► `started` made ─► from here on the attempt counts as started
//!   │ create ─► shim.json ─► start ─► "started" ─► pump until the end        (launch, pump)
//!   │ exit.json ─► "exit" ─► log and exit.json synced
//!   ▼ root unmounted, control groups removed, lock free with the process's end
//! ```
//!
//! The container dies with it: an exit that nobody can learn is worth nothing.

mod exit;
mod pump;
mod signals;
#[cfg(test)]
mod tests;

use std::fs::OpenOptions;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;

use rustix::io::Errno;
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};
use rustix::time::{ClockId, clock_gettime};

use crate::cgroup::Cgroup;
use crate::files::exit::{ExitFile, Outcome, Process, ShimFile};
use crate::files::spec::{EnvMessage, SpecFile};
use crate::files::{AttemptDir, VERSION, lock};
use crate::launch::{self, Created, Output, Refusal};
use crate::look;
use exit::Reserved;
use pump::{Log, Pump};

/// The longest environment that is read, with all its names.
const ENV_MAX: u64 = 16 << 20;
/// Wanted for the shim: that the kernel, short of memory, takes any other process first.
const OOM_SCORE: &str = "-900";

/// Runs the container of the attempt in `dir` and returns when nothing of it is left. The caller's
/// process must have one thread and do nothing else: standard input is the socket to the server.
#[must_use]
pub fn shim_main(dir: &Path) -> ExitCode {
    match run(&AttemptDir::new(dir)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error is the shim's own log; where that cannot be written nothing can.
            writeln!(io::stderr(), "shim of {}: {error}", dir.display()).unwrap_or_default();
            ExitCode::FAILURE
        }
    }
}

fn run(dir: &AttemptDir) -> io::Result<()> {
    let server = Server::take()?;
    leave_the_server()?;
    let Some(_lock) = tried("take the lock", lock::take(&dir.lock()))? else { return Ok(()) };
    if dir.started().try_exists()? {
        return Ok(());
    }
    let Some(spec) = look::read::<SpecFile>(&dir.spec())? else {
        return Err(io::Error::other("spec.json is missing or torn"));
    };
    let Some(env) = tried("read the environment", server.env())? else { return Ok(()) };
    let reserved = tried("set room aside for exit.json", Reserved::new(dir))?;
    let log = tried("make the log", Log::create(&dir.log()))?;
    match OpenOptions::new().write(true).create_new(true).open(dir.started()) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => return tried("mark the attempt as started", Err(error)),
    }
    let mut attempt = Attempt { dir, cgroup: cgroup_of(dir)?, server, log, started_ms: None };
    let outcome = attempt.live(&spec, &env).unwrap_or_else(|refusal| Outcome::Refused {
        fault: refusal.fault,
        message: refusal.message,
        exit_code: refusal.exit_code,
    });
    attempt.end(outcome, reserved)
}

/// Says what was tried where something failed.
fn tried<T>(what: &str, result: io::Result<T>) -> io::Result<T> {
    result.map_err(|error| io::Error::new(error.kind(), format!("could not {what}: {error}")))
}

/// A session of its own, so that no terminal's end reaches it; the parent of what it makes.
fn leave_the_server() -> io::Result<()> {
    match rustix::process::setsid() {
        Ok(_) | Err(Errno::PERM) => {} // it leads a group of its own already
        Err(errno) => return Err(errno.into()),
    }
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    signals::ignore_none()
}

fn cgroup_of(dir: &AttemptDir) -> io::Result<Cgroup> {
    let name = dir.path().file_name().and_then(|name| name.to_str());
    name.map(Cgroup::of).ok_or_else(|| io::Error::other("the attempt's folder has no name"))
}

/// An attempt that counts as started.
struct Attempt<'a> {
    dir: &'a AttemptDir,
    cgroup: Cgroup,
    server: Server,
    log: Log,
    started_ms: Option<i64>,
}

impl Attempt<'_> {
    fn live(&mut self, spec: &SpecFile, env: &EnvMessage) -> Result<Outcome, Refusal> {
        let (mut pump, output) = pipes().map_err(|error| Refusal::tried("make pipes", &error))?;
        let mut created = launch::create(self.dir, spec, &env.env, &self.cgroup, output)?;
        // It must not be handed down, so it is set when the container is there; it takes a right
        // that not every root has.
        if let Err(error) = std::fs::write("/proc/self/oom_score_adj", OOM_SCORE) {
            tracing::debug!(%error, "the shim is as likely to be killed as any other process");
        }
        if let Err(refusal) = self.start(&mut created) {
            return Err(end_of_unstarted(&created, refusal));
        }
        self.server.say("started\n");
        pump.until_dead(&mut self.log, &created.pidfd)
            .map_err(|error| Refusal::tried("watch the container", &error))?;
        let status = wait(created.pid).map_err(|error| Refusal::tried("wait", &error))?;
        pump.drain(&mut self.log);
        Ok(outcome_of(status))
    }

    fn start(&mut self, created: &mut Created) -> Result<(), Refusal> {
        let now_ms = now_ms();
        self.write_shim_file(created.pid, now_ms)
            .map_err(|error| Refusal::tried("write shim.json", &error))?;
        created.start()?;
        self.started_ms = Some(now_ms);
        Ok(())
    }

    fn write_shim_file(&self, container: Pid, started_ms: i64) -> io::Result<()> {
        let file = ShimFile {
            v: VERSION,
            shim: process(rustix::process::getpid())?,
            container: process(container)?,
            boot_id: std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned(),
            cgroup: self.cgroup.path().to_owned(),
            started_ms,
        };
        let new = self.dir.path().join("shim.json.new");
        std::fs::write(&new, serde_json::to_vec(&file)?)?;
        std::fs::rename(new, self.dir.shim())
    }

    /// Tells how it ended, then syncs and cleans up: nobody waits for that.
    fn end(&mut self, outcome: Outcome, reserved: Reserved) -> io::Result<()> {
        if matches!(outcome, Outcome::Refused { .. }) {
            tried("empty the control groups", self.cgroup.kill_all())?;
        }
        let account = self.cgroup.account();
        let written = reserved.write(&ExitFile {
            v: VERSION,
            outcome,
            oom_kills: account.oom_kills,
            started_ms: self.started_ms,
            ended_ms: now_ms(),
            cpu_us: account.cpu_us,
            memory_peak_bytes: account.memory_peak_bytes,
        });
        if written.is_ok() {
            self.server.say("exit\n");
        }
        let synced = self.log.sync();
        let unmounted = launch::unmount(self.dir);
        let removed = self.cgroup.remove();
        tried("write exit.json", written.and_then(|file| file.sync_all()))?;
        tried("write the log", synced)?;
        tried("unmount the root", unmounted)?;
        tried("remove the control groups", removed)
    }
}

/// Ends what was made and will not run: nothing but our own code was in it.
fn end_of_unstarted(created: &Created, refusal: Refusal) -> Refusal {
    match rustix::process::pidfd_send_signal(&created.pidfd, Signal::KILL) {
        Ok(()) | Err(Errno::SRCH) => {}
        Err(errno) => return Refusal::tried("end the container", &errno.into()),
    }
    match wait(created.pid) {
        Ok(_) => refusal,
        Err(error) => Refusal::tried("end the container", &error),
    }
}

fn pipes() -> io::Result<(Pump, Output)> {
    let (stdout, stdout_in) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    let (stderr, stderr_in) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    let pump = Pump::new(stdout, stderr)?;
    Ok((pump, Output { stdout: stdout_in, stderr: stderr_in }))
}

fn wait(pid: Pid) -> io::Result<WaitStatus> {
    loop {
        match rustix::process::waitpid(Some(pid), WaitOptions::empty()) {
            Ok(Some((_, status))) => return Ok(status),
            Ok(None) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

fn outcome_of(status: WaitStatus) -> Outcome {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Outcome::Exited { code },
        // Without WUNTRACED and WCONTINUED there is no third way to come back from a wait.
        (None, signal) => Outcome::Signalled { signal: signal.unwrap_or_default() },
    }
}

fn process(pid: Pid) -> io::Result<Process> {
    let pid = pid.as_raw_nonzero().get();
    let start_ticks = crate::process::start_ticks(pid)?;
    let start_ticks = start_ticks.ok_or_else(|| io::Error::other(format!("{pid} is gone")))?;
    Ok(Process { pid, start_ticks })
}

/// Nanoseconds since the epoch.
fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Realtime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(now.tv_nsec).unwrap_or(0))
}

fn now_ms() -> i64 {
    i64::try_from(now_ns() / 1_000_000).unwrap_or(i64::MAX)
}

/// The server that sent this shim out. It may go away at any time, which changes nothing.
struct Server(UnixStream);

impl Server {
    /// Takes the socket off standard input, which the container must not inherit.
    fn take() -> io::Result<Self> {
        let socket = io::stdin().as_fd().try_clone_to_owned()?;
        let nothing = OwnedFd::from(std::fs::File::open("/dev/null")?);
        rustix::stdio::dup2_stdin(&nothing)?;
        Ok(Self(UnixStream::from(socket)))
    }

    /// The task's environment; none where the server went away before it had said it all.
    fn env(&self) -> io::Result<Option<EnvMessage>> {
        let mut text = Vec::new();
        match (&self.0).take(ENV_MAX).read_to_end(&mut text) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
            read => read?,
        };
        self.0.set_nonblocking(true)?;
        match serde_json::from_slice(&text) {
            Ok(message) => Ok(Some(message)),
            Err(error) if error.is_eof() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn say(&self, word: &str) {
        if let Err(error) = (&self.0).write_all(word.as_bytes()) {
            tracing::debug!(%error, word, "nobody listens; the files tell it");
        }
    }
}
