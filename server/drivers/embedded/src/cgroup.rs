//! Control groups of containers: where they are, what they counted, and how they go away. They are
//! made by `libcontainer`; they are the one thing of a container that a crash leaves on the host.
//!
//! Both kinds are known. In the first every controller has a hierarchy of its own, and a container
//! has a folder in each; in the second there is one hierarchy. A machine with both counts as the
//! first, since its controllers are there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal};

/// The folder in every hierarchy that all containers of this engine are in.
const PARENT: &str = "gofer";
/// Where hierarchies are mounted, by every distribution and by `libcontainer`'s reckoning.
const MOUNTED_AT: &str = "/sys/fs/cgroup";
/// A group whose last process has just died may be busy for a moment.
const N_TRIES: u32 = 50;
const TRY_AGAIN: Duration = Duration::from_millis(10);

/// Which kind of control groups the machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One hierarchy per controller.
    V1,
    /// One hierarchy.
    V2,
}

/// The control group of one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cgroup {
    path: String,
}

/// What a control group counted. What is not known is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Account {
    /// Processes killed for want of memory.
    pub(crate) oom_kills: u64,
    /// The most memory held, bytes.
    pub(crate) memory_peak_bytes: Option<u64>,
    /// Processor time, microseconds.
    pub(crate) cpu_us: Option<u64>,
}

/// Which kind this machine has.
pub(crate) fn kind() -> Kind {
    static KIND: OnceLock<Kind> = OnceLock::new();
    *KIND.get_or_init(|| {
        let unified = Path::new(MOUNTED_AT).join("cgroup.controllers");
        if unified.exists() { Kind::V2 } else { Kind::V1 }
    })
}

/// Whether the kernel counts swapped memory, so that a limit may cover it.
pub(crate) fn counts_swap() -> bool {
    match kind() {
        Kind::V1 => Path::new(MOUNTED_AT).join("memory/memory.memsw.limit_in_bytes").exists(),
        Kind::V2 => {
            // Only a group below the root has the file, and only where its parent shares memory out.
            let root = Path::new(MOUNTED_AT);
            let parent = root.join(PARENT);
            let shared = fs::create_dir_all(&parent)
                .and_then(|()| fs::write(root.join("cgroup.subtree_control"), "+memory"));
            shared.is_ok() && parent.join("memory.swap.max").exists()
        }
    }
}

impl Cgroup {
    /// The group of the container called `name`.
    pub(crate) fn of(name: &str) -> Self {
        Self { path: format!("/{PARENT}/{name}") }
    }

    /// Its path below the root of each hierarchy.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// What it has counted until now.
    pub(crate) fn account(&self) -> Account {
        match kind() {
            Kind::V1 => {
                let of = |controller: &str, file: &str| {
                    fs::read_to_string(self.folder(controller).join(file)).unwrap_or_default()
                };
                Account {
                    oom_kills: field(&of("memory", "memory.oom_control"), "oom_kill").unwrap_or(0),
                    memory_peak_bytes: number(&of("memory", "memory.max_usage_in_bytes")),
                    cpu_us: number(&of("cpuacct", "cpuacct.usage")).map(|ns| ns / 1_000),
                }
            }
            Kind::V2 => {
                let of =
                    |file: &str| fs::read_to_string(self.folder("").join(file)).unwrap_or_default();
                Account {
                    oom_kills: field(&of("memory.events"), "oom_kill").unwrap_or(0),
                    memory_peak_bytes: number(&of("memory.peak")),
                    cpu_us: field(&of("cpu.stat"), "usage_usec"),
                }
            }
        }
    }

    /// Kills every process in it. One that no shim watches any more can only be found this way.
    pub(crate) fn kill_all(&self) -> io::Result<()> {
        for _ in 0..N_TRIES {
            let mut is_empty = true;
            for folder in self.folders()? {
                let processes = match fs::read_to_string(folder.join("cgroup.procs")) {
                    Ok(processes) => processes,
                    Err(error) if is_gone(&error) => continue,
                    Err(error) => return Err(error),
                };
                for pid in processes.lines().filter_map(|line| Pid::from_raw(line.parse().ok()?)) {
                    is_empty = false;
                    kill(pid, &folder)?;
                }
            }
            if is_empty {
                return Ok(());
            }
            std::thread::sleep(TRY_AGAIN);
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, format!("{} does not get empty", self.path)))
    }

    /// Removes it from every hierarchy. None there is fine; nothing may run in it any more.
    pub(crate) fn remove(&self) -> io::Result<()> {
        self.folders()?.iter().try_for_each(|folder| remove_folder(folder))
    }

    /// Its folder in every hierarchy that has one.
    fn folders(&self) -> io::Result<Vec<PathBuf>> {
        let mounts = fs::read_to_string("/proc/self/mounts")?;
        let mut folders: Vec<PathBuf> = hierarchies(&mounts)
            .map(|root| Path::new(root).join(self.path.trim_start_matches('/')))
            .filter(|folder| folder.exists())
            .collect();
        folders.sort_unstable();
        folders.dedup();
        Ok(folders)
    }

    fn folder(&self, controller: &str) -> PathBuf {
        Path::new(MOUNTED_AT).join(controller).join(self.path.trim_start_matches('/'))
    }
}

