//! The write side: one connection, one transaction for a group of jobs, each job in a savepoint of
//! its own. A completion hears of success only after the commit with full sync; a job that fails
//! takes nothing else with it. Called by the engine's writer thread alone.

use std::cell::Cell;
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::vec::IntoIter;

use gofer_core::ids::{EventSeq, InstanceId};
use gofer_core::problem::Problem;
use gofer_core::time::Timestamp;
use rusqlite::Connection;

use crate::bodies::Bodies;
use crate::error::{OpenError, StoreError};
use crate::open::{self, Opened};
use crate::read::Db;
use crate::reader::Reader;
use crate::tx::Tx;

/// Most jobs that one group should hold: enough for the sync to be shared by everyone who waits,
/// few enough that the first of them is answered soon.
pub const GROUP_JOBS_MAX: usize = 512;

/// What a job is: it works on the transaction and says whether that is to stay. Its result travels
/// in the completion that it returns, which is called after the commit.
///
/// A job that is dropped without being called was not begun, because the store could not begin a
/// transaction: whoever waits for it sees its channel closed.
pub type Job = Box<dyn FnOnce(&Tx<'_>) -> Done + Send>;

/// Told, after the commit and in the order of the jobs, whether the group was committed.
pub type Completion = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// What becomes of a job's writes.
pub enum Done {
    /// They stay. Where an operation of the job met a fault of the database they are undone all
    /// the same, and the completion hears of the fault.
    Keep(Completion),
    /// They are undone: a rule said no, or it was a dry run. The others' stay.
    Undo(Completion),
}

impl fmt::Debug for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keep(_) => "Keep",
            Self::Undo(_) => "Undo",
        })
    }
}

/// The one writer of a data directory. Dropping it closes the database and frees the directory.
#[derive(Debug)]
pub struct Store {
    // The order counts: the database is closed before the directory is freed.
    sql: Connection,
    bodies: Bodies,
    /// Number of the newest history entry, committed or on its way.
    seq: Cell<EventSeq>,
    instance: InstanceId,
    path: PathBuf,
    #[expect(dead_code, reason = "held for its lock, which goes with it")]
    lock: File,
}

impl Store {
    /// Opens the database in `dir`, making both where they are missing and bringing an older
    /// database up to date. `fresh_instance` and `now` become the identity and the birth of a new
    /// database, and are left out of account for one that is there.
    ///
    /// # Errors
    /// [`OpenError`], worded for the person who starts the server.
    pub fn open(
        dir: &Path,
        fresh_instance: &InstanceId,
        now: Timestamp,
    ) -> Result<Self, OpenError> {
        let Opened { sql, instance, newest_seq, path, lock } =
            open::open(dir, fresh_instance, now)?;
        Ok(Self {
            sql,
            bodies: Bodies::default(),
            seq: Cell::new(newest_seq),
            instance,
            path,
            lock,
        })
    }

    /// The identity of this data directory.
    #[must_use]
    pub fn instance(&self) -> &InstanceId {
        &self.instance
    }

    /// A new read-only connection.
    ///
    /// # Errors
    /// A fault of the database.
    pub fn reader(&self) -> Result<Reader, StoreError> {
        Ok(Reader::new(open::open_reader(&self.path)?))
    }

    /// Runs the jobs in one transaction, commits it to the disk, then calls the completions in the
    /// jobs' order. Jobs that fail or say [`Done::Undo`] leave no trace; the others' writes stay.
    /// An empty group does nothing.
    ///
    /// Where SQLite itself gives up the transaction under a job (a full disk), the jobs so far hear
    /// of that, and the rest of the group runs in a transaction of its own.
    ///
    /// # Errors
    /// Where a transaction could not begin or be committed: the fault that the completions heard
    /// of, for the log and for the server's health. Jobs are dropped unrun only when it could not
    /// begin.
    pub fn run_group(&mut self, jobs: Vec<Job>) -> Result<(), StoreError> {
        let mut jobs = jobs.into_iter();
        let mut worst = Ok(());
        while jobs.len() > 0 {
            self.begin()?;
            let seq_before = self.seq.get();
            let (answers, end) = self.run_part(&mut jobs);
            if end.is_err() {
                self.seq.set(seq_before);
            }
            for answer in answers {
                answer.give(&end);
            }
            worst = worst.and(end.map_err(not_committed));
        }
        worst
    }

