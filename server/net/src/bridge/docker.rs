//! Docker beside us. Where it turned forwarding on, it also made "drop" the policy of the chain
//! that all forwarded packets go through, and an accept in a table of ours does not change that.
//! The chain DOCKER-USER is the place that Docker leaves to others; two rules go in there, after
//! those of the machine's administrator, and nothing else of Docker's is touched.
//!
//! Both rules are written as `iptables` writes them, since it refuses to list a table with anything
//! else in it. They let everything pass in both directions; what may not is dropped by our own
//! table, whose drops are final.
//!
//! This reaches Docker where `iptables` is the one that keeps its rules in nftables. The older one
//! keeps them elsewhere, and the trial of the way out tells if that matters.

use crate::error::NetError;
use crate::netlink::{Refusal, Socket};
use crate::nft::{
    self, ChainPolicy, Comparison, Family, Place, Policy, Rule, StandingRule, Transaction,
};

const FORWARD: Place<'_> = Place { family: Family::Ipv4, table: "filter", chain: "FORWARD" };
const USER: Place<'_> = Place { chain: "DOCKER-USER", ..FORWARD };

/// What there is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Need {
    Nothing,
    /// Our rules are missing, or one of them. Those with these handles are left from before.
    Rules {
        before: Option<u64>,
        stale: Vec<u64>,
    },
}

/// Lets the bridge's packets through, if Docker is in the way. Says if something was changed.
pub(super) fn open(socket: &mut Socket, bridge: &str) -> Result<bool, NetError> {
    try_open(socket, bridge)
        .map_err(|refusal| refusal.of("add a rule to Docker's chain", USER.chain))
}

/// Is there nothing to do?
pub(super) fn is_open(socket: &mut Socket, bridge: &str) -> Result<bool, NetError> {
    let need = need(socket, bridge).map_err(of_look)?;
    Ok(need == Need::Nothing)
}

/// Takes our rules away.
pub(super) fn close(socket: &mut Socket, bridge: &str) -> Result<(), NetError> {
    let rules = nft::rules(socket, USER).map_err(of_look)?;
    let ours: Vec<_> = rules.iter().filter(|rule| is_ours(rule, bridge)).collect();
    if ours.is_empty() {
        return Ok(());
    }
    let deletions = ours
        .iter()
        .fold(Transaction::new(), |deletions, rule| deletions.delete_rule(USER, rule.handle));
    deletions
        .commit(socket)
        .map_err(|refusal| refusal.of("delete our rules from Docker's chain", USER.chain))
}

fn try_open(socket: &mut Socket, bridge: &str) -> Result<bool, Refusal> {
    let Need::Rules { before, stale } = need(socket, bridge)? else { return Ok(false) };
    let mut changes = Transaction::new();
    for handle in stale {
        changes = changes.delete_rule(USER, handle);
    }
    for rule in ours(bridge) {
        changes = match before {
            Some(handle) => changes.rule_before(USER, handle, &rule),
            None => changes.rule(USER, &rule),
        };
    }
    changes.commit(socket)?;
    Ok(true)
}

fn need(socket: &mut Socket, bridge: &str) -> Result<Need, Refusal> {
    let is_in_the_way =
        nft::chain_policy(socket, FORWARD)? == Some(ChainPolicy::Base(Policy::Drop));
    if !is_in_the_way || nft::chain_policy(socket, USER)?.is_none() {
        return Ok(Need::Nothing);
    }
    let rules = nft::rules(socket, USER)?;
    let stale: Vec<_> = rules.iter().filter(|r| is_ours(r, bridge)).map(|r| r.handle).collect();
    // Behind the return nothing is ever reached; before it stand the administrator's own rules.
    let at_return = rules.iter().position(|rule| rule.is_plain_return);
    let reached = rules.get(..at_return.unwrap_or(rules.len())).unwrap_or_default();
    if reached.iter().filter(|rule| is_ours(rule, bridge)).count() == ours(bridge).len() {
        return Ok(Need::Nothing);
    }
    let before = at_return.and_then(|at| rules.get(at)).map(|rule| rule.handle);
    Ok(Need::Rules { before, stale })
}

fn ours(bridge: &str) -> [Rule; 2] {
    [
        Rule::new(comment(bridge)).came_by(Comparison::Is, bridge).counted().accept(),
        Rule::new(comment(bridge)).leaves_by(Comparison::Is, bridge).counted().accept(),
    ]
}

fn is_ours(rule: &StandingRule, bridge: &str) -> bool {
    rule.says(&comment(bridge))
}

fn comment(bridge: &str) -> String {
    format!("gofer {bridge}")
}

fn of_look(refusal: Refusal) -> NetError {
    refusal.of("read Docker's chain", USER.chain)
}
