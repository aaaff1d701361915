//! The bridge's link and its address: made, kept, put right, deleted.
//!
//! A bridge without ports is not running. When its first port comes, the kernel may take a second
//! to notice, and until then every packet of the bridge's own is lost: each container that is the
//! only one would begin with a second without a network. So the bridge has one port that stays, the
//! one end of a pair to nowhere; no packet ever goes there.

use rustix::io::Errno;

use super::Settings;
use super::place::{self, Taken};
use super::wall::DockerNames;
use crate::error::NetError;
use crate::naming::{alias, hardware_address};
use crate::netlink::links::{self, Address, Link, Route};
use crate::netlink::orders::{self, Pair};
use crate::netlink::{Refusal, Socket};
use crate::range::Range;

/// The longest packet where the way out says nothing else.
const MTU_MAX: u32 = 1500;

/// A bridge that has its address.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) range: Range,
    pub(super) docker_names: DockerNames,
    pub(super) notices: Vec<String>,
}

/// Makes the bridge or finds it, and sees to it that it has one address, of a range of its own.
pub(super) fn settle(
    socket: &mut Socket,
    settings: &Settings,
    name: &str,
) -> Result<Settled, NetError> {
    let fault = |refusal: Refusal| refusal.of("look at the links of this machine for", name);
    let routes = links::routes(socket).map_err(fault)?;
    let all_links = links::links(socket).map_err(fault)?;
    let ways_out: Vec<_> = ways_out(&routes, &all_links);
    let bridge = find_or_make(socket, settings, name, mtu_of(&ways_out))?;
    let addresses = links::addresses(socket).map_err(fault)?;
    let (own, others): (Vec<Address>, Vec<Address>) =
        addresses.into_iter().partition(|address| address.link == bridge.index);
    let elsewhere = routes.iter().filter(|route| route.link != Some(bridge.index));
    let taken = Taken::new(
        elsewhere.map(|route| route.destination).chain(others.iter().map(|other| other.range)),
    );
    let before = own.first().map(|address| address.range);
    let range = place::choose(&settings.instance, settings.range, before, &taken)?;
    address(socket, &bridge, range, &own)?;
    raise(socket, &bridge)?;
    let mut notices = Vec::new();
    if let Some(before) = before.filter(|before| *before != range) {
        notices.push(format!(
            "the bridge {name} moved from {before} to {range}; containers that run have no network"
        ));
    }
    let has_usual_names = ways_out.iter().all(|link| !link.name.starts_with("br-"));
    let docker_names = if has_usual_names { DockerNames::Usual } else { DockerNames::OnlyTheFirst };
    Ok(Settled { range, docker_names, notices })
}

/// Is the bridge there, with its address?
pub(super) fn stands(socket: &mut Socket, name: &str, range: Range) -> Result<bool, NetError> {
    let fault = |refusal: Refusal| refusal.of("look for the bridge", name);
    let Some(bridge) = links::link(socket, name).map_err(fault)? else { return Ok(false) };
    let addresses = links::addresses(socket).map_err(fault)?;
    let is_own = |address: &Address| {
        address.link == bridge.index && address.address == range.gateway() && address.range == range
    };
    Ok(bridge.is_bridge && bridge.is_running && addresses.iter().any(is_own))
}

/// Deletes the bridge and the links that are its ports.
pub(super) fn delete(socket: &mut Socket, instance: &str, name: &str) -> Result<(), NetError> {
    let fault = |refusal: Refusal| refusal.of("delete the bridge", name);
    let Some(bridge) = links::link(socket, name).map_err(fault)? else { return Ok(()) };
    is_ours(&bridge, instance)?;
    let ports = links::links(socket).map_err(fault)?;
    let ports = ports.iter().filter(|link| link.master == Some(bridge.index));
    for link in ports.map(|link| link.name.as_str()).chain([name]) {
        delete_link(socket, link)?;
    }
    Ok(())
}

/// The links by which packets leave for everywhere.
fn ways_out<'a>(routes: &[Route], all_links: &'a [Link]) -> Vec<&'a Link> {
    let out = routes.iter().filter(|route| route.destination.prefix() == 0);
    out.filter_map(|route| all_links.iter().find(|link| Some(link.index) == route.link)).collect()
}

/// No packet of a container may be longer than what goes out.
fn mtu_of(ways_out: &[&Link]) -> u32 {
    // A link that says less than every IPv4 link must carry says nothing.
    let mtus = ways_out.iter().map(|link| link.mtu).filter(|mtu| *mtu >= 576);
    mtus.min().unwrap_or(MTU_MAX).min(MTU_MAX)
}

