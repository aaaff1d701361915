//! Opening a data directory: the lock that keeps a second server out, the file that is looked at
//! before it is touched, the settings of each connection. A file that is not ours, or is newer than
//! we are, is left exactly as it was.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use gofer_core::ids::InstanceId;
use gofer_core::time::Timestamp;
use rusqlite::{Connection, OpenFlags};

use crate::error::{OpenError, SqlKind, kind_of};
use crate::migrations;

/// The database in the data directory.
pub(crate) const DATABASE_FILE: &str = "gofer.db";
/// The file that is locked while a server uses the directory.
const LOCK_FILE: &str = "gofer.lock";

/// How long a statement waits for another connection. Only a checkpoint and a reader that opens can
/// meet, for moments.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Statements that stay prepared: all that the store has.
const STATEMENTS_KEPT: usize = 128;
/// Pages in the write-ahead log (4 KiB each) after which a commit moves them into the database.
const CHECKPOINT_PAGES: u32 = 4_000;
/// The log file is cut to this when it was reset: one slow reader must not cost disk for ever.
const LOG_BYTES_MAX: u32 = 64 * 1024 * 1024;

/// What an open data directory consists of.
pub(crate) struct Opened {
    pub(crate) sql: Connection,
    pub(crate) instance: InstanceId,
    pub(crate) newest_seq: u64,
    pub(crate) path: PathBuf,
    pub(crate) lock: File,
}

/// Opens a data directory for writing.
pub(crate) fn open(
    dir: &Path,
    fresh_instance: &InstanceId,
    now: Timestamp,
) -> Result<Opened, OpenError> {
    make_dir(dir)?;
    let lock = lock(dir)?;
    let path = dir.join(DATABASE_FILE);
    make_file(&path)?;
    let mut sql = Connection::open_with_flags(
        &path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
    .map_err(|source| sql_error("open", &path, source))?;
    let format = look(&sql, &path)?;
    set_up_writer(&sql).map_err(|source| sql_error("set up", &path, source))?;
    migrations::migrate(&mut sql, format, fresh_instance, now)
        .map_err(|source| sql_error("bring up to date", &path, source))?;
    let (instance, newest_seq) = check(&sql, &path)?;
    sync_dir(dir)?;
    Ok(Opened { sql, instance, newest_seq, path, lock })
}

/// Opens a database that a writer has open, for reading.
pub(crate) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let sql = Connection::open_with_flags(path, flags)?;
    sql.busy_timeout(BUSY_TIMEOUT)?;
    sql.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    sql.pragma_update(None, "query_only", true)?;
    Ok(sql)
}

fn io_error(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> OpenError {
    move |source| OpenError::Io { what, path: path.to_owned(), source }
}

fn sql_error(what: &'static str, path: &Path, source: rusqlite::Error) -> OpenError {
    let path = path.to_owned();
    match kind_of(&source) {
        SqlKind::Full => OpenError::Full { path, source },
        SqlKind::Damaged => OpenError::Damaged { path, source },
        SqlKind::NotADatabase => OpenError::Foreign { path, why: "it is another kind of file" },
        SqlKind::Other => OpenError::Sql { what, path, source },
    }
}

/// Makes the directory for its owner alone: configs in it may hold passwords in plain text.
fn make_dir(dir: &Path) -> Result<(), OpenError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(io_error("make the data directory", dir))
}

/// Makes the database file, so that it and the files that SQLite puts beside it are the owner's.
fn make_file(path: &Path) -> Result<(), OpenError> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map(drop)
        .map_err(io_error("open the database", path))
}

fn lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join(LOCK_FILE);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(io_error("open the lock file", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(OpenError::Locked { dir: dir.to_owned(), pid: holder(&mut file) });
        }
        Err(TryLockError::Error(source)) => return Err(io_error("lock", &path)(source)),
    }
    note_holder(&mut file).map_err(io_error("write the lock file", &path))?;
    Ok(file)
}

/// The process that holds the lock, as far as it wrote it down.
fn holder(file: &mut File) -> Option<u32> {
    const PID_BYTES_MAX: u64 = 16;
    let mut text = String::new();
    file.take(PID_BYTES_MAX).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn note_holder(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

/// Looks at a file without changing it: whose it is, and of which format. 0 for a new one.
fn look(sql: &Connection, path: &Path) -> Result<u32, OpenError> {
    let read = |pragma: &'static str| {
        sql.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0))
            .map_err(|source| sql_error("read", path, source))
    };
    let application = read("application_id")?;
    let format = read("user_version")?;
    let n_tables: i64 = sql
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(|source| sql_error("read", path, source))?;
    if application == 0 && format == 0 && n_tables == 0 {
        return Ok(0);
    }
    if application != i64::from(migrations::APPLICATION_ID) {
        let why = "it is a database of another program";
        return Err(OpenError::Foreign { path: path.to_owned(), why });
    }
    let known = migrations::newest_format();
    match u32::try_from(format) {
        Ok(format) if (1..=known).contains(&format) => Ok(format),
        Ok(0) | Err(_) => {
            let why = "its format number is not one that gofer writes";
            Err(OpenError::Foreign { path: path.to_owned(), why })
        }
        Ok(found) => Err(OpenError::Newer { path: path.to_owned(), found, known }),
    }
}

fn set_up_writer(sql: &Connection) -> rusqlite::Result<()> {
    sql.busy_timeout(BUSY_TIMEOUT)?;
    sql.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    // Full sync: a commit that was answered survives the loss of power.
    sql.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    sql.pragma_update(None, "synchronous", "FULL")?;
    sql.pragma_update(None, "foreign_keys", true)?;
    sql.pragma_update(None, "temp_store", "MEMORY")?;
    sql.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    sql.pragma_update_and_check(None, "journal_size_limit", LOG_BYTES_MAX, |_| Ok(()))?;
    Ok(())
}

/// Reads what every database of ours has; a file that lost it is damaged, whatever SQLite says.
fn check(sql: &Connection, path: &Path) -> Result<(InstanceId, u64), OpenError> {
    let damaged = |source: rusqlite::Error| match kind_of(&source) {
        SqlKind::Full => OpenError::Full { path: path.to_owned(), source },
        SqlKind::Damaged | SqlKind::NotADatabase | SqlKind::Other => {
            OpenError::Damaged { path: path.to_owned(), source }
        }
    };
    let instance: String =
        sql.query_row("SELECT instance FROM server", [], |row| row.get(0)).map_err(damaged)?;
    let instance = InstanceId::parse(&instance).map_err(|problem| {
        damaged(rusqlite::Error::FromSqlConversionFailure(
            0,
            rusqlite::types::Type::Text,
            Box::new(problem),
        ))
    })?;
    let newest_seq = sql
        .query_row("SELECT coalesce(max(seq), 0) FROM events", [], |row| row.get(0))
        .map_err(damaged)?;
    Ok((instance, newest_seq))
}

/// Makes the new files' names durable: a synced file in an unsynced directory can vanish.
fn sync_dir(dir: &Path) -> Result<(), OpenError> {
    let handle = File::open(dir).map_err(io_error("open", dir))?;
    handle.sync_all().map_err(io_error("sync", dir))
}
