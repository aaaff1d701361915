//! Makes a container and starts its program, through the `libcontainer` crate. This is the seam to
//! it: nothing else of the engine knows that crate.
//!
//! ```text
//!  create   own mounts, own network → root → user, workdir, /etc → OCI spec → build()   Created
//!  start    start() → the hook's pipe: end of file                                      running
//!           anything that fails on the way                                              Refusal
//! ```
//!
//! It must run in a process with one thread (`libcontainer` clones and runs ordinary code in the
//! child) that does nothing else: it gets namespaces of its own and is never the same again.
//! What `libcontainer` needs to be told so that it does no harm stands where it is told: HOME and
//! the namespaces in `oci.rs`, the leash and the pipe in `hook.rs`, links in `root.rs`.

mod hook;
mod network;
mod oci;
mod program;
mod root;
mod seccomp;
mod syscalls;
mod user;

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use libcontainer::container::Container;
use libcontainer::container::builder::ContainerBuilder;
use libcontainer::error::LibcontainerError;
use libcontainer::oci_spec::runtime::Spec;
use libcontainer::syscall::syscall::SyscallType;
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::pipe::PipeFlags;
use rustix::process::{DumpableBehavior, Pid, PidfdFlags};
use serde::{Deserialize, Serialize};

pub(crate) use root::unmount;

use crate::cgroup::Cgroup;
use crate::files::AttemptDir;
use crate::files::exit::Fault;
use crate::files::spec::{Network, SpecFile};
use hook::{Hook, Inner, LAST_STEP};
use seccomp::Filters;
use user::User;

/// The container's name for `libcontainer`; each has a state folder of its own.
const ID: &str = "container";
/// Where programs are looked for when the task says nothing.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Below this a container's own start does not fit into its memory; Docker's limit too.
const MEMORY_MIN_BYTES: u64 = 6 << 20;
/// The most of a message that is kept: names of programs may be very long.
const MESSAGE_MAX_BYTES: usize = 2_000;
/// Words of a machine that has no room, in the texts of `libcontainer`.
const CAPACITY: [&str; 9] = [
    "enospc",
    "no space left",
    "edquot",
    "enomem",
    "cannot allocate memory",
    "eagain",
    "resource temporarily unavailable",
    "emfile",
    "too many open files",
];

/// Why a container was not started. Nothing of the task has run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refusal {
    /// Whose fault it is.
    pub(crate) fault: Fault,
    /// What was tried, on what, and what the system said.
    pub(crate) message: String,
    /// What a shell would answer, where the command could not be started.
    pub(crate) exit_code: Option<i32>,
}

impl Refusal {
    fn new(fault: Fault, message: impl Into<String>) -> Self {
        let mut message = message.into();
        message.truncate(message.floor_char_boundary(MESSAGE_MAX_BYTES));
        Self { fault, message, exit_code: None }
    }

    pub(crate) fn config(message: impl Into<String>) -> Self {
        Self::new(Fault::Config, message)
    }

    pub(crate) fn engine(message: impl Into<String>) -> Self {
        Self::new(Fault::Engine, message)
    }

    /// What an attempt of the engine to do `what` came to.
    pub(crate) fn tried(what: &str, error: &io::Error) -> Self {
        Self::of_system(format!("could not {what}: {error}"), error)
    }

    fn of_system(message: String, error: &io::Error) -> Self {
        let no_room =
            [Errno::NOSPC, Errno::DQUOT, Errno::NOMEM, Errno::AGAIN, Errno::MFILE, Errno::NFILE];
        let is_full = Errno::from_io_error(error).is_some_and(|errno| no_room.contains(&errno));
        Self::new(if is_full { Fault::Capacity } else { Fault::Engine }, message)
    }

    fn with_exit_code(self, exit_code: i32) -> Self {
        Self { exit_code: Some(exit_code), ..self }
    }
}

/// Where the program's output goes.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
}

/// A container that is there and waits for its start: its first process is not the task's yet.
#[derive(Debug)]
pub(crate) struct Created {
    container: Container,
    report: OwnedFd,
    cgroup: Cgroup,
    /// Its first process, a child of this one.
    pub(crate) pid: Pid,
    /// The same, to wait for.
    pub(crate) pidfd: OwnedFd,
}

