//! Lists of runs: by columns and the small state, without config and task runs.
//!
//! `INDEXED BY` stands where SQLite by itself would walk through all runs of a pipeline to find the
//! few that a partial index holds; it makes the query fail, at once and in every test, should that
//! index go.

use std::collections::BTreeSet;

use gofer_core::ids::{PipelineKey, RunKey, RunUid};
use gofer_core::time::Timestamp;
use rusqlite::{Row, ToSql, named_params, params};

use super::Db;
use super::runs::run_key;
use crate::error::StoreError;
use crate::page::{Page, PageRequest};
use crate::records::{RunFilter, RunSummary};
use crate::words;

/// The columns of a run in a list, as [`summary`] reads them.
macro_rules! summary_columns {
    () => {
        "namespace_id, pipeline_id, run, uid, version, state, variables, initiator_kind,
         initiator_name, reason, created_ms, retry_of, generation, logs_removed"
    };
}

/// Most runs whose expired logs are named at once: a job that removes them stays short.
const EXPIRED_MAX: u32 = 1_000;

/// Where a list goes on: the time, pipeline and number of the run before.
type After = (i64, String, i64);

impl Db<'_> {
    pub(crate) fn run_summary(self, key: &RunKey) -> Result<RunSummary, StoreError> {
        self.find_run_summary(key)?.map_or_else(|| Err(self.no_run(key)?.into()), Ok)
    }

    pub(crate) fn find_run_summary(self, key: &RunKey) -> Result<Option<RunSummary>, StoreError> {
        let pipeline = &key.pipeline;
        self.row(
            concat!(
                "SELECT ",
                summary_columns!(),
                " FROM runs WHERE namespace_id = ?1 AND pipeline_id = ?2 AND run = ?3"
            ),
            params![pipeline.namespace.as_str(), pipeline.pipeline.as_str(), key.run],
            summary,
        )
    }

    /// Within a pipeline the number orders the runs; within a namespace the time does, since
    /// numbers of different pipelines say nothing about each other.
    pub(crate) fn runs(
        self,
        filter: &RunFilter,
        page: &PageRequest,
    ) -> Result<Page<RunSummary>, StoreError> {
        let list = words::json("filter", &list_name(filter))?;
        let (time, pipeline, run): After =
            page.after(&list)?.unwrap_or((i64::MAX, String::new(), i64::MAX));
        self.check_scope(filter)?;
        let (conditions, shown) = conditions(filter)?;
        let place = match filter.pipeline {
            Some(_) => "run < :run ORDER BY run DESC",
            None => {
                "(created_ms, pipeline_id, run) < (:time, :after, :run)
                 ORDER BY created_ms DESC, pipeline_id DESC, run DESC"
            }
        };
        let mut at: Vec<(&str, &dyn ToSql)> = conditions.params();
        let n_rows = page.n_rows();
        at.extend::<[(&str, &dyn ToSql); 2]>([(":run", &run), (":limit", &n_rows)]);
        if filter.pipeline.is_none() {
            at.extend::<[(&str, &dyn ToSql); 2]>([(":time", &time), (":after", &pipeline)]);
        }
        let columns = summary_columns!();
        let sql = format!("SELECT {columns} FROM runs WHERE {shown} AND {place} LIMIT :limit");
        let items = self.rows(&sql, at.as_slice(), summary)?;
        let sql = format!("SELECT count(*) FROM runs WHERE {shown}");
        let total = self.number(&sql, conditions.params().as_slice())?;
        page.page(&list, items, total, |item| {
            let pipeline = item.key.pipeline.pipeline.to_string();
            (item.created.as_ms(), pipeline, item.key.run)
        })
    }

    fn check_scope(self, filter: &RunFilter) -> Result<(), StoreError> {
        match &filter.pipeline {
            Some(pipeline) => {
                let key =
                    PipelineKey { namespace: filter.namespace.clone(), pipeline: pipeline.clone() };
                self.pipeline_row(&key).map(drop)
            }
            None => self.namespace(&filter.namespace).map(drop),
        }
    }

    pub(crate) fn active_runs_of(self, key: &PipelineKey) -> Result<Vec<RunKey>, StoreError> {
        self.pipeline_row(key)?;
        self.rows(
            "SELECT namespace_id, pipeline_id, run FROM runs INDEXED BY runs_unsettled
             WHERE namespace_id = ?1 AND pipeline_id = ?2 AND settled = 0 ORDER BY run",
            params![key.namespace.as_str(), key.pipeline.as_str()],
            run_key,
        )
    }

    pub(crate) fn expired_logs(
        self,
        key: &PipelineKey,
        n_keep: u32,
    ) -> Result<Vec<(RunKey, RunUid)>, StoreError> {
        let last = self.pipeline_row(key)?.runs_made.saturating_sub(u64::from(n_keep));
        self.rows(
            "SELECT namespace_id, pipeline_id, run, uid FROM runs INDEXED BY runs_with_logs
             WHERE namespace_id = ?1 AND pipeline_id = ?2 AND run <= ?3
               AND logs_removed = 0 AND settled = 1
             ORDER BY run LIMIT ?4",
            params![key.namespace.as_str(), key.pipeline.as_str(), last, EXPIRED_MAX],
            |row| Ok((run_key(row)?, words::parsed("run uid", row.get(3)?)?)),
        )
    }
}

