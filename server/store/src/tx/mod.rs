//! One job's view of the write transaction. Every operation reads rows, asks a rule, writes rows and
//! the history entries that tell of it. An operation that returns a rule's problem has written
//! nothing. After a fault of the database the whole job is undone, whatever the job says.

mod deletion;
mod deployments;
mod history;
mod namespaces;
mod runs;
mod versions;

use std::cell::{Cell, RefCell};

use gofer_core::history::{Entry, EntryKind, Subject};
use gofer_core::ids::{EventSeq, NamespaceId, PipelineKey, RunKey, Version};
use gofer_core::problem::Problem;
use gofer_core::run::Run;
use gofer_core::time::Timestamp;
use rusqlite::Params;

use crate::error::StoreError;
use crate::read::{Db, PipelineRow};
use crate::records::PipelineRecord;

/// The write transaction, as one job sees it. What it reads includes what the job itself, and the
/// jobs before it in the group, have written.
///
/// A dry run is the operation itself with [`Done::Undo`](crate::Done::Undo) as the job's answer.
#[derive(Debug)]
pub struct Tx<'a> {
    db: Db<'a>,
    /// Number of the newest history entry; the store takes it back where the job is undone.
    seq: &'a Cell<EventSeq>,
    /// The first fault of the database that an operation met.
    fault: RefCell<Option<Problem>>,
}

impl<'a> Tx<'a> {
    pub(crate) fn new(db: Db<'a>, seq: &'a Cell<EventSeq>) -> Self {
        Self { db, seq, fault: RefCell::new(None) }
    }

    /// The fault for which the job must be undone.
    pub(crate) fn into_fault(self) -> Option<Problem> {
        self.fault.into_inner()
    }

    /// Runs an operation and remembers a fault of the database. After one nothing more is done: the
    /// transaction may be gone, and a statement outside it would be committed by itself.
    fn guarded<T>(
        &self,
        operation: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if let Some(fault) = self.fault.borrow().clone() {
            return Err(StoreError::NotCommitted(Box::new(fault)));
        }
        let result = operation();
        if let Err(fault) = &result
            && !fault.is_rule()
        {
            *self.fault.borrow_mut() = Some(fault.to_problem());
        }
        result
    }

    /// Runs a statement that writes; gives the number of rows that it touched.
    fn write(&self, sql: &str, params: impl Params) -> Result<usize, StoreError> {
        Ok(self.db.prepare(sql)?.execute(params)?)
    }

    /// One run, whole, as [`Reader::run`](crate::Reader::run).
    ///
    /// # Errors
    /// NotFound, or a fault of the database.
    pub fn run(&self, key: &RunKey) -> Result<Run, StoreError> {
        self.guarded(|| self.db.run(key))
    }

    /// One pipeline, as [`Reader::pipeline`](crate::Reader::pipeline).
    ///
    /// # Errors
    /// NotFound, or a fault of the database.
    pub fn pipeline(&self, key: &PipelineKey) -> Result<PipelineRecord, StoreError> {
        self.guarded(|| self.db.pipeline(key))
    }

    /// A pipeline that may be changed: it is there and is not being deleted.
    fn changeable(&self, key: &PipelineKey) -> Result<PipelineRow, StoreError> {
        let row = self.db.pipeline_row(key)?;
        if row.deleting { Err(deleting("pipeline", key.pipeline.as_str()).into()) } else { Ok(row) }
    }

    /// Notes that a pipeline changed at `now`.
    fn touch(&self, key: &PipelineKey, now: Timestamp) -> Result<(), StoreError> {
        self.write(
            "UPDATE pipelines SET updated_ms = ?3 WHERE namespace_id = ?1 AND pipeline_id = ?2",
            (key.namespace.as_str(), key.pipeline.as_str(), now.as_ms()),
        )?;
        Ok(())
    }

    fn tell(
        &self,
        kind: EntryKind,
        subject: Subject,
        text: impl Into<String>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.append(&Entry::new(kind, subject, text), now)
    }
}

/// The problem of a change to something that is being deleted.
fn deleting(what: &str, id: &str) -> Problem {
    let message = format!("{what} `{id}` is being deleted");
    Problem::rejected("BEING_DELETED", message, "wait until it is gone, then make it anew")
}

/// A pipeline as an entry's subject.
fn pipeline_subject(key: &PipelineKey, version: Option<Version>) -> Subject {
    Subject {
        namespace: Some(key.namespace.clone()),
        pipeline: Some(key.pipeline.clone()),
        version,
        ..Subject::default()
    }
}

/// A namespace as an entry's subject.
fn namespace_subject(id: &NamespaceId) -> Subject {
    Subject { namespace: Some(id.clone()), ..Subject::default() }
}
