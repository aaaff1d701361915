//! Registering, switching and deleting: what happens to a pipeline apart from its deployments.

use gofer_core::history::EntryKind;
use gofer_core::ids::{PipelineKey, Version};
use gofer_core::pipeline::ConfigState;
use gofer_core::pipeline::lifecycle;
use gofer_core::problem::Problem;
use gofer_core::time::Timestamp;
use rusqlite::params;

use super::{Tx, deleting, pipeline_subject};
use crate::bodies;
use crate::error::StoreError;
use crate::records::{Registered, Registration};
use crate::words;

impl Tx<'_> {
    /// Registers a version; the first one makes the pipeline. A config identical to the newest one
    /// makes none. Nothing goes live by it.
    ///
    /// # Errors
    /// NotFound where there is no such namespace; Rejected where it or the pipeline is being
    /// deleted.
    pub fn register(
        &self,
        registration: &Registration,
        now: Timestamp,
    ) -> Result<Registered, StoreError> {
        self.guarded(|| {
            let key = PipelineKey {
                namespace: registration.namespace.clone(),
                pipeline: registration.config.id.clone(),
            };
            if self.db.namespace(&key.namespace)?.deleting {
                return Err(deleting("namespace", key.namespace.as_str()).into());
            }
            let created_pipeline = self.db.find_pipeline_row(&key)?.is_none();
            if created_pipeline {
                self.insert_pipeline(&key, now)?;
            }
            let row = self.changeable(&key)?;
            let newest = self.newest_hash(&key)?;
            let newest = newest.as_ref().map(|(hash, version)| (hash.as_str(), *version));
            let decision = lifecycle::register(newest, &registration.content_hash);
            let version = match decision {
                lifecycle::Registration::Same(version) => {
                    return Ok(Registered { version, changed: false, created_pipeline });
                }
                // The rule sees what is there. A newest version that was deleted by hand is not,
                // but runs remember its number.
                lifecycle::Registration::New(version) => version.max(row.versions_made + 1),
            };
            self.insert_version(&key, version, registration, now)?;
            Ok(Registered { version, changed: true, created_pipeline })
        })
    }

    fn newest_hash(&self, key: &PipelineKey) -> Result<Option<(String, Version)>, StoreError> {
        self.db.row(
            "SELECT content_hash, version FROM configs
             WHERE namespace_id = ?1 AND pipeline_id = ?2 ORDER BY version DESC LIMIT 1",
            params![key.namespace.as_str(), key.pipeline.as_str()],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
    }

    fn insert_pipeline(&self, key: &PipelineKey, now: Timestamp) -> Result<(), StoreError> {
        self.write(
            "INSERT INTO pipelines (namespace_id, pipeline_id, enabled, deleting, versions_made,
               deployments_made, runs_made, created_ms, updated_ms)
             VALUES (?1, ?2, 1, 0, 0, 0, 0, ?3, ?3)",
            params![key.namespace.as_str(), key.pipeline.as_str(), now.as_ms()],
        )?;
        Ok(())
    }

    fn insert_version(
        &self,
        key: &PipelineKey,
        version: Version,
        registration: &Registration,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Registration { namespace: _, config, content_hash, origin, by } = registration;
        let body = bodies::store(self.db.sql, config)?;
        self.write(
            "INSERT INTO configs (namespace_id, pipeline_id, version, state, content_hash, body,
               name, description, registered_ms, deprecated_ms, origin, by_kind, by_name)
             VALUES (?1, ?2, ?3, 'UNRELEASED', ?4, ?5, ?6, ?7, ?8, NULL, ?9, ?10, ?11)",
            params![
                key.namespace.as_str(),
                key.pipeline.as_str(),
                version,
                content_hash,
                body,
                config.name,
                config.description,
                now.as_ms(),
                words::json("origin", origin)?,
                words::word(by.kind)?,
                by.name,
            ],
        )?;
        self.write(
            "UPDATE pipelines SET versions_made = ?3, updated_ms = ?4
             WHERE namespace_id = ?1 AND pipeline_id = ?2",
            params![key.namespace.as_str(), key.pipeline.as_str(), version, now.as_ms()],
        )?;
        let text =
            format!("version {version} of pipeline `{}` was registered by {by}", key.pipeline);
        self.tell(EntryKind::PipelineRegistered, pipeline_subject(key, Some(version)), text, now)
    }

    /// Lets a pipeline take new runs, or makes it refuse them. Returns whether that changed
    /// anything.
    ///
    /// # Errors
    /// NotFound; Rejected where it is being deleted.
    pub fn set_pipeline_enabled(
        &self,
        key: &PipelineKey,
        enabled: bool,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.guarded(|| {
            if self.changeable(key)?.enabled == enabled {
                return Ok(false);
            }
            self.write(
                "UPDATE pipelines SET enabled = ?3, updated_ms = ?4
                 WHERE namespace_id = ?1 AND pipeline_id = ?2",
                params![key.namespace.as_str(), key.pipeline.as_str(), enabled, now.as_ms()],
            )?;
            let (kind, what) = if enabled {
                (EntryKind::PipelineEnabled, "takes new runs again")
            } else {
                (EntryKind::PipelineDisabled, "refuses new runs")
            };
            let text = format!("pipeline `{}` {what}", key.pipeline);
            self.tell(kind, pipeline_subject(key, None), text, now)?;
            Ok(true)
        })
    }

    /// Removes a version. Runs keep their snapshot of it, and its number is not given again.
    ///
    /// # Errors
    /// NotFound; Rejected where the version is live or the pipeline is being deleted.
    pub fn delete_config(
        &self,
        key: &PipelineKey,
        version: Version,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.guarded(|| {
            self.changeable(key)?;
            let entries = self.db.version_entries(key)?;
            let Some(entry) = entries.iter().find(|entry| entry.version == version) else {
                return Err(self.db.no_version(key, version)?.into());
            };
            if entry.state == ConfigState::Live {
                return Err(still_live(key, version).into());
            }
            let text = format!("version {version} of pipeline `{}` was deleted", key.pipeline);
            self.remove_version(key, version, text, now)?;
            self.touch(key, now)
        })
    }

    /// Removes a version's row, and its text where nothing else refers to it.
    pub(super) fn remove_version(
        &self,
        key: &PipelineKey,
        version: Version,
        text: String,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let body = self.db.version_body(key, version)?;
        self.write(
            "DELETE FROM configs WHERE namespace_id = ?1 AND pipeline_id = ?2 AND version = ?3",
            params![key.namespace.as_str(), key.pipeline.as_str(), version],
        )?;
        bodies::release(self.db.sql, body)?;
        self.tell(EntryKind::VersionDeleted, pipeline_subject(key, Some(version)), text, now)
    }
}

fn still_live(key: &PipelineKey, version: Version) -> Problem {
    Problem::rejected(
        "VERSION_LIVE",
        format!("version {version} of pipeline `{}` is live", key.pipeline),
        "deploy another version first",
    )
}
