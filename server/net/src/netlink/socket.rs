//! One netlink socket and the frames on it: a header of 16 bytes, then the message.
//!
//! ```text
//!  order([a, b, c])  ──one datagram──>  kernel      each is carried out in turn
//!                    <─ ack a, ack b, ack c ─        or an error, with the kernel's own words
//!  ask(get or dump)  ──────────────────>  kernel
//!                    <─ answer, answer, done ─
//! ```

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NlasIterator,
};
use netlink_sys::SocketAddr;
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};

use super::Refusal;
use crate::error::NetError;
use crate::namespace;

/// Length of a message's header: length, type, flags, sequence, port.
const HEADER: usize = 16;
/// An answer that takes longer got lost.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// How often a list is read anew that changed while it was read.
const DUMP_TRIES: usize = 16;
/// Number of the attribute in an acknowledgement that holds the kernel's words.
const ACK_TEXT: u16 = 1;

/// What the socket speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Links, addresses, routes.
    Route,
    /// nftables.
    Netfilter,
}

/// One message to the kernel.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) payload: Vec<u8>,
}

impl Request {
    /// A message that is carried out, and answered with yes or no.
    pub(crate) fn order(kind: u16, flags: u16, payload: Vec<u8>) -> Self {
        Self { kind, flags: flags | NLM_F_REQUEST | NLM_F_ACK, payload }
    }

    /// A message that is not answered unless it is refused.
    pub(crate) fn marker(kind: u16, payload: Vec<u8>) -> Self {
        Self { kind, flags: NLM_F_REQUEST, payload }
    }

    /// A question for all there is.
    pub(crate) fn dump(kind: u16, payload: Vec<u8>) -> Self {
        Self { kind, flags: NLM_F_REQUEST | NLM_F_DUMP, payload }
    }
}

/// One message from the kernel that is neither an acknowledgement nor the end of a list.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) kind: u16,
    pub(crate) payload: Vec<u8>,
}

/// A socket. It belongs to the network namespace in which it was opened for as long as it lives.
#[derive(Debug)]
pub(crate) struct Socket {
    inner: netlink_sys::Socket,
    sequence: u32,
}

impl Socket {
    /// A socket of the calling thread's own network namespace.
    pub(crate) fn open(protocol: Protocol) -> Result<Self, NetError> {
        Self::try_open(protocol)
            .map_err(|error| NetError::io("open a netlink socket for", protocol.name(), error))
    }

    /// A socket of the namespace `netns`. The thread is in there only while the socket is made.
    pub(crate) fn open_in(netns: BorrowedFd<'_>, protocol: Protocol) -> Result<Self, NetError> {
        namespace::inside(netns, || Self::open(protocol))
    }

    fn try_open(protocol: Protocol) -> io::Result<Self> {
        let mut inner = netlink_sys::Socket::new(protocol.number())?;
        inner.bind_auto()?;
        inner.connect(&SocketAddr::new(0, 0))?;
        inner.set_ext_ack(true)?;
        inner.set_cap_ack(true)?;
        set_socket_timeout(inner.as_fd(), Timeout::Recv, Some(ANSWER_MAX))?;
        Ok(Self { inner, sequence: 0 })
    }

    /// Has all of them carried out, in their order, and waits for the last answer. All answers are
    /// read, whatever they say; the first refusal is the one that is told.
    pub(crate) fn order(&mut self, requests: &[Request]) -> Result<(), Refusal> {
        let first = self.send(requests)?;
        let mut n_waiting = requests.iter().filter(|r| r.flags & NLM_F_ACK != 0).count();
        let mut refusal: Option<Refusal> = None;
        while n_waiting > 0 {
            for frame in frames(&self.receive()?) {
                let at = usize::try_from(frame.sequence.wrapping_sub(first)).unwrap_or(usize::MAX);
                let Some(request) = requests.get(at).filter(|_| frame.kind == NLMSG_ERROR) else {
                    continue; // an answer to an earlier request that nobody waited for
                };
                if let Err(error) = frame.verdict() {
                    let is_marker = request.flags & NLM_F_ACK == 0;
                    refusal.get_or_insert(Refusal { at, ..error });
                    if is_marker {
                        n_waiting = 0; // all was refused with it; no other answer need come
                        continue;
                    }
                }
                n_waiting = n_waiting.saturating_sub(1);
            }
        }
        refusal.map_or(Ok(()), Err)
    }

    /// Asks one question and reads all answers. A list that changed while it was read is read anew.
    pub(crate) fn ask(&mut self, request: &Request) -> Result<Vec<Answer>, Refusal> {
        for _ in 0..DUMP_TRIES {
            if let Some(answers) = self.try_ask(request)? {
                return Ok(answers);
            }
        }
        Err(io::Error::from(Errno::AGAIN).into())
    }

    /// None when the list changed meanwhile.
    fn try_ask(&mut self, request: &Request) -> Result<Option<Vec<Answer>>, Refusal> {
        let sequence = self.send(std::slice::from_ref(request))?;
        let mut answers = Vec::new();
        let mut is_torn = false;
        loop {
            for frame in frames(&self.receive()?) {
                if frame.sequence != sequence {
                    continue;
                }
                is_torn |= frame.flags & NLM_F_DUMP_INTR != 0;
                match frame.kind {
                    NLMSG_ERROR | NLMSG_DONE => {
                        frame.verdict()?;
                        return Ok((!is_torn).then_some(answers));
                    }
                    kind => answers.push(Answer { kind, payload: frame.payload.to_vec() }),
                }
            }
        }
    }

