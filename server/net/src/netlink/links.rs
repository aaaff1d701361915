//! The questions about links, addresses and routes, and what of the answers matters here. An
//! answer that the kept crate cannot read is passed over: it speaks of a thing that is newer than
//! the crate, and none of ours is.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use netlink_packet_core::{NetlinkDeserializable, NetlinkHeader};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{
    BridgePortState, InfoBridgePort, InfoKind, InfoPortData, LinkAttribute, LinkInfo, LinkMessage,
    State,
};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteType};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rustix::io::Errno;

use super::orders::bytes_of;
use super::{Answer, Refusal, Request, Socket};
use crate::range::Range;

/// The kernel looks at most once a second at what has become of links that are in no hurry.
const TRIES: u32 = 4_000;
const BETWEEN_TRIES: Duration = Duration::from_micros(500);

/// A link, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) name: String,
    pub(crate) alias: Option<String>,
    pub(crate) is_bridge: bool,
    /// Is there somebody at its other end? A moment lies between "up" and this.
    pub(crate) is_running: bool,
    /// If it is a port: does its bridge let packets pass by it? A moment later again.
    pub(crate) forwards: bool,
    pub(crate) mtu: u32,
    /// The bridge or the like that it is a port of.
    pub(crate) master: Option<u32>,
}

/// An IPv4 address on a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) link: u32,
    pub(crate) address: Ipv4Addr,
    pub(crate) range: Range,
}

/// An IPv4 route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) destination: Range,
    /// The link it leads out of; none for one that leads nowhere.
    pub(crate) link: Option<u32>,
}

/// The link of that name, if there is one.
pub(crate) fn link(socket: &mut Socket, name: &str) -> Result<Option<Link>, Refusal> {
    let mut message = LinkMessage::default();
    message.attributes = vec![LinkAttribute::IfName(name.to_owned())];
    let question = RouteNetlinkMessage::GetLink(message);
    let request = Request::order(question.message_type(), 0, bytes_of(&question));
    match socket.ask(&request) {
        Ok(answers) => Ok(answers.iter().filter_map(link_of).next()),
        Err(refusal) if refusal.is(Errno::NODEV) => Ok(None),
        Err(refusal) => Err(refusal),
    }
}

/// Waits until the link is as it should be.
pub(crate) fn wait_until(
    socket: &mut Socket,
    name: &str,
    holds: impl Fn(&Link) -> bool,
) -> Result<(), Refusal> {
    for _ in 0..TRIES {
        if link(socket, name)?.is_some_and(|link| holds(&link)) {
            return Ok(());
        }
        std::thread::sleep(BETWEEN_TRIES);
    }
    Err(std::io::Error::from(Errno::TIMEDOUT).into())
}

/// All links.
pub(crate) fn links(socket: &mut Socket) -> Result<Vec<Link>, Refusal> {
    let question = RouteNetlinkMessage::GetLink(LinkMessage::default());
    Ok(dump(socket, &question)?.iter().filter_map(link_of).collect())
}

/// All IPv4 addresses.
pub(crate) fn addresses(socket: &mut Socket) -> Result<Vec<Address>, Refusal> {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet;
    let answers = dump(socket, &RouteNetlinkMessage::GetAddress(message))?;
    Ok(answers.iter().filter_map(address_of).collect())
}

/// All IPv4 routes to other machines, of all tables.
pub(crate) fn routes(socket: &mut Socket) -> Result<Vec<Route>, Refusal> {
    let mut message = RouteMessage::default();
    message.header.address_family = AddressFamily::Inet;
    let answers = dump(socket, &RouteNetlinkMessage::GetRoute(message))?;
    Ok(answers.iter().filter_map(route_of).collect())
}

fn dump(socket: &mut Socket, question: &RouteNetlinkMessage) -> Result<Vec<Answer>, Refusal> {
    socket.ask(&Request::dump(question.message_type(), bytes_of(question)))
}

fn read(answer: &Answer) -> Option<RouteNetlinkMessage> {
    let mut header = NetlinkHeader::default();
    header.message_type = answer.kind;
    RouteNetlinkMessage::deserialize(&header, &answer.payload).ok()
}

fn link_of(answer: &Answer) -> Option<Link> {
    let Some(RouteNetlinkMessage::NewLink(message)) = read(answer) else { return None };
    let mut link = Link {
        index: message.header.index,
        name: String::new(),
        alias: None,
        is_bridge: false,
        is_running: false,
        forwards: true,
        mtu: 0,
        master: None,
    };
    for attribute in message.attributes {
        if let LinkAttribute::IfName(name) = attribute {
            link.name = name;
        } else if let LinkAttribute::IfAlias(alias) = attribute {
            link.alias = Some(alias);
        } else if let LinkAttribute::Mtu(mtu) = attribute {
            link.mtu = mtu;
        } else if let LinkAttribute::OperState(state) = attribute {
            // A link that does not say is one that has nothing to wait for.
            link.is_running = matches!(state, State::Up | State::Unknown);
        } else if let LinkAttribute::Controller(master) = attribute {
            link.master = Some(master);
        } else if let LinkAttribute::LinkInfo(infos) = attribute {
            link.is_bridge = infos.contains(&LinkInfo::Kind(InfoKind::Bridge));
            link.forwards = infos.iter().all(forwards_if_port);
        }
    }
    Some(link)
}

fn forwards_if_port(info: &LinkInfo) -> bool {
    let LinkInfo::PortData(InfoPortData::BridgePort(port)) = info else { return true };
    port.contains(&InfoBridgePort::State(BridgePortState::Forwarding))
}

fn address_of(answer: &Answer) -> Option<Address> {
    let Some(RouteNetlinkMessage::NewAddress(message)) = read(answer) else { return None };
    let local = message.attributes.iter().find_map(|attribute| {
        if let AddressAttribute::Local(IpAddr::V4(address)) = attribute {
            Some(*address)
        } else {
            None
        }
    })?;
    let range = Range::around(local, message.header.prefix_len);
    Some(Address { link: message.header.index, address: local, range })
}

fn route_of(answer: &Answer) -> Option<Route> {
    let Some(RouteNetlinkMessage::NewRoute(message)) = read(answer) else { return None };
    let to_this_machine =
        [RouteType::Local, RouteType::Broadcast, RouteType::Anycast, RouteType::Multicast];
    if to_this_machine.contains(&message.header.kind) {
        return None;
    }
    let mut network = Ipv4Addr::UNSPECIFIED;
    let mut link = None;
    for attribute in &message.attributes {
        if let RouteAttribute::Destination(RouteAddress::Inet(address)) = attribute {
            network = *address;
        } else if let RouteAttribute::Oif(index) = attribute {
            link = Some(*index);
        }
    }
    let destination = Range::around(network, message.header.destination_prefix_length);
    Some(Route { destination, link })
}
