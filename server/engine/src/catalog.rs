//! Namespaces, pipelines, versions, deployments and the door for new runs: changes that are one
//! transaction each. The store asks core's rules inside it; nothing is decided here.

use std::sync::Arc;

use gofer_core::ids::{NamespaceId, PipelineKey, Version};
use gofer_core::problem::Problem;
use gofer_core::time::Timestamp;
use gofer_store::{
    DeployOrder, Deployed, NamespaceChange, NamespaceRecord, Registered, Registration,
    RollbackOrder, StoreError, Tx,
};

use crate::engine::Engine;
use crate::failpoint;

/// Whether something is done or only tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Do it.
    Do,
    /// Say what it would do, and keep nothing.
    Rehearse,
}

impl Engine {
    /// Makes a namespace.
    ///
    /// # Errors
    /// AlreadyExists.
    pub async fn create_namespace(
        &self,
        id: NamespaceId,
        name: String,
        description: String,
    ) -> Result<NamespaceRecord, Problem> {
        self.change("create namespace", move |tx, now| {
            tx.create_namespace(&id, &name, &description, now)
        })
        .await
    }

    /// Changes a namespace's name or description.
    ///
    /// # Errors
    /// NotFound.
    pub async fn update_namespace(
        &self,
        id: NamespaceId,
        change: NamespaceChange,
    ) -> Result<NamespaceRecord, Problem> {
        self.change("update namespace", move |tx, now| tx.update_namespace(&id, &change, now)).await
    }

    /// Registers a version of a pipeline; with `Rehearse` says what that would do.
    ///
    /// # Errors
    /// NotFound for the namespace.
    pub async fn register(
        &self,
        registration: Registration,
        mode: Mode,
    ) -> Result<Registered, Problem> {
        let work = move |tx: &Tx<'_>, now| tx.register(&registration, now);
        self.change_or_rehearse("register", mode, work).await
    }

    /// Makes a version live; with `Rehearse` says what that would do.
    ///
    /// # Errors
    /// NotFound; Conflict where another version is live than the order says.
    pub async fn deploy(&self, order: DeployOrder, mode: Mode) -> Result<Deployed, Problem> {
        let work = move |tx: &Tx<'_>, now| tx.deploy(&order, now);
        let deployed = self.change_or_rehearse("deploy", mode, work).await;
        failpoint::hit("deploy.committed");
        deployed
    }

    /// Makes the version live that was live before; with `Rehearse` says what that would do.
    ///
    /// # Errors
    /// NotFound; Rejected where there is none; Conflict.
    pub async fn rollback(&self, order: RollbackOrder, mode: Mode) -> Result<Deployed, Problem> {
        let work = move |tx: &Tx<'_>, now| tx.rollback(&order, now);
        self.change_or_rehearse("roll back", mode, work).await
    }

    /// Lets a pipeline take new runs, or makes it refuse them. True where that changed anything.
    ///
    /// # Errors
    /// NotFound.
    pub async fn set_pipeline_enabled(
        &self,
        key: PipelineKey,
        enabled: bool,
    ) -> Result<bool, Problem> {
        self.change("switch pipeline", move |tx, now| tx.set_pipeline_enabled(&key, enabled, now))
            .await
    }

    /// Removes a version; with `Rehearse` says whether it could be.
    ///
    /// # Errors
    /// NotFound; Rejected where it is live.
    pub async fn delete_config(
        &self,
        key: PipelineKey,
        version: Version,
        mode: Mode,
    ) -> Result<(), Problem> {
        let work = move |tx: &Tx<'_>, now| tx.delete_config(&key, version, now);
        self.change_or_rehearse("delete version", mode, work).await
    }

    /// Opens or shuts the door for new runs. True where that changed anything.
    ///
    /// # Errors
    /// Full, Internal.
    pub async fn set_ingress(&self, open: bool) -> Result<bool, Problem> {
        self.change("switch ingress", move |tx, now| tx.set_ingress(open, now)).await
    }

    async fn change_or_rehearse<T, W>(
        &self,
        name: &'static str,
        mode: Mode,
        work: W,
    ) -> Result<T, Problem>
    where
        T: Send + 'static,
        W: FnOnce(&Tx<'_>, Timestamp) -> Result<T, StoreError> + Send + 'static,
    {
        match mode {
            Mode::Do => self.change(name, work).await,
            Mode::Rehearse => {
                let now = self.shared.clock.now();
                self.shared.writer.rehearse(move |tx| work(tx, now)).await
            }
        }
    }

    /// Commits a change though the caller may go away, and tells the followers of the history.
    async fn change<T, W>(&self, name: &'static str, work: W) -> Result<T, Problem>
    where
        T: Send + 'static,
        W: FnOnce(&Tx<'_>, Timestamp) -> Result<T, StoreError> + Send + 'static,
    {
        let shared = Arc::clone(&self.shared);
        self.detached(name, async move {
            let now = shared.clock.now();
            let changed = shared.writer.call(move |tx| work(tx, now)).await;
            shared.feed.grew();
            changed
        })
        .await
    }
}