    /// Sends all in one datagram; returns the sequence number of the first.
    fn send(&mut self, requests: &[Request]) -> Result<u32, Refusal> {
        let first = self.sequence.wrapping_add(1);
        let mut datagram = Vec::new();
        for request in requests {
            self.sequence = self.sequence.wrapping_add(1);
            let length = u32::try_from(HEADER + request.payload.len()).unwrap_or(u32::MAX);
            datagram.extend_from_slice(&length.to_ne_bytes());
            datagram.extend_from_slice(&request.kind.to_ne_bytes());
            datagram.extend_from_slice(&request.flags.to_ne_bytes());
            datagram.extend_from_slice(&self.sequence.to_ne_bytes());
            datagram.extend_from_slice(&0_u32.to_ne_bytes());
            datagram.extend_from_slice(&request.payload);
            datagram.resize(datagram.len().next_multiple_of(4), 0);
        }
        let sent = self.inner.send(&datagram, 0)?;
        if sent == datagram.len() { Ok(first) } else { Err(io::Error::from(Errno::MSGSIZE).into()) }
    }

    fn receive(&self) -> Result<Vec<u8>, Refusal> {
        loop {
            match self.inner.recv_from_full() {
                Ok((datagram, _)) => return Ok(datagram),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Err(io::Error::from(Errno::TIMEDOUT).into());
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Protocol {
    fn number(self) -> isize {
        match self {
            Self::Route => netlink_sys::protocols::NETLINK_ROUTE,
            Self::Netfilter => netlink_sys::protocols::NETLINK_NETFILTER,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Route => "links",
            Self::Netfilter => "nftables",
        }
    }
}

/// One message in a datagram.
struct Frame<'a> {
    kind: u16,
    flags: u16,
    sequence: u32,
    payload: &'a [u8],
}

impl Frame<'_> {
    /// What an acknowledgement or the end of a list says: a number, 0 for yes, and perhaps words.
    fn verdict(&self) -> Result<(), Refusal> {
        let code = self.payload.first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes));
        if code == 0 {
            return Ok(());
        }
        // After the number stands the header of the request, then the attributes.
        let skipped = if self.kind == NLMSG_ERROR { 4 + HEADER } else { 4 };
        let attributes = self.payload.get(skipped..).unwrap_or_default();
        let words = attribute(attributes, ACK_TEXT).map(|text| {
            String::from_utf8_lossy(text).trim_end_matches(['\0', '.', '\n']).to_owned()
        });
        let cause = io::Error::from_raw_os_error(code.saturating_neg());
        Err(Refusal { cause, detail: words, at: 0 })
    }
}

/// The messages of one datagram; one that is cut off ends the list.
fn frames(datagram: &[u8]) -> Vec<Frame<'_>> {
    let mut rest = datagram;
    let mut frames = Vec::new();
    while let Some((frame, length)) = first_frame(rest) {
        frames.push(frame);
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    frames
}

fn first_frame(bytes: &[u8]) -> Option<(Frame<'_>, usize)> {
    let header: &[u8; HEADER] = bytes.first_chunk()?;
    let [l0, l1, l2, l3, k0, k1, f0, f1, s0, s1, s2, s3, ..] = *header;
    let length = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3])).ok()?;
    let frame = Frame {
        kind: u16::from_ne_bytes([k0, k1]),
        flags: u16::from_ne_bytes([f0, f1]),
        sequence: u32::from_ne_bytes([s0, s1, s2, s3]),
        payload: bytes.get(HEADER..length)?,
    };
    Some((frame, length))
}

/// The value of the attribute of that kind, if it is there.
pub(crate) fn attribute(attributes: &[u8], kind: u16) -> Option<&[u8]> {
    NlasIterator::new(attributes).map_while(Result::ok).find(|nla| nla.kind() == kind).and_then(
        |nla| {
            let length = usize::from(nla.length());
            nla.into_inner().get(4..length)
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, payload: &[u8]) -> Vec<u8> {
        let mut bytes = u32::try_from(HEADER + payload.len()).unwrap().to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn a_refusal_brings_the_kernels_own_words() {
        let mut payload = (-22_i32).to_ne_bytes().to_vec();
        payload.extend([0; HEADER]);
        payload.extend([10, 0, 1, 0]);
        payload.extend(b"Nope.\0");
        let datagram = message(NLMSG_ERROR, &payload);
        let refusal = frames(&datagram).first().unwrap().verdict().unwrap_err();
        assert!(refusal.is(Errno::INVAL));
        assert_eq!(refusal.detail.as_deref(), Some("Nope"));
    }

    #[test]
    fn a_datagram_that_is_cut_off_ends_before_the_cut() {
        let mut datagram = message(16, &[1, 2, 3, 4]);
        datagram.extend(message(16, &[5, 6, 7, 8]));
        assert_eq!(frames(&datagram).len(), 2);
        for length in 0..datagram.len() {
            let n = frames(datagram.get(..length).unwrap()).len();
            assert_eq!(n, usize::from(length >= 20), "{length}");
        }
        assert!(frames(&[0; 64]).is_empty());
    }
}
