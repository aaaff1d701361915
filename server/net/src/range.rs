//! A range of IPv4 addresses: which one a bridge has, and which ones the machine's routes have
//! already.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use crate::error::NetError;

/// The most addresses a bridge's range has: a link's name has four hexadecimal digits for them.
const PREFIX_MIN: u8 = 16;
/// The fewest: the network's own, the gateway, two containers, three of the trial, the broadcast's.
const PREFIX_MAX: u8 = 29;

/// An IPv4 network such as `10.213.16.0/20`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Range {
    network: u32,
    prefix: u8,
}

impl Range {
    /// The network that `address` lies in; `prefix` beyond 32 counts as 32.
    #[must_use]
    pub fn around(address: Ipv4Addr, prefix: u8) -> Self {
        let prefix = prefix.min(32);
        Self { network: u32::from(address) & mask(prefix), prefix }
    }

    /// Its first address, which is the network's name.
    #[must_use]
    pub fn network(self) -> Ipv4Addr {
        Ipv4Addr::from(self.network)
    }

    /// Bits that all its addresses have in common.
    #[must_use]
    pub fn prefix(self) -> u8 {
        self.prefix
    }

    /// Its last address, to all at once.
    #[must_use]
    pub fn broadcast(self) -> Ipv4Addr {
        Ipv4Addr::from(self.network | !mask(self.prefix))
    }

    /// The address of the bridge itself, where containers find the server.
    #[must_use]
    pub fn gateway(self) -> Ipv4Addr {
        Ipv4Addr::from(self.network.saturating_add(1))
    }

    /// The addresses that no container gets, since the trial of the way out uses them: both ends
    /// of a link to an outside, which are a range of two, and the one of a task.
    pub(crate) fn reserved_for_trial(self) -> [Ipv4Addr; 3] {
        let last = u32::from(self.broadcast());
        [3, 2, 1].map(|before| Ipv4Addr::from(last.saturating_sub(before)))
    }

    /// The bits that all its addresses have in common, as an address.
    pub(crate) fn mask(self) -> Ipv4Addr {
        Ipv4Addr::from(mask(self.prefix))
    }

    /// Is `address` one of its own?
    #[must_use]
    pub fn contains(self, address: Ipv4Addr) -> bool {
        u32::from(address) & mask(self.prefix) == self.network
    }

    /// Have the two an address in common?
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.contains(other.network()) || other.contains(self.network())
    }

    /// How many steps `address` is from the network's own; none if it is not in the range.
    #[must_use]
    pub fn offset_of(self, address: Ipv4Addr) -> Option<u32> {
        self.contains(address).then(|| u32::from(address) - self.network)
    }

    /// The address that many steps on; none beyond the range.
    #[must_use]
    pub fn at(self, offset: u32) -> Option<Ipv4Addr> {
        let address = Ipv4Addr::from(self.network.checked_add(offset)?);
        self.contains(address).then_some(address)
    }

    /// How many addresses it has, at most 2^31.
    pub(crate) fn n_addresses(self) -> u32 {
        1_u32.checked_shl(32 - u32::from(self.prefix)).unwrap_or(1 << 31)
    }

    /// Can a bridge have it?
    pub(crate) fn fits_a_bridge(self) -> Result<(), NetError> {
        if (PREFIX_MIN..=PREFIX_MAX).contains(&self.prefix) {
            return Ok(());
        }
        Err(NetError::refused(
            "use the range",
            self.to_string(),
            format!("its prefix must be from {PREFIX_MIN} to {PREFIX_MAX}"),
            "give a range such as 10.213.16.0/20",
        ))
    }
}

fn mask(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network(), self.prefix)
    }
}

impl FromStr for Range {
    type Err = NetError;

    /// Reads `10.213.16.0/20`; bits after the prefix must be zero, so that nobody means another range.
    fn from_str(text: &str) -> Result<Self, NetError> {
        let wrong = |detail: &str| {
            NetError::refused("read the range", text, detail, "write it as in 10.213.16.0/20")
        };
        let (address, prefix) = text.split_once('/').ok_or_else(|| wrong("it has no `/`"))?;
        let address: Ipv4Addr =
            address.parse().map_err(|_| wrong("it begins with no IPv4 address"))?;
        let prefix = prefix.parse().ok().filter(|prefix| *prefix <= 32);
        let range =
            Self::around(address, prefix.ok_or_else(|| wrong("its prefix is not 0 to 32"))?);
        if range.network() != address {
            return Err(wrong("it has bits beyond its prefix"));
        }
        Ok(range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> Range {
        text.parse().unwrap()
    }

    #[test]
    fn a_range_is_read_as_it_is_written() {
        for text in ["0.0.0.0/0", "10.213.16.0/20", "255.255.255.255/32", "128.0.0.0/1"] {
            assert_eq!(range(text).to_string(), text);
        }
        for text in ["10.213.16.0", "10.213.16.0/33", "10.213.16.1/20", "x/20", "10.0.0.0/-1"] {
            assert!(text.parse::<Range>().is_err(), "{text}");
        }
    }

    #[test]
    fn its_own_addresses_are_its_first_second_and_last() {
        let range = range("10.213.16.0/20");
        assert_eq!(range.gateway(), Ipv4Addr::new(10, 213, 16, 1));
        assert_eq!(range.broadcast(), Ipv4Addr::new(10, 213, 31, 255));
        assert_eq!(range.mask(), Ipv4Addr::new(255, 255, 240, 0));
        let [here, outside, task] = range.reserved_for_trial();
        assert_eq!(task, Ipv4Addr::new(10, 213, 31, 254));
        let between = Range::around(here, 31);
        assert!(between.contains(outside) && !between.contains(task) && here < outside);
        assert_eq!(range.n_addresses(), 4096);
        assert_eq!(range.offset_of(Ipv4Addr::new(10, 213, 17, 2)), Some(258));
        assert_eq!(range.at(258), Some(Ipv4Addr::new(10, 213, 17, 2)));
        assert_eq!(range.at(4096), None);
        assert_eq!(range.offset_of(Ipv4Addr::new(10, 213, 32, 0)), None);
    }

    #[test]
    fn two_overlap_when_one_lies_in_the_other() {
        assert!(range("10.0.0.0/8").overlaps(range("10.213.0.0/20")));
        assert!(range("10.213.0.0/20").overlaps(range("10.0.0.0/8")));
        assert!(range("0.0.0.0/0").overlaps(range("10.213.0.0/20")));
        assert!(!range("10.213.16.0/20").overlaps(range("10.213.32.0/20")));
    }

    #[test]
    fn a_bridge_takes_neither_a_huge_nor_a_tiny_range() {
        assert!(range("10.0.0.0/15").fits_a_bridge().is_err());
        assert!(range("10.213.0.0/16").fits_a_bridge().is_ok());
        assert!(range("10.213.0.0/29").fits_a_bridge().is_ok());
        assert!(range("10.213.0.0/30").fits_a_bridge().is_err());
    }
}
