//! What this machine can do, and the reason for each no. Asked once, when the engine is opened:
//! whoever cannot run a container must hear it then, with what to do about it, and not from a run.

use std::fs;
use std::io;
use std::path::Path;

use gofer_core::ports::driver::{ContainerSpec, DriverError, FaultKind};
use nix::sched::CloneFlags;
use rustix::fs::Access;
use rustix::mount::{MountFlags, MountPropagationFlags};

/// The oldest kernel that the engine was made for: `close_range` for all, overlay without surprises.
const KERNEL_MIN: (u32, u32) = (5, 11);

const CGROUPS: &str = "/sys/fs/cgroup";

/// What the machine can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// The kernel's release.
    pub kernel: String,
    /// Which control groups containers get.
    pub cgroups: Cgroups,
    /// Why memory cannot be limited; none where it can.
    pub no_memory_limit: Option<String>,
    /// Why processors cannot be limited; none where they can.
    pub no_cpu_limit: Option<String>,
}

/// The two kinds of control groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cgroups {
    /// One hierarchy for each controller.
    V1,
    /// One for all.
    V2,
}

/// Why the engine cannot run on this machine, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the embedded engine cannot run here: {reason}; {remedy}")]
pub struct Unfit {
    /// What is missing.
    pub reason: String,
    /// What to do about it.
    pub remedy: String,
}

impl Unfit {
    fn new(reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { reason: reason.into(), remedy: remedy.into() }
    }
}

impl Machine {
    /// Finds out what the engine would meet in a data directory, which need not exist. Nothing stays
    /// of what is tried.
    ///
    /// # Errors
    /// What is missing, and what to do about it.
    pub fn examine(data_dir: &Path) -> Result<Self, Unfit> {
        let absolute = std::path::absolute(data_dir).unwrap_or_else(|_| data_dir.to_path_buf());
        let there = absolute.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("/"));
        Self::probe(&there.join(format!(".gofer-try-{}", std::process::id())))
    }

    /// Finds out; `scratch` is a folder, not there yet, on the file system that is to be used.
    pub(crate) fn probe(scratch: &Path) -> Result<Self, Unfit> {
        let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
        new_enough(&kernel)?;
        root()?;
        namespaces()?;
        seccomp()?;
        let cgroups = cgroups()?;
        controller(cgroups, "pids").map_err(|reason| Unfit::new(reason, DELEGATE))?;
        overlay(scratch)?;
        Ok(Self {
            kernel,
            cgroups,
            no_memory_limit: controller(cgroups, "memory").err(),
            no_cpu_limit: controller(cgroups, "cpu").err(),
        })
    }

    /// Refuses limits that this machine cannot keep: a limit that is passed over is a lie.
    pub(crate) fn validate(&self, spec: &ContainerSpec) -> Result<(), DriverError> {
        let memory = spec.memory_bytes.and(self.no_memory_limit.as_ref());
        let cpu = spec.cpu_milli.and(self.no_cpu_limit.as_ref());
        let of = |(what, why)| {
            let message =
                format!("could not run {}: {what} cannot be limited here: {why}", spec.key);
            Err(DriverError::new(FaultKind::Config, message))
        };
        let refused = memory.map(|why| ("memory", why)).or(cpu.map(|why| ("cpu", why)));
        refused.map_or(Ok(()), of)
    }
}

const DELEGATE: &str =
    "make the controllers available to the server (for a systemd unit: `Delegate=yes`)";
const PRIVILEGES: &str = "start the server as root of the machine itself, not inside a container \
                          without privileges, or use Docker";

fn new_enough(release: &str) -> Result<(), Unfit> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else {
        return Ok(()); // A kernel of unknown name is tried.
    };
    if (major, minor) >= KERNEL_MIN {
        return Ok(());
    }
    let (least, least_minor) = KERNEL_MIN;
    Err(Unfit::new(
        format!("Linux {release} is too old, {least}.{least_minor} is the oldest that it knows"),
        "use a newer kernel, or Docker",
    ))
}

fn root() -> Result<(), Unfit> {
    let user = rustix::process::geteuid();
    if user.is_root() {
        return Ok(());
    }
    let reason = format!("the server runs as user {}, and it needs root", user.as_raw());
    Err(Unfit::new(reason, "start the server as root, or use Docker"))
}

fn namespaces() -> Result<(), Unfit> {
    for kind in ["mnt", "pid", "net", "ipc", "uts", "cgroup"] {
        if !Path::new("/proc/self/ns").join(kind).exists() {
            let reason = format!("the kernel has no {kind} namespaces, or /proc is not mounted");
            return Err(Unfit::new(reason, "use a kernel with namespaces, or Docker"));
        }
    }
    Ok(())
}

fn seccomp() -> Result<(), Unfit> {
    let actions = fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail").unwrap_or_default();
    if actions.split_whitespace().any(|action| action == "errno") {
        return Ok(());
    }
    let reason = "the kernel cannot filter system calls (seccomp), and no task runs without that";
    Err(Unfit::new(reason, "use a kernel with CONFIG_SECCOMP_FILTER, or Docker"))
}

fn cgroups() -> Result<Cgroups, Unfit> {
    let unified = Path::new(CGROUPS).join("cgroup.controllers").exists();
    let (kind, folder) = match unified {
        true => (Cgroups::V2, Path::new(CGROUPS).to_path_buf()),
        false => (Cgroups::V1, Path::new(CGROUPS).join("pids")),
    };
    match rustix::fs::access(&folder, Access::WRITE_OK) {
        Ok(()) => Ok(kind),
        Err(error) => {
            let reason = format!("control groups cannot be made in {}: {error}", folder.display());
            Err(Unfit::new(reason, PRIVILEGES))
        }
    }
}

