//! Values that are put in place only when a task starts. The program never sees a secret: it writes
//! the secret's name, and the server fills in the content.

use std::fmt;

/// A stand-in for the content of a secret or an object, to be used in the values of variables and in
/// registry credentials, alone or within a longer text.
///
/// ```
/// use gofer_sdk::{Task, secret};
///
/// Task::new("deploy", "alpine:3")
///     .variable("TOKEN", secret("deploy_token"))
///     .variable("HEADER", format!("Authorization: Bearer {}", secret("deploy_token")));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placeholder {
    word: &'static str,
    key: String,
}

impl Placeholder {
    fn new(word: &'static str, key: impl Into<String>) -> Self {
        Self { word, key: key.into() }
    }
}

/// Writes the placeholder as the server reads it, for example `secret{{deploy_token}}`.
impl fmt::Display for Placeholder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{{{{{}}}}}", self.word, self.key)
    }
}

impl From<Placeholder> for String {
    fn from(placeholder: Placeholder) -> Self {
        placeholder.to_string()
    }
}

/// The secret of that key: the pipeline's own, or where it has none, a global one that the namespace
/// may read. A key has 3 to 256 letters, digits, `_`, `.`, `-` and `/`. A task that names an unknown
/// key fails when it starts.
pub fn secret(key: impl Into<String>) -> Placeholder {
    Placeholder::new("secret", key)
}

/// The pipeline's own secret of that key; for the key see [`secret`].
pub fn pipeline_secret(key: impl Into<String>) -> Placeholder {
    Placeholder::new("pipeline_secret", key)
}

/// The global secret of that key, if the namespace may read it; for the key see [`secret`].
pub fn global_secret(key: impl Into<String>) -> Placeholder {
    Placeholder::new("global_secret", key)
}

/// The content of the pipeline's object of that key; for the key see [`secret`].
pub fn pipeline_object(key: impl Into<String>) -> Placeholder {
    Placeholder::new("pipeline_object", key)
}

/// The content of the run's object of that key, which an earlier task has put there; for the key see
/// [`secret`].
pub fn run_object(key: impl Into<String>) -> Placeholder {
    Placeholder::new("run_object", key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_has_two_braces_on_each_side() {
        let all = [
            secret("key"),
            pipeline_secret("key"),
            global_secret("key"),
            pipeline_object("key"),
            run_object("key"),
        ];
        let want = [
            "secret{{key}}",
            "pipeline_secret{{key}}",
            "global_secret{{key}}",
            "pipeline_object{{key}}",
            "run_object{{key}}",
        ];
        assert_eq!(all.map(String::from), want);
        assert_eq!(format!("Bearer {}", secret("a.b-c/d")), "Bearer secret{{a.b-c/d}}");
    }
}
