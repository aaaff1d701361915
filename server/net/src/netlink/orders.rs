//! The orders about links, addresses and routes, as messages of the kept crate. Each function makes
//! one request; who sends several at once has them carried out in turn without a way between.

use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::Path;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NetlinkSerializable};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{
    AfSpecInet6, AfSpecUnspec, In6AddrGenMode, InfoBridgePort, InfoData, InfoKind, InfoPortData,
    InfoPortKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::Request;
use crate::range::Range;

/// There is no such folder in a kernel without IPv6, and such a kernel refuses to hear of it.
const IPV6: &str = "/proc/sys/net/ipv6";

/// The name of the link inside of every container.
pub(crate) const INNER_LINK: &str = "eth0";

/// What a new pair of links is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pair<'a> {
    /// The name of the end that stays here.
    pub(crate) name: &'a str,
    /// The number of the bridge that it becomes a port of, if of any.
    pub(crate) bridge: Option<u32>,
    /// The longest packet, in bytes.
    pub(crate) mtu: u32,
}

/// Makes a bridge that is down and has a hardware address of its own. Without one it would take
/// that of a port, another one each time a container comes or goes, and lose its neighbours.
pub(crate) fn new_bridge(name: &str, hardware: [u8; 6]) -> Request {
    let mut link = LinkMessage::default();
    link.attributes = vec![
        LinkAttribute::IfName(name.to_owned()),
        LinkAttribute::Address(hardware.to_vec()),
        LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Bridge)]),
    ];
    request(&RouteNetlinkMessage::NewLink(link), NLM_F_CREATE | NLM_F_EXCL)
}

/// Writes down whose a link is, and how long its packets may be. A bridge takes to heart only what
/// it is told of that after it was made.
pub(crate) fn set_alias_and_mtu(name: &str, alias: &str, mtu: u32) -> Request {
    let mut link = LinkMessage::default();
    link.attributes = vec![
        LinkAttribute::IfName(name.to_owned()),
        LinkAttribute::IfAlias(alias.to_owned()),
        LinkAttribute::Mtu(mtu),
    ];
    request(&RouteNetlinkMessage::SetLink(link), 0)
}

/// Makes a pair of links, its other end with the name `eth0` inside the namespace `netns`: the end
/// never exists out here. Both are down.
pub(crate) fn new_pair(pair: &Pair<'_>, netns: BorrowedFd<'_>) -> Request {
    pair_with(pair, INNER_LINK, Some(LinkAttribute::NetNsFd(netns.as_raw_fd())))
}

/// Makes a pair of links whose other end stays here as well.
pub(crate) fn new_pair_here(pair: &Pair<'_>, other: &str) -> Request {
    pair_with(pair, other, None)
}

fn pair_with(pair: &Pair<'_>, other: &str, place: Option<LinkAttribute>) -> Request {
    let mut peer = LinkMessage::default();
    peer.attributes = vec![LinkAttribute::IfName(other.to_owned()), LinkAttribute::Mtu(pair.mtu)];
    peer.attributes.extend(place);
    let mut link = LinkMessage::default();
    link.attributes = vec![
        LinkAttribute::IfName(pair.name.to_owned()),
        LinkAttribute::Mtu(pair.mtu),
        LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
        ]),
    ];
    link.attributes.extend(pair.bridge.map(LinkAttribute::Controller));
    request(&RouteNetlinkMessage::NewLink(link), NLM_F_CREATE | NLM_F_EXCL)
}

/// Makes the port of a bridge an isolated one, which sees the bridge and no other isolated port.
pub(crate) fn isolate(name: &str) -> Request {
    set_port(name, vec![InfoBridgePort::Isolated(true)])
}

/// Makes the port of a bridge one to which nothing is sent.
pub(crate) fn silence(name: &str) -> Request {
    set_port(
        name,
        vec![
            InfoBridgePort::Isolated(true),
            InfoBridgePort::UnicastFlood(false),
            InfoBridgePort::MulticastFlood(false),
            InfoBridgePort::BroadcastFlood(false),
        ],
    )
}

