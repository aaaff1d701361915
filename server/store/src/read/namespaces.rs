//! Namespaces, and whether the server takes new runs at all.

use std::collections::BTreeSet;

use gofer_core::ids::NamespaceId;
use gofer_core::problem::{Problem, nearest};
use gofer_core::time::Timestamp;
use rusqlite::{Row, params};

use super::Db;
use crate::error::StoreError;
use crate::page::{Page, PageRequest};
use crate::records::NamespaceRecord;
use crate::words;

/// Most names that are looked through for the nearest ones.
pub(super) const NAMES_COMPARED_MAX: u32 = 5_000;

impl Db<'_> {
    pub(crate) fn ingress(self) -> Result<bool, StoreError> {
        Ok(self.prepare("SELECT ingress FROM server")?.query_row([], |row| row.get(0))?)
    }

    pub(crate) fn namespace(self, id: &NamespaceId) -> Result<NamespaceRecord, StoreError> {
        self.find_namespace(id)?.map_or_else(|| Err(self.no_namespace(id)?.into()), Ok)
    }

    pub(crate) fn find_namespace(
        self,
        id: &NamespaceId,
    ) -> Result<Option<NamespaceRecord>, StoreError> {
        self.row(
            "SELECT namespace_id, name, description, deleting, created_ms, updated_ms
             FROM namespaces WHERE namespace_id = ?1",
            [id.as_str()],
            record,
        )
    }

    pub(crate) fn namespaces(
        self,
        visible: Option<&BTreeSet<NamespaceId>>,
        page: &PageRequest,
    ) -> Result<Page<NamespaceRecord>, StoreError> {
        const LIST: &str = "namespaces";
        let after: String = page.after(LIST)?.unwrap_or_default();
        let visible = visible.map(|ids| words::json("namespaces", ids)).transpose()?;
        let items = self.rows(
            "SELECT namespace_id, name, description, deleting, created_ms, updated_ms
             FROM namespaces
             WHERE namespace_id > ?1 AND deleting = 0
               AND (?2 IS NULL OR namespace_id IN (SELECT value FROM json_each(?2)))
             ORDER BY namespace_id LIMIT ?3",
            params![after, visible, page.n_rows()],
            record,
        )?;
        let total = self.number(
            "SELECT count(*) FROM namespaces WHERE deleting = 0
               AND (?1 IS NULL OR namespace_id IN (SELECT value FROM json_each(?1)))",
            [visible],
        )?;
        page.page(LIST, items, total, |item| item.id.clone())
    }

    pub(crate) fn no_namespace(self, id: &NamespaceId) -> Result<Problem, StoreError> {
        let names = self.rows(
            "SELECT namespace_id FROM namespaces WHERE deleting = 0 LIMIT ?1",
            [NAMES_COMPARED_MAX],
            |row| Ok(row.get::<_, String>(0)?),
        )?;
        let near = nearest(id.as_str(), names.iter().map(String::as_str));
        Ok(Problem::not_found(format!("namespace `{id}`"), near)
            .with_next("`gofer namespace list` shows the namespaces"))
    }
}

fn record(row: &Row<'_>) -> Result<NamespaceRecord, StoreError> {
    Ok(NamespaceRecord {
        id: words::parsed("namespace id", row.get(0)?)?,
        name: row.get(1)?,
        description: row.get(2)?,
        deleting: row.get(3)?,
        created: Timestamp::from_ms(row.get(4)?),
        updated: Timestamp::from_ms(row.get(5)?),
    })
}
