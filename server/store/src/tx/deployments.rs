//! Making a version live. The old version's end, the new one's beginning, the deployment's row and
//! the pruning are one transaction: no state in between is ever on disk.

use gofer_core::history::{Ended, Entry, EntryKind};
use gofer_core::ids::{DeploymentId, PipelineKey, Version};
use gofer_core::pipeline::lifecycle;
use gofer_core::problem::Problem;
use gofer_core::run::Actor;
use gofer_core::time::Timestamp;
use rusqlite::params;

use super::{Tx, pipeline_subject};
use crate::error::StoreError;
use crate::records::{DeployOrder, Deployed, DeploymentStatus, DeploymentStrategy, RollbackOrder};
use crate::words;

/// What is written about one switch of the live version.
struct Switch<'a> {
    from: Option<Version>,
    to: Version,
    by: &'a Actor,
    reason: &'a str,
    text: String,
}

impl Tx<'_> {
    /// Makes a version live, whole or not at all, and prunes old versions.
    ///
    /// # Errors
    /// NotFound; Conflict where another version than the order's base is live; Rejected where the
    /// pipeline is being deleted.
    pub fn deploy(&self, order: &DeployOrder, now: Timestamp) -> Result<Deployed, StoreError> {
        self.guarded(|| self.make_live(order, String::new(), now))
    }

    /// Makes the version live that was live before.
    ///
    /// # Errors
    /// As [`Tx::deploy`]; Rejected where there is no earlier version to go back to.
    pub fn rollback(&self, order: &RollbackOrder, now: Timestamp) -> Result<Deployed, StoreError> {
        self.guarded(|| {
            let RollbackOrder { key, base, version_limit, by, reason } = order.clone();
            let live = self.changeable(&key)?.live;
            let target = lifecycle::rollback_target(&self.db.version_entries(&key)?);
            let version = target.ok_or_else(|| nowhere_to_go(&key, live))?;
            let text = match live {
                Some(live) => format!("rolled back from version {live} to version {version}"),
                None => format!("rolled back to version {version}"),
            };
            let order = DeployOrder { key, version, base, version_limit, by, reason };
            self.make_live(&order, text, now)
        })
    }

    fn make_live(
        &self,
        order: &DeployOrder,
        text: String,
        now: Timestamp,
    ) -> Result<Deployed, StoreError> {
        let DeployOrder { key, version, base, version_limit, by, reason } = order;
        let row = self.changeable(key)?;
        let entries = self.db.version_entries(key)?;
        let (from, to) = match lifecycle::deploy(key, &entries, *version, *base)? {
            lifecycle::Deploy::Switch { from, to } => (from, to),
            lifecycle::Deploy::AlreadyLive(version) => {
                let former = self.db.deployment_of(key, version)?;
                let deployment = former.ok_or_else(|| {
                    StoreError::unreadable("deployment", "a live version has none")
                })?;
                return Ok(Deployed { deployment, changed: false, pruned: Vec::new() });
            }
        };
        self.switch(key, from, to, now)?;
        let id = row.deployments_made + 1;
        self.insert_deployment(key, id, &Switch { from, to, by, reason, text }, now)?;
        let pruned = lifecycle::prune(&self.db.version_entries(key)?, *version_limit);
        for version in &pruned {
            let text = format!(
                "version {version} of pipeline `{}` was removed: {version_limit} are kept",
                key.pipeline
            );
            self.remove_version(key, *version, text, now)?;
        }
        Ok(Deployed { deployment: self.db.deployment(key, id)?, changed: true, pruned })
    }

    /// The old version first: an index keeps two from being live even within the transaction.
    fn switch(
        &self,
        key: &PipelineKey,
        from: Option<Version>,
        to: Version,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if let Some(from) = from {
            self.write(
                "UPDATE configs SET state = 'DEPRECATED', deprecated_ms = ?4
                 WHERE namespace_id = ?1 AND pipeline_id = ?2 AND version = ?3",
                params![key.namespace.as_str(), key.pipeline.as_str(), from, now.as_ms()],
            )?;
        }
        self.write(
            "UPDATE configs SET state = 'LIVE', deprecated_ms = NULL
             WHERE namespace_id = ?1 AND pipeline_id = ?2 AND version = ?3",
            params![key.namespace.as_str(), key.pipeline.as_str(), to],
        )?;
        Ok(())
    }

    fn insert_deployment(
        &self,
        key: &PipelineKey,
        id: DeploymentId,
        switch: &Switch<'_>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Switch { from, to, by, reason, text } = switch;
        self.write(
            "INSERT INTO deployments (namespace_id, pipeline_id, deployment, from_version,
               to_version, strategy, state, status, started_ms, ended_ms, by_kind, by_name,
               reason, text)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'COMPLETE', ?7, ?8, ?8, ?9, ?10, ?11, ?12)",
            params![
                key.namespace.as_str(),
                key.pipeline.as_str(),
                id,
                from,
                to,
                words::word(DeploymentStrategy::Immediate)?,
                words::word(DeploymentStatus::Successful)?,
                now.as_ms(),
                words::word(by.kind)?,
                by.name,
                reason,
                text,
            ],
        )?;
        self.write(
            "UPDATE pipelines SET deployments_made = ?3, updated_ms = ?4
             WHERE namespace_id = ?1 AND pipeline_id = ?2",
            params![key.namespace.as_str(), key.pipeline.as_str(), id, now.as_ms()],
        )?;
        let text =
            format!("version {to} of pipeline `{}` went live, deployed by {by}", key.pipeline);
        let subject = pipeline_subject(key, Some(*to));
        let mut entry = Entry::new(EntryKind::DeploymentCompleted, subject, text);
        entry.ended = Some(Ended::Successful);
        self.append(&entry, now)
    }
}

fn nowhere_to_go(key: &PipelineKey, live: Option<Version>) -> Problem {
    let message = match live {
        Some(live) => format!(
            "pipeline `{}` has no version before {live} that was live and is still kept",
            key.pipeline
        ),
        None => format!("no version of pipeline `{}` is deployed", key.pipeline),
    };
    let next = "`gofer pipeline config list` shows the versions, and any of them can be deployed";
    Problem::rejected("NOTHING_TO_ROLL_BACK_TO", message, next)
}
