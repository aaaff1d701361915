//! One server at a time sets a bridge up or takes one down in one network namespace. Two at once
//! could choose the same range of addresses, each before it sees that of the other.
//!
//! The lock is an abstract socket name: the kernel keeps those for each network namespace apart,
//! and gives the name back when its holder ends, however it ends.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::time::Duration;

use crate::error::NetError;

const NAME: &str = "gofer-net";
/// A turn takes milliseconds, and half a second where the way out is closed.
const TRIES: u32 = 500;
const BETWEEN_TRIES: Duration = Duration::from_millis(20);

/// The right to change bridges, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    _held: UnixListener,
}

impl Turn {
    pub(super) fn take() -> Result<Self, NetError> {
        let fault = |error| NetError::io("wait for the turn", NAME, error);
        let address = SocketAddr::from_abstract_name(NAME).map_err(fault)?;
        for _ in 0..TRIES {
            match UnixListener::bind_addr(&address) {
                Ok(held) => return Ok(Self { _held: held }),
                Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                    std::thread::sleep(BETWEEN_TRIES);
                }
                Err(error) => return Err(fault(error)),
            }
        }
        Err(NetError::refused(
            "wait for the turn",
            NAME,
            "another process holds the abstract socket of that name",
            "see by `ss -xlp` which one it is",
        ))
    }
}
