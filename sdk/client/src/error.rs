//! What goes wrong, as a user can act on it. Statuses of the wire are read here and nowhere else.

use std::error::Error as StdError;
use std::fmt;
use std::ops::Deref;

use tonic::{Code, Status};
use tonic_types::StatusExt;

/// The result of everything in this crate.
pub type Result<T> = std::result::Result<T, ClientError>;

/// The kind of an error. One kind for each thing that a user can do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The input breaks a rule: fix it. Wrong settings of this client are of this kind as well.
    Invalid,
    /// No such thing: check the name.
    NotFound,
    /// It is there already: another name, or force.
    AlreadyExists,
    /// The state does not allow it: look at the state.
    Rejected,
    /// Somebody else changed it meanwhile: read again and retry.
    Conflict,
    /// The caller may not: log in or ask.
    Denied,
    /// A limit or the disk is full: wait.
    Full,
    /// The server, or its engine, cannot answer now: is it up?
    Unavailable,
    /// A fault of the server: report the id.
    Internal,
}

impl ErrorKind {
    /// The stable word for programs, in upper case.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Invalid => "INVALID",
            Self::NotFound => "NOT_FOUND",
            Self::AlreadyExists => "ALREADY_EXISTS",
            Self::Rejected => "REJECTED",
            Self::Conflict => "CONFLICT",
            Self::Denied => "DENIED",
            Self::Full => "FULL",
            Self::Unavailable => "UNAVAILABLE",
            Self::Internal => "INTERNAL",
        }
    }
}

/// One broken rule about one field of the input.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Violation {
    /// Path of the field, for example `tasks[build].image`.
    pub field: String,
    /// The broken rule, as a sentence.
    pub rule: String,
    /// Stable code of the rule, for example `G0103`. `None` where the rule has none.
    pub code: Option<String>,
    /// Place in the author's program, `file:line:column`. `None` where the input came from no program.
    pub source: Option<String>,
}