/// Makes the container of an attempt.
pub(crate) fn create(
    dir: &AttemptDir,
    spec: &SpecFile,
    env: &BTreeMap<String, String>,
    cgroup: &Cgroup,
    output: Output,
) -> Result<Created, Refusal> {
    check(spec)?;
    root::own_mounts()?;
    if spec.network == Network::None {
        network::own_network()?;
    }
    let (oci, user) = prepare(dir, spec, cgroup)?;
    let bundle = dir.path();
    oci.save(bundle.join("config.json"))
        .map_err(|error| Refusal::engine(format!("could not write config.json: {error}")))?;
    let (report, told) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)
        .map_err(|errno| Refusal::tried("make a pipe", &errno.into()))?;
    let hook = hook_of(spec, env, &user, told)?;
    let built = build(bundle, hook, output);
    // It made this process unreadable to others, a server without root among them.
    rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable)
        .map_err(|errno| Refusal::tried("make the shim readable again", &errno.into()))?;
    let container = built.map_err(|refusal| told_by(&report).unwrap_or(refusal))?;
    let pid = container.pid().and_then(|pid| Pid::from_raw(pid.as_raw()));
    let pid = pid.ok_or_else(|| Refusal::engine("the container has no first process"))?;
    let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty())
        .map_err(|errno| Refusal::tried("open the container's first process", &errno.into()))?;
    Ok(Created { container, report, cgroup: cgroup.clone(), pid, pidfd })
}

impl Created {
    /// Starts the task's program. Comes back when it runs, or with what kept it from running; then
    /// the first process is gone, or goes at once.
    pub(crate) fn start(&mut self) -> Result<(), Refusal> {
        self.container.start().map_err(|error| of_libcontainer("start the container", &error))?;
        let mut told = Vec::new();
        loop {
            let mut both =
                [PollFd::new(&self.report, PollFlags::IN), PollFd::new(&self.pidfd, PollFlags::IN)];
            match rustix::event::poll(&mut both, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(Refusal::tried("wait for the start", &errno.into())),
            }
            let is_dead = both.last().is_some_and(|pidfd| !pidfd.revents().is_empty());
            let ended = read_all(&self.report, &mut told)
                .map_err(|error| Refusal::tried("wait for the start", &error))?;
            if ended == End::OfFile || is_dead {
                return self.judge(&told);
            }
        }
    }

    fn judge(&self, told: &[u8]) -> Result<(), Refusal> {
        match refusal_in(told) {
            Some(refusal) => Err(refusal),
            None if told == [LAST_STEP] => Ok(()),
            None if self.cgroup.account().oom_kills > 0 => {
                let message = "the container was killed for want of memory before its program \
                    could be started: the memory limit is too low";
                Err(Refusal::config(message))
            }
            None => Err(Refusal::engine("the container's first process died before its program")),
        }
    }
}

fn check(spec: &SpecFile) -> Result<(), Refusal> {
    if spec.argv.is_empty() {
        return Err(Refusal::config("no command is given, and the image has none"));
    }
    match spec.memory_bytes {
        Some(bytes) if bytes < MEMORY_MIN_BYTES => {
            let message = format!("the memory limit of {bytes} bytes is below the least, 6 MiB");
            Err(Refusal::config(message))
        }
        Some(_) | None => Ok(()),
    }
}

/// Mounts the root and puts into it what must be there. No folder of it stays open.
fn prepare(dir: &AttemptDir, spec: &SpecFile, cgroup: &Cgroup) -> Result<(Spec, User), Refusal> {
    let root = root::mount(dir, &spec.layers)?;
    let passwd = root.read("/etc/passwd")?;
    let group = root.read("/etc/group")?;
    let user = user::look_up(spec.user.as_deref(), &passwd, &group)?;
    let workdir = root.make_workdir(&spec.workdir)?;
    root.write_etc(&etc_files(spec))?;
    let oci = oci::build(spec, root.path(), &user, &workdir, cgroup.path())
        .map_err(|error| Refusal::engine(format!("could not build the OCI spec: {error}")))?;
    Ok((oci, user))
}

