//! What can go wrong with a network. One type, made for people: what was tried, on which thing,
//! what the kernel said, and what to do about it.

use std::fmt;
use std::io;

use rustix::io::Errno;

/// A fault, with what was tried, on which thing, and a remedy where one is known.
#[derive(Debug)]
pub struct NetError {
    /// What was tried: `make the bridge`.
    pub what: &'static str,
    /// On which thing: the name of a link, an address, a file.
    pub on: String,
    /// What the kernel said; none where the fault is in what we were given.
    pub cause: Option<io::Error>,
    /// The kernel's own words, or our rule that was broken.
    pub detail: Option<String>,
    /// What to do, as an order.
    pub remedy: Option<&'static str>,
}

impl NetError {
    /// A fault in what we were given.
    pub(crate) fn refused(
        what: &'static str,
        on: impl Into<String>,
        detail: impl Into<String>,
        remedy: &'static str,
    ) -> Self {
        Self { what, on: on.into(), cause: None, detail: Some(detail.into()), remedy: Some(remedy) }
    }

    /// A fault of the machine; the remedy follows from what it said.
    pub(crate) fn io(what: &'static str, on: impl Into<String>, cause: io::Error) -> Self {
        let remedy = Errno::from_io_error(&cause).and_then(remedy_for);
        Self { what, on: on.into(), cause: Some(cause), detail: None, remedy }
    }

    /// The same fault with a better remedy.
    pub(crate) fn with_remedy(self, remedy: &'static str) -> Self {
        Self { remedy: Some(remedy), ..self }
    }

    /// The number of the system's error, where the system made one.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        self.cause.as_ref().and_then(io::Error::raw_os_error)
    }
}

/// What helps against an error that the kernel gives for one well-known reason.
fn remedy_for(errno: Errno) -> Option<&'static str> {
    match errno {
        Errno::PERM | Errno::ACCESS => {
            Some("run the server as root, or use the network mode `none` or `host`")
        }
        Errno::OPNOTSUPP | Errno::PROTONOSUPPORT | Errno::AFNOSUPPORT => {
            Some("load the kernel's modules `bridge`, `veth` and `nf_tables`")
        }
        Errno::ROFS => Some("make /proc/sys writable for the server"),
        _ => None,
    }
}

impl fmt::Display for NetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "could not {} {}", self.what, self.on)?;
        if let Some(cause) = &self.cause {
            write!(f, ": {cause}")?;
        }
        if let Some(detail) = &self.detail {
            write!(f, ": {detail}")?;
        }
        if let Some(remedy) = self.remedy {
            write!(f, "; {remedy}")?;
        }
        Ok(())
    }
}

/// The cause is part of the text already, so it is not given again as a source.
impl std::error::Error for NetError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_says_what_on_what_why_and_what_to_do() {
        let fault = NetError::io("make the bridge", "gf00000000", Errno::PERM.into());
        assert_eq!(
            fault.to_string(),
            "could not make the bridge gf00000000: Operation not permitted (os error 1); \
             run the server as root, or use the network mode `none` or `host`"
        );
        assert_eq!(fault.errno(), Some(1));
    }
}
