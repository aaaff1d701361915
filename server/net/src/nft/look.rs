//! Reading what stands in nftables, ours and others'.

use netlink_packet_core::NlasIterator;
use rustix::io::Errno;

use super::attributes::Attributes;
use super::transaction::user_data;
use super::{Family, Place, Policy, head};
use crate::netlink::{Answer, Refusal, Request, Socket, attribute};

const GET_TABLE: u16 = 1;
const GET_CHAIN: u16 = 4;
const GET_RULE: u16 = 7;

/// A rule that stands in a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StandingRule {
    /// Its name in the kernel.
    pub(crate) handle: u64,
    /// Sends every packet back, with no condition: nothing after it is ever reached.
    pub(crate) is_plain_return: bool,
    user_data: Vec<u8>,
}

impl StandingRule {
    /// Has it this comment?
    pub(crate) fn says(&self, comment: &str) -> bool {
        self.user_data == user_data(comment)
    }
}

/// The number that the kernel gave the table when it was made; none if there is no such table.
pub(crate) fn table_handle(
    socket: &mut Socket,
    family: Family,
    table: &str,
) -> Result<Option<u64>, Refusal> {
    let answers = get(socket, GET_TABLE, family, &Attributes::new().text(1, table))?;
    Ok(answers.iter().find_map(|answer| long_number(attribute(body(answer), 4)?)))
}

/// What the base chain does with packets that no rule decided on; none if there is no such chain.
pub(crate) fn chain_policy(
    socket: &mut Socket,
    place: Place<'_>,
) -> Result<Option<ChainPolicy>, Refusal> {
    let names = Attributes::new().text(1, place.table).text(3, place.chain);
    let answers = get(socket, GET_CHAIN, place.family, &names)?;
    Ok(answers.first().map(|answer| match attribute(body(answer), 5).and_then(number) {
        Some(0) => ChainPolicy::Base(Policy::Drop),
        Some(_) => ChainPolicy::Base(Policy::Accept),
        None => ChainPolicy::Plain,
    }))
}

/// A chain that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChainPolicy {
    /// Packets come to it from the kernel.
    Base(Policy),
    /// Packets come to it from other chains.
    Plain,
}

/// The rules of a chain, in their order; none if there is no such chain.
pub(crate) fn rules(socket: &mut Socket, place: Place<'_>) -> Result<Vec<StandingRule>, Refusal> {
    let names = Attributes::new().text(1, place.table).text(2, place.chain);
    let (kind, mut payload) = head(GET_RULE, place.family);
    payload.extend_from_slice(names.as_bytes());
    match socket.ask(&Request::dump(kind, payload)) {
        Ok(answers) => Ok(answers.iter().filter_map(|a| rule_of(a, place)).collect()),
        Err(refusal) if refusal.is(Errno::NOENT) => Ok(Vec::new()),
        Err(refusal) => Err(refusal),
    }
}

fn get(
    socket: &mut Socket,
    message: u16,
    family: Family,
    names: &Attributes,
) -> Result<Vec<Answer>, Refusal> {
    let (kind, mut payload) = head(message, family);
    payload.extend_from_slice(names.as_bytes());
    match socket.ask(&Request::order(kind, 0, payload)) {
        Err(refusal) if refusal.is(Errno::NOENT) => Ok(Vec::new()),
        other => other,
    }
}

/// A kernel that is older than the filter by chain sends the rules of all chains.
fn rule_of(answer: &Answer, place: Place<'_>) -> Option<StandingRule> {
    let body = body(answer);
    let is_here = |kind, name: &str| {
        attribute(body, kind).is_some_and(|text| text.strip_suffix(&[0]) == Some(name.as_bytes()))
    };
    if !is_here(1, place.table) || !is_here(2, place.chain) {
        return None;
    }
    Some(StandingRule {
        handle: long_number(attribute(body, 3)?)?,
        is_plain_return: is_plain_return(attribute(body, 4).unwrap_or_default()),
        user_data: attribute(body, 7).unwrap_or_default().to_vec(),
    })
}

/// Nothing but a counter, perhaps, and then the verdict `return`.
fn is_plain_return(expressions: &[u8]) -> bool {
    let mut returns = false;
    for element in NlasIterator::new(expressions).map_while(Result::ok) {
        let length = usize::from(element.length());
        let expression = element.into_inner().get(4..length).unwrap_or_default();
        match attribute(expression, 1) {
            Some(b"counter\0") => {}
            Some(b"immediate\0") => {
                let code = attribute(expression, 2)
                    .and_then(|data| attribute(data, 2))
                    .and_then(|data| attribute(data, 2))
                    .and_then(|verdict| attribute(verdict, 1))
                    .and_then(number);
                returns = code == Some(RETURN);
            }
            Some(_) | None => return false,
        }
    }
    returns
}

/// The verdict `return`: -5 in the kernel's list.
const RETURN: u32 = u32::MAX - 4;

/// What follows the four bytes that stand before the attributes.
fn body(answer: &Answer) -> &[u8] {
    answer.payload.get(4..).unwrap_or_default()
}

fn number(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

fn long_number(bytes: &[u8]) -> Option<u64> {
    bytes.first_chunk().map(|bytes| u64::from_be_bytes(*bytes))
}