fn set_port(name: &str, port: Vec<InfoBridgePort>) -> Request {
    let mut link = LinkMessage::default();
    link.attributes = vec![
        LinkAttribute::IfName(name.to_owned()),
        LinkAttribute::LinkInfo(vec![
            LinkInfo::PortKind(InfoPortKind::Bridge),
            LinkInfo::PortData(InfoPortData::BridgePort(port)),
        ]),
    ];
    request(&RouteNetlinkMessage::NewLink(link), 0)
}

/// Lets a link that is not yet up come up without an IPv6 address: containers have none, and the
/// firewall lets none in. None where the kernel has no IPv6.
pub(crate) fn keep_ipv6_off(name: &str) -> Option<Request> {
    if !Path::new(IPV6).exists() {
        return None;
    }
    let mut link = LinkMessage::default();
    let no_address = AfSpecInet6::AddrGenMode(In6AddrGenMode::None);
    link.attributes = vec![
        LinkAttribute::IfName(name.to_owned()),
        LinkAttribute::AfSpecUnspec(vec![AfSpecUnspec::Inet6(vec![no_address])]),
    ];
    Some(request(&RouteNetlinkMessage::NewLink(link), 0))
}

/// Brings a link up.
pub(crate) fn raise(name: &str) -> Request {
    let mut link = LinkMessage::default();
    link.header.flags = LinkFlags::Up;
    link.header.change_mask = LinkFlags::Up;
    link.attributes = vec![LinkAttribute::IfName(name.to_owned())];
    request(&RouteNetlinkMessage::NewLink(link), 0)
}

/// Deletes a link, and with it its other end.
pub(crate) fn delete_link(name: &str) -> Request {
    let mut link = LinkMessage::default();
    link.attributes = vec![LinkAttribute::IfName(name.to_owned())];
    request(&RouteNetlinkMessage::DelLink(link), 0)
}

/// Gives a link the address `address` in `range`.
pub(crate) fn add_address(index: u32, address: Ipv4Addr, range: Range) -> Request {
    let mut message = address_of(index, address, range);
    if range.prefix() < 31 {
        // The two ends of a range of two have no broadcast: both are addresses.
        message.attributes.push(AddressAttribute::Broadcast(range.broadcast()));
    }
    request(&RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_EXCL)
}

/// Takes an address from a link.
pub(crate) fn delete_address(index: u32, address: Ipv4Addr, range: Range) -> Request {
    request(&RouteNetlinkMessage::DelAddress(address_of(index, address, range)), 0)
}

fn address_of(index: u32, address: Ipv4Addr, range: Range) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.prefix_len = range.prefix();
    message.header.index = index;
    message.attributes = vec![
        AddressAttribute::Local(IpAddr::V4(address)),
        AddressAttribute::Address(IpAddr::V4(address)),
    ];
    message
}

/// Makes `gateway` the way to `destination`; to everything if that is `0.0.0.0/0`.
pub(crate) fn add_route(destination: Range, gateway: Ipv4Addr, index: u32) -> Request {
    let mut message = RouteMessage::default();
    message.header.address_family = AddressFamily::Inet;
    message.header.destination_prefix_length = destination.prefix();
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.protocol = RouteProtocol::Boot;
    message.header.scope = RouteScope::Universe;
    message.header.kind = RouteType::Unicast;
    message.attributes =
        vec![RouteAttribute::Gateway(RouteAddress::Inet(gateway)), RouteAttribute::Oif(index)];
    if destination.prefix() > 0 {
        let network = RouteAddress::Inet(destination.network());
        message.attributes.push(RouteAttribute::Destination(network));
    }
    request(&RouteNetlinkMessage::NewRoute(message), NLM_F_CREATE | NLM_F_EXCL)
}

fn request(message: &RouteNetlinkMessage, flags: u16) -> Request {
    Request::order(message.message_type(), flags, bytes_of(message))
}

pub(super) fn bytes_of(message: &RouteNetlinkMessage) -> Vec<u8> {
    let mut payload = vec![0; NetlinkSerializable::buffer_len(message)];
    message.serialize(&mut payload);
    payload
}
