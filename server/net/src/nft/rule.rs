//! One rule: conditions, then what is done with a packet that meets them all. A condition loads
//! something of the packet into register 1 and compares it; the first that fails ends the rule.

use std::net::Ipv4Addr;

use super::attributes::Attributes;
use crate::range::Range;

/// The one register that is used.
const REGISTER: u32 = 1;
/// The register that a verdict is put into.
const VERDICT: u32 = 0;

/// What a condition asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Is,
    IsNot,
}

/// A rule under construction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rule {
    expressions: Attributes,
    comment: String,
}

impl Rule {
    /// A rule without conditions; people see `comment` beside it.
    pub(crate) fn new(comment: impl Into<String>) -> Self {
        Self { expressions: Attributes::new(), comment: comment.into() }
    }

    /// The packet came in by the link `name`.
    pub(crate) fn came_by(self, comparison: Comparison, name: &str) -> Self {
        self.meta(6).compare(comparison, &whole_name(name))
    }

    /// The packet leaves by the link `name`.
    pub(crate) fn leaves_by(self, comparison: Comparison, name: &str) -> Self {
        self.meta(7).compare(comparison, &whole_name(name))
    }

    /// The packet leaves by a link whose name begins with `prefix`.
    pub(crate) fn leaves_by_any(self, prefix: &str) -> Self {
        self.meta(7).compare(Comparison::Is, prefix.as_bytes())
    }

    /// The packet is one of IPv4. Stands before all conditions on addresses.
    pub(crate) fn ipv4(self, comparison: Comparison) -> Self {
        self.meta(15).compare(comparison, &[2])
    }

    /// The packet comes from an address of `range`.
    pub(crate) fn from(self, comparison: Comparison, range: Range) -> Self {
        self.payload(1, 12, 4)
            .and(&range.mask().octets())
            .compare(comparison, &range.network().octets())
    }

    /// The packet goes to `address`.
    pub(crate) fn to(self, address: Ipv4Addr) -> Self {
        self.payload(1, 16, 4).compare(Comparison::Is, &address.octets())
    }

    /// The packet is one of TCP, to that port.
    pub(crate) fn tcp_to(self, port: u16) -> Self {
        self.meta(16).compare(Comparison::Is, &[6]).port(port)
    }

    /// The packet is one of UDP, to that port.
    pub(crate) fn udp_to(self, port: u16) -> Self {
        self.meta(16).compare(Comparison::Is, &[17]).port(port)
    }

    /// The packet belongs to a connection that was let through before, or to a fault of one.
    pub(crate) fn known(self) -> Self {
        // The bits of `established` and `related`.
        self.conntrack(0).and(&6_u32.to_ne_bytes()).compare(Comparison::IsNot, &[0; 4])
    }

    /// The packet's destination was not changed on its way, as it is for a published port.
    pub(crate) fn not_published(self) -> Self {
        // The bit of `dnat`.
        self.conntrack(2).and(&32_u32.to_ne_bytes()).compare(Comparison::Is, &[0; 4])
    }

    /// Counts the packets that come this far.
    pub(crate) fn counted(self) -> Self {
        self.expression("counter", &Attributes::new().long_number(1, 0).long_number(2, 0))
    }

    /// No further chain of this hook's priority is asked.
    pub(crate) fn accept(self) -> Self {
        self.verdict(1)
    }

    pub(crate) fn drop(self) -> Self {
        self.verdict(0)
    }

    /// The sender is told that nobody listens there, so that it need not wait.
    pub(crate) fn reject(self) -> Self {
        self.expression("reject", &Attributes::new().number(1, 2).bytes(2, &[1]))
    }

    /// The packet goes on as one of the host's own.
    pub(crate) fn masquerade(self) -> Self {
        self.expression("masq", &Attributes::new())
    }

    pub(super) fn expressions(&self) -> &Attributes {
        &self.expressions
    }

    pub(super) fn comment(&self) -> &str {
        &self.comment
    }

    fn port(self, port: u16) -> Self {
        self.payload(2, 2, 2).compare(Comparison::Is, &port.to_be_bytes())
    }

    fn meta(self, key: u32) -> Self {
        self.expression("meta", &Attributes::new().number(1, REGISTER).number(2, key))
    }

    fn conntrack(self, key: u32) -> Self {
        self.expression("ct", &Attributes::new().number(1, REGISTER).number(2, key))
    }

    fn payload(self, base: u32, offset: u32, length: u32) -> Self {
        let place = Attributes::new().number(1, REGISTER).number(2, base);
        self.expression("payload", &place.number(3, offset).number(4, length))
    }

    fn and(self, mask: &[u8; 4]) -> Self {
        let data = Attributes::new()
            .number(1, REGISTER)
            .number(2, REGISTER)
            .number(3, 4)
            .nest(4, &Attributes::new().bytes(1, mask))
            .nest(5, &Attributes::new().bytes(1, &[0; 4]));
        self.expression("bitwise", &data)
    }

    fn compare(self, comparison: Comparison, value: &[u8]) -> Self {
        let number = match comparison {
            Comparison::Is => 0,
            Comparison::IsNot => 1,
        };
        let data = Attributes::new().number(1, REGISTER).number(2, number);
        self.expression("cmp", &data.nest(3, &Attributes::new().bytes(1, value)))
    }

    fn verdict(self, code: u32) -> Self {
        let verdict = Attributes::new().nest(2, &Attributes::new().number(1, code));
        self.expression("immediate", &Attributes::new().number(1, VERDICT).nest(2, &verdict))
    }

    fn expression(self, name: &str, data: &Attributes) -> Self {
        let expression = Attributes::new().text(1, name).nest(2, data);
        Self { expressions: self.expressions.nest(1, &expression), comment: self.comment }
    }
}

/// With the zero that ends it, so that no longer name begins with it.
fn whole_name(name: &str) -> Vec<u8> {
    [name.as_bytes(), &[0]].concat()
}