/// What is known of an error.
#[derive(Debug)]
pub struct ErrorDetail {
    /// The kind.
    pub kind: ErrorKind,
    /// What was tried and on which thing; lower case, no full stop.
    pub message: String,
    /// Stable upper-case word for programs, for example `PIPELINE_DISABLED`. Empty: the kind says it all.
    pub reason: String,
    /// What the user can do next. `None`: the kind says it all.
    pub next: Option<String>,
    /// What sort of thing the error is about, and its name, where the server says so.
    pub subject: Option<(String, String)>,
    /// Names that exist and are near the one that was not found, nearest first.
    pub nearest: Vec<String>,
    /// Every broken rule, for [`ErrorKind::Invalid`].
    pub violations: Vec<Violation>,
    /// When a retry may help, in milliseconds from now.
    pub retry_after_ms: Option<u64>,
    /// The id under which the server logged a fault of its own.
    pub error_id: Option<String>,
    /// Whether no server answered at all: a connection that failed or broke.
    pub lost: bool,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// An error of this crate. Its fields are those of [`ErrorDetail`].
#[derive(Debug)]
pub struct ClientError(Box<ErrorDetail>);

impl Deref for ClientError {
    type Target = ErrorDetail;
    fn deref(&self) -> &ErrorDetail {
        &self.0
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for ClientError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl ClientError {
    /// An error of `kind` that this side found.
    pub fn new(kind: ErrorKind, reason: &str, message: impl Into<String>) -> Self {
        Self(Box::new(ErrorDetail {
            kind,
            message: message.into(),
            reason: reason.to_owned(),
            next: None,
            subject: None,
            nearest: Vec::new(),
            violations: Vec::new(),
            retry_after_ms: None,
            error_id: None,
            lost: false,
            source: None,
        }))
    }

    /// Wrong input or settings, found on this side.
    pub(crate) fn invalid(reason: &str, message: impl Into<String>, next: &str) -> Self {
        let mut error = Self::new(ErrorKind::Invalid, reason, message);
        error.0.next = Some(next.to_owned());
        error
    }

    /// The server at `host` cannot be reached, or the connection to it broke.
    pub(crate) fn lost(host: &str, text: &str) -> Self {
        let mut error = Self::new(ErrorKind::Unavailable, "UNREACHABLE", format!("{text} {host}"));
        error.0.next =
            Some("is the server up? `gofer service start --dev-mode` starts one here".to_owned());
        error.0.lost = true;
        error
    }

    /// The same error with its cause.
    pub(crate) fn because(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.0.source = Some(Box::new(source));
        self
    }

    /// Reads what a call to the server at `host` ended with.
    pub(crate) fn from_status(host: &str, status: Status) -> Self {
        // A status with a cause was made on this side: no server said it.
        if status.source().is_some() {
            let denied = status.code() == Code::PermissionDenied;
            let text = if denied { "no safe connection to" } else { "cannot reach the server at" };
            return Self::lost(host, text).because(status);
        }
        let mut error = Self::new(kind_of(status.code()), "", status.message());
        let detail = &mut *error.0;
        if detail.message.is_empty() {
            detail.message = format!("the server answered {:?} and said no more", status.code());
        }
        if status.code() == Code::Unimplemented {
            detail.message = "the server does not know this call".to_owned();
            detail.next = Some("compare both sides with `gofer version`".to_owned());
        }
        read_details(detail, &status);
        error
    }
}

fn kind_of(code: Code) -> ErrorKind {
    match code {
        Code::InvalidArgument | Code::OutOfRange => ErrorKind::Invalid,
        Code::NotFound => ErrorKind::NotFound,
        Code::AlreadyExists => ErrorKind::AlreadyExists,
        Code::FailedPrecondition | Code::Unimplemented => ErrorKind::Rejected,
        Code::Aborted => ErrorKind::Conflict,
        Code::Unauthenticated | Code::PermissionDenied => ErrorKind::Denied,
        Code::ResourceExhausted => ErrorKind::Full,
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => ErrorKind::Unavailable,
        Code::Internal | Code::Unknown | Code::DataLoss | Code::Ok => ErrorKind::Internal,
    }
}

fn read_details(detail: &mut ErrorDetail, status: &Status) {
    let details = status.get_error_details();
    let mut sources = std::collections::HashMap::new();
    if let Some(info) = details.error_info() {
        detail.reason.clone_from(&info.reason);
        for (key, value) in info.metadata.iter().filter(|(_, value)| !value.is_empty()) {
            match key.as_str() {
                "next" => detail.next = Some(value.clone()),
                "error_id" => detail.error_id = Some(value.clone()),
                "nearest" => detail.nearest = value.split(',').map(str::to_owned).collect(),
                // Words of a newer server are not needed to understand the error.
                key => {
                    if let Some(Ok(at)) = key.strip_prefix("source.").map(str::parse::<usize>) {
                        sources.insert(at, value.clone());
                    }
                }
            }
        }
    }
    if let Some(request) = details.bad_request() {
        let violations = request.field_violations.iter().enumerate();
        detail.violations = violations
            .map(|(at, v)| {
                let (code, rule) = code_and_rule(&v.reason, &v.description);
                Violation { field: v.field.clone(), rule, code, source: sources.remove(&at) }
            })
            .collect();
    }
    if let Some(delay) = details.retry_info().and_then(|info| info.retry_delay) {
        detail.retry_after_ms = u64::try_from(delay.as_millis()).ok();
    }
    if let Some(resource) = details.resource_info() {
        detail.subject = Some((resource.resource_type.clone(), resource.resource_name.clone()));
    }
    let Some(failed) = details.precondition_failure().and_then(|f| f.violations.first()) else {
        return;
    };
    if detail.reason.is_empty() {
        detail.reason.clone_from(&failed.r#type);
    }
    if detail.subject.is_none() && !failed.subject.is_empty() {
        detail.subject = Some((String::new(), failed.subject.clone()));
    }
}

/// The code of a rule: its own field, or the start of the description, as in `G0103: …`.
fn code_and_rule(reason: &str, description: &str) -> (Option<String>, String) {
    if !reason.is_empty() {
        return (Some(reason.to_owned()), description.to_owned());
    }
    let is_code = |code: &str| {
        code.len() >= 3
            && code.starts_with(|c: char| c.is_ascii_uppercase())
            && code.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
    };
    match description.split_once(": ") {
        Some((code, rule)) if is_code(code) => (Some(code.to_owned()), rule.to_owned()),
        _ => (None, description.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::Duration;

    use tonic_types::{ErrorDetails, FieldViolation};

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "plays the server's part")]
    fn read(code: Code, details: ErrorDetails) -> ClientError {
        ClientError::from_status("https://x", Status::with_error_details(code, "no", details))
    }

    #[test]
    fn every_detail_of_an_answer_is_read() {
        let metadata = HashMap::from([
            ("next".to_owned(), "do this".to_owned()),
            ("nearest".to_owned(), "simple,sample".to_owned()),
            ("source.1".to_owned(), "src/main.rs:9:5".to_owned()),
        ]);
        let mut details = ErrorDetails::with_error_info("BAD_CONFIG", "gofer.dev", metadata);
        details.set_bad_request(vec![
            FieldViolation::new("a", "G0103: no such parent"),
            FieldViolation::new("b", "Note: empty"),
        ]);
        details.set_retry_info(Some(Duration::from_millis(1500)));
        details.set_resource_info("pipeline", "simpel", "", "");
        let error = read(Code::InvalidArgument, details);
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert_eq!(error.reason, "BAD_CONFIG");
        assert_eq!(error.next.as_deref(), Some("do this"));
        assert_eq!(error.nearest, ["simple", "sample"]);
        assert_eq!(error.subject, Some(("pipeline".into(), "simpel".into())));
        assert_eq!(error.retry_after_ms, Some(1500));
        let (first, second) = (&error.violations[0], &error.violations[1]);
        assert_eq!((first.code.as_deref(), first.rule.as_str()), (Some("G0103"), "no such parent"));
        assert_eq!(first.source, None);
        assert_eq!((second.code.as_deref(), second.rule.as_str()), (None, "Note: empty"));
        assert_eq!(second.source.as_deref(), Some("src/main.rs:9:5"));
    }

    #[test]
    fn a_broken_connection_is_unavailable_whatever_its_code() {
        let status = Status::from_error(Box::new(std::io::Error::other("reset")));
        let error = ClientError::from_status("https://h:1", status);
        assert_eq!(error.kind, ErrorKind::Unavailable);
        assert!(error.lost && error.message.contains("https://h:1"), "{error}");
    }

    #[test]
    fn each_code_of_the_wire_has_its_kind() {
        let rows = [
            (Code::InvalidArgument, ErrorKind::Invalid),
            (Code::NotFound, ErrorKind::NotFound),
            (Code::AlreadyExists, ErrorKind::AlreadyExists),
            (Code::FailedPrecondition, ErrorKind::Rejected),
            (Code::Aborted, ErrorKind::Conflict),
            (Code::Unauthenticated, ErrorKind::Denied),
            (Code::PermissionDenied, ErrorKind::Denied),
            (Code::ResourceExhausted, ErrorKind::Full),
            (Code::Unavailable, ErrorKind::Unavailable),
            (Code::Internal, ErrorKind::Internal),
        ];
        for (code, kind) in rows {
            assert_eq!(read(code, ErrorDetails::new()).kind, kind, "{code:?}");
        }
    }
}