fn find_or_make(
    socket: &mut Socket,
    settings: &Settings,
    name: &str,
    mtu: u32,
) -> Result<Link, NetError> {
    let alias = alias(&settings.instance);
    let mark = orders::set_alias_and_mtu(name, &alias, mtu);
    if let Some(found) = find(socket, name)? {
        is_ours(&found, &settings.instance)?;
        if found.alias.is_none() {
            socket.order(&[mark]).map_err(|refusal| refusal.of("mark the bridge", name))?;
        }
        return Ok(found);
    }
    let new = orders::new_bridge(name, hardware_address(&settings.instance));
    socket.order(&[new, mark]).map_err(|refusal| refusal.of("make the bridge", name))?;
    find(socket, name)?
        .ok_or_else(|| NetError::io("find the bridge just made", name, Errno::NODEV.into()))
}

fn find(socket: &mut Socket, name: &str) -> Result<Option<Link>, NetError> {
    links::link(socket, name).map_err(|refusal| refusal.of("look for the bridge", name))
}

/// A bridge without an alias is one whose maker died before it wrote down whose it is.
fn is_ours(link: &Link, instance: &str) -> Result<(), NetError> {
    let alias = alias(instance);
    let whose = match &link.alias {
        _ if !link.is_bridge => "is no bridge".to_owned(),
        Some(other) if *other != alias => format!("belongs to `{other}`"),
        Some(_) | None => return Ok(()),
    };
    Err(NetError::refused(
        "use the link",
        &link.name,
        format!("it {whose}"),
        "delete the link if nobody needs it, or give this server another instance",
    ))
}

/// Gives the bridge the first address of `range` and no other.
fn address(
    socket: &mut Socket,
    bridge: &Link,
    range: Range,
    own: &[Address],
) -> Result<(), NetError> {
    let is_right =
        |address: &&Address| address.address == range.gateway() && address.range == range;
    for wrong in own.iter().filter(|address| !is_right(address)) {
        socket
            .order(&[orders::delete_address(bridge.index, wrong.address, wrong.range)])
            .map_err(|refusal| refusal.of("take an address from the bridge", &bridge.name))?;
    }
    if !own.iter().any(|address| is_right(&address)) {
        socket
            .order(&[orders::add_address(bridge.index, range.gateway(), range)])
            .map_err(|refusal| refusal.of("give an address to the bridge", &bridge.name))?;
    }
    Ok(())
}

/// Brings the bridge up, with the port that stays, and waits until packets pass.
fn raise(socket: &mut Socket, bridge: &Link) -> Result<(), NetError> {
    let (port, end) = (format!("{}-on", bridge.name), format!("{}-end", bridge.name));
    let fault = |refusal: Refusal| refusal.of("bring up the bridge", &bridge.name);
    if !is_port(socket, &port, bridge)? {
        delete_link(socket, &port)?;
        delete_link(socket, &end)?;
        let pair = Pair { name: &port, bridge: Some(bridge.index), mtu: bridge.mtu };
        socket.order(&[orders::new_pair_here(&pair, &end)]).map_err(fault)?;
    }
    let names = [bridge.name.as_str(), &port, &end];
    let mut steps: Vec<_> = names.iter().filter_map(|name| orders::keep_ipv6_off(name)).collect();
    steps.extend([orders::silence(&port), orders::raise(&end), orders::raise(&port)]);
    socket.order(&steps).map_err(fault)?;
    links::wait_until(socket, &port, |link| link.is_running).map_err(fault)?;
    socket.order(&[orders::raise(&bridge.name)]).map_err(fault)?;
    links::wait_until(socket, &bridge.name, |link| link.is_running).map_err(fault)
}

fn is_port(socket: &mut Socket, name: &str, bridge: &Link) -> Result<bool, NetError> {
    Ok(find(socket, name)?.is_some_and(|link| link.master == Some(bridge.index)))
}

/// Deletes a link if it is there.
pub(super) fn delete_link(socket: &mut Socket, name: &str) -> Result<(), NetError> {
    match socket.order(&[orders::delete_link(name)]) {
        Err(refusal) if !refusal.is(Errno::NODEV) => Err(refusal.of("delete the link", name)),
        Ok(()) | Err(_) => Ok(()),
    }
}
