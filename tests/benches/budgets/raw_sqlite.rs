//! SQLite without Gofer: rows of a plausible size, committed to the disk in full.

use std::time::Duration;

use anyhow::Result;
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::time::Instant;

/// Bytes of a row; about what one step of a run of one task writes.
const ROW_BYTES: usize = 700;

pub(crate) struct RawSqlite {
    sql: Connection,
    #[expect(dead_code, reason = "held for its folder, which goes with it")]
    dir: TempDir,
}

impl RawSqlite {
    pub(crate) fn new() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let sql = Connection::open(dir.path().join("raw.db"))?;
        sql.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        sql.pragma_update(None, "synchronous", "FULL")?;
        sql.execute_batch("CREATE TABLE rows (id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT")?;
        Ok(Self { sql, dir })
    }

    /// Inserts so many rows in one transaction; gives the time until they are on disk.
    pub(crate) fn commit(&self, n_rows: usize) -> Result<Duration> {
        let body = "x".repeat(ROW_BYTES);
        let begun = Instant::now();
        self.sql.execute_batch("BEGIN IMMEDIATE")?;
        for _ in 0..n_rows {
            self.sql.prepare_cached("INSERT INTO rows (body) VALUES (?1)")?.execute([&body])?;
        }
        self.sql.execute_batch("COMMIT")?;
        Ok(begun.elapsed())
    }
}
