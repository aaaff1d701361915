//! Opening a data directory, in every state that it may be in.

use std::fs;
use std::path::{Path, PathBuf};

use gofer_core::history::EntryKind;
use gofer_core::run::{Event, Fact, Force, Request, Scope, TaskState};
use gofer_store::{EntryFilter, OpenError, Order, PageRequest, StartRun, Store};
use rusqlite::Connection;

use crate::support::{World, ann, at, config, exited, key, run_key, uid};

fn open(dir: &Path) -> Result<Store, OpenError> {
    Store::open(dir, &uid(5), at(1))
}

/// The error of an opening that has to fail, with its text.
#[track_caller]
fn refused(dir: &Path) -> (OpenError, String) {
    let error = open(dir).expect_err("it should not open");
    let text = error.to_string();
    (error, text)
}

#[test]
fn a_directory_is_made_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("a/b");
    let store = open(&dir).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    for file in ["gofer.db", "gofer.db-wal", "gofer.lock"] {
        assert_eq!(mode(&dir.join(file)), 0o600, "{file}");
    }
    drop(store);
}

#[test]
fn the_identity_is_made_once() {
    let mut world = World::new();
    assert_eq!(*world.store().instance(), uid(0));
    world.reopen();
    assert_eq!(*world.store().instance(), uid(0));
}

#[test]
fn a_second_server_is_kept_out_in_plain_words() {
    let mut world = World::with_pipeline();
    let (error, text) = refused(world.dir.path());
    assert!(matches!(error, OpenError::Locked { pid: Some(_), .. }), "{error:?}");
    assert!(text.contains("in use by another gofer server (process "), "{text}");
    world.start("simple");
    world.reopen();
    assert_eq!(world.reader().active_runs().unwrap().len(), 1);
}

#[test]
fn a_newer_database_is_refused_and_left_alone() {
    let mut world = World::with_pipeline();
    world.store = None;
    let path = world.dir.path().join("gofer.db");
    let sql = Connection::open(&path).unwrap();
    sql.pragma_update(None, "user_version", 99).unwrap();
    drop(sql);
    let before = fs::read(&path).unwrap();
    let (error, text) = refused(world.dir.path());
    assert!(matches!(error, OpenError::Newer { found: 99, known: 1, .. }), "{error:?}");
    assert!(
        text.contains("written by a newer gofer (format 99, this one knows up to 1)"),
        "{text}"
    );
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn another_programs_database_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gofer.db");
    let sql = Connection::open(&path).unwrap();
    sql.execute_batch("CREATE TABLE theirs (x)").unwrap();
    drop(sql);
    let before = fs::read(&path).unwrap();
    let (error, text) = refused(dir.path());
    assert!(matches!(error, OpenError::Foreign { .. }), "{error:?}");
    assert!(text.contains("database of another program"), "{text}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn another_kind_of_file_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gofer.db");
    let text = "not a database at all, but long enough to be looked at\n".repeat(100);
    fs::write(&path, &text).unwrap();
    let (error, said) = refused(dir.path());
    assert!(matches!(error, OpenError::Foreign { .. }), "{error:?}");
    assert!(said.contains("is not a gofer database"), "{said}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn a_damaged_database_is_refused() {
    let mut world = World::with_pipeline();
    for _ in 0..50 {
        world.start("simple");
    }
    world.store = None;
    let path = world.dir.path().join("gofer.db");
    let mut bytes = fs::read(&path).unwrap();
    let len = bytes.len();
    bytes[4_096..len].fill(0x5a); // the first page, with header and schema, stays
    fs::write(&path, bytes).unwrap();
    let (error, text) = refused(world.dir.path());
    assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
    assert!(text.contains("is damaged"), "{text}");
}

#[test]
fn a_database_that_lost_its_rows_is_damaged() {
    let mut world = World::new();
    world.store = None;
    let sql = Connection::open(world.dir.path().join("gofer.db")).unwrap();
    sql.execute_batch("DELETE FROM server").unwrap();
    drop(sql);
    let (error, _) = refused(world.dir.path());
    assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
}

#[test]
fn a_directory_that_cannot_be_is_refused_with_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, "x").unwrap();
    let (error, text) = refused(&path);
    assert!(matches!(error, OpenError::Io { .. }), "{error:?}");
    assert!(text.contains("file"), "{text}");
}

