//! Namespaces.

use serde::Serialize;

use super::Time;

/// A namespace: it keeps the pipelines of one team apart from those of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Namespace {
    /// Its id, which never changes.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// What it is for; may be empty.
    pub description: String,
    /// When it was made.
    pub created_at: Time,
    /// When its name or description last changed.
    pub updated_at: Time,
}