/// The mount points of hierarchies, from the table of mounts.
fn hierarchies(mounts: &str) -> impl Iterator<Item = &str> {
    mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ');
        let (_device, mounted_at, kind) = (fields.next()?, fields.next()?, fields.next()?);
        let is_hierarchy =
            matches!(kind, "cgroup" | "cgroup2") && mounted_at.starts_with(MOUNTED_AT);
        is_hierarchy.then_some(mounted_at)
    })
}

/// Kills a process that still is in the group: between reading its number and here it may have
/// ended, and the number may have gone to another.
fn kill(pid: Pid, folder: &Path) -> io::Result<()> {
    let pidfd = match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
        Ok(pidfd) => pidfd,
        Err(Errno::SRCH) => return Ok(()),
        Err(errno) => return Err(errno.into()),
    };
    let still_there = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    if !still_there.lines().any(|line| line.parse() == Ok(pid.as_raw_nonzero().get())) {
        return Ok(());
    }
    match rustix::process::pidfd_send_signal(&pidfd, Signal::KILL) {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

fn remove_folder(folder: &Path) -> io::Result<()> {
    for _ in 0..N_TRIES {
        match fs::remove_dir(folder) {
            Ok(()) => return Ok(()),
            Err(error) if is_gone(&error) => return Ok(()),
            Err(error) if Errno::from_io_error(&error) == Some(Errno::BUSY) => {}
            Err(error) => return Err(error),
        }
        // Groups that a job made in its own keep it busy.
        for entry in fs::read_dir(folder)?.flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                remove_folder(&entry.path())?;
            }
        }
        std::thread::sleep(TRY_AGAIN);
    }
    Err(io::Error::new(io::ErrorKind::ResourceBusy, format!("{} stays busy", folder.display())))
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || Errno::from_io_error(error) == Some(Errno::NODEV)
}

fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// The number of a line "name number".
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| number(line.strip_prefix(name)?.strip_prefix(' ')?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_found_by_their_whole_name() {
        let events = "low 0\noom 3\noom_kill 2\noom_group_kill 7\n";
        assert_eq!(field(events, "oom_kill"), Some(2));
        assert_eq!(field(events, "oom"), Some(3));
        assert_eq!(field("oom_kill_disable 0\nunder_oom 0\n", "oom_kill"), None);
        assert_eq!(number("123\n"), Some(123));
    }

    #[test]
    fn hierarchies_of_both_kinds_are_found() {
        let mounts = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n\
            cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n\
            cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n\
            cgroup /srv/other cgroup rw 0 0\n";
        let found: Vec<&str> = hierarchies(mounts).collect();
        assert_eq!(found, ["/sys/fs/cgroup/memory", "/sys/fs/cgroup/unified"]);
    }

    #[test]
    fn a_group_that_is_not_there_is_empty_and_removed() {
        let group = Cgroup::of("gofer-test-none");
        group.kill_all().unwrap();
        group.remove().unwrap();
        assert_eq!(group.account().oom_kills, 0);
    }

    #[test]
    fn processes_in_a_group_are_killed_and_the_group_goes_with_what_is_in_it() {
        let group = Cgroup::of(&format!("gofer-test-{}", std::process::id()));
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let mut n_joined = 0;
        for root in hierarchies(&mounts) {
            let folder = Path::new(root).join(group.path().trim_start_matches('/'));
            if fs::create_dir_all(folder.join("inner")).is_ok()
                && fs::write(folder.join("cgroup.procs"), child.id().to_string()).is_ok()
            {
                n_joined += 1;
            }
        }
        assert!(n_joined > 0, "no hierarchy took a group: is this root?");
        // A zombie is in no group any more, but it is this test's child and must be waited for.
        group.kill_all().unwrap();
        assert!(!child.wait().unwrap().success());
        group.remove().unwrap();
        assert_eq!(group.folders().unwrap(), Vec::<PathBuf>::new());
    }
}
