//! Stepping into another network namespace and back. Only the calling thread moves, and only for
//! as long as it takes to open a socket: a socket stays in the namespace it was made in, and works
//! from anywhere.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::error::NetError;

/// The calling thread's network namespace; `/proc/self` would be that of the process's first thread.
const OWN: &str = "/proc/thread-self/ns/net";

/// Does `deed` in the network namespace `netns` and comes back.
///
/// # Errors
///
/// Those of the deed; and if the thread could not be moved. If it is the way back that fails, the
/// thread is lost for anything else: whoever gets that error must end.
pub(crate) fn inside<T>(
    netns: BorrowedFd<'_>,
    deed: impl FnOnce() -> Result<T, NetError>,
) -> Result<T, NetError> {
    let home = own()?;
    enter(netns)
        .map_err(|error| NetError::io("enter the network namespace of", "a container", error))?;
    let outcome = deed();
    enter(home.as_fd()).map_err(|error| {
        NetError::io("come back from the network namespace of", "a container", error)
    })?;
    outcome
}

/// The calling thread's own network namespace.
pub(crate) fn own() -> Result<File, NetError> {
    File::open(OWN).map_err(|error| NetError::io("open the network namespace", OWN, error))
}

fn enter(netns: BorrowedFd<'_>) -> std::io::Result<()> {
    Ok(move_into_link_name_space(netns, Some(LinkNameSpaceType::Network))?)
}
