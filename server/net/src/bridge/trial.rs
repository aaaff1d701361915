//! Is there a way out? It is tried, not guessed: firewalls have many forms, and no list of those
//! that are known here would be whole. A container of nothing but a namespace sends a packet by the
//! bridge to a second one that plays the outside, and waits for the answer.
//!
//! ```text
//!  task ── bridge ── this machine, its forwarding, its firewalls ── link ── outside
//!       <────────────────────────── the answer, by the same way ───────────
//! ```
//!
//! The way home, to the server's own port, is tried in the same manner: a firewall of somebody else
//! may refuse what ours lets through.
//!
//! The namespaces and their links are gone when a function here returns.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};
use rustix::io::Errno;

use crate::attach::{Attachment, attach, furnish};
use crate::error::NetError;
use crate::namespace;
use crate::netlink::orders::{self, INNER_LINK, Pair};
use crate::netlink::{Protocol, Socket, links};
use crate::range::Range;

/// Packets that are sent; one is enough where nothing is lost.
const TRIES: usize = 5;
/// How long each is waited for. All happens inside of one machine.
const ANSWER_MAX: Duration = Duration::from_millis(100);
/// How long a call to the server is tried.
const CALL_MAX: Duration = Duration::from_millis(500);
/// What is sent; the answer is the same.
const WORD: &[u8] = b"gofer";

/// What reading a socket says when nothing came.
const SILENCE: [io::ErrorKind; 4] = [
    io::ErrorKind::WouldBlock,
    io::ErrorKind::TimedOut,
    io::ErrorKind::Interrupted,
    io::ErrorKind::ConnectionRefused,
];

/// What the trial came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finding {
    /// The packet came out, and its answer back in.
    Open,
    /// Neither of several packets did.
    Closed,
}

/// Tries the way out of the bridge, whose range is `range`.
pub(super) fn run(here: &mut Socket, bridge: &str, range: Range) -> Result<Finding, NetError> {
    let (task, outside) = (new_namespace()?, new_namespace()?);
    let names = [format!("{bridge}-try"), format!("{bridge}-out")];
    let trial = Trial { bridge, range, task: task.as_fd(), outside: outside.as_fd() };
    let outcome = remove(here, &names).and_then(|()| trial.run(here, &names));
    remove(here, &names)?;
    outcome
}

/// Tries the way from a container to the server's port, where somebody must listen.
pub(super) fn way_home(
    here: &mut Socket,
    bridge: &str,
    range: Range,
    port: u16,
) -> Result<Finding, NetError> {
    let task = new_namespace()?;
    let link = format!("{bridge}-try");
    super::link::delete_link(here, &link)?;
    attach(task.as_fd(), &attachment(bridge, range, &link))?;
    let to = SocketAddr::from((range.gateway(), port));
    let answer = namespace::inside(task.as_fd(), || Ok(TcpStream::connect_timeout(&to, CALL_MAX)));
    super::link::delete_link(here, &link)?;
    Ok(if answer?.is_ok() { Finding::Open } else { Finding::Closed })
}

fn attachment(bridge: &str, range: Range, link: &str) -> Attachment {
    let [_, _, address] = range.reserved_for_trial();
    Attachment {
        bridge: bridge.to_owned(),
        link: link.to_owned(),
        address,
        prefix: range.prefix(),
        gateway: range.gateway(),
    }
}

struct Trial<'a> {
    bridge: &'a str,
    range: Range,
    task: BorrowedFd<'a>,
    outside: BorrowedFd<'a>,
}

