//! What a deletion would take, and which deletions are under way.

use gofer_core::ids::{NamespaceId, PipelineId, PipelineKey};
use rusqlite::params;

use super::Db;
use crate::error::StoreError;
use crate::records::{DeletionReport, UnfinishedDeletions};
use crate::words;

impl Db<'_> {
    pub(crate) fn unfinished_deletions(self) -> Result<UnfinishedDeletions, StoreError> {
        let namespaces = self.rows(
            "SELECT namespace_id FROM namespaces WHERE deleting = 1 ORDER BY namespace_id",
            [],
            |row| words::parsed("namespace id", row.get(0)?),
        )?;
        let pipelines = self.rows(
            "SELECT namespace_id, pipeline_id FROM pipelines WHERE deleting = 1
             ORDER BY namespace_id, pipeline_id",
            [],
            |row| {
                Ok(PipelineKey {
                    namespace: words::parsed("namespace id", row.get(0)?)?,
                    pipeline: words::parsed("pipeline id", row.get(1)?)?,
                })
            },
        )?;
        Ok(UnfinishedDeletions { namespaces, pipelines })
    }

    pub(crate) fn pipeline_deletion(self, key: &PipelineKey) -> Result<DeletionReport, StoreError> {
        self.pipeline_row(key)?;
        self.report(&key.namespace, Some(&key.pipeline))
    }

    pub(crate) fn namespace_deletion(self, id: &NamespaceId) -> Result<DeletionReport, StoreError> {
        self.namespace(id)?;
        self.report(id, None)
    }

    fn report(
        self,
        namespace: &NamespaceId,
        pipeline: Option<&PipelineId>,
    ) -> Result<DeletionReport, StoreError> {
        let pipeline = pipeline.map(PipelineId::as_str);
        let count = |what: &str| {
            let scope = match pipeline {
                Some(_) => "namespace_id = ?1 AND pipeline_id = ?2",
                None => "namespace_id = ?1 AND ?2 IS NULL",
            };
            self.number(
                &format!("SELECT {what} AND {scope}"),
                params![namespace.as_str(), pipeline],
            )
        };
        Ok(DeletionReport {
            n_pipelines: count("count(*) FROM pipelines WHERE true")?,
            n_versions: count("count(*) FROM configs WHERE true")?,
            n_deployments: count("count(*) FROM deployments WHERE true")?,
            n_runs: count("count(*) FROM runs WHERE true")?,
            n_active_runs: count(
                "count(*) FROM runs INDEXED BY runs_unsettled
                 WHERE settled = 0 AND state_kind <> 'COMPLETE'",
            )?,
            log_bytes: count("coalesce(sum(log_bytes), 0) FROM runs WHERE true")?,
        })
    }
}
