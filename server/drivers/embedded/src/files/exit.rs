//! `shim.json` and `exit.json`: what a shim tells of its container while it runs and once it ended.

use serde::{Deserialize, Serialize};

/// A process that cannot be mistaken for a later one with the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    /// Its number in the host's pid namespace.
    pub(crate) pid: i32,
    /// Field 22 of `/proc/PID/stat`: clock ticks from the machine's start to its own.
    pub(crate) start_ticks: u64,
}

/// Written by the shim when the container's first process exists, before the task's program runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ShimFile {
    /// The file's version.
    pub(crate) v: u32,
    /// The shim itself.
    pub(crate) shim: Process,
    /// The container's first process.
    pub(crate) container: Process,
    /// `/proc/sys/kernel/random/boot_id`: another one means that the machine was started anew.
    pub(crate) boot_id: String,
    /// The container's control group, as a path below each hierarchy's root.
    pub(crate) cgroup: String,
    /// When the container was started, milliseconds since the epoch.
    pub(crate) started_ms: i64,
}

/// Written once, when nothing of the container runs any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ExitFile {
    /// The file's version.
    pub(crate) v: u32,
    /// How it ended.
    pub(crate) outcome: Outcome,
    /// Processes in it that the kernel killed for want of memory.
    pub(crate) oom_kills: u64,
    /// When it started, milliseconds since the epoch; none where the program never ran.
    pub(crate) started_ms: Option<i64>,
    /// When it ended, milliseconds since the epoch.
    pub(crate) ended_ms: i64,
    /// Processor time of all its processes, microseconds, where known.
    pub(crate) cpu_us: Option<u64>,
    /// The most memory it held, bytes, where known.
    pub(crate) memory_peak_bytes: Option<u64>,
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// The program ended by itself.
    Exited {
        /// Its exit code.
        code: i32,
    },
    /// A signal ended it.
    Signalled {
        /// The signal's number.
        signal: i32,
    },
    /// The program never ran.
    Refused {
        /// Whose fault it is.
        fault: Fault,
        /// What was tried, on what, and what the system said.
        message: String,
        /// What a shell would answer (126, 127), where the command could not be started.
        exit_code: Option<i32>,
    },
}

/// Whose fault a refused start is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fault {
    /// The task's settings: command, user, working directory.
    Config,
    /// The machine: control groups, mounts, namespaces.
    Engine,
    /// No room: disk, memory, processes.
    Capacity,
}
