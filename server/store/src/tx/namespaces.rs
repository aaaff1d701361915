//! Making and changing namespaces.

use gofer_core::history::EntryKind;
use gofer_core::ids::NamespaceId;
use gofer_core::problem::{Kind, Problem};
use gofer_core::time::Timestamp;
use rusqlite::params;

use super::{Tx, deleting, namespace_subject};
use crate::error::StoreError;
use crate::records::{NamespaceChange, NamespaceRecord};

impl Tx<'_> {
    /// Makes a namespace; an empty name makes the id serve.
    ///
    /// # Errors
    /// AlreadyExists where the id is taken, also by one that is being deleted.
    pub fn create_namespace(
        &self,
        id: &NamespaceId,
        name: &str,
        description: &str,
        now: Timestamp,
    ) -> Result<NamespaceRecord, StoreError> {
        self.guarded(|| {
            if let Some(taken) = self.db.find_namespace(id)? {
                return Err(exists(&taken).into());
            }
            let name = if name.is_empty() { id.as_str() } else { name };
            self.write(
                "INSERT INTO namespaces
                   (namespace_id, name, description, deleting, created_ms, updated_ms)
                 VALUES (?1, ?2, ?3, 0, ?4, ?4)",
                params![id.as_str(), name, description, now.as_ms()],
            )?;
            let text = format!("namespace `{id}` was made");
            self.tell(EntryKind::NamespaceCreated, namespace_subject(id), text, now)?;
            self.db.namespace(id)
        })
    }

    /// Changes a namespace's name or description. There is no entry where nothing changes.
    ///
    /// # Errors
    /// NotFound; Rejected where it is being deleted.
    pub fn update_namespace(
        &self,
        id: &NamespaceId,
        change: &NamespaceChange,
        now: Timestamp,
    ) -> Result<NamespaceRecord, StoreError> {
        self.guarded(|| {
            let before = self.db.namespace(id)?;
            if before.deleting {
                return Err(deleting("namespace", id.as_str()).into());
            }
            let name = match change.name.as_deref() {
                Some("") => id.as_str(),
                Some(name) => name,
                None => &before.name,
            };
            let description = change.description.as_ref().unwrap_or(&before.description);
            if *name == before.name && *description == before.description {
                return Ok(before);
            }
            self.write(
                "UPDATE namespaces SET name = ?2, description = ?3, updated_ms = ?4
                 WHERE namespace_id = ?1",
                params![id.as_str(), name, description, now.as_ms()],
            )?;
            let text = format!("namespace `{id}` was changed");
            self.tell(EntryKind::NamespaceUpdated, namespace_subject(id), text, now)?;
            self.db.namespace(id)
        })
    }
}

fn exists(taken: &NamespaceRecord) -> Problem {
    let (message, next) = if taken.deleting {
        (format!("namespace `{}` is still being deleted", taken.id), "wait until it is gone")
    } else {
        (format!("namespace `{}` exists already", taken.id), "choose another id")
    };
    Problem::new(Kind::AlreadyExists, "NAMESPACE_EXISTS", message).with_next(next)
}
