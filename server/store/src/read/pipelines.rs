//! Pipelines without their configs. Which version is live is told by the version's own row, and by
//! nothing else.

use gofer_core::ids::{NamespaceId, PipelineKey, RunId, RunKey, Version};
use gofer_core::pipeline::lifecycle::StartGate;
use gofer_core::problem::{Problem, nearest};
use gofer_core::time::Timestamp;
use rusqlite::{Row, params};

use super::Db;
use super::namespaces::NAMES_COMPARED_MAX;
use crate::error::StoreError;
use crate::page::{Page, PageRequest};
use crate::records::PipelineRecord;
use crate::words;

/// The live version and the newest one of the pipeline `p`.
macro_rules! live_and_newest {
    () => {
        "(SELECT version FROM configs l WHERE l.namespace_id = p.namespace_id
            AND l.pipeline_id = p.pipeline_id AND l.state = 'LIVE') AS live,
         (SELECT max(version) FROM configs m WHERE m.namespace_id = p.namespace_id
            AND m.pipeline_id = p.pipeline_id) AS newest"
    };
}

/// A pipeline's own row, with what decides about changes of it.
#[derive(Debug, Clone)]
pub(crate) struct PipelineRow {
    pub(crate) enabled: bool,
    pub(crate) deleting: bool,
    pub(crate) versions_made: Version,
    pub(crate) deployments_made: u64,
    pub(crate) runs_made: RunId,
    pub(crate) live: Option<Version>,
    pub(crate) newest: Option<Version>,
}

impl PipelineRow {
    /// What decides whether it may start a run.
    pub(crate) fn gate(&self, ingress_on: bool) -> StartGate {
        StartGate { ingress_on, enabled: self.enabled, live: self.live, newest: self.newest }
    }
}

impl Db<'_> {
    pub(crate) fn find_pipeline_row(
        self,
        key: &PipelineKey,
    ) -> Result<Option<PipelineRow>, StoreError> {
        self.row(
            concat!(
                "SELECT enabled, deleting, versions_made, deployments_made, runs_made, ",
                live_and_newest!(),
                " FROM pipelines p WHERE namespace_id = ?1 AND pipeline_id = ?2"
            ),
            params![key.namespace.as_str(), key.pipeline.as_str()],
            |row| {
                Ok(PipelineRow {
                    enabled: row.get(0)?,
                    deleting: row.get(1)?,
                    versions_made: row.get(2)?,
                    deployments_made: row.get(3)?,
                    runs_made: row.get(4)?,
                    live: row.get(5)?,
                    newest: row.get(6)?,
                })
            },
        )
    }

    /// NotFound unless there is such a pipeline.
    pub(crate) fn pipeline_row(self, key: &PipelineKey) -> Result<PipelineRow, StoreError> {
        self.find_pipeline_row(key)?.map_or_else(|| Err(self.no_pipeline(key)?.into()), Ok)
    }

    pub(crate) fn pipeline(self, key: &PipelineKey) -> Result<PipelineRecord, StoreError> {
        let found = self.row(
            concat!(
                "WITH p AS (SELECT *, ",
                live_and_newest!(),
                " FROM pipelines p WHERE namespace_id = ?1 AND pipeline_id = ?2)
                 SELECT p.namespace_id, p.pipeline_id, shown.name, shown.description, p.enabled,
                   p.deleting, p.live, p.newest, p.created_ms, p.updated_ms, p.runs_made
                 FROM p LEFT JOIN configs shown ON shown.namespace_id = p.namespace_id
                   AND shown.pipeline_id = p.pipeline_id
                   AND shown.version = coalesce(p.live, p.newest)"
            ),
            params![key.namespace.as_str(), key.pipeline.as_str()],
            |row| self.pipeline_record(row),
        )?;
        found.map_or_else(|| Err(self.no_pipeline(key)?.into()), Ok)
    }

    pub(crate) fn pipelines(
        self,
        namespace: &NamespaceId,
        page: &PageRequest,
    ) -> Result<Page<PipelineRecord>, StoreError> {
        let list = format!("pipelines {namespace}");
        let after: String = page.after(&list)?.unwrap_or_default();
        self.namespace(namespace)?;
        let items = self.rows(
            concat!(
                "WITH p AS (SELECT *, ",
                live_and_newest!(),
                " FROM pipelines p
                   WHERE namespace_id = ?1 AND pipeline_id > ?2 AND deleting = 0
                   ORDER BY pipeline_id LIMIT ?3)
                 SELECT p.namespace_id, p.pipeline_id, shown.name, shown.description, p.enabled,
                   p.deleting, p.live, p.newest, p.created_ms, p.updated_ms, p.runs_made
                 FROM p LEFT JOIN configs shown ON shown.namespace_id = p.namespace_id
                   AND shown.pipeline_id = p.pipeline_id
                   AND shown.version = coalesce(p.live, p.newest)
                 ORDER BY p.pipeline_id"
            ),
            params![namespace.as_str(), after, page.n_rows()],
            |row| self.pipeline_record(row),
        )?;
        let total = self.number(
            "SELECT count(*) FROM pipelines WHERE namespace_id = ?1 AND deleting = 0",
            [namespace.as_str()],
        )?;
        page.page(&list, items, total, |item| item.key.pipeline.clone())
    }

    /// The keys of all pipelines of a namespace.
    pub(crate) fn pipeline_keys(
        self,
        namespace: &NamespaceId,
    ) -> Result<Vec<PipelineKey>, StoreError> {
        self.rows(
            "SELECT pipeline_id FROM pipelines WHERE namespace_id = ?1 ORDER BY pipeline_id",
            [namespace.as_str()],
            |row| {
                let pipeline = words::parsed("pipeline id", row.get(0)?)?;
                Ok(PipelineKey { namespace: namespace.clone(), pipeline })
            },
        )
    }

    pub(crate) fn no_pipeline(self, key: &PipelineKey) -> Result<Problem, StoreError> {
        if self.find_namespace(&key.namespace)?.is_none() {
            return self.no_namespace(&key.namespace);
        }
        let names = self.rows(
            "SELECT pipeline_id FROM pipelines WHERE namespace_id = ?1 AND deleting = 0 LIMIT ?2",
            params![key.namespace.as_str(), NAMES_COMPARED_MAX],
            |row| Ok(row.get::<_, String>(0)?),
        )?;
        let near = nearest(key.pipeline.as_str(), names.iter().map(String::as_str));
        let what = format!("pipeline `{}` in namespace `{}`", key.pipeline, key.namespace);
        Ok(Problem::not_found(what, near).with_next("`gofer pipeline list` shows the pipelines"))
    }

    fn pipeline_record(self, row: &Row<'_>) -> Result<PipelineRecord, StoreError> {
        let key = PipelineKey {
            namespace: words::parsed("namespace id", row.get(0)?)?,
            pipeline: words::parsed("pipeline id", row.get(1)?)?,
        };
        let last = RunKey { pipeline: key.clone(), run: row.get(10)? };
        let name: Option<String> = row.get(2)?;
        let description: Option<String> = row.get(3)?;
        Ok(PipelineRecord {
            name: name.unwrap_or_else(|| key.pipeline.to_string()),
            description: description.unwrap_or_default(),
            enabled: row.get(4)?,
            deleting: row.get(5)?,
            live: row.get(6)?,
            newest: row.get(7)?,
            created: Timestamp::from_ms(row.get(8)?),
            updated: Timestamp::from_ms(row.get(9)?),
            last_run: self.find_run_summary(&last)?,
            key,
        })
    }
}
