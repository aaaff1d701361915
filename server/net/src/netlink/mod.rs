//! Talking to the kernel about networks: one socket, requests in, answers out. The messages about
//! links, addresses and routes are those of a kept crate; [`links`] asks and orders by them.
//!
//! The kernel answers a netlink request before `send` returns, so nothing here waits; a time limit
//! stands on the socket all the same, since an answer that got lost must not hold a server.

pub(crate) mod links;
pub(crate) mod orders;
mod socket;

pub(crate) use socket::{Answer, Protocol, Request, Socket, attribute};

use rustix::io::Errno;

use crate::error::NetError;

/// What the kernel refused, before anybody said what it was about.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// Why, as a number.
    pub(crate) cause: std::io::Error,
    /// Why, in the kernel's words, where it has some.
    pub(crate) detail: Option<String>,
    /// Which of the requests that were sent together, from 0.
    pub(crate) at: usize,
}

impl Refusal {
    pub(crate) fn is(&self, errno: Errno) -> bool {
        self.cause.raw_os_error() == Some(errno.raw_os_error())
    }

    /// Says what was tried, on which thing.
    pub(crate) fn of(self, what: &'static str, on: impl Into<String>) -> NetError {
        NetError { detail: self.detail, ..NetError::io(what, on, self.cause) }
    }
}

impl From<std::io::Error> for Refusal {
    fn from(cause: std::io::Error) -> Self {
        Self { cause, detail: None, at: 0 }
    }
}