    fn begin(&self) -> Result<(), StoreError> {
        // A job that unwound through us may have left its transaction open.
        self.roll_back();
        self.sql.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        Ok(())
    }

    /// Runs jobs until all are done or the transaction is lost, then commits.
    fn run_part(&self, jobs: &mut IntoIter<Job>) -> (Vec<Answer>, Result<(), Problem>) {
        let mut answers = Vec::with_capacity(jobs.len());
        for job in jobs.by_ref() {
            let (answer, lost) = self.run_job(job);
            answers.push(answer);
            if let Some(lost) = lost {
                self.roll_back();
                return (answers, Err(lost.to_problem()));
            }
        }
        let end = self.commit();
        if end.is_err() {
            self.roll_back();
        }
        (answers, end.map_err(|fault| fault.to_problem()))
    }

    fn commit(&self) -> Result<(), StoreError> {
        self.sql.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
    }

    fn roll_back(&self) {
        if self.sql.is_autocommit() {
            return;
        }
        if let Err(source) = self.sql.execute_batch("ROLLBACK") {
            tracing::error!(%source, "could not roll back");
        }
    }

    /// Runs one job in its savepoint; the second value is there where the whole transaction is lost.
    fn run_job(&self, job: Job) -> (Answer, Option<StoreError>) {
        let seq_before = self.seq.get();
        let opened = self.savepoint("SAVEPOINT job");
        let tx = Tx::new(Db { sql: &self.sql, bodies: &self.bodies }, &self.seq);
        let done = job(&tx);
        let fault = tx.into_fault();
        let (keep, completion) = match done {
            Done::Keep(completion) => (fault.is_none(), completion),
            Done::Undo(completion) => (false, completion),
        };
        let closed = opened.and_then(|()| {
            if keep { self.savepoint("RELEASE job") } else { self.undo_job(seq_before) }
        });
        let lost = match closed {
            Ok(()) => None,
            Err(closing) => Some(fault.clone().map_or(closing, not_committed)),
        };
        (Answer { completion, fault }, lost)
    }

    fn undo_job(&self, seq_before: EventSeq) -> Result<(), StoreError> {
        self.seq.set(seq_before);
        self.savepoint("ROLLBACK TO job")?;
        self.savepoint("RELEASE job")
    }

    fn savepoint(&self, statement: &str) -> Result<(), StoreError> {
        self.sql.prepare_cached(statement)?.execute([])?;
        Ok(())
    }

    /// Moves the write-ahead log into the database and cuts it to nothing; for idle times. Does
    /// less where a reader is still busy with an old state.
    ///
    /// # Errors
    /// A fault of the database.
    pub fn checkpoint(&mut self) -> Result<(), StoreError> {
        self.sql.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }

    /// Bytes that are free on the disk of the database, for a server that refuses new runs in time.
    ///
    /// # Errors
    /// Where the system does not tell.
    pub fn free_bytes(&self) -> Result<u64, StoreError> {
        let disk = rustix::fs::statvfs(&self.path)
            .map_err(|source| StoreError::unreadable("disk's size", source))?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }
}

/// A completion that waits for the commit, with the fault that its job met.
struct Answer {
    completion: Completion,
    fault: Option<Problem>,
}

impl Answer {
    fn give(self, end: &Result<(), Problem>) {
        let answer = match (self.fault, end) {
            (Some(fault), _) => Err(fault),
            (None, end) => end.clone(),
        };
        (self.completion)(answer.map_err(not_committed));
    }
}

