//! A setting that somebody gave, with where it stands, so that every complaint can name the place.

use std::net::SocketAddr;

use super::keys::{Key, Kind};
use crate::error::StartError;

/// A setting that somebody gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given {
    /// Which one.
    pub(super) key: &'static Key,
    /// What it is to be.
    pub(super) value: String,
    /// Who says so.
    pub(super) origin: Origin,
}

/// Who gave a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// The file, at `path:line`.
    File {
        /// The place.
        place: String,
    },
    /// A variable of the environment.
    Environment,
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path
    }
}

impl Eq for Key {}

impl Given {
    /// A whole number.
    pub(super) fn number(&self) -> Result<u32, StartError> {
        self.value.parse().map_err(|_wrong| self.wrong("a whole number is needed".to_owned()))
    }

    /// A length of time in milliseconds.
    pub(super) fn duration_ms(&self) -> Result<u64, StartError> {
        let parsed: Option<jiff::SignedDuration> = self.value.parse().ok();
        let ms = parsed.and_then(|length| u64::try_from(length.as_millis()).ok());
        let rule = "a length of time is needed, for example 90s, 5m or 1h30m";
        ms.ok_or_else(|| self.wrong(rule.to_owned()))
    }

    /// An address with a port.
    pub(super) fn address(&self) -> Result<SocketAddr, StartError> {
        let rule = "an address and a port are needed, for example 127.0.0.1:8080";
        let text = self.value.replace("localhost", "127.0.0.1");
        text.parse().map_err(|_wrong| self.wrong(rule.to_owned()))
    }

    /// One of the words of the key.
    pub(super) fn choice(&self) -> Result<&'static str, StartError> {
        let Kind::Choice(words) = self.key.kind else { unreachable!("asked of a choice only") };
        let found = words.iter().find(|word| **word == self.value);
        found.copied().ok_or_else(|| self.wrong(format!("one of {} is needed", words.join(", "))))
    }

    fn wrong(&self, rule: String) -> StartError {
        match &self.origin {
            Origin::File { place } => StartError::Setting {
                place: place.clone(),
                rule: format!("`{}` is {:?}; {rule}", self.key.path, self.value),
            },
            Origin::Environment => StartError::Setting {
                place: format!("{}={:?}", self.key.variable(), self.value),
                rule,
            },
        }
    }
}
