//! The OCI runtime spec of a container, as `libcontainer` reads it. It lies in a file, so nothing of
//! the task's environment is in it; the hook has that.

use std::path::Path;

use libcontainer::oci_spec::OciSpecError;
use libcontainer::oci_spec::runtime::{
    Capabilities, Capability, Linux, LinuxBuilder, LinuxCapabilities, LinuxCapabilitiesBuilder,
    LinuxCpuBuilder, LinuxMemoryBuilder, LinuxNamespaceBuilder, LinuxNamespaceType,
    LinuxPidsBuilder, LinuxResources, LinuxResourcesBuilder, Mount, PosixRlimitBuilder,
    PosixRlimitType, Process, ProcessBuilder, RootBuilder, Spec, SpecBuilder, UserBuilder,
    get_default_mounts,
};
use rustix::process::Resource;

use super::user::User;
use crate::cgroup::{self, Kind};
use crate::files::spec::SpecFile;

/// What root in a container may do: Docker's rights without raw sockets, devices and the audit log.
/// Any other user has none.
const CAPABILITIES: [Capability; 11] = [
    Capability::Chown,
    Capability::DacOverride,
    Capability::Fowner,
    Capability::Fsetid,
    Capability::Kill,
    Capability::Setgid,
    Capability::Setuid,
    Capability::Setpcap,
    Capability::NetBindService,
    Capability::SysChroot,
    Capability::Setfcap,
];
/// What tells too much of the host or of its other containers.
const MASKED: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];
const READ_ONLY: [&str; 5] =
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];
/// Open files that a job may have at most, where the host allows as many.
const OPEN_FILES_MAX: u64 = 1 << 20;
/// The period of the processor's quota.
const CPU_PERIOD_US: u64 = 100_000;
/// The least quota that the kernel takes.
const CPU_QUOTA_MIN_US: i64 = 1_000;

/// Builds the spec of the container with its root at `root`.
pub(super) fn build(
    spec: &SpecFile,
    root: &Path,
    user: &User,
    workdir: &str,
    cgroup: &str,
) -> Result<Spec, OciSpecError> {
    SpecBuilder::default()
        .version("1.0.2")
        .root(RootBuilder::default().path(root).readonly(false).build()?)
        .hostname(spec.hostname.clone())
        .mounts(mounts())
        .process(process(spec, user, workdir)?)
        .linux(linux(spec, cgroup)?)
        .build()
}

fn process(spec: &SpecFile, user: &User, workdir: &str) -> Result<Process, OciSpecError> {
    // With its own group among the further ones: a file that is closed to the group stays closed
    // when the program gives its first group up.
    let gids: Vec<u32> = [user.gid].into_iter().chain(user.more_gids.iter().copied()).collect();
    let ids = UserBuilder::default()
        .uid(user.uid)
        .gid(user.gid)
        .umask(0o022_u32)
        .additional_gids(gids)
        .build()?;
    ProcessBuilder::default()
        .terminal(false)
        .user(ids)
        .args(spec.argv.clone())
        // Were there no HOME, `libcontainer` would look the user up through the C library, inside
        // the image and with the engine's rights: the image's own code would run.
        .env(vec!["HOME=/".to_owned()])
        .cwd(workdir)
        .capabilities(capabilities(user)?)
        .rlimits(vec![
            PosixRlimitBuilder::default()
                .typ(PosixRlimitType::RlimitNofile)
                .soft(open_files())
                .hard(open_files())
                .build()?,
            PosixRlimitBuilder::default()
                .typ(PosixRlimitType::RlimitCore)
                .soft(0_u64)
                .hard(rustix::process::getrlimit(Resource::Core).maximum.unwrap_or(u64::MAX))
                .build()?,
        ])
        .no_new_privileges(true)
        .oom_score_adj(0)
        .build()
}

fn capabilities(user: &User) -> Result<LinuxCapabilities, OciSpecError> {
    let held: Capabilities =
        if user.uid == 0 { CAPABILITIES.into_iter().collect() } else { Capabilities::new() };
    LinuxCapabilitiesBuilder::default()
        .bounding(held.clone())
        .effective(held.clone())
        .permitted(held)
        .inheritable(Capabilities::new())
        .ambient(Capabilities::new())
        .build()
}

/// As many as Docker gives where its service has no limit of its own.
fn open_files() -> u64 {
    let hard = rustix::process::getrlimit(Resource::Nofile).maximum;
    hard.unwrap_or(OPEN_FILES_MAX).min(OPEN_FILES_MAX)
}

/// Docker's mounts. The control groups are shown where that is one mount and not a dozen.
fn mounts() -> Vec<Mount> {
    let mut mounts = get_default_mounts();
    mounts.retain(|mount| mount.typ().as_deref() != Some("cgroup") || cgroup::kind() == Kind::V2);
    for mount in &mut mounts {
        if mount.typ().as_deref() == Some("proc") {
            let options = ["nosuid", "noexec", "nodev"].map(str::to_owned);
            mount.set_options(Some(options.into()));
        }
    }
    mounts
}

fn linux(spec: &SpecFile, cgroup: &str) -> Result<Linux, OciSpecError> {
    // Never a user namespace here: whoever enters the container later would not enter it. The
    // network's is the shim's own, made before.
    let namespaces = [
        LinuxNamespaceType::Pid,
        LinuxNamespaceType::Mount,
        LinuxNamespaceType::Uts,
        LinuxNamespaceType::Ipc,
        LinuxNamespaceType::Cgroup,
    ];
    let namespaces = namespaces.map(|kind| LinuxNamespaceBuilder::default().typ(kind).build());
    let namespaces = namespaces.into_iter().collect::<Result<Vec<_>, _>>()?;
    LinuxBuilder::default()
        .namespaces(namespaces)
        .resources(resources(spec)?)
        .cgroups_path(cgroup)
        .masked_paths(MASKED.map(str::to_owned).to_vec())
        .readonly_paths(READ_ONLY.map(str::to_owned).to_vec())
        .build()
}

fn resources(spec: &SpecFile) -> Result<LinuxResources, OciSpecError> {
    let mut resources = LinuxResourcesBuilder::default()
        .pids(LinuxPidsBuilder::default().limit(i64::from(spec.pids_max)).build()?);
    if let Some(bytes) = spec.memory_bytes {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        let mut memory = LinuxMemoryBuilder::default().limit(bytes);
        if cgroup::counts_swap() {
            memory = memory.swap(bytes);
        }
        resources = resources.memory(memory.build()?);
    }
    if let Some(milli) = spec.cpu_milli {
        let quota_us = i64::from(milli) * 100;
        let cpu = LinuxCpuBuilder::default()
            .period(CPU_PERIOD_US)
            .quota(quota_us.max(CPU_QUOTA_MIN_US))
            .build()?;
        resources = resources.cpu(cpu);
    }
    let mut resources = resources.build()?;
    // Docker's list of devices: all are denied, then the harmless ones allowed by `libcontainer`.
    resources.set_devices(Some(vec![
        libcontainer::oci_spec::runtime::LinuxDeviceCgroupBuilder::default()
            .allow(false)
            .access("rwm")
            .build()?,
    ]));
    Ok(resources)
}
