//! Points in time and lengths of time, as plain numbers with their unit in the name.
//! This crate never reads a clock: every time comes in with an event.

use serde::{Deserialize, Serialize};

/// A point in time: milliseconds since the Unix epoch, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The point `ms` milliseconds after the Unix epoch.
    #[must_use]
    pub const fn from_ms(ms: i64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_ms(self) -> i64 {
        self.0
    }

    /// The point `ms` milliseconds later; the far end of time where that does not fit.
    #[must_use]
    pub fn plus_ms(self, ms: u64) -> Self {
        Self(i64::try_from(ms).map_or(i64::MAX, |ms| self.0.saturating_add(ms)))
    }

    /// Milliseconds from `earlier` to this point; 0 when `earlier` is not earlier.
    #[must_use]
    pub fn ms_since(self, earlier: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }
}
