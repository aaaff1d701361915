//! What goes wrong, in one shape from the rules to the exit code. A [`Problem`] has one kind; the
//! kind decides the gRPC code (api) and the exit code (cli). It names the thing, the rule and the
//! next step, so that nobody has to invent an error text further up.

use std::fmt;

/// The kind of a problem. One kind, one gRPC code, one exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// The input breaks a rule: fix the input.
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
    /// The server or the engine cannot answer now: is it up?
    Unavailable,
    /// A fault of ours: report the id.
    Internal,
}

/// One broken rule about one field of the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field, for example `tasks[build].image`.
    pub field: String,
    /// Stable code of the rule, for example `G0103`; empty where the rule has none.
    pub code: String,
    /// The broken rule, as a sentence.
    pub rule: String,
    /// Source place, `file:line:column`, where the input came from a program; else empty.
    pub source: String,
}

/// A problem that a caller can act on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The kind.
    pub kind: Kind,
    /// Stable upper-case word for programs, for example `PIPELINE_DISABLED`.
    pub reason: &'static str,
    /// What was tried and on which thing; lower case, no full stop.
    pub message: String,
    /// What the user can do next, as a sentence; empty where the kind says it all.
    pub next: String,
    /// Existing names near a name that was not found.
    pub nearest: Vec<String>,
    /// Every broken rule, for [`Kind::Invalid`].
    pub violations: Vec<Violation>,
    /// When a retry may help, in milliseconds from now.
    pub retry_after_ms: Option<u64>,
}

impl Problem {
    /// A problem of `kind` with a stable `reason` word and a message.
    pub fn new(kind: Kind, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind,
            reason,
            message: message.into(),
            next: String::new(),
            nearest: Vec::new(),
            violations: Vec::new(),
            retry_after_ms: None,
        }
    }

    /// Invalid input in one field; `got` is not repeated in the message, the rule names it.
    pub fn invalid_field(field: &str, got: &str, rule: impl Into<String>) -> Self {
        let rule = rule.into();
        let message =
            if got.is_empty() { format!("{field} is empty: {rule}") } else { rule.clone() };
        let mut problem = Self::new(Kind::Invalid, "INVALID_INPUT", message);
        problem.violations.push(Violation {
            field: field.to_owned(),
            code: String::new(),
            rule,
            source: String::new(),
        });
        problem
    }

    /// A thing that is not there; `nearest` are names that are.
    pub fn not_found(what: impl fmt::Display, nearest: Vec<String>) -> Self {
        let mut problem = Self::new(Kind::NotFound, "NOT_FOUND", format!("{what} does not exist"));
        problem.nearest = nearest;
        problem
    }

    /// A request that the state does not allow.
    pub fn rejected(
        reason: &'static str,
        message: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self::new(Kind::Rejected, reason, message).with_next(next)
    }

    /// A fault of ours; the message is for the log, the caller sees only an id.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Kind::Internal, "INTERNAL", message)
    }

    /// The engine or a part of the server cannot answer now.
    pub fn unavailable(message: impl Into<String>, retry_after_ms: u64) -> Self {
        let mut problem = Self::new(Kind::Unavailable, "UNAVAILABLE", message);
        problem.retry_after_ms = Some(retry_after_ms);
        problem
    }

    /// The same problem with a next step for the user.
    #[must_use]
    pub fn with_next(mut self, next: impl Into<String>) -> Self {
        self.next = next.into();
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

/// The names nearest to `wanted`, at most three, nearest first: for "did you mean".
pub fn nearest<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    const SHOWN_MAX: usize = 3;
    let limit = wanted.chars().count() / 3 + 1;
    let mut scored: Vec<(usize, &str)> = names
        .into_iter()
        .map(|name| (distance(wanted, name), name))
        .filter(|(d, _)| *d <= limit)
        .collect();
    scored.sort_unstable();
    scored.into_iter().take(SHOWN_MAX).map(|(_, name)| name.to_owned()).collect()
}

/// Edit distance (Levenshtein), in characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for ((cb, pair), left) in b.iter().zip(row.windows(2)).zip(1..) {
            let &[diagonal, above] = pair else { continue };
            let before = next.get(left - 1).copied().unwrap_or(0);
            next.push((diagonal + usize::from(ca != *cb)).min(above + 1).min(before + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_offers_near_names_only() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(nearest("biuld", ["build", "deploy", "test"]), ["build"]);
        assert!(nearest("xyz", ["build"]).is_empty());
    }
}
