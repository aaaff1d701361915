//! The queries. Readers and the write transaction ask through the same [`Db`], so that both see
//! things the same way. Nothing here writes.

mod deletion;
mod history;
mod namespaces;
mod pipelines;
mod run_lists;
mod runs;
mod versions;

use rusqlite::{CachedStatement, Connection, Params, Row};

pub(crate) use pipelines::PipelineRow;

use crate::bodies::Bodies;
use crate::error::StoreError;

/// A connection with its decoded configs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Db<'a> {
    pub(crate) sql: &'a Connection,
    pub(crate) bodies: &'a Bodies,
}

impl<'a> Db<'a> {
    pub(crate) fn prepare(self, sql: &str) -> Result<CachedStatement<'a>, StoreError> {
        Ok(self.sql.prepare_cached(sql)?)
    }

    /// All rows of a query.
    pub(crate) fn rows<T>(
        self,
        sql: &str,
        params: impl Params,
        read: impl Fn(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement = self.prepare(sql)?;
        let mut rows = statement.query(params)?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(read(row)?);
        }
        Ok(all)
    }

    /// The first row of a query, if there is one.
    pub(crate) fn row<T>(
        self,
        sql: &str,
        params: impl Params,
        read: impl Fn(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let mut statement = self.prepare(sql)?;
        let mut rows = statement.query(params)?;
        rows.next()?.map(read).transpose()
    }

    /// The single number that a query gives.
    pub(crate) fn number(self, sql: &str, params: impl Params) -> Result<u64, StoreError> {
        Ok(self.prepare(sql)?.query_row(params, |row| row.get(0))?)
    }
}