/// A database of each released format, as that release wrote it. It also holds the forms of the
/// stored JSON: when this is red, a server would not read back what its forerunner stored.
#[test]
fn a_database_of_every_format_opens() {
    let mut n_formats = 0;
    for entry in fs::read_dir(formats()).unwrap() {
        let path = entry.unwrap().path();
        let dir = tempfile::tempdir().unwrap();
        let sql = Connection::open(dir.path().join("gofer.db")).unwrap();
        sql.execute_batch(&fs::read_to_string(&path).unwrap()).unwrap();
        drop(sql);
        let store =
            open(dir.path()).unwrap_or_else(|error| panic!("{}: {error:?}", path.display()));
        check_old(&store, &path);
        n_formats += 1;
    }
    assert_eq!(n_formats, 1);
}

fn formats() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats")
}

/// What [`an_old_world`] has made.
#[track_caller]
fn check_old(store: &Store, path: &Path) {
    let reader = store.reader().unwrap();
    assert_eq!(*store.instance(), uid(0), "{}", path.display());
    let active = reader.active_runs().unwrap();
    let numbers: Vec<u64> = active.iter().map(|run| run.spec.key.run).collect();
    assert_eq!(numbers, [1, 3], "{}", path.display());
    assert_eq!(*active[0].spec.config, config("simple", "v1"));
    assert!(matches!(active[1].tasks[0].state, TaskState::Stopping { .. }));
    let settled = reader.run(&run_key("simple", 2)).unwrap();
    assert!(settled.is_settled());
    assert_eq!(settled.tasks[1].attempts[0].collected.map(|log| log.bytes), Some(23));
    assert_eq!(reader.pipeline(&key("simple")).unwrap().live, Some(1));
    let deployments = reader.deployments(&key("simple"), &PageRequest::default()).unwrap();
    assert_eq!(deployments.items[0].by, ann());
    let entries = reader.entries(&EntryFilter::default(), None, 500, Order::OldestFirst).unwrap();
    assert!(entries.iter().any(|record| record.entry.kind == EntryKind::RunCancelRequested));
}

fn an_old_world() -> World {
    let mut world = World::with_pipeline();
    let order = StartRun { idempotency_key: Some("once".into()), ..world.order("simple") };
    let run = world.start_order(order).unwrap().run;
    let run = world.step(&run, Fact::Admitted);
    world.step(&run, exited("build"));
    let run = world.start("simple");
    world.settle(&run);
    let run = world.start("simple");
    let run = world.step(&run, Fact::Admitted);
    let (scope, force, by, reason) = (Scope::Run, Force::Grace, ann(), "no more".to_owned());
    world.event(&run, Event::Request(Request::Cancel { scope, force, by, reason }));
    world
}

/// The newest format on file is what this release writes. Before its release a format may be written
/// anew with `GOFER_WRITE_FORMAT=1`; after it, the answer to a red test is a new migration or a serde
/// default, never that.
#[test]
fn the_newest_format_is_on_file() {
    let mut world = an_old_world();
    world.store = None;
    let sql = Connection::open(world.dir.path().join("gofer.db")).unwrap();
    let pragma = |name| sql.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
    let format = pragma("user_version");
    let mut text = format!("PRAGMA application_id = {};\n", pragma("application_id"));
    text.push_str(&format!("PRAGMA user_version = {format};\nBEGIN;\n"));
    let mut schema =
        sql.prepare("SELECT name, type, sql FROM sqlite_schema WHERE sql <> ''").unwrap();
    let mut rows = schema.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let (name, kind): (String, String) = (row.get(0).unwrap(), row.get(1).unwrap());
        text.push_str(&format!("{};\n", row.get::<_, String>(2).unwrap()));
        if kind == "table" {
            text.push_str(&inserts(&sql, &name));
        }
    }
    text.push_str("COMMIT;\n");
    let file = formats().join(format!("{format:04}.sql"));
    if std::env::var_os("GOFER_WRITE_FORMAT").is_some() {
        fs::write(&file, &text).unwrap();
    }
    assert!(fs::read_to_string(&file).unwrap() == text, "{} differs", file.display());
}

/// The rows of a table as statements.
fn inserts(sql: &Connection, table: &str) -> String {
    let columns = sql.prepare(&format!("SELECT * FROM {table}")).unwrap();
    let quoted: Vec<String> = columns.column_names().map(|name| format!("quote({name})")).collect();
    let values = quoted.join(" || ', ' || ");
    let mut values = sql.prepare(&format!("SELECT {values} FROM {table}")).unwrap();
    let rows = values.query_map([], |row| row.get::<_, String>(0)).unwrap();
    rows.map(|row| format!("INSERT INTO {table} VALUES ({});\n", row.unwrap())).collect()
}
