//! Identifiers, parsed once at the edge and then carried as types of their own, so that a task's
//! name can never be passed where a pipeline's is meant.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::pipeline::{characters, shorten, unfit};
use crate::problem::Problem;

/// Shortest name of a namespace, pipeline, task or label, in characters.
pub const NAME_CHARS_MIN: usize = 3;
/// Longest name of a namespace, pipeline, task or label, in characters.
pub const NAME_CHARS_MAX: usize = 32;

/// Says whether `text` may name a `what` (for example "pipeline"): 3 to 32 letters, digits and
/// underscores.
///
/// # Errors
/// The broken rule as a sentence, with every offending character.
pub fn check_name(what: &str, text: &str) -> Result<(), String> {
    if let Some(odd) = unfit(text, |c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(format!(
            "{what} id `{}` holds {odd}; only letters, digits and underscores are allowed",
            shorten(text)
        ));
    }
    let n_chars = text.chars().count();
    if (NAME_CHARS_MIN..=NAME_CHARS_MAX).contains(&n_chars) {
        return Ok(());
    }
    Err(format!(
        "{what} id `{}` has {}; {NAME_CHARS_MIN} to {NAME_CHARS_MAX} are allowed",
        shorten(text),
        characters(n_chars)
    ))
}

// A macro, because Rust has no other way to give several newtypes the same parsing and printing.
macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Parses a name.
            ///
            /// # Errors
            /// An Invalid problem that names the rule and the offending character.
            pub fn parse(text: &str) -> Result<Self, Problem> {
                check_name($what, text).map_err(|rule| Problem::invalid_field(concat!($what, "_id"), text, rule))?;
                Ok(Self(text.to_owned()))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = Problem;
            fn try_from(text: String) -> Result<Self, Problem> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
    };
}

name_type!(
    /// Names a namespace: 3 to 32 letters, digits, underscores.
    NamespaceId,
    "namespace"
);
name_type!(
    /// Names a pipeline inside its namespace: 3 to 32 letters, digits, underscores.
    PipelineId,
    "pipeline"
);
name_type!(
    /// Names a task inside its pipeline: 3 to 32 letters, digits, underscores.
    TaskId,
    "task"
);

/// The number of a run in its pipeline: 1, 2, 3… without gaps.
pub type RunId = u64;
/// The number of a pipeline config in its pipeline: 1, 2, 3… without gaps.
pub type Version = u64;
/// The number of a deployment in its pipeline: 1, 2, 3…
pub type DeploymentId = u64;
/// The number of a container start of one task run: 1, 2, 3…
pub type AttemptNumber = u32;
/// The number of an entry in the history: 1, 2, 3… over the whole server.
pub type EventSeq = u64;

/// The unique id of a run over all time: a ULID in lower case (26 characters). Container names,
/// log folders and labels come from it, so that a deleted and re-created pipeline never meets its past.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunUid(String);

impl RunUid {
    /// Parses the text of a run uid.
    ///
    /// # Errors
    /// An Invalid problem unless the text is 26 lower-case letters and digits.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let fits =
            text.len() == 26 && text.chars().all(|c| c.is_ascii_digit() || c.is_ascii_lowercase());
        if fits {
            return Ok(Self(text.to_owned()));
        }
        Err(Problem::invalid_field(
            "run_uid",
            text,
            "a run uid is 26 lower-case letters and digits",
        ))
    }

    /// The uid as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for RunUid {
    type Error = Problem;
    fn try_from(text: String) -> Result<Self, Problem> {
        Self::parse(&text)
    }
}

impl From<RunUid> for String {
    fn from(uid: RunUid) -> Self {
        uid.0
    }
}

/// The identity of one server's data directory, made once: a ULID in lower case. Containers carry
/// it as a label, so that two servers on one engine never touch each other's.
pub type InstanceId = RunUid;

/// A pipeline with its namespace: what every key in the store begins with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PipelineKey {
    /// The namespace.
    pub namespace: NamespaceId,
    /// The pipeline in it.
    pub pipeline: PipelineId,
}

impl fmt::Display for PipelineKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.namespace, self.pipeline)
    }
}

/// A run with its pipeline, as people name it: `namespace:pipeline/7`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RunKey {
    /// The pipeline.
    pub pipeline: PipelineKey,
    /// The run's number in it.
    pub run: RunId,
}

impl fmt::Display for RunKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.pipeline, self.run)
    }
}

/// One container start: which run, which task, which attempt. The name and labels of the container
/// come from it and from the instance, so creating it twice gives one container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AttemptKey {
    /// The run's unique id.
    pub uid: RunUid,
    /// The task in it.
    pub task: TaskId,
    /// The attempt's number, from 1.
    pub attempt: AttemptNumber,
}

impl fmt::Display for AttemptKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.uid, self.task, self.attempt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: Result<(), &str>) {
        let got = TaskId::parse(text).map(|_| ()).map_err(|p| p.to_string());
        match (got, want) {
            (Ok(()), Ok(())) => {}
            (Err(got), Err(want)) => assert!(got.contains(want), "{got:?} lacks {want:?}"),
            (got, want) => panic!("{text:?}: got {got:?}, want {want:?}"),
        }
    }

    #[test]
    fn names_are_3_to_32_letters_digits_and_underscores() {
        check("abc", Ok(()));
        check("A_9", Ok(()));
        check(&"x".repeat(32), Ok(()));
        check("ab", Err("has 2 characters"));
        check("", Err("has 0 characters"));
        check(&"x".repeat(33), Err("has 33 characters"));
        check("a-b", Err("'-'"));
        check("täsk", Err("'ä'"));
        check("a b", Err("' '"));
        check("a-b c!", Err("the characters '-', ' ', '!'; only"));
        check("x", Err("has 1 character; 3 to 32"));
        check("a\0b", Err("'\\0'"));
    }

    #[test]
    fn a_name_that_breaks_the_rule_cannot_come_in_through_json() {
        assert!(serde_json::from_str::<TaskId>("\"../x\"").is_err());
    }
}
