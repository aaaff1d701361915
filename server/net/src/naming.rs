//! The names of links. A name has at most fifteen bytes, two servers on one machine must not meet,
//! and whoever reads `ip link` must find out whose a link is: the bridge's name is `gf` and eight
//! digits made from the server's instance, its alias says the instance in full, and the link of a
//! container is named for the bridge and the container's place in the range.

use std::net::Ipv4Addr;

use crate::range::Range;

/// The name of the bridge of one server: `gf1c0ffee5`.
#[must_use]
pub fn bridge_name(instance: &str) -> String {
    format!("gf{:08x}", hash(instance))
}

/// Tells instances apart; that two of one machine have the same is found out by the bridge's alias.
pub(crate) fn hash(instance: &str) -> u32 {
    crc32c::crc32c(instance.as_bytes())
}

/// The name of the link on the host's side for the container with that address: `gf1c0ffee5-2a`.
#[must_use]
pub fn link_name(bridge: &str, range: Range, address: Ipv4Addr) -> String {
    format!("{bridge}-{:x}", range.offset_of(address).unwrap_or_default() & 0xffff)
}

/// The hardware address of a bridge, one of those that no maker of hardware gives out.
pub(crate) fn hardware_address(instance: &str) -> [u8; 6] {
    let [a, b, c, d] = hash(instance).to_be_bytes();
    [0x02, 0x67, a, b, c, d]
}

/// What a bridge's alias says.
pub(crate) fn alias(instance: &str) -> String {
    // The kernel takes 255 bytes at most; an instance is far shorter.
    let text: String = instance.chars().filter(|c| !c.is_control()).take(60).collect();
    format!("gofer {text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_fits_into_fifteen_bytes() {
        let range: Range = "10.213.0.0/16".parse().unwrap();
        let bridge = bridge_name("01J00000000000000000000000");
        let link = link_name(&bridge, range, Ipv4Addr::new(10, 213, 255, 250));
        assert_eq!(bridge.len(), 10);
        assert_eq!(link, format!("{bridge}-fffa"));
        assert!(link.len() <= 15);
    }

    #[test]
    fn two_instances_have_two_names() {
        assert_ne!(
            bridge_name("01J00000000000000000000000"),
            bridge_name("01J00000000000000000000001")
        );
    }
}