impl Trial<'_> {
    fn run(&self, here: &mut Socket, names: &[String; 2]) -> Result<Finding, NetError> {
        let [task_link, outside_link] = names;
        let [near, far, task_address] = self.range.reserved_for_trial();
        self.connect_outside(here, outside_link, near, far)?;
        attach(self.task, &attachment(self.bridge, self.range, task_link))?;
        self.lead_task_to(far)?;
        let listener = socket_in(self.outside, far)?;
        let sender = socket_in(self.task, task_address)?;
        exchange(&sender, &listener)
            .map_err(|error| NetError::io("try the way out of the bridge", self.bridge, error))
    }

    fn connect_outside(
        &self,
        here: &mut Socket,
        link: &str,
        near: Ipv4Addr,
        far: Ipv4Addr,
    ) -> Result<(), NetError> {
        let between = Range::around(near, 31);
        let fault = |refusal: crate::netlink::Refusal| refusal.of("make the trial's link", link);
        let pair = Pair { name: link, bridge: None, mtu: 1500 };
        here.order(&[orders::new_pair(&pair, self.outside), orders::raise(link)]).map_err(fault)?;
        let index = links::link(here, link)
            .and_then(|link| link.ok_or_else(|| io::Error::from(Errno::NODEV).into()))
            .map_err(fault)?
            .index;
        here.order(&[orders::add_address(index, near, between)]).map_err(fault)?;
        furnish(&mut Socket::open_in(self.outside, Protocol::Route)?, far, between, near)?;
        links::wait_until(here, link, |link| link.is_running).map_err(fault)
    }

    /// The outside's address lies in the bridge's own range, where a task looks for neighbours.
    fn lead_task_to(&self, far: Ipv4Addr) -> Result<(), NetError> {
        let mut inside = Socket::open_in(self.task, Protocol::Route)?;
        links::link(&mut inside, INNER_LINK)
            .and_then(|link| {
                let link = link.ok_or_else(|| io::Error::from(Errno::NODEV))?;
                let only = Range::around(far, 32);
                inside.order(&[orders::add_route(only, self.range.gateway(), link.index)])
            })
            .map_err(|refusal| refusal.of("lead the trial's task to", far.to_string()))
    }
}

/// Sends from one to the other, until an answer is back or hope is gone.
fn exchange(sender: &UdpSocket, listener: &UdpSocket) -> io::Result<Finding> {
    let to = listener.local_addr()?;
    for _ in 0..TRIES {
        sender.send_to(WORD, to)?;
        let Some(from) = received(listener)? else { continue };
        listener.send_to(WORD, from)?;
        if received(sender)?.is_some() {
            return Ok(Finding::Open);
        }
    }
    Ok(Finding::Closed)
}

/// Who sent the next word; none if there is none in time. A firewall that answers "refused" is the
/// same as one that is silent.
fn received(socket: &UdpSocket) -> io::Result<Option<SocketAddr>> {
    let mut bytes = [0; 16];
    match socket.recv_from(&mut bytes) {
        Ok((n, from)) => Ok((bytes.get(..n) == Some(WORD)).then_some(from)),
        Err(error) if SILENCE.contains(&error.kind()) => Ok(None),
        Err(error) => Err(error),
    }
}

fn socket_in(netns: BorrowedFd<'_>, address: Ipv4Addr) -> Result<UdpSocket, NetError> {
    let open = || {
        let socket = UdpSocket::bind((address, 0))?;
        socket.set_read_timeout(Some(ANSWER_MAX))?;
        Ok(socket)
    };
    namespace::inside(netns, || {
        open().map_err(|error| NetError::io("open a socket on", address.to_string(), error))
    })
}

/// A new network namespace. It lives as long as its file does; the thread that made it ends.
fn new_namespace() -> Result<File, NetError> {
    let fault =
        |errno: Errno| NetError::io("make a network namespace for", "a trial", errno.into());
    let make = move || {
        unshare(CloneFlags::CLONE_NEWNET)
            .map_err(|errno| fault(Errno::from_raw_os_error(errno as i32)))?;
        namespace::own()
    };
    std::thread::spawn(make).join().unwrap_or_else(|_| Err(fault(Errno::CANCELED)))
}

/// Takes the trial's links away, those of an earlier one too.
fn remove(here: &mut Socket, names: &[String; 2]) -> Result<(), NetError> {
    for name in names {
        super::link::delete_link(here, name)?;
    }
    Ok(())
}