/// The filter as part of the cursor: a page of one filter is no page of another.
fn list_name(filter: &RunFilter) -> impl serde::Serialize {
    let RunFilter { namespace, pipeline, states, statuses, since } = filter;
    ("runs", namespace, pipeline, (states, statuses), since)
}

/// The values of a filter's conditions.
struct Conditions {
    namespace: String,
    pipeline: Option<String>,
    since: Option<i64>,
    states: Option<String>,
    statuses: Option<String>,
}

impl Conditions {
    fn params(&self) -> Vec<(&'static str, &dyn ToSql)> {
        let mut params: Vec<(&'static str, &dyn ToSql)> =
            named_params! { ":namespace": self.namespace }.to_vec();
        let optional: [(&'static str, Option<&dyn ToSql>); 4] = [
            (":pipeline", self.pipeline.as_ref().map(|value| value as &dyn ToSql)),
            (":since", self.since.as_ref().map(|value| value as &dyn ToSql)),
            (":states", self.states.as_ref().map(|value| value as &dyn ToSql)),
            (":statuses", self.statuses.as_ref().map(|value| value as &dyn ToSql)),
        ];
        params.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
        params
    }
}

/// The conditions of a filter: only what it asks for, so that an index can serve it.
fn conditions(filter: &RunFilter) -> Result<(Conditions, String), StoreError> {
    let conditions = Conditions {
        namespace: filter.namespace.to_string(),
        pipeline: filter.pipeline.as_ref().map(ToString::to_string),
        since: filter.since.map(Timestamp::as_ms),
        states: none_if_empty(&filter.states)?,
        statuses: none_if_empty(&filter.statuses)?,
    };
    let mut sql = String::from("namespace_id = :namespace");
    let asked = [
        (conditions.pipeline.is_some(), " AND pipeline_id = :pipeline"),
        (conditions.since.is_some(), " AND created_ms >= :since"),
        (conditions.states.is_some(), " AND state_kind IN (SELECT value FROM json_each(:states))"),
        (conditions.statuses.is_some(), " AND status IN (SELECT value FROM json_each(:statuses))"),
    ];
    for (is_asked, condition) in asked {
        if is_asked {
            sql.push_str(condition);
        }
    }
    Ok((conditions, sql))
}

fn none_if_empty<T: serde::Serialize>(set: &BTreeSet<T>) -> Result<Option<String>, StoreError> {
    if set.is_empty() { Ok(None) } else { words::json("filter", set).map(Some) }
}

fn summary(row: &Row<'_>) -> Result<RunSummary, StoreError> {
    let state: String = row.get(5)?;
    let variables: String = row.get(6)?;
    let initiator_kind: String = row.get(7)?;
    Ok(RunSummary {
        key: run_key(row)?,
        uid: words::parsed("run uid", row.get(3)?)?,
        version: row.get(4)?,
        state: words::from_json("run's state", &state)?,
        variables: words::from_json("run's variables", &variables)?,
        initiator: words::actor(&initiator_kind, row.get(8)?)?,
        reason: row.get(9)?,
        created: Timestamp::from_ms(row.get(10)?),
        retry_of: row.get(11)?,
        generation: row.get(12)?,
        logs_removed: row.get(13)?,
    })
}
