//! Deleting pipelines and namespaces, in two steps. The first marks what goes, at once: it takes no
//! runs and no versions any longer and is not listed. The second comes after the engine has stopped
//! what ran, and removes rows in portions, so that a pipeline with a long past does not hold up
//! everybody else's transitions. A server that dies in between finds the marks.

use gofer_core::history::EntryKind;
use gofer_core::ids::{NamespaceId, PipelineKey, RunId};
use gofer_core::problem::Problem;
use gofer_core::time::Timestamp;
use rusqlite::params;

use super::{Tx, namespace_subject, pipeline_subject};
use crate::bodies::{self, BodyId};
use crate::error::StoreError;
use crate::records::Progress;

/// Rows of runs and task runs after which a portion ends: about 20 ms of the writer.
const PORTION_ROWS: usize = 2_000;

impl Tx<'_> {
    /// Marks a pipeline as going: it is refused for new runs and registrations, and no longer
    /// listed. Harmless twice.
    ///
    /// # Errors
    /// NotFound.
    pub fn begin_delete_pipeline(
        &self,
        key: &PipelineKey,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.guarded(|| {
            if self.db.pipeline_row(key)?.deleting {
                return Ok(());
            }
            self.write(
                "UPDATE pipelines SET deleting = 1, updated_ms = ?3
                 WHERE namespace_id = ?1 AND pipeline_id = ?2",
                params![key.namespace.as_str(), key.pipeline.as_str(), now.as_ms()],
            )?;
            Ok(())
        })
    }

    /// Removes a portion of a pipeline's rows and, with the last portion, the pipeline. Its history
    /// stays, and one of the same name starts again with run 1 and version 1. A pipeline that is
    /// gone is Done.
    ///
    /// # Errors
    /// Rejected where the deletion was not begun, or a run of it is not settled.
    pub fn finish_delete_pipeline(
        &self,
        key: &PipelineKey,
        now: Timestamp,
    ) -> Result<Progress, StoreError> {
        self.guarded(|| self.shrink_pipeline(key, now))
    }

    /// Marks a namespace and its pipelines as going, see [`Tx::begin_delete_pipeline`]. Returns all
    /// its pipelines. Harmless twice.
    ///
    /// # Errors
    /// NotFound.
    pub fn begin_delete_namespace(
        &self,
        id: &NamespaceId,
        now: Timestamp,
    ) -> Result<Vec<PipelineKey>, StoreError> {
        self.guarded(|| {
            self.db.namespace(id)?;
            self.write(
                "UPDATE namespaces SET deleting = 1, updated_ms = ?2
                 WHERE namespace_id = ?1 AND deleting = 0",
                params![id.as_str(), now.as_ms()],
            )?;
            self.write(
                "UPDATE pipelines SET deleting = 1, updated_ms = ?2
                 WHERE namespace_id = ?1 AND deleting = 0",
                params![id.as_str(), now.as_ms()],
            )?;
            self.db.pipeline_keys(id)
        })
    }

    /// Removes a portion of what a namespace holds and, with the last portion, the namespace. Its
    /// history stays. A namespace that is gone is Done.
    ///
    /// # Errors
    /// Rejected where the deletion was not begun, or a run in it is not settled.
    pub fn finish_delete_namespace(
        &self,
        id: &NamespaceId,
        now: Timestamp,
    ) -> Result<Progress, StoreError> {
        self.guarded(|| {
            let Some(namespace) = self.db.find_namespace(id)? else { return Ok(Progress::Done) };
            if !namespace.deleting {
                return Err(not_begun("namespace", id.as_str()).into());
            }
            if let Some(pipeline) = self.db.pipeline_keys(id)?.first() {
                // One pipeline is a portion of the namespace, or part of one.
                return self.shrink_pipeline(pipeline, now).map(|_| Progress::More);
            }
            self.write("DELETE FROM namespaces WHERE namespace_id = ?1", [id.as_str()])?;
            let text = format!("namespace `{id}` was deleted");
            self.tell(EntryKind::NamespaceDeleted, namespace_subject(id), text, now)?;
            Ok(Progress::Done)
        })
    }

    fn shrink_pipeline(&self, key: &PipelineKey, now: Timestamp) -> Result<Progress, StoreError> {
        let Some(row) = self.db.find_pipeline_row(key)? else { return Ok(Progress::Done) };
        if !row.deleting {
            return Err(not_begun("pipeline", key.pipeline.as_str()).into());
        }
        if let Some(run) = self.db.active_runs_of(key)?.first() {
            return Err(still_active(key, run.run).into());
        }
        if self.remove_runs(key)? == Progress::More {
            return Ok(Progress::More);
        }
        self.remove_versions(key)?;
        self.write(
            "DELETE FROM deployments WHERE namespace_id = ?1 AND pipeline_id = ?2",
            params![key.namespace.as_str(), key.pipeline.as_str()],
        )?;
        self.write(
            "DELETE FROM pipelines WHERE namespace_id = ?1 AND pipeline_id = ?2",
            params![key.namespace.as_str(), key.pipeline.as_str()],
        )?;
        let text = format!("pipeline `{}` was deleted", key.pipeline);
        self.tell(EntryKind::PipelineDeleted, pipeline_subject(key, None), text, now)?;
        Ok(Progress::Done)
    }

    /// Removes the oldest runs of a pipeline with their task runs, at most a portion.
    fn remove_runs(&self, key: &PipelineKey) -> Result<Progress, StoreError> {
        let runs: Vec<(RunId, BodyId)> = self.db.rows(
            "SELECT run, body FROM runs WHERE namespace_id = ?1 AND pipeline_id = ?2
             ORDER BY run LIMIT ?3",
            params![key.namespace.as_str(), key.pipeline.as_str(), PORTION_ROWS],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let mut n_rows = 0;
        for (run, body) in &runs {
            if n_rows >= PORTION_ROWS {
                return Ok(Progress::More);
            }
            let this = params![key.namespace.as_str(), key.pipeline.as_str(), run];
            n_rows += self.write(
                "DELETE FROM task_runs WHERE namespace_id = ?1 AND pipeline_id = ?2 AND run = ?3",
                this,
            )?;
            n_rows += self.write(
                "DELETE FROM runs WHERE namespace_id = ?1 AND pipeline_id = ?2 AND run = ?3",
                this,
            )?;
            bodies::release(self.db.sql, *body)?;
        }
        Ok(if runs.len() < PORTION_ROWS { Progress::Done } else { Progress::More })
    }

    fn remove_versions(&self, key: &PipelineKey) -> Result<(), StoreError> {
        let bodies: Vec<BodyId> = self.db.rows(
            "DELETE FROM configs WHERE namespace_id = ?1 AND pipeline_id = ?2 RETURNING body",
            params![key.namespace.as_str(), key.pipeline.as_str()],
            |row| Ok(row.get(0)?),
        )?;
        bodies.iter().try_for_each(|body| bodies::release(self.db.sql, *body))
    }
}

fn not_begun(what: &str, id: &str) -> Problem {
    let message = format!("the deletion of {what} `{id}` was not begun");
    Problem::rejected("DELETION_NOT_BEGUN", message, "begin it first")
}

fn still_active(key: &PipelineKey, run: RunId) -> Problem {
    Problem::rejected(
        "RUNS_ACTIVE",
        format!(
            "run {run} of pipeline `{}` has not ended, or its container is still there",
            key.pipeline
        ),
        "cancel its runs and wait until they have ended",
    )
}
