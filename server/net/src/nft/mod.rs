//! The few frames of nftables that a bridge needs, written by hand: a table with its chains and
//! rules is laid in one transaction, and a chain of somebody else can be read and gets single rules.
//! The numbers are those of the kernel's `linux/netfilter/nf_tables.h`.
//!
//! ```text
//!  Transaction: begin · table · chain · rule … · end   ──>   all of it holds, or nothing changed
//! ```

mod attributes;
mod look;
mod rule;
mod transaction;

pub(crate) use look::{ChainPolicy, StandingRule, chain_policy, rules, table_handle};
pub(crate) use rule::{Comparison, Rule};
pub(crate) use transaction::{BaseChain, Transaction};

/// Number of nftables among the subsystems of the kernel's netfilter.
const SUBSYSTEM: u16 = 10;

/// Which packets a table sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// IPv4 and IPv6.
    Inet,
    /// IPv4 only: the family of the tables that `iptables` keeps.
    Ipv4,
}

impl Family {
    fn number(self) -> u8 {
        match self {
            Self::Inet => 1,
            Self::Ipv4 => 2,
        }
    }
}

/// What a chain does with a packet that no rule decided on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    Accept,
    Drop,
}

/// A chain, by the names that lead to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place<'a> {
    pub(crate) family: Family,
    pub(crate) table: &'a str,
    pub(crate) chain: &'a str,
}

/// A message's number, and the four bytes that stand before its attributes.
fn head(message: u16, family: Family) -> (u16, Vec<u8>) {
    ((SUBSYSTEM << 8) | message, vec![family.number(), 0, 0, 0])
}
