//! Connecting one container: what the process that starts it calls between "its namespaces exist"
//! and "its program runs".
//!
//! ```text
//!  host namespace                         │ the container's namespace
//!  bridge ── port (isolated) ═══════ pair ═══════ eth0, address, route by the gateway
//!                                         │       lo
//! ```
//!
//! The pair is made by one message, with its far end inside; it goes with the namespace, so nobody
//! has to take it away. When the container is connected, packets pass: the first one that its
//! program sends is not lost.

use std::net::Ipv4Addr;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sched::{CloneFlags, unshare};
use rustix::io::Errno;

use crate::error::NetError;
use crate::namespace;
use crate::netlink::links;
use crate::netlink::orders::{self, INNER_LINK, Pair};
use crate::netlink::{Protocol, Refusal, Socket};
use crate::range::Range;

const LOOPBACK: &str = "lo";

/// How one container is connected to a bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// The bridge's name.
    pub bridge: String,
    /// The name that the link gets on the host's side, see [`crate::link_name`].
    pub link: String,
    /// The container's address.
    pub address: Ipv4Addr,
    /// The prefix of the bridge's range.
    pub prefix: u8,
    /// The bridge's own address.
    pub gateway: Ipv4Addr,
}

/// Connects the namespace `netns`, which has no `eth0` yet, as `attachment` says. Call it from the
/// namespace that the bridge is in; the calling thread is in the other one for a moment.
///
/// # Errors
///
/// If the kernel refuses a step; no link of it is left then.
pub fn attach(netns: BorrowedFd<'_>, attachment: &Attachment) -> Result<(), NetError> {
    let mut here = Socket::open(Protocol::Route)?;
    let mut inside = Socket::open_in(netns, Protocol::Route)?;
    connect(&mut here, &mut inside, netns, attachment)
}

/// Moves the calling thread into a new network namespace, connected as `attachment` says, or with
/// nothing but its loopback if that is none. What the thread starts from then on is in there too.
/// Call it from the namespace that the bridge is in.
///
/// # Errors
///
/// If the kernel refuses a step; no link of it is left then. Where the thread is by then is not
/// said: it must end, or start nothing.
pub fn enter_new(attachment: Option<&Attachment>) -> Result<(), NetError> {
    let here = Socket::open(Protocol::Route)?;
    unshare(CloneFlags::CLONE_NEWNET).map_err(|errno| {
        NetError::io("make a network namespace for", "a container", errno.into())
    })?;
    let (mut here, mut inside) = (here, Socket::open(Protocol::Route)?);
    match attachment {
        Some(attachment) => connect(&mut here, &mut inside, namespace::own()?.as_fd(), attachment),
        None => raise_loopback(&mut inside),
    }
}

/// Brings the loopback of the namespace `netns` up: all the network there is in mode `none`.
///
/// # Errors
///
/// If the namespace cannot be entered, or the kernel refuses.
pub fn loopback_up(netns: BorrowedFd<'_>) -> Result<(), NetError> {
    raise_loopback(&mut Socket::open_in(netns, Protocol::Route)?)
}

fn raise_loopback(inside: &mut Socket) -> Result<(), NetError> {
    inside
        .order(&[orders::raise(LOOPBACK)])
        .map_err(|refusal| refusal.of("bring up the link", LOOPBACK))
}

fn connect(
    here: &mut Socket,
    inside: &mut Socket,
    netns: BorrowedFd<'_>,
    attachment: &Attachment,
) -> Result<(), NetError> {
    let bridge = links::link(here, &attachment.bridge)
        .map_err(|refusal| refusal.of("look for the bridge", &attachment.bridge))?
        .ok_or_else(|| no_bridge(&attachment.bridge))?;
    let link = attachment.link.as_str();
    let pair = Pair { name: link, bridge: Some(bridge.index), mtu: bridge.mtu };
    let mut steps = vec![orders::new_pair(&pair, netns), orders::isolate(link)];
    steps.extend(orders::keep_ipv6_off(link));
    steps.push(orders::raise(link));
    if let Err(refusal) = here.order(&steps) {
        // The first step is the one that makes the link.
        let is_made = refusal.at > 0;
        return Err(undone(here, link, is_made, of_pair(refusal, link)));
    }
    let range = Range::around(attachment.address, attachment.prefix);
    furnish(inside, attachment.address, range, attachment.gateway)
        .and_then(|()| {
            links::wait_until(here, link, |link| link.is_running && link.forwards)
                .map_err(|refusal| refusal.of("wait for packets to pass by the link", link))
        })
        .map_err(|error| undone(here, link, true, error))
}

/// Inside: the address, both links up, and the way out.
pub(crate) fn furnish(
    inside: &mut Socket,
    address: Ipv4Addr,
    range: Range,
    gateway: Ipv4Addr,
) -> Result<(), NetError> {
    let everywhere = Range::around(Ipv4Addr::UNSPECIFIED, 0);
    let index = links::link(inside, INNER_LINK)
        .and_then(|link| link.ok_or_else(|| std::io::Error::from(Errno::NODEV).into()))
        .map_err(|refusal| refusal.of("find the link", INNER_LINK))?
        .index;
    let mut steps =
        vec![("give a container the address", orders::add_address(index, address, range))];
    steps.extend(orders::keep_ipv6_off(INNER_LINK).map(|order| ("keep IPv6 off eth0 of", order)));
    steps.push(("bring up lo for", orders::raise(LOOPBACK)));
    steps.push(("bring up eth0 for", orders::raise(INNER_LINK)));
    steps.push(("lead out the packets of", orders::add_route(everywhere, gateway, index)));
    let (whats, steps): (Vec<_>, Vec<_>) = steps.into_iter().unzip();
    inside.order(&steps).map_err(|refusal| {
        let what = whats.get(refusal.at).copied().unwrap_or("connect");
        refusal.of(what, address.to_string())
    })
}

fn no_bridge(name: &str) -> NetError {
    NetError::io("find the bridge", name, Errno::NODEV.into())
        .with_remedy("start the server again, which sets its bridge up")
}

fn of_pair(refusal: Refusal, link: &str) -> NetError {
    let is_taken = refusal.is(Errno::EXIST);
    let error = refusal.of("make the link", link);
    if is_taken {
        return error.with_remedy("an earlier container with this address has not gone yet");
    }
    error
}

/// Takes a half-made link away. If that fails too, both faults are told.
fn undone(here: &mut Socket, link: &str, is_made: bool, error: NetError) -> NetError {
    if !is_made {
        return error;
    }
    match here.order(&[orders::delete_link(link)]) {
        Ok(()) => error,
        Err(refusal) if refusal.is(Errno::NODEV) => error,
        Err(refusal) => {
            let left = refusal.of("delete the half-made link", link);
            let detail = error.detail.map_or_else(|| left.to_string(), |d| format!("{d}; {left}"));
            NetError { detail: Some(detail), ..error }
        }
    }
}