/// Says why this controller cannot be had.
fn controller(kind: Cgroups, name: &str) -> Result<(), String> {
    let found = match kind {
        Cgroups::V1 => Path::new(CGROUPS).join(name).join("cgroup.procs").exists(),
        Cgroups::V2 => {
            let file = Path::new(CGROUPS).join("cgroup.controllers");
            let controllers = fs::read_to_string(file).unwrap_or_default();
            controllers.split_whitespace().any(|controller| controller == name)
        }
    };
    if found { Ok(()) } else { Err(format!("there is no control group controller {name}")) }
}

/// Mounts an overlay where the containers' would lie, in a mount namespace that ends with a thread
/// of its own, so that nothing of it is ever seen outside or left behind.
fn overlay(scratch: &Path) -> Result<(), Unfit> {
    let tried = std::thread::scope(|scope| {
        let trial = std::thread::Builder::new().spawn_scoped(scope, || try_overlay(scratch));
        trial.map(std::thread::ScopedJoinHandle::join)
    });
    let outcome = match tried {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(Trial::Overlay(io::Error::other("the trial panicked"))),
        Err(error) => Err(Trial::Overlay(error)),
    };
    if let Err(error) = crate::home::delete(scratch) {
        tracing::warn!(path = %scratch.display(), %error, "could not clear a trial away");
    }
    let place = scratch.parent().unwrap_or(scratch);
    outcome.map_err(|trial| match trial {
        Trial::Namespace(error) => {
            Unfit::new(format!("no mount namespace can be made: {error}"), PRIVILEGES)
        }
        Trial::Overlay(error) => Unfit::new(
            format!("no overlay file system can be mounted in {}: {error}", place.display()),
            "put the data directory on a local disk with ext4, xfs or btrfs, and see that the kernel \
             has overlayfs",
        ),
    })
}

enum Trial {
    Namespace(io::Error),
    Overlay(io::Error),
}

fn try_overlay(scratch: &Path) -> Result<(), Trial> {
    // The thread's own from here on, its working directory too.
    nix::sched::unshare(CloneFlags::CLONE_NEWNS).map_err(|errno| Trial::Namespace(errno.into()))?;
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", private).map_err(|errno| Trial::Namespace(errno.into()))?;
    let trial = || -> io::Result<()> {
        for folder in ["lower", "upper", "work", "root"] {
            fs::create_dir_all(scratch.join(folder))?;
        }
        fs::write(scratch.join("lower/old"), "old")?;
        // Relative names: a comma or a colon in the path would end an option.
        rustix::process::chdir(scratch)?;
        let options = c"lowerdir=lower,upperdir=upper,workdir=work";
        rustix::mount::mount("overlay", "root", "overlay", MountFlags::NODEV, Some(options))?;
        fs::write(scratch.join("root/new"), "new")?;
        fs::rename(scratch.join("root/old"), scratch.join("root/moved"))?;
        fs::read(scratch.join("upper/moved")).map(drop)
    };
    trial().map_err(Trial::Overlay)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_that_is_too_old_is_named() {
        for good in ["5.11.0", "5.11", "6.1.0-13-amd64", "10.0", "odd"] {
            new_enough(good).unwrap();
        }
        for bad in ["5.10.99-generic", "4.19", "3.10.0-1160.el7.x86_64"] {
            let unfit = new_enough(bad).unwrap_err();
            assert!(unfit.to_string().contains(bad) && unfit.to_string().contains("5.11"));
        }
    }

    #[test]
    fn a_trial_leaves_no_mount_and_no_folder() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        Machine::examine(&folder.path().join("not/there/yet")).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        // With what would end a mount option.
        let scratch = folder.path().join("a,b:c");
        overlay(&scratch).unwrap();
        assert!(!scratch.exists());
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        assert!(!mounts.contains(&*folder.path().to_string_lossy()));
    }

    #[test]
    fn a_file_system_that_carries_no_overlay_is_refused_with_a_remedy() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        // The process file system takes no folder at all.
        let unfit = overlay(Path::new("/proc/trial")).unwrap_err();
        assert!(unfit.reason.contains("/proc") && unfit.remedy.contains("ext4"), "{unfit}");
    }

    #[test]
    fn a_limit_that_cannot_be_kept_is_refused() {
        let machine = Machine {
            kernel: "6.1".to_owned(),
            cgroups: Cgroups::V2,
            no_memory_limit: Some("no memory here".to_owned()),
            no_cpu_limit: None,
        };
        let spec: ContainerSpec = serde_json::from_value(serde_json::json!({
            "instance": "01j9zzzzzzzzzzzzzzzzzzzzzz",
            "key": { "uid": "01j9zzzzzzzzzzzzzzzzzzzzzz", "task": "task", "attempt": 1 },
            "image": "a", "entrypoint": [], "command": [], "env": {}, "user": null,
            "workdir": null, "cpu_milli": 500, "memory_bytes": null, "pids_max": 1, "labels": {}
        }))
        .unwrap();
        machine.validate(&spec).unwrap();
        let limited = ContainerSpec { memory_bytes: Some(1 << 30), ..spec };
        let fault = machine.validate(&limited).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Config);
        assert!(fault.message.contains("no memory here"), "{fault}");
    }
}
