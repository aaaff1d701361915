//! Versions and deployments of a pipeline.

use gofer_core::ids::{DeploymentId, PipelineKey, Version};
use gofer_core::pipeline::lifecycle::VersionEntry;
use gofer_core::problem::Problem;
use gofer_core::time::Timestamp;
use rusqlite::{Row, params};

use super::Db;
use crate::bodies::BodyId;
use crate::error::StoreError;
use crate::page::{Page, PageRequest};
use crate::records::{ConfigRecord, DeploymentRecord};
use crate::words;

/// The columns of a version, as [`Db::config_record`] reads them.
macro_rules! config_columns {
    () => {
        "version, state, content_hash, registered_ms, deprecated_ms, origin, by_kind, by_name, body"
    };
}

/// The columns of a deployment, as [`deployment_record`] reads them.
macro_rules! deployment_columns {
    () => {
        "deployment, from_version, to_version, strategy, started_ms, ended_ms, status, by_kind,
         by_name, reason, text"
    };
}

impl Db<'_> {
    /// All versions of a pipeline with their states, oldest first.
    pub(crate) fn version_entries(
        self,
        key: &PipelineKey,
    ) -> Result<Vec<VersionEntry>, StoreError> {
        self.rows(
            "SELECT version, state FROM configs
             WHERE namespace_id = ?1 AND pipeline_id = ?2 ORDER BY version",
            params![key.namespace.as_str(), key.pipeline.as_str()],
            |row| {
                let state: String = row.get(1)?;
                let state = words::from_word("version's state", &state)?;
                Ok(VersionEntry { version: row.get(0)?, state })
            },
        )
    }

    /// The row of a version's config text.
    pub(crate) fn version_body(
        self,
        key: &PipelineKey,
        version: Version,
    ) -> Result<BodyId, StoreError> {
        let body = self.row(
            "SELECT body FROM configs WHERE namespace_id = ?1 AND pipeline_id = ?2 AND version = ?3",
            params![key.namespace.as_str(), key.pipeline.as_str(), version],
            |row| Ok(row.get(0)?),
        )?;
        body.map_or_else(|| Err(self.no_version(key, version)?.into()), Ok)
    }

    pub(crate) fn config(
        self,
        key: &PipelineKey,
        version: Option<Version>,
    ) -> Result<ConfigRecord, StoreError> {
        let live = self.pipeline_row(key)?.live;
        let version = version.or(live).ok_or_else(|| nothing_live(key))?;
        let found = self.row(
            concat!(
                "SELECT ",
                config_columns!(),
                " FROM configs WHERE namespace_id = ?1 AND pipeline_id = ?2 AND version = ?3"
            ),
            params![key.namespace.as_str(), key.pipeline.as_str(), version],
            |row| self.config_record(key, row),
        )?;
        found.map_or_else(|| Err(self.no_version(key, version)?.into()), Ok)
    }

    pub(crate) fn configs(
        self,
        key: &PipelineKey,
        page: &PageRequest,
    ) -> Result<Page<ConfigRecord>, StoreError> {
        let list = format!("configs {key}");
        let before: i64 = page.after(&list)?.unwrap_or(i64::MAX);
        self.pipeline_row(key)?;
        let items = self.rows(
            concat!(
                "SELECT ",
                config_columns!(),
                " FROM configs WHERE namespace_id = ?1 AND pipeline_id = ?2 AND version < ?3
                  ORDER BY version DESC LIMIT ?4"
            ),
            params![key.namespace.as_str(), key.pipeline.as_str(), before, page.n_rows()],
            |row| self.config_record(key, row),
        )?;
        let total = self.number(
            "SELECT count(*) FROM configs WHERE namespace_id = ?1 AND pipeline_id = ?2",
            params![key.namespace.as_str(), key.pipeline.as_str()],
        )?;
        page.page(&list, items, total, |item| item.version)
    }

    pub(crate) fn deployment(
        self,
        key: &PipelineKey,
        deployment: DeploymentId,
    ) -> Result<DeploymentRecord, StoreError> {
        self.pipeline_row(key)?;
        let found = self.row(
            concat!(
                "SELECT ",
                deployment_columns!(),
                " FROM deployments WHERE namespace_id = ?1 AND pipeline_id = ?2 AND deployment = ?3"
            ),
            params![key.namespace.as_str(), key.pipeline.as_str(), deployment],
            |row| deployment_record(key, row),
        )?;
        found.ok_or_else(|| {
            let what = format!("deployment {deployment} of pipeline `{}`", key.pipeline);
            Problem::not_found(what, Vec::new())
                .with_next("`gofer deployment list` shows the deployments")
                .into()
        })
    }

    /// The last deployment that made `version` live.
    pub(crate) fn deployment_of(
        self,
        key: &PipelineKey,
        version: Version,
    ) -> Result<Option<DeploymentRecord>, StoreError> {
        self.row(
            concat!(
                "SELECT ",
                deployment_columns!(),
                " FROM deployments
                  WHERE namespace_id = ?1 AND pipeline_id = ?2 AND to_version = ?3
                    AND status = 'SUCCESSFUL'
                  ORDER BY deployment DESC LIMIT 1"
            ),
            params![key.namespace.as_str(), key.pipeline.as_str(), version],
            |row| deployment_record(key, row),
        )
    }

    pub(crate) fn deployments(
        self,
        key: &PipelineKey,
        page: &PageRequest,
    ) -> Result<Page<DeploymentRecord>, StoreError> {
        let list = format!("deployments {key}");
        let before: i64 = page.after(&list)?.unwrap_or(i64::MAX);
        self.pipeline_row(key)?;
        let items = self.rows(
            concat!(
                "SELECT ",
                deployment_columns!(),
                " FROM deployments WHERE namespace_id = ?1 AND pipeline_id = ?2 AND deployment < ?3
                  ORDER BY deployment DESC LIMIT ?4"
            ),
            params![key.namespace.as_str(), key.pipeline.as_str(), before, page.n_rows()],
            |row| deployment_record(key, row),
        )?;
        let total = self.number(
            "SELECT count(*) FROM deployments WHERE namespace_id = ?1 AND pipeline_id = ?2",
            params![key.namespace.as_str(), key.pipeline.as_str()],
        )?;
        page.page(&list, items, total, |item| item.deployment)
    }

    /// A version that is not there, with the numbers nearest to it.
    pub(crate) fn no_version(
        self,
        key: &PipelineKey,
        version: Version,
    ) -> Result<Problem, StoreError> {
        const SHOWN_MAX: usize = 3;
        let mut near: Vec<Version> =
            self.version_entries(key)?.iter().map(|entry| entry.version).collect();
        near.sort_unstable_by_key(|other| (other.abs_diff(version), *other));
        let near = near.iter().take(SHOWN_MAX).map(ToString::to_string).collect();
        let what = format!("version {version} of pipeline `{}`", key.pipeline);
        Ok(Problem::not_found(what, near)
            .with_next("`gofer pipeline config list` shows the versions"))
    }

    fn config_record(self, key: &PipelineKey, row: &Row<'_>) -> Result<ConfigRecord, StoreError> {
        let state: String = row.get(1)?;
        let deprecated: Option<i64> = row.get(4)?;
        let origin: String = row.get(5)?;
        let by_kind: String = row.get(6)?;
        Ok(ConfigRecord {
            key: key.clone(),
            version: row.get(0)?,
            state: words::from_word("version's state", &state)?,
            hash: row.get(2)?,
            registered: Timestamp::from_ms(row.get(3)?),
            deprecated: deprecated.map(Timestamp::from_ms),
            origin: words::from_json("origin", &origin)?,
            registered_by: words::actor(&by_kind, row.get(7)?)?,
            config: self.bodies.load(self.sql, row.get(8)?)?,
        })
    }
}

fn nothing_live(key: &PipelineKey) -> Problem {
    Problem::not_found(format!("a live version of pipeline `{}`", key.pipeline), Vec::new())
        .with_next("`gofer pipeline deploy` makes a version live")
}

fn deployment_record(key: &PipelineKey, row: &Row<'_>) -> Result<DeploymentRecord, StoreError> {
    let strategy: String = row.get(3)?;
    let ended: Option<i64> = row.get(5)?;
    let status: Option<String> = row.get(6)?;
    let by_kind: String = row.get(7)?;
    Ok(DeploymentRecord {
        key: key.clone(),
        deployment: row.get(0)?,
        from: row.get(1)?,
        to: row.get(2)?,
        strategy: words::from_word("deployment's strategy", &strategy)?,
        started: Timestamp::from_ms(row.get(4)?),
        ended: ended.map(Timestamp::from_ms),
        status: status.map(|word| words::from_word("deployment's status", &word)).transpose()?,
        by: words::actor(&by_kind, row.get(8)?)?,
        reason: row.get(9)?,
        text: row.get(10)?,
    })
}
