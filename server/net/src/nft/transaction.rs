//! Changes that hold together: all of them come into force at once, or none does.

use netlink_packet_core::{NLM_F_APPEND, NLM_F_CREATE};

use super::attributes::Attributes;
use super::rule::Rule;
use super::{Family, Place, Policy, head};
use crate::netlink::{Refusal, Request, Socket};

const NEW_TABLE: u16 = 0;
const DELETE_TABLE: u16 = 2;
const NEW_CHAIN: u16 = 3;
const NEW_RULE: u16 = 6;
const DELETE_RULE: u16 = 8;

/// The markers around the changes.
const BEGIN: u16 = 0x10;
const END: u16 = 0x11;
/// What the markers hold: no family, and the number of nftables in network byte order.
const MARK: [u8; 4] = [0, 0, 0, 10];

/// Where in its way through the kernel a packet meets a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BaseChain {
    pub(crate) kind: &'static str,
    pub(crate) hook: u32,
    pub(crate) priority: u32,
    pub(crate) policy: Policy,
}

impl BaseChain {
    /// Packets for this machine.
    pub(crate) const INPUT: Self =
        Self { kind: "filter", hook: 1, priority: 0, policy: Policy::Accept };
    /// Packets that go through this machine.
    pub(crate) const FORWARD: Self =
        Self { kind: "filter", hook: 2, priority: 0, policy: Policy::Accept };
    /// Packets that leave this machine, where their source may be changed.
    pub(crate) const POSTROUTING: Self =
        Self { kind: "nat", hook: 4, priority: 100, policy: Policy::Accept };
}

/// Changes that are gathered, and carried out together.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    requests: Vec<Request>,
}

impl Transaction {
    pub(crate) fn new() -> Self {
        Self { requests: vec![Request::marker(BEGIN, MARK.to_vec())] }
    }

    /// A table that is there already stays as it is.
    pub(crate) fn table(self, family: Family, name: &str) -> Self {
        self.add(NEW_TABLE, NLM_F_CREATE, family, &Attributes::new().text(1, name))
    }

    pub(crate) fn delete_table(self, family: Family, name: &str) -> Self {
        self.add(DELETE_TABLE, 0, family, &Attributes::new().text(1, name))
    }

    pub(crate) fn chain(self, place: Place<'_>, base: BaseChain) -> Self {
        let hook = Attributes::new().number(1, base.hook).number(2, base.priority);
        let policy = match base.policy {
            Policy::Drop => 0,
            Policy::Accept => 1,
        };
        let chain = Attributes::new()
            .text(1, place.table)
            .text(3, place.chain)
            .nest(4, &hook)
            .number(5, policy)
            .text(7, base.kind);
        self.add(NEW_CHAIN, NLM_F_CREATE, place.family, &chain)
    }

    /// A rule after all others of the chain.
    pub(crate) fn rule(self, place: Place<'_>, rule: &Rule) -> Self {
        let attributes = rule_at(place, rule);
        self.add(NEW_RULE, NLM_F_CREATE | NLM_F_APPEND, place.family, &attributes)
    }

    /// A rule just before the one with that handle.
    pub(crate) fn rule_before(self, place: Place<'_>, handle: u64, rule: &Rule) -> Self {
        let attributes = rule_at(place, rule).long_number(6, handle);
        self.add(NEW_RULE, NLM_F_CREATE, place.family, &attributes)
    }

    pub(crate) fn delete_rule(self, place: Place<'_>, handle: u64) -> Self {
        let attributes =
            Attributes::new().text(1, place.table).text(2, place.chain).long_number(3, handle);
        self.add(DELETE_RULE, 0, place.family, &attributes)
    }

    /// Has the kernel carry it out.
    pub(crate) fn commit(mut self, socket: &mut Socket) -> Result<(), Refusal> {
        self.requests.push(Request::marker(END, MARK.to_vec()));
        socket.order(&self.requests)
    }

    fn add(mut self, message: u16, flags: u16, family: Family, attributes: &Attributes) -> Self {
        let (kind, mut payload) = head(message, family);
        payload.extend_from_slice(attributes.as_bytes());
        self.requests.push(Request::order(kind, flags, payload));
        self
    }
}

fn rule_at(place: Place<'_>, rule: &Rule) -> Attributes {
    Attributes::new()
        .text(1, place.table)
        .text(2, place.chain)
        .nest(4, rule.expressions())
        .bytes(7, &user_data(rule.comment()))
}

/// A comment as `nft` and `iptables` show it: number 0, length, the text with the zero at its end.
pub(super) fn user_data(comment: &str) -> Vec<u8> {
    let mut text: Vec<u8> = comment.bytes().take(100).collect();
    text.push(0);
    let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
    [vec![0, length], text].concat()
}