fn not_committed(fault: Problem) -> StoreError {
    StoreError::NotCommitted(Box::new(fault))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use gofer_core::history::{Entry, EntryKind, Subject};
    use gofer_core::problem::Kind;
    use gofer_core::run::RunStatus;

    use super::*;

    fn open(dir: &Path) -> Store {
        let uid = InstanceId::parse(&"0".repeat(26)).unwrap();
        Store::open(dir, &uid, Timestamp::from_ms(0)).unwrap()
    }

    /// Appends entries of `n_bytes` each in one group, one entry a job; gives each job's answer.
    fn append(store: &mut Store, n_jobs: usize, n_bytes: usize) -> Vec<Result<(), StoreError>> {
        let (sender, receiver) = sync_channel(n_jobs);
        let jobs = (0..n_jobs).map(|_| -> Job {
            let sender = sender.clone();
            let text = "x".repeat(n_bytes);
            Box::new(move |tx| {
                let entry = Entry::new(EntryKind::EngineLost, Subject::default(), text);
                let result = tx.append_entries(&[entry], Timestamp::from_ms(1));
                Done::Keep(Box::new(move |end| sender.send(result.and(end)).unwrap()))
            })
        });
        let jobs = jobs.collect();
        // What the group says, the jobs say as well.
        drop(store.run_group(jobs));
        drop(sender);
        receiver.iter().collect()
    }

    #[test]
    fn a_full_disk_is_told_and_overcome_without_a_gap() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = open(dir.path());
        let n_pages: u32 =
            store.sql.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        let limit = |store: &Store, n_pages: u32| {
            store.sql.pragma_update_and_check(None, "max_page_count", n_pages, |_| Ok(())).unwrap();
        };
        limit(&store, n_pages + 20);
        let answers = append(&mut store, 100, 3_000);
        assert_eq!(answers.len(), 100, "everybody is answered");
        let n_stored = answers.iter().filter(|answer| answer.is_ok()).count();
        for fault in answers.iter().filter_map(|answer| answer.as_ref().err()) {
            assert!(fault.is_full(), "{fault:?}");
            assert_eq!(fault.to_problem().kind, Kind::Full);
            assert!(fault.to_problem().retry_after_ms.is_some());
        }
        assert!(n_stored < 100);
        let reader = store.reader().unwrap();
        assert_eq!(reader.newest_seq().unwrap(), n_stored as u64, "what was answered, and no more");

        limit(&store, n_pages + 10_000);
        assert!(append(&mut store, 10, 3_000).iter().all(Result::is_ok));
        assert_eq!(reader.newest_seq().unwrap(), n_stored as u64 + 10, "the numbers have no gap");
    }

    #[test]
    fn a_group_whose_commit_fails_is_told_to_everyone_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = open(dir.path());
        store.sql.commit_hook(Some(|| true)).unwrap(); // turns every commit into a rollback
        let answers = append(&mut store, 3, 10);
        assert!(answers.iter().all(|answer| matches!(answer, Err(StoreError::NotCommitted(_)))));
        let no_hook: Option<fn() -> bool> = None;
        store.sql.commit_hook(no_hook).unwrap();
        assert!(append(&mut store, 2, 10).iter().all(Result::is_ok));
        assert_eq!(store.reader().unwrap().newest_seq().unwrap(), 2);
    }

    #[test]
    fn commits_are_synced_in_full() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let read = |pragma: &str| -> String {
            let value = |row: &rusqlite::Row<'_>| row.get::<_, rusqlite::types::Value>(0);
            format!("{:?}", store.sql.pragma_query_value(None, pragma, value).unwrap())
        };
        assert_eq!(read("synchronous"), "Integer(2)");
        assert_eq!(read("journal_mode"), "Text(\"wal\")");
        assert_eq!(read("foreign_keys"), "Integer(1)");
    }

    #[test]
    fn words_of_columns_are_those_that_the_tables_allow() {
        assert_eq!(crate::words::word(RunStatus::Cancelled).unwrap(), "CANCELLED");
        assert_eq!(crate::words::word(crate::StateKind::Pending).unwrap(), "PENDING");
    }
}
