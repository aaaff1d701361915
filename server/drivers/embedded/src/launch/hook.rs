//! The last steps inside a new container, as `libcontainer` calls them in its first process: with
//! the container's namespaces, root, user and rights, just before the task's program takes over.
//!
//! ```text
//!  validate   leash · find the program                    errors: the pipe, and libcontainer's own
//!  … shim.json is written, then start() …
//!  exec       leash · rights given up? · 'x' into the pipe · filters · execve        errors: the pipe
//!                                                           end of file: the program runs
//! ```
//!
//! After start() nobody reads what `libcontainer` says, so the pipe is the only way to tell. It
//! closes itself at execve; that the program runs is known from its end, not assumed.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use libcontainer::oci_spec::runtime::Spec;
use libcontainer::workload::{
    Executor, ExecutorError, ExecutorSetEnvsError, ExecutorValidationError,
};
use nix::sys::signal::SigSet;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::Signal;

use super::seccomp::Filters;
use super::{Refusal, program};

/// What stands in the pipe when nothing but filters and execve is left.
pub(super) const LAST_STEP: u8 = b'x';

/// What the first process of a container needs to become the task's program.
#[derive(Debug, Clone)]
pub(super) struct Hook(Rc<Inner>);

/// See [`Hook`].
#[derive(Debug)]
pub(super) struct Inner {
    /// Program and arguments.
    pub(super) argv: Vec<CString>,
    /// The whole environment, `NAME=value`.
    pub(super) env: Vec<CString>,
    /// Where programs are looked for.
    pub(super) search: String,
    /// Under which the program runs.
    pub(super) filters: Filters,
    /// Where errors go; closed at execve.
    pub(super) report: OwnedFd,
    /// The shim, as a pidfd.
    pub(super) shim: OwnedFd,
    /// The program, once it was found.
    pub(super) found: OnceCell<PathBuf>,
}

impl Hook {
    pub(super) fn new(inner: Inner) -> Self {
        Self(Rc::new(inner))
    }
}

impl Executor for Hook {
    fn validate(&self, _spec: &Spec) -> Result<(), ExecutorValidationError> {
        self.0.prepare().map_err(|refusal| {
            self.0.tell(&refusal);
            ExecutorValidationError::ArgValidationError(refusal.message)
        })
    }

    /// The environment goes straight to execve, in order and whatever its bytes are.
    fn setup_envs(&self, _envs: HashMap<String, String>) -> Result<(), ExecutorSetEnvsError> {
        Ok(())
    }

    fn exec(&self, _spec: &Spec) -> Result<(), ExecutorError> {
        let refusal = self.0.take_over();
        self.0.tell(&refusal);
        Err(ExecutorError::Other(refusal.message))
    }
}

impl Inner {
    fn prepare(&self) -> Result<(), Refusal> {
        self.leash()?;
        let name = self.argv.first().map(|name| name.to_string_lossy()).unwrap_or_default();
        let path = program::find(&name, &self.search)?;
        // It is set once; validate() runs once.
        self.found.get_or_init(|| path);
        Ok(())
    }

    /// Becomes the program; comes back only with what kept it from that.
    fn take_over(&self) -> Refusal {
        match self.confine() {
            Err(refusal) => refusal,
            Ok(path) => {
                let error = match CString::new(path.as_os_str().as_bytes()) {
                    Ok(file) => match nix::unistd::execve(&file, &self.argv, &self.env) {
                        Err(errno) => io::Error::from(errno),
                    },
                    Err(error) => error.into(),
                };
                program::exec_failed(path, &error)
            }
        }
    }

    fn confine(&self) -> Result<&Path, Refusal> {
        self.leash()?;
        let path = self.found.get().ok_or_else(|| Refusal::engine("no program was looked for"))?;
        let gave_up = rustix::thread::no_new_privs()
            .map_err(|errno| Refusal::tried("ask for no_new_privs", &errno.into()))?;
        if !gave_up {
            return Err(Refusal::engine(
                "the container could gain rights: no_new_privs is not set",
            ));
        }
        SigSet::empty()
            .thread_set_mask()
            .map_err(|errno| Refusal::tried("unblock signals", &errno.into()))?;
        rustix::io::write(&self.report, &[LAST_STEP])
            .map_err(|errno| Refusal::tried("report to the shim", &errno.into()))?;
        self.filters
            .load()
            .map_err(|error| Refusal::engine(format!("could not load the filters: {error}")))?;
        Ok(path)
    }

    /// Ties this process to the shim: it dies with it. Set anew at each step, because the kernel
    /// forgets it when rights change; and the shim may have died before it was set.
    fn leash(&self) -> Result<(), Refusal> {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
            .map_err(|errno| Refusal::tried("tie the container to its shim", &errno.into()))?;
        let mut shim = [PollFd::new(&self.shim, PollFlags::IN)];
        let n_dead = rustix::event::poll(&mut shim, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))
            .map_err(|errno| Refusal::tried("look at the shim", &errno.into()))?;
        if n_dead == 0 { Ok(()) } else { Err(Refusal::engine("the shim is gone")) }
    }

    fn tell(&self, refusal: &Refusal) {
        let text = serde_json::to_vec(refusal).unwrap_or_default();
        if let Err(error) = rustix::io::write(&self.report, &text) {
            tracing::error!(%error, message = refusal.message, "nobody hears why a start failed");
        }
    }
}
