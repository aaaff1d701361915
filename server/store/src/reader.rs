//! The read side: a read-only connection of its own, which never holds up the writer. Each call is
//! one short transaction and sees one state of the store; [`Reader::snapshot`] makes several calls
//! see the same one. A reader must never keep a transaction open while it waits for anything.

use std::collections::BTreeSet;

use gofer_core::ids::{DeploymentId, EventSeq, NamespaceId, PipelineKey, RunKey, RunUid, Version};
use gofer_core::run::Run;
use rusqlite::Connection;

use crate::bodies::Bodies;
use crate::error::StoreError;
use crate::page::{Page, PageRequest};
use crate::read::Db;
use crate::records::{
    ConfigRecord, DeletionReport, DeploymentRecord, EntryFilter, EntryRecord, NamespaceRecord,
    Order, PipelineRecord, RunFilter, RunSummary, UnfinishedDeletions,
};

/// A read-only connection. It can be sent to another thread; for parallel reading take several.
///
/// Every read can fail with a fault of the database; those that name one thing, or the pipeline or
/// namespace of a list, fail with a NotFound problem that carries the nearest names. A cursor that
/// another list gave is an Invalid problem.
#[derive(Debug)]
pub struct Reader {
    sql: Connection,
    bodies: Bodies,
}

impl Reader {
    pub(crate) fn new(sql: Connection) -> Self {
        Self { sql, bodies: Bodies::default() }
    }

    fn read<T>(&self, read: impl FnOnce(Db<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.snapshot(|reader| read(Db { sql: &reader.sql, bodies: &reader.bodies }))
    }

    /// Runs several reads on one state of the store. `f` must not wait for anything: the state is
    /// kept for it on disk while it runs.
    ///
    /// # Errors
    /// What `f` returns, or a fault of the database.
    pub fn snapshot<T>(
        &self,
        f: impl FnOnce(&Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if !self.sql.is_autocommit() {
            return f(self); // inside another snapshot
        }
        let state = self.sql.unchecked_transaction()?;
        let result = f(self);
        state.finish()?; // rolls back, of which a reader has no need to think
        result
    }

    /// Whether new runs are taken at all.
    pub fn ingress(&self) -> Result<bool, StoreError> {
        self.read(|db| db.ingress())
    }

    /// One namespace, also one whose deletion has begun. NotFound with the nearest ids.
    pub fn namespace(&self, id: &NamespaceId) -> Result<NamespaceRecord, StoreError> {
        self.read(|db| db.namespace(id))
    }

    /// Namespaces by id, without those that are being deleted. `visible` leaves only those ids.
    pub fn namespaces(
        &self,
        visible: Option<&BTreeSet<NamespaceId>>,
        page: &PageRequest,
    ) -> Result<Page<NamespaceRecord>, StoreError> {
        self.read(|db| db.namespaces(visible, page))
    }

    /// One pipeline, also one whose deletion has begun. NotFound with the nearest ids.
    pub fn pipeline(&self, key: &PipelineKey) -> Result<PipelineRecord, StoreError> {
        self.read(|db| db.pipeline(key))
    }

    /// The pipelines of a namespace by id, without those that are being deleted.
    pub fn pipelines(
        &self,
        namespace: &NamespaceId,
        page: &PageRequest,
    ) -> Result<Page<PipelineRecord>, StoreError> {
        self.read(|db| db.pipelines(namespace, page))
    }

    /// One version of a pipeline; none for the live one.
    pub fn config(
        &self,
        key: &PipelineKey,
        version: Option<Version>,
    ) -> Result<ConfigRecord, StoreError> {
        self.read(|db| db.config(key, version))
    }

    /// The versions of a pipeline, newest first.
    pub fn configs(
        &self,
        key: &PipelineKey,
        page: &PageRequest,
    ) -> Result<Page<ConfigRecord>, StoreError> {
        self.read(|db| db.configs(key, page))
    }

    /// One deployment.
    pub fn deployment(
        &self,
        key: &PipelineKey,
        deployment: DeploymentId,
    ) -> Result<DeploymentRecord, StoreError> {
        self.read(|db| db.deployment(key, deployment))
    }

    /// The deployments of a pipeline, newest first.
    pub fn deployments(
        &self,
        key: &PipelineKey,
        page: &PageRequest,
    ) -> Result<Page<DeploymentRecord>, StoreError> {
        self.read(|db| db.deployments(key, page))
    }

    /// One run, whole.
    pub fn run(&self, key: &RunKey) -> Result<Run, StoreError> {
        self.read(|db| db.run(key))
    }

    /// One run without its task runs.
    pub fn run_summary(&self, key: &RunKey) -> Result<RunSummary, StoreError> {
        self.read(|db| db.run_summary(key))
    }

    /// Runs, newest first.
    pub fn runs(
        &self,
        filter: &RunFilter,
        page: &PageRequest,
    ) -> Result<Page<RunSummary>, StoreError> {
        self.read(|db| db.runs(filter, page))
    }

    /// Every run that is not settled, whole, by pipeline and number. Runs of one version share their config.
    pub fn active_runs(&self) -> Result<Vec<Run>, StoreError> {
        self.read(|db| db.active_runs())
    }

    /// The runs of a pipeline that are not settled: what a cancel of all has to do with.
    pub fn active_runs_of(&self, key: &PipelineKey) -> Result<Vec<RunKey>, StoreError> {
        self.read(|db| db.active_runs_of(key))
    }

    /// Settled runs whose logs have to go, since at least `n_keep` later runs of the pipeline exist; oldest first, at most 1,000.
    pub fn expired_logs(
        &self,
        key: &PipelineKey,
        n_keep: u32,
    ) -> Result<Vec<(RunKey, RunUid)>, StoreError> {
        self.read(|db| db.expired_logs(key, n_keep))
    }

    /// Deletions that were begun and not finished.
    pub fn unfinished_deletions(&self) -> Result<UnfinishedDeletions, StoreError> {
        self.read(|db| db.unfinished_deletions())
    }

    /// What the deletion of a pipeline takes with it.
    pub fn pipeline_deletion(&self, key: &PipelineKey) -> Result<DeletionReport, StoreError> {
        self.read(|db| db.pipeline_deletion(key))
    }

    /// What the deletion of a namespace takes with it.
    pub fn namespace_deletion(&self, id: &NamespaceId) -> Result<DeletionReport, StoreError> {
        self.read(|db| db.namespace_deletion(id))
    }

    /// History entries from `from_seq` on, itself included; none begins at the end where `order` begins.
    /// At most `limit`, and never more than [`PAGE_LIMIT_MAX`](crate::PAGE_LIMIT_MAX).
    pub fn entries(
        &self,
        filter: &EntryFilter,
        from_seq: Option<EventSeq>,
        limit: u32,
        order: Order,
    ) -> Result<Vec<EntryRecord>, StoreError> {
        self.read(|db| db.entries(filter, from_seq, limit, order))
    }

    /// One history entry.
    pub fn entry(&self, seq: EventSeq) -> Result<EntryRecord, StoreError> {
        self.read(|db| db.entry(seq))
    }

    /// Number of the newest history entry, 0 where there is none.
    pub fn newest_seq(&self) -> Result<EventSeq, StoreError> {
        self.read(|db| db.newest_seq())
    }

    /// Number of the oldest history entry that was not pruned, 0 where there is none.
    pub fn oldest_seq(&self) -> Result<EventSeq, StoreError> {
        self.read(|db| db.oldest_seq())
    }
}
