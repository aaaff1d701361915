//! From what the system said to the port's kinds of fault.

use std::io;

use gofer_core::ports::driver::{DriverError, FaultKind};

/// What an attempt to do `tried` (for example "read the log of x") came to.
pub(crate) fn of_io(tried: &str, error: &io::Error) -> DriverError {
    DriverError::new(kind_of(error), format!("could not {tried}: {error}"))
}

/// A fault of the engine's own.
pub(crate) fn engine(message: impl Into<String>) -> DriverError {
    DriverError::new(FaultKind::Engine, message)
}

/// A task on the blocking pool that did not come back: it panicked, or the server goes down.
pub(crate) fn of_join(tried: &str, error: &tokio::task::JoinError) -> DriverError {
    engine(format!("could not {tried}: {error}"))
}

fn kind_of(error: &io::Error) -> FaultKind {
    use rustix::io::Errno;
    let no_room = [
        Errno::NOSPC,
        Errno::DQUOT,
        Errno::NOMEM,
        Errno::AGAIN,
        Errno::MFILE,
        Errno::NFILE,
        Errno::MLINK,
    ];
    let is_full = Errno::from_io_error(error).is_some_and(|errno| no_room.contains(&errno));
    if is_full { FaultKind::Capacity } else { FaultKind::Engine }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_want_of_room_and_a_bad_one_is_not() {
        let kind = |errno: rustix::io::Errno| of_io("write x", &io::Error::from(errno)).kind;
        assert_eq!(kind(rustix::io::Errno::NOSPC), FaultKind::Capacity);
        assert_eq!(kind(rustix::io::Errno::IO), FaultKind::Engine);
    }
}
