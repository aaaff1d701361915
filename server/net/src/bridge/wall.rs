//! Our own table of the firewall. It is laid as a whole, in one transaction that first takes an
//! earlier one away, so that there is no moment without it and no rule of yesterday.
//!
//! ```text
//!  input        from a container to this machine: answers, the server's port, name servers; no more
//!  forward      to a container, from wherever, another one too: answers only
//!               from a container to one of Docker's: by a published port only
//!  postrouting  from a container to the outside: under this machine's own address
//! ```
//!
//! What others' firewalls refuse stays refused: an accept here ends our own chain and no other.

use crate::error::NetError;
use crate::netlink::Socket;
use crate::nft::{BaseChain, Comparison, Family, Place, Rule, Transaction};
use crate::range::Range;

use Comparison::{Is, IsNot};

/// What the table is made from. Its name is the bridge's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wall<'a> {
    pub(super) bridge: &'a str,
    pub(super) range: Range,
    /// Where containers may reach the server; none if they do not reach it by the network.
    pub(super) api_port: Option<u16>,
    /// Do links with names like those of Docker's networks lead to containers, and not out?
    pub(super) docker_names: DockerNames,
}

/// What the names that Docker gives to its networks' links say on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DockerNames {
    /// `docker0` and `br-…` are Docker's.
    Usual,
    /// A way out of this machine has a name that begins with `br-`.
    OnlyTheFirst,
}

const NAME_SERVERS: u16 = 53;

impl Wall<'_> {
    /// Lays the table, in place of an earlier one.
    pub(super) fn lay(&self, socket: &mut Socket) -> Result<(), NetError> {
        let table = self.bridge;
        let input = Place { family: Family::Inet, table, chain: "input" };
        let forward = Place { chain: "forward", ..input };
        let postrouting = Place { chain: "postrouting", ..input };
        let mut transaction = Transaction::new()
            .table(Family::Inet, table)
            .delete_table(Family::Inet, table)
            .table(Family::Inet, table)
            .chain(input, BaseChain::INPUT)
            .chain(forward, BaseChain::FORWARD)
            .chain(postrouting, BaseChain::POSTROUTING);
        for (place, rules) in
            [(input, self.input()), (forward, self.forward()), (postrouting, self.postrouting())]
        {
            for rule in &rules {
                transaction = transaction.rule(place, rule);
            }
        }
        transaction.commit(socket).map_err(|refusal| {
            refusal.of("lay the firewall table", self.bridge).with_remedy(
                "the kernel must have nf_tables with nft_ct, nft_masq and nft_reject_inet",
            )
        })
    }

    fn input(&self) -> Vec<Rule> {
        let mut rules = vec![
            Rule::new("not from a container").came_by(IsNot, self.bridge).accept(),
            Rule::new("answers").known().accept(),
        ];
        rules.extend(self.api_port.map(|port| {
            Rule::new("the server").ipv4(Is).to(self.range.gateway()).tcp_to(port).accept()
        }));
        rules.push(Rule::new("name servers").udp_to(NAME_SERVERS).accept());
        rules.push(Rule::new("name servers").tcp_to(NAME_SERVERS).accept());
        rules.push(Rule::new("nothing else on this machine").counted().reject());
        rules
    }

    fn forward(&self) -> Vec<Rule> {
        let from_container = |comment| Rule::new(comment).came_by(Is, self.bridge);
        let to_container = |comment| Rule::new(comment).leaves_by(Is, self.bridge);
        let mut rules = vec![
            from_container("a container has no IPv6 address").ipv4(IsNot).drop(),
            from_container("no address of somebody else").ipv4(Is).from(IsNot, self.range).drop(),
            to_container("answers").known().accept(),
            to_container("nobody calls a container").counted().drop(),
            from_container("no container of Docker's, but by a published port")
                .leaves_by(Is, "docker0")
                .not_published()
                .drop(),
        ];
        if self.docker_names == DockerNames::Usual {
            rules.push(
                from_container("no container of Docker's, but by a published port")
                    .leaves_by_any("br-")
                    .not_published()
                    .drop(),
            );
        }
        rules
    }

    fn postrouting(&self) -> Vec<Rule> {
        vec![
            Rule::new("out under the address of this machine")
                .ipv4(Is)
                .from(Is, self.range)
                .leaves_by(IsNot, self.bridge)
                .masquerade(),
        ]
    }
}
