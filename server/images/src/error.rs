//! What can go wrong with images, in kinds that a caller can act on.

use std::fmt;
use std::io;

use rustix::io::Errno;

/// What kind of fault it is; the driver makes its own kinds of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// It is not there.
    Missing,
    /// It is not what it says it is: a wrong digest, a torn archive, text that cannot be read.
    Damaged,
    /// It is well formed and not allowed: it leads out of its folder, or is beyond a limit.
    Refused,
    /// It is something that this crate does not do: a compression, a digest, an architecture.
    Unsupported,
    /// The disk is full, or a quota.
    NoSpace,
    /// The machine failed us otherwise.
    Io,
}

/// A fault, with what was tried and on which thing.
#[derive(Debug)]
pub struct ImageError {
    /// What kind of fault.
    pub kind: ErrorKind,
    /// What was tried on what; the cause is not in it, [`fmt::Display`] adds it.
    pub message: String,
    cause: Option<io::Error>,
}

impl ImageError {
    /// A fault without a cause below it.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), cause: None }
    }

    pub(crate) fn missing(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Missing, message)
    }

    pub(crate) fn damaged(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Damaged, message)
    }

    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Refused, message)
    }

    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// A fault of the machine in doing `what`.
    pub(crate) fn io(what: impl Into<String>, cause: impl Into<io::Error>) -> Self {
        let cause = cause.into();
        let kind = match cause.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::NOSPC | Errno::DQUOT) => ErrorKind::NoSpace,
            Some(Errno::NOENT) => ErrorKind::Missing,
            Some(_) | None => ErrorKind::Io,
        };
        Self { kind, message: what.into(), cause: Some(cause) }
    }

    /// A fault in reading `what`: the machine's where the system said so, else the data's.
    pub(crate) fn reading(what: impl Into<String>, cause: io::Error) -> Self {
        match cause.downcast::<Self>() {
            Ok(error) => error,
            Err(cause) if cause.raw_os_error().is_some() => Self::io(what, cause),
            Err(cause) => {
                Self { kind: ErrorKind::Damaged, message: what.into(), cause: Some(cause) }
            }
        }
    }
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Some(cause) => write!(f, "{}: {cause}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// The cause is part of the text already, so it is not given again as a source.
impl std::error::Error for ImageError {}

/// For what is neither ours nor known better.
impl From<io::Error> for ImageError {
    fn from(error: io::Error) -> Self {
        Self::reading("could not read or write a file", error)
    }
}

/// For readers that must speak `io::Error`; whoever reads from them takes it out again.
impl From<ImageError> for io::Error {
    fn from(error: ImageError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}
