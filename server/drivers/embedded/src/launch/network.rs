//! A network of the container's own, with nothing in it but loopback.
//!
//! It is made by the shim and handed down, since by the time the container's first process could
//! set its loopback up it may not any more. The shim itself never uses a network.

use libcontainer::network::link::LinkClient;
use libcontainer::network::wrapper::create_network_client;
use nix::sched::CloneFlags;

use super::Refusal;

/// Loopback is the first link of every network namespace.
const LOOPBACK: u32 = 1;

/// Moves the calling process into a network of its own.
pub(super) fn own_network() -> Result<(), Refusal> {
    nix::sched::unshare(CloneFlags::CLONE_NEWNET)
        .map_err(|errno| Refusal::tried("make a network namespace", &errno.into()))?;
    LinkClient::new(create_network_client())
        .and_then(|mut links| links.set_up(LOOPBACK))
        .map_err(|error| Refusal::engine(format!("could not set loopback up: {error}")))
}
