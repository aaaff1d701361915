//! Processes that cannot be mistaken for later ones with the same number: a pidfd is opened first,
//! and only then is the start time compared, so what it stands for is what was meant.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal};

use crate::files::exit::Process;

/// Opens the process; none where it is gone, or its number has gone to another.
fn open(process: Process) -> io::Result<Option<OwnedFd>> {
    let Some(pid) = Pid::from_raw(process.pid) else { return Ok(None) };
    let pidfd = match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
        Ok(pidfd) => pidfd,
        Err(Errno::SRCH) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    Ok((start_ticks(process.pid)? == Some(process.start_ticks)).then_some(pidfd))
}

/// Sends a signal; a process that is gone is fine.
pub(crate) fn signal(process: Process, signal: Signal) -> io::Result<()> {
    let Some(pidfd) = open(process)? else { return Ok(()) };
    match rustix::process::pidfd_send_signal(pidfd, signal) {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// When the process started, in ticks since the machine did; none where it is gone.
pub(crate) fn start_ticks(pid: i32) -> io::Result<Option<u64>> {
    match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => Ok(ticks_in(&stat)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if Errno::from_io_error(&error) == Some(Errno::SRCH) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Field 22. The name in brackets may hold anything, so fields are counted from the last bracket.
fn ticks_in(stat: &str) -> Option<u64> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn this() -> Process {
        let pid = i32::try_from(std::process::id()).unwrap();
        Process { pid, start_ticks: start_ticks(pid).unwrap().unwrap() }
    }

    #[test]
    fn a_name_full_of_brackets_moves_no_field() {
        let stat = "1 (a) b) S 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 4242 22";
        assert_eq!(ticks_in(stat), Some(4242));
        assert_eq!(ticks_in("1 (a"), None);
    }

    #[test]
    fn only_the_process_that_was_meant_is_opened() {
        assert!(open(this()).unwrap().is_some());
        let other = Process { start_ticks: this().start_ticks + 1, ..this() };
        assert!(open(other).unwrap().is_none());
        // Were it not told apart by its start, this would end the test run.
        signal(other, Signal::KILL).unwrap();
    }

    #[test]
    fn a_process_that_is_gone_takes_any_signal() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let process = Process { pid, start_ticks: start_ticks(pid).unwrap().unwrap() };
        child.wait().unwrap();
        signal(process, Signal::KILL).unwrap();
    }
}
