//! Config texts, each stored once and shared by versions and runs. The bytes' own hash names a
//! body, not the content hash of the pipeline's rules: that one leaves the order of tasks out of
//! account, and a run's task rows go by that order.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use gofer_core::pipeline::PipelineConfig;
use rusqlite::{Connection, OptionalExtension as _, params};
use sha2::{Digest as _, Sha256};

use crate::error::StoreError;
use crate::words;

/// Most bytes of JSON whose decoded configs are kept: an idle server must stay small.
const KEPT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Number of a body's row. Numbers may be given again after a body is gone.
pub(crate) type BodyId = i64;

type BodyHash = [u8; 32];

/// Decoded configs, by the hash of their bytes: an entry can never be wrong, whatever is undone.
#[derive(Debug, Default)]
pub(crate) struct Bodies {
    kept: RefCell<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    configs: HashMap<BodyHash, Arc<PipelineConfig>>,
    n_bytes: usize,
}

impl Bodies {
    /// The config of a body.
    pub(crate) fn load(
        &self,
        sql: &Connection,
        body: BodyId,
    ) -> Result<Arc<PipelineConfig>, StoreError> {
        let hash: BodyHash = sql
            .prepare_cached("SELECT sha256 FROM config_bodies WHERE body = ?1")?
            .query_row([body], |row| row.get(0))?;
        if let Some(config) = self.kept.borrow().configs.get(&hash) {
            return Ok(config.clone());
        }
        let json: String = sql
            .prepare_cached("SELECT json FROM config_bodies WHERE body = ?1")?
            .query_row([body], |row| row.get(0))?;
        let config: Arc<PipelineConfig> = Arc::new(words::from_json("pipeline config", &json)?);
        self.keep(hash, json.len(), &config);
        Ok(config)
    }

    fn keep(&self, hash: BodyHash, n_bytes: usize, config: &Arc<PipelineConfig>) {
        let mut kept = self.kept.borrow_mut();
        if kept.n_bytes.saturating_add(n_bytes) > KEPT_BYTES_MAX {
            *kept = Kept::default();
        }
        kept.n_bytes = kept.n_bytes.saturating_add(n_bytes);
        kept.configs.insert(hash, config.clone());
    }
}

/// Stores a config's text unless it is there, and gives its row.
pub(crate) fn store(sql: &Connection, config: &PipelineConfig) -> Result<BodyId, StoreError> {
    let json = words::json("pipeline config", config)?;
    let hash: BodyHash = Sha256::digest(json.as_bytes()).into();
    let known = sql
        .prepare_cached("SELECT body FROM config_bodies WHERE sha256 = ?1")?
        .query_row([hash], |row| row.get(0))
        .optional()?;
    if let Some(body) = known {
        return Ok(body);
    }
    sql.prepare_cached("INSERT INTO config_bodies (sha256, json) VALUES (?1, ?2)")?
        .execute(params![hash, json])?;
    Ok(sql.last_insert_rowid())
}

/// Removes a body to which neither a version nor a run refers any longer.
pub(crate) fn release(sql: &Connection, body: BodyId) -> Result<(), StoreError> {
    sql.prepare_cached(
        "DELETE FROM config_bodies WHERE body = ?1
         AND NOT EXISTS (SELECT 1 FROM configs WHERE body = ?1)
         AND NOT EXISTS (SELECT 1 FROM runs WHERE body = ?1)",
    )?
    .execute([body])?;
    Ok(())
}
