//! The history: numbered entries, read by number, so that a follower goes on without gap or repeat.

use gofer_core::history::{Entry, Subject};
use gofer_core::ids::EventSeq;
use gofer_core::problem::Problem;
use gofer_core::time::Timestamp;
use rusqlite::{Row, params};

use super::Db;
use crate::error::StoreError;
use crate::page::PAGE_LIMIT_MAX;
use crate::records::{EntryFilter, EntryRecord, Order};
use crate::words;

/// The columns of an entry, as [`record`] reads them.
macro_rules! entry_columns {
    () => {
        "seq, time_ms, kind, namespace_id, pipeline_id, version, run, task_id, attempt, ended,
         reason, text"
    };
}

impl Db<'_> {
    pub(crate) fn entries(
        self,
        filter: &EntryFilter,
        from_seq: Option<EventSeq>,
        limit: u32,
        order: Order,
    ) -> Result<Vec<EntryRecord>, StoreError> {
        let (place, from) = match order {
            Order::OldestFirst => ("seq >= ?1 ORDER BY seq", from_seq.unwrap_or(0)),
            Order::NewestFirst => {
                ("seq <= ?1 ORDER BY seq DESC", from_seq.unwrap_or(EventSeq::MAX))
            }
        };
        // A number beyond what SQLite can hold is beyond every entry.
        let from = i64::try_from(from).unwrap_or(i64::MAX);
        let namespaces =
            filter.namespaces.as_ref().map(|ids| words::json("namespaces", ids)).transpose()?;
        let pipeline = filter.pipeline.as_ref().map(ToString::to_string);
        let columns = entry_columns!();
        let sql = format!(
            "SELECT {columns} FROM events
             WHERE {} AND (?4 IS NULL OR kind IN (SELECT value FROM json_each(?4)))
               AND {place} LIMIT ?5",
            subject_condition(filter)
        );
        let kinds = if filter.kinds.is_empty() {
            None
        } else {
            Some(words::json("entry kinds", &filter.kinds)?)
        };
        let limit = limit.min(PAGE_LIMIT_MAX);
        self.rows(&sql, params![from, namespaces, pipeline, kinds, limit], record)
    }

    pub(crate) fn entry(self, seq: EventSeq) -> Result<EntryRecord, StoreError> {
        let found = self.row(
            concat!("SELECT ", entry_columns!(), " FROM events WHERE seq = ?1"),
            [i64::try_from(seq).unwrap_or(i64::MAX)],
            record,
        )?;
        found.map_or_else(|| Err(self.no_entry(seq)?.into()), Ok)
    }

    fn no_entry(self, seq: EventSeq) -> Result<Problem, StoreError> {
        let (oldest, newest) = (self.oldest_seq()?, self.newest_seq()?);
        let next = if newest == 0 {
            "there are no events yet".to_owned()
        } else {
            format!("events {oldest} to {newest} are kept")
        };
        Ok(Problem::not_found(format!("event {seq}"), Vec::new()).with_next(next))
    }

    pub(crate) fn newest_seq(self) -> Result<EventSeq, StoreError> {
        self.number("SELECT coalesce(max(seq), 0) FROM events", [])
    }

    pub(crate) fn oldest_seq(self) -> Result<EventSeq, StoreError> {
        self.number("SELECT coalesce(min(seq), 0) FROM events", [])
    }
}

/// What an entry must be about; ?2 are the namespaces as JSON, ?3 is the pipeline.
///
/// One pipeline of one namespace goes by its index, which holds the numbers in order. In every
/// other case the plus keeps that index out of it: the rows are wanted by number, and sorting a
/// whole namespace for one page would be dear.
fn subject_condition(filter: &EntryFilter) -> &'static str {
    match (&filter.namespaces, &filter.pipeline) {
        (Some(ids), Some(_)) if ids.len() == 1 => {
            "namespace_id = json_extract(?2, '$[0]') AND pipeline_id = ?3"
        }
        (Some(_), Some(_)) => {
            "+namespace_id IN (SELECT value FROM json_each(?2)) AND +pipeline_id = ?3"
        }
        (Some(_), None) => "+namespace_id IN (SELECT value FROM json_each(?2)) AND ?3 IS NULL",
        (None, Some(_)) => "?2 IS NULL AND +pipeline_id = ?3",
        (None, None) => "?2 IS NULL AND ?3 IS NULL",
    }
}

fn record(row: &Row<'_>) -> Result<EntryRecord, StoreError> {
    let kind: String = row.get(2)?;
    let namespace: Option<String> = row.get(3)?;
    let pipeline: Option<String> = row.get(4)?;
    let task: Option<String> = row.get(7)?;
    let ended: Option<String> = row.get(9)?;
    let reason: Option<String> = row.get(10)?;
    let entry = Entry {
        kind: words::from_word("entry's kind", &kind)?,
        subject: Subject {
            namespace: namespace.map(|id| words::parsed("namespace id", id)).transpose()?,
            pipeline: pipeline.map(|id| words::parsed("pipeline id", id)).transpose()?,
            version: row.get(5)?,
            run: row.get(6)?,
            task: task.map(|id| words::parsed("task id", id)).transpose()?,
            attempt: row.get(8)?,
        },
        ended: ended.map(|word| words::from_word("entry's end", &word)).transpose()?,
        reason: reason.map(|word| words::from_word("entry's reason", &word)).transpose()?,
        text: row.get(11)?,
    };
    Ok(EntryRecord { seq: row.get(0)?, time: Timestamp::from_ms(row.get(1)?), entry })
}
