//! The files by which a container finds names: `/etc/hosts` and `/etc/resolv.conf`. Both are made
//! here as text from text; whoever calls reads and writes the files.
//!
//! A container cannot reach the host's loopback. A name server that listens there, as that of
//! systemd-resolved does, is therefore replaced by the servers that it asks itself.

use std::net::{IpAddr, Ipv4Addr};

use crate::error::NetError;

/// Where the host's own file is.
pub const RESOLV_CONF: &str = "/etc/resolv.conf";
/// Where systemd-resolved says which servers it asks itself.
pub const RESOLV_CONF_UPSTREAM: &str = "/run/systemd/resolve/resolv.conf";
/// The name by which a container finds the server it belongs to.
pub const SERVER_NAME: &str = "gofer.internal";

/// The most servers that a C library reads from the file.
const SERVERS_MAX: usize = 3;

/// Who a container is, and where its server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hosts<'a> {
    /// The container's own name.
    pub hostname: &'a str,
    /// The container's own address; none without a network.
    pub address: Option<Ipv4Addr>,
    /// The gateway's address, where the server listens; none without a network.
    pub gateway: Option<Ipv4Addr>,
}

/// What stands first in every container's `/etc/hosts`, as Docker has it.
const LOCALHOST: &str = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n\
                         fe00::0\tip6-localnet\nff00::0\tip6-mcastprefix\n\
                         ff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n";
/// Where a container without a network finds itself.
const OWN_LOOPBACK: Ipv4Addr = Ipv4Addr::new(127, 0, 1, 1);

/// The text of a container's `/etc/hosts`.
#[must_use]
pub fn hosts(hosts: &Hosts<'_>) -> String {
    let own = hosts.address.unwrap_or(OWN_LOOPBACK);
    let mut text = String::from(LOCALHOST);
    if is_name(hosts.hostname) {
        text.push_str(&format!("{own}\t{}\n", hosts.hostname));
    }
    if let Some(gateway) = hosts.gateway {
        text.push_str(&format!("{gateway}\t{SERVER_NAME}\n"));
    }
    text
}

/// A name that can stand in a line of its own; anything else would add lines to the file.
fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    !name.is_empty() && name.chars().all(plain)
}

/// The text of the `/etc/resolv.conf` of a container on the bridge, from the host's file and, if
/// there is one, from that of systemd-resolved. Servers on the host's loopback and those with IPv6
/// addresses are out of the container's reach and left out.
///
/// # Errors
///
/// If no server is left.
pub fn resolv_conf(host: &str, upstream: Option<&str>) -> Result<String, NetError> {
    let own = Resolver::read(host);
    if own.has_servers() {
        return Ok(own.write());
    }
    let upstream = upstream.map(Resolver::read).filter(Resolver::has_servers);
    let Some(upstream) = upstream else {
        return Err(NetError::refused(
            "find a name server that containers can reach in",
            RESOLV_CONF,
            own.complaint(),
            "name a server there that has an IPv4 address other than the host's loopback, \
             or use the network mode `none` or `host`",
        ));
    };
    // The host's own search list and options are the ones its administrator chose.
    let others = if own.others.is_empty() { upstream.others } else { own.others };
    Ok(Resolver { others, ..upstream }.write())
}

/// What one file says.
#[derive(Debug, Default)]
struct Resolver<'a> {
    servers: Vec<Ipv4Addr>,
    out_of_reach: Vec<&'a str>,
    /// Lines that begin with `search`, `domain` or `options`.
    others: Vec<&'a str>,
}

impl<'a> Resolver<'a> {
    fn read(text: &'a str) -> Self {
        let mut resolver = Self::default();
        for line in text.lines().map(str::trim) {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => resolver.add(words.next().unwrap_or_default()),
                Some("search" | "domain" | "options") => resolver.others.push(line),
                // Comments, empty lines, and `sortlist`, which speaks of the host's own networks.
                Some(_) | None => {}
            }
        }
        resolver.servers.truncate(SERVERS_MAX);
        resolver
    }

    fn add(&mut self, server: &'a str) {
        match server.parse() {
            Ok(IpAddr::V4(address)) if !address.is_loopback() && !address.is_unspecified() => {
                self.servers.push(address);
            }
            Ok(_) | Err(_) => self.out_of_reach.push(server),
        }
    }

    fn has_servers(&self) -> bool {
        !self.servers.is_empty()
    }

    fn complaint(&self) -> String {
        if self.out_of_reach.is_empty() {
            return String::from("it names no server");
        }
        format!("it names only {}", self.out_of_reach.join(", "))
    }

    fn write(&self) -> String {
        let servers = self.servers.iter().map(|server| format!("nameserver {server}\n"));
        servers.chain(self.others.iter().map(|line| format!("{line}\n"))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_on_the_bridge_finds_itself_and_its_server() {
        let text = hosts(&Hosts {
            hostname: "build-1",
            address: Some(Ipv4Addr::new(10, 213, 0, 7)),
            gateway: Some(Ipv4Addr::new(10, 213, 0, 1)),
        });
        assert_eq!(
            text.strip_prefix(LOCALHOST),
            Some("10.213.0.7\tbuild-1\n10.213.0.1\tgofer.internal\n")
        );
    }

    #[test]
    fn a_container_without_a_network_is_its_own_loopback() {
        let text = hosts(&Hosts { hostname: "build-1", address: None, gateway: None });
        assert!(text.ends_with("127.0.1.1\tbuild-1\n"), "{text}");
    }

    #[test]
    fn a_name_adds_no_line_of_its_own() {
        let hostname = "x\n6.6.6.6\texample.org";
        assert!(!hosts(&Hosts { hostname, address: None, gateway: None }).contains("6.6.6.6"));
    }

    #[test]
    fn the_hosts_own_servers_are_taken() {
        let host = "# a comment\nnameserver 127.0.0.1\nnameserver 192.0.2.53\nnameserver fe80::1%eth0\n\
                    search example.org\noptions ndots:2\nsortlist 192.0.2.0\n";
        let text = resolv_conf(host, Some("nameserver 192.0.2.99\n")).unwrap();
        assert_eq!(text, "nameserver 192.0.2.53\nsearch example.org\noptions ndots:2\n");
    }

    #[test]
    fn a_stub_on_the_loopback_is_replaced_by_what_it_asks() {
        let host = "nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch lan\n";
        let upstream =
            "nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 2001:db8::1\nsearch lan\n";
        assert_eq!(
            resolv_conf(host, Some(upstream)).unwrap(),
            "nameserver 192.0.2.1\nnameserver 192.0.2.2\noptions edns0 trust-ad\nsearch lan\n"
        );
    }

    #[test]
    fn no_server_in_reach_is_a_fault_that_says_so() {
        for (host, upstream) in [
            ("nameserver 127.0.0.53\nnameserver ::1\n", None),
            ("nameserver 127.0.0.53\nnameserver ::1\n", Some("nameserver 127.0.0.1\n")),
        ] {
            let fault = resolv_conf(host, upstream).unwrap_err().to_string();
            assert!(fault.contains("it names only 127.0.0.53, ::1"), "{fault}");
            assert!(fault.contains("name a server there"), "{fault}");
        }
        let fault = resolv_conf("", None).unwrap_err().to_string();
        assert!(fault.contains("it names no server"), "{fault}");
    }

    #[test]
    fn no_more_than_three_servers_are_named() {
        let host: String = (1..=5).map(|n| format!("nameserver 192.0.2.{n}\n")).collect();
        assert_eq!(resolv_conf(&host, None).unwrap().lines().count(), 3);
    }
}