fn etc_files(spec: &SpecFile) -> [(&'static str, String); 3] {
    let of_host = |file: &str| fs::read_to_string(file).unwrap_or_default();
    let (hosts, resolv) = match spec.network {
        Network::None => (root::hosts(&spec.hostname), String::new()),
        Network::Host => {
            let hosts = format!("{}\n127.0.1.1\t{}\n", of_host("/etc/hosts"), spec.hostname);
            (hosts, of_host("/etc/resolv.conf"))
        }
    };
    [("hostname", format!("{}\n", spec.hostname)), ("hosts", hosts), ("resolv.conf", resolv)]
}

fn hook_of(
    spec: &SpecFile,
    env: &BTreeMap<String, String>,
    user: &User,
    report: OwnedFd,
) -> Result<Hook, Refusal> {
    let env = with_defaults(env, spec, user);
    let search = env.get("PATH").cloned().unwrap_or_default();
    let argv = spec.argv.iter().map(|argument| c_string(argument.as_str(), "the command"));
    let variables = env.iter().map(|(name, value)| {
        if name.is_empty() || name.contains('=') {
            return Err(Refusal::config(format!("{name:?} is no name of a variable")));
        }
        c_string(format!("{name}={value}"), &format!("the variable {name}"))
    });
    let filters = Filters::compile()
        .map_err(|error| Refusal::engine(format!("could not compile the filters: {error}")))?;
    let shim = rustix::process::pidfd_open(rustix::process::getpid(), PidfdFlags::empty())
        .map_err(|errno| Refusal::tried("open the shim itself", &errno.into()))?;
    Ok(Hook::new(Inner {
        argv: argv.collect::<Result<_, _>>()?,
        env: variables.collect::<Result<_, _>>()?,
        search,
        filters,
        report,
        shim,
        found: OnceCell::new(),
    }))
}

/// What every container of Docker finds in its environment.
fn with_defaults(
    env: &BTreeMap<String, String>,
    spec: &SpecFile,
    user: &User,
) -> BTreeMap<String, String> {
    let mut env = env.clone();
    env.entry("PATH".to_owned()).or_insert_with(|| DEFAULT_PATH.to_owned());
    env.entry("HOSTNAME".to_owned()).or_insert_with(|| spec.hostname.clone());
    let home = env.entry("HOME".to_owned()).or_default();
    if home.is_empty() {
        user.home.clone_into(home);
    }
    env
}

fn c_string(text: impl Into<Vec<u8>>, what: &str) -> Result<CString, Refusal> {
    CString::new(text).map_err(|_| Refusal::config(format!("{what} holds a zero byte")))
}

fn build(bundle: &Path, hook: Hook, output: Output) -> Result<Container, Refusal> {
    let nothing =
        fs::File::open("/dev/null").map_err(|error| Refusal::tried("open /dev/null", &error))?;
    ContainerBuilder::new(ID.to_owned(), SyscallType::default())
        .with_executor(hook)
        .with_root_path(bundle.join("state"))
        .map(|builder| {
            builder
                .with_stdin(nothing)
                .with_stdout(output.stdout)
                .with_stderr(output.stderr)
                .as_init(bundle)
                .with_systemd(false)
        })
        .and_then(|builder| builder.build())
        .map_err(|error| of_libcontainer("create the container", &error))
}

/// Its errors are text, in layers.
fn of_libcontainer(what: &str, error: &LibcontainerError) -> Refusal {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    let lower = text.to_lowercase();
    let is_full = CAPACITY.iter().any(|word| lower.contains(word));
    let fault = if is_full { Fault::Capacity } else { Fault::Engine };
    Refusal::new(fault, format!("could not {what}: {text}"))
}

/// What the hook wrote until now, if it refused.
fn told_by(report: &OwnedFd) -> Option<Refusal> {
    let mut told = Vec::new();
    read_all(report, &mut told).ok()?;
    refusal_in(&told)
}

fn refusal_in(told: &[u8]) -> Option<Refusal> {
    serde_json::from_slice(told.strip_prefix(&[LAST_STEP]).unwrap_or(told)).ok()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    OfFile,
    ForNow,
}

fn read_all(pipe: &OwnedFd, into: &mut Vec<u8>) -> io::Result<End> {
    let mut buffer = [0; 4096];
    loop {
        match rustix::io::read(pipe, &mut buffer) {
            Ok(0) => return Ok(End::OfFile),
            Ok(n_bytes) => into.extend_from_slice(buffer.get(..n_bytes).unwrap_or_default()),
            Err(Errno::AGAIN) => return Ok(End::ForNow),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_hook_tells_is_understood_before_and_after_its_last_step() {
        let refusal = Refusal::config("exec: \"x\": not found").with_exit_code(127);
        let text = serde_json::to_vec(&refusal).unwrap();
        assert_eq!(refusal_in(&text), Some(refusal.clone()));
        assert_eq!(refusal_in(&[&[LAST_STEP], text.as_slice()].concat()), Some(refusal));
        assert_eq!(refusal_in(&[LAST_STEP]), None);
        assert_eq!(refusal_in(&[]), None);
    }

    #[test]
    fn a_full_machine_is_want_of_room() {
        let of =
            |text: &str| of_libcontainer("x", &LibcontainerError::Other(text.to_owned())).fault;
        assert_eq!(of("failed to write: ENOSPC: No space left on device"), Fault::Capacity);
        assert_eq!(of("failed to mount: EINVAL"), Fault::Engine);
    }
}
