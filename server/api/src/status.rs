//! From a [`Problem`] to a gRPC `Status` with typed details, for every language to read:
//!
//! | detail              | holds                                                              |
//! |---------------------|--------------------------------------------------------------------|
//! | ErrorInfo           | reason word; metadata `next`, `nearest`, `error_id`, `source.<n>`  |
//! | BadRequest          | one violation per broken rule: field, `CODE: rule`                 |
//! | PreconditionFailure | the reason and message of a request that the state does not allow  |
//! | RetryInfo           | when another try may help                                          |
//!
//! A fault of ours goes into the server's log under an id; the caller sees the id only.

use std::collections::HashMap;
use std::time::Duration;

use gofer_core::problem::{Kind, Problem, Violation};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// The domain of the reason words.
const DOMAIN: &str = "gofer.dev";
/// Violations that travel at most: a status is a header, and headers are limited to some KiB.
const VIOLATIONS_MAX: usize = 20;
/// Longest text of one violation in a status, in bytes, for the same reason.
const TEXT_BYTES_MAX: usize = 400;
/// Bytes of all violations in a status: with the rest, and as base64, they stay below the 16 KiB
/// of headers that a client reads.
const VIOLATIONS_BYTES_MAX: usize = 8 * 1024;

/// The status of a problem.
#[expect(clippy::disallowed_methods, reason = "the one place that builds a Status")]
pub(crate) fn status(problem: Problem) -> Status {
    let code = code_of(problem.kind);
    let problem = if problem.kind == Kind::Internal { hidden(&problem) } else { problem };
    let details = details_of(&problem);
    Status::with_error_details(code, shorten(&problem.message), details)
}

fn code_of(kind: Kind) -> Code {
    match kind {
        Kind::Invalid => Code::InvalidArgument,
        Kind::NotFound => Code::NotFound,
        Kind::AlreadyExists => Code::AlreadyExists,
        Kind::Rejected => Code::FailedPrecondition,
        Kind::Conflict => Code::Aborted,
        Kind::Denied => Code::PermissionDenied,
        Kind::Full => Code::ResourceExhausted,
        Kind::Unavailable => Code::Unavailable,
        Kind::Internal => Code::Internal,
    }
}

/// What the caller may know of a fault of ours: an id to report. The log has the rest.
fn hidden(problem: &Problem) -> Problem {
    let error_id = ulid::Ulid::generate().to_string().to_lowercase();
    tracing::error!(error_id, problem = %problem.message, "internal error");
    Problem::new(Kind::Internal, "INTERNAL", format!("internal error {error_id}"))
        .with_next(format!("report error {error_id}; the server's log has its cause"))
}

fn details_of(problem: &Problem) -> ErrorDetails {
    let mut metadata = HashMap::new();
    if !problem.next.is_empty() {
        metadata.insert("next".to_owned(), shorten(&problem.next));
    }
    if !problem.nearest.is_empty() {
        metadata.insert("nearest".to_owned(), problem.nearest.join(","));
    }
    if problem.kind == Kind::Internal
        && let Some(id) = problem.message.rsplit(' ').next()
    {
        metadata.insert("error_id".to_owned(), id.to_owned());
    }
    let violations = shown(&problem.violations);
    for (ix, violation) in violations.iter().enumerate() {
        if !violation.source.is_empty() {
            metadata.insert(format!("source.{ix}"), violation.source.clone());
        }
    }
    let mut details = ErrorDetails::new();
    details.set_error_info(problem.reason, DOMAIN, metadata);
    for Violation { field, code, rule, source: _ } in violations {
        let text = if code.is_empty() { rule } else { format!("{code}: {rule}") };
        details.add_bad_request_violation(field, text);
    }
    if problem.kind == Kind::Rejected {
        details.add_precondition_failure_violation(problem.reason, "", shorten(&problem.message));
    }
    if let Some(ms) = problem.retry_after_ms {
        details.set_retry_info(Some(Duration::from_millis(ms)));
    }
    details
}

/// The violations that fit, with their texts shortened.
fn shown(violations: &[Violation]) -> Vec<Violation> {
    let mut room = VIOLATIONS_BYTES_MAX;
    let short = violations.iter().take(VIOLATIONS_MAX).map(|violation| Violation {
        field: shorten(&violation.field),
        code: violation.code.clone(),
        rule: shorten(&violation.rule),
        source: shorten(&violation.source),
    });
    let fits = |one: &Violation| {
        let n_bytes = one.field.len() + one.code.len() + one.rule.len() + one.source.len();
        let rest = room.checked_sub(n_bytes);
        room = rest.unwrap_or(0);
        rest.is_some()
    };
    short.take_while(fits).collect()
}

fn shorten(text: &str) -> String {
    if text.len() <= TEXT_BYTES_MAX {
        return text.to_owned();
    }
    let mut short =
        text.get(..text.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or_default().to_owned();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_own_code() {
        let kinds = [
            (Kind::Invalid, Code::InvalidArgument),
            (Kind::NotFound, Code::NotFound),
            (Kind::AlreadyExists, Code::AlreadyExists),
            (Kind::Rejected, Code::FailedPrecondition),
            (Kind::Conflict, Code::Aborted),
            (Kind::Denied, Code::PermissionDenied),
            (Kind::Full, Code::ResourceExhausted),
            (Kind::Unavailable, Code::Unavailable),
            (Kind::Internal, Code::Internal),
        ];
        for (kind, code) in kinds {
            assert_eq!(status(Problem::new(kind, "WORD", "text")).code(), code);
        }
    }

    #[test]
    fn a_fault_of_ours_shows_its_id_and_nothing_else() {
        let status = status(Problem::internal("no such column: secret_table"));
        assert!(!status.message().contains("secret_table"), "{status:?}");
        let info = status.get_details_error_info().unwrap();
        assert!(status.message().contains(info.metadata.get("error_id").unwrap()));
    }

    #[test]
    fn a_status_stays_small_however_much_is_wrong() {
        let mut problem = Problem::new(Kind::Invalid, "INVALID_PIPELINE", "x".repeat(100_000));
        for _ in 0..2_000 {
            problem.violations.push(Violation {
                field: "f".repeat(5_000),
                code: "G0101".to_owned(),
                rule: "ü".repeat(5_000),
                source: String::new(),
            });
        }
        let status = status(problem);
        assert!(status.details().len() < 10 * 1024, "{}", status.details().len());
    }
}
