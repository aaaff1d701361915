//! What the process was given from outside, read once. Everything below takes it as a value, so that a
//! test can give another one.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::PathBuf;

/// Arguments, variables and terminals of the process.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each named")]
pub(crate) struct Environment {
    pub(crate) arguments: Vec<OsString>,
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) stdin_is_terminal: bool,
    pub(crate) stdout_is_terminal: bool,
    pub(crate) stderr_is_terminal: bool,
    pub(crate) is_root: bool,
}

impl Environment {
    pub(crate) fn read() -> Self {
        let text = |(key, value): (OsString, OsString)| {
            Some((key.into_string().ok()?, value.into_string().ok()?))
        };
        Self {
            arguments: std::env::args_os().collect(),
            variables: std::env::vars_os().filter_map(text).collect(),
            stdin_is_terminal: std::io::stdin().is_terminal(),
            stdout_is_terminal: std::io::stdout().is_terminal(),
            stderr_is_terminal: std::io::stderr().is_terminal(),
            is_root: rustix::process::geteuid().is_root(),
        }
    }

    /// A variable that is set and not empty.
    pub(crate) fn variable(&self, key: &str) -> Option<&str> {
        self.variables.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub(crate) fn home(&self) -> PathBuf {
        PathBuf::from(self.variable("HOME").unwrap_or("/"))
    }

    /// Where a server of this user keeps its data.
    pub(crate) fn data_dir(&self) -> PathBuf {
        if let Some(dir) = self.variable("GOFER_DATA_DIR") {
            return PathBuf::from(dir);
        }
        if self.is_root {
            return PathBuf::from("/var/lib/gofer");
        }
        match self.variable("XDG_DATA_HOME") {
            Some(dir) => PathBuf::from(dir).join("gofer"),
            None => self.home().join(".local/share/gofer"),
        }
    }

    /// Whether the words of the command line ask for errors as JSON, for the time before they are
    /// parsed.
    pub(crate) fn wants_machine_errors(&self) -> bool {
        let words: Vec<String> =
            self.arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        let machine = |word: &str| matches!(word, "json" | "jsonl");
        let pairs = words.windows(2).any(|pair| match pair {
            [flag, value] => matches!(flag.as_str(), "-o" | "--output") && machine(value),
            _ => false, // windows(2) gives pairs only
        });
        let joined = |word: &String| {
            word.strip_prefix("--output=").or(word.strip_prefix("-o")).is_some_and(machine)
        };
        pairs || words.iter().any(joined)
    }

    #[cfg(test)]
    pub(crate) fn with(variables: &[(&str, &str)]) -> Self {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        Self { variables: variables.iter().map(owned).collect(), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_directory_is_the_servers() {
        let dir = |environment: &Environment| environment.data_dir().display().to_string();
        assert_eq!(dir(&Environment::with(&[("GOFER_DATA_DIR", "/d")])), "/d");
        assert_eq!(dir(&Environment::with(&[("XDG_DATA_HOME", "/x")])), "/x/gofer");
        assert_eq!(dir(&Environment::with(&[("HOME", "/h")])), "/h/.local/share/gofer");
        let root = Environment { is_root: true, ..Environment::default() };
        assert_eq!(dir(&root), "/var/lib/gofer");
    }

    #[test]
    fn machine_errors_are_seen_before_parsing() {
        let asks = |words: &[&str]| {
            let arguments = words.iter().map(OsString::from).collect();
            Environment { arguments, ..Environment::default() }.wants_machine_errors()
        };
        assert!(asks(&["gofer", "-o", "json"]) && asks(&["gofer", "--output=jsonl"]));
        assert!(asks(&["gofer", "-ojson"]) && !asks(&["gofer", "-o", "yaml", "json"]));
    }
}
