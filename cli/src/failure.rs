//! An error of the command line, in one shape for people and for programs.

use std::fmt::Display;

use gofer_client::ClientError;
use gofer_core::problem::Kind;
use serde::Serialize;

use crate::exit::Exit;

/// What every command gives back.
pub(crate) type Done = Result<Exit, Failure>;

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct Failure(Box<Detail>);

/// What is known of a failure. As JSON it is the `error` object.
#[derive(Debug, Serialize)]
pub(crate) struct Detail {
    pub(crate) code: String,
    pub(crate) exit_code: u8,
    pub(crate) message: String,
    pub(crate) subject: Option<Subject>,
    pub(crate) next: Option<String>,
    pub(crate) nearest: Vec<String>,
    pub(crate) violations: Vec<Violation>,
    pub(crate) retry_after_ms: Option<u64>,
    pub(crate) error_id: Option<String>,
    #[serde(skip)]
    pub(crate) exit: Exit,
    /// What people see of it was written already: the faults of a program, the compiler's own words.
    #[serde(skip)]
    pub(crate) shown: bool,
}

/// The thing that an error is about.
#[derive(Debug, Serialize)]
pub(crate) struct Subject {
    pub(crate) kind: String,
    #[serde(rename = "ref")]
    pub(crate) path: String,
}

/// One broken rule.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Violation {
    pub(crate) field: String,
    pub(crate) rule: String,
    /// What to do about it, where the rule does not say it: the nearest name, or how to write it.
    pub(crate) help: Option<String>,
    pub(crate) code: Option<String>,
    pub(crate) source: Option<String>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, code: &str, message: impl Into<String>) -> Self {
        Self(Box::new(Detail {
            code: code.to_owned(),
            exit_code: exit.code(),
            message: message.into(),
            subject: None,
            next: None,
            nearest: Vec::new(),
            violations: Vec::new(),
            retry_after_ms: None,
            error_id: None,
            exit,
            shown: false,
        }))
    }

    /// Wrong input.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Exit::Invalid, "INVALID", message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(Exit::NotFound, "NOT_FOUND", message)
    }

    /// A fault of this machine or of Gofer: `tried` says what could not be done.
    pub(crate) fn internal(tried: &str, cause: &dyn Display) -> Self {
        Self::new(Exit::Internal, "INTERNAL", format!("cannot {tried}: {cause}"))
    }

    /// A file that cannot be read or written.
    pub(crate) fn file(tried: &str, path: &std::path::Path, cause: &std::io::Error) -> Self {
        let known = [
            (std::io::ErrorKind::NotFound, Exit::NotFound),
            (std::io::ErrorKind::PermissionDenied, Exit::Denied),
            (std::io::ErrorKind::StorageFull, Exit::Full),
        ];
        let exit = known.into_iter().find(|(kind, _)| *kind == cause.kind());
        // Whatever else is wrong, it is wrong with what was named.
        let exit = exit.map_or(Exit::Invalid, |(_, exit)| exit);
        Self::new(exit, "FILE", format!("cannot {tried} {}: {cause}", path.display()))
    }

    /// The reader of the output is gone, which is no news to anyone.
    pub(crate) fn closed_pipe() -> Self {
        Self::new(Exit::ClosedPipe, "CLOSED_PIPE", "the output is closed").already_shown()
    }

    pub(crate) fn interrupted() -> Self {
        Self::new(Exit::Interrupted, "INTERRUPTED", "interrupted")
    }

    #[must_use]
    pub(crate) fn next(mut self, next: impl Into<String>) -> Self {
        self.0.next = Some(next.into());
        self
    }

    #[must_use]
    pub(crate) fn nearest(mut self, nearest: Vec<String>) -> Self {
        self.0.nearest = nearest;
        self
    }

    #[must_use]
    pub(crate) fn violations(mut self, violations: Vec<Violation>) -> Self {
        self.0.violations = violations;
        self
    }

    #[must_use]
    pub(crate) fn already_shown(mut self) -> Self {
        self.0.shown = true;
        self
    }

    pub(crate) fn detail(&self) -> &Detail {
        &self.0
    }

    /// From a server that could not start.
    pub(crate) fn of_kind(kind: Kind, message: impl Into<String>) -> Self {
        let (exit, code) = match kind {
            Kind::Invalid => (Exit::Invalid, "INVALID"),
            Kind::NotFound => (Exit::NotFound, "NOT_FOUND"),
            Kind::AlreadyExists => (Exit::AlreadyExists, "ALREADY_EXISTS"),
            Kind::Rejected => (Exit::Rejected, "REJECTED"),
            Kind::Conflict => (Exit::Conflict, "CONFLICT"),
            Kind::Denied => (Exit::Denied, "DENIED"),
            Kind::Full => (Exit::Full, "FULL"),
            Kind::Unavailable => (Exit::Unavailable, "UNAVAILABLE"),
            Kind::Internal => (Exit::Internal, "INTERNAL"),
        };
        Self::new(exit, code, message)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let code = if error.reason.is_empty() { error.kind.word() } else { &error.reason };
        let message = with_cause(&error);
        let mut failure = Self::new(Exit::of_kind(error.kind), code, message);
        let detail = &mut *failure.0;
        detail.next.clone_from(&error.next);
        detail.nearest.clone_from(&error.nearest);
        detail.retry_after_ms = error.retry_after_ms;
        detail.error_id.clone_from(&error.error_id);
        detail.subject = error.subject.clone().map(|(kind, path)| Subject { kind, path });
        detail.violations = error
            .violations
            .iter()
            .map(|v| Violation {
                field: v.field.clone(),
                rule: v.rule.clone(),
                help: None, // the server's rule ends with it
                code: v.code.clone(),
                source: v.source.clone(),
            })
            .collect();
        failure
    }
}

/// The message and the innermost cause, which is the one that says what happened.
fn with_cause(error: &ClientError) -> String {
    let mut innermost: Option<&dyn std::error::Error> = None;
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        innermost = Some(cause);
        next = cause.source();
    }
    innermost.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}
