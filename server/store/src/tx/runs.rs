//! Starting runs and storing their steps. A run's number comes from a counter in its pipeline's row,
//! taken in the transaction that inserts the run: an undone start gives its number back, so that
//! there are no gaps and nothing is numbered twice.

use std::sync::Arc;

use gofer_core::history::{Entry, EntryKind, Subject};
use gofer_core::ids::{PipelineKey, RunKey, RunUid, Version};
use gofer_core::pipeline::lifecycle;
use gofer_core::problem::{Kind, Problem};
use gofer_core::run::{Run, RunPolicy, RunSpec, RunState, TaskRun};
use gofer_core::time::Timestamp;
use rusqlite::params;

use super::Tx;
use crate::bodies::BodyId;
use crate::error::StoreError;
use crate::read::PipelineRow;
use crate::records::{StartRun, Started, StateKind};
use crate::words;

impl Tx<'_> {
    /// Starts a run: PENDING, with the next number of its pipeline. An idempotency key that was
    /// used before gives that run, also where the pipeline would refuse a new one by now.
    ///
    /// # Errors
    /// NotFound where there is no such pipeline, version or run to repeat; Rejected where new runs
    /// are refused.
    pub fn start_run(&self, order: &StartRun, now: Timestamp) -> Result<Started, StoreError> {
        self.guarded(|| {
            let pipeline = self.db.pipeline_row(&order.key)?;
            if let Some(run) = self.known_start(order)? {
                return Ok(Started { run: self.db.run(&run)?, existing: true });
            }
            if pipeline.deleting {
                return Err(super::deleting("pipeline", order.key.pipeline.as_str()).into());
            }
            let (version, body) = self.version_to_run(order, &pipeline)?;
            let spec = self.spec(order, &pipeline, (version, body), now)?;
            let run = Run::new(Arc::new(spec));
            self.insert_run(&run, body, order.idempotency_key.as_deref())?;
            self.tell_created(&run, now)?;
            Ok(Started { run, existing: false })
        })
    }

    /// The run that an earlier order with the same idempotency key has started.
    fn known_start(&self, order: &StartRun) -> Result<Option<RunKey>, StoreError> {
        let Some(idempotency_key) = &order.idempotency_key else { return Ok(None) };
        self.db.row(
            "SELECT run FROM runs
             WHERE namespace_id = ?1 AND pipeline_id = ?2 AND idempotency_key = ?3",
            params![order.key.namespace.as_str(), order.key.pipeline.as_str(), idempotency_key],
            |row| Ok(RunKey { pipeline: order.key.clone(), run: row.get(0)? }),
        )
    }

    /// The version that the run is pinned to, with its text. A repeated run takes both from the
    /// run that it repeats, since its version may have been pruned.
    fn version_to_run(
        &self,
        order: &StartRun,
        pipeline: &PipelineRow,
    ) -> Result<(Version, BodyId), StoreError> {
        let key = &order.key;
        let live = lifecycle::may_start(key, &pipeline.gate(self.db.ingress()?))?;
        let Some(old) = order.retry_of else {
            let version = order.version.unwrap_or(live);
            return Ok((version, self.db.version_body(key, version)?));
        };
        let old = RunKey { pipeline: key.clone(), run: old };
        let found = self.db.row(
            "SELECT version, body FROM runs
             WHERE namespace_id = ?1 AND pipeline_id = ?2 AND run = ?3",
            params![key.namespace.as_str(), key.pipeline.as_str(), old.run],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        found.map_or_else(|| Err(self.db.no_run(&old)?.into()), Ok)
    }

    fn spec(
        &self,
        order: &StartRun,
        pipeline: &PipelineRow,
        (version, body): (Version, BodyId),
        now: Timestamp,
    ) -> Result<RunSpec, StoreError> {
        let config = self.db.bodies.load(self.db.sql, body)?;
        let parallelism =
            lifecycle::effective_parallelism(config.parallelism, order.server_parallelism);
        Ok(RunSpec {
            key: RunKey { pipeline: order.key.clone(), run: pipeline.runs_made + 1 },
            uid: order.uid.clone(),
            version,
            config,
            variables: order.variables.clone(),
            initiator: order.initiator.clone(),
            reason: order.reason.clone(),
            created: now,
            retry_of: order.retry_of,
            policy: RunPolicy { parallelism, ..order.policy },
        })
    }

    fn insert_run(
        &self,
        run: &Run,
        body: BodyId,
        idempotency_key: Option<&str>,
    ) -> Result<(), StoreError> {
        // No `..` in this pattern: a field that is added must be stored.
        let RunSpec {
            key: RunKey { pipeline: PipelineKey { namespace, pipeline }, run: number },
            uid,
            version,
            config: _, // stored as the body
            variables,
            initiator,
            reason,
            created,
            retry_of,
            policy,
        } = run.spec.as_ref();
        self.write(
            "UPDATE pipelines SET runs_made = ?3 WHERE namespace_id = ?1 AND pipeline_id = ?2",
            params![namespace.as_str(), pipeline.as_str(), number],
        )?;
        let columns = RunColumns::of(run)?;
        self.write(
            "INSERT INTO runs (namespace_id, pipeline_id, run, uid, version, body, variables,
               initiator_kind, initiator_name, reason, created_ms, retry_of, policy,
               idempotency_key, state_kind, status, state, generation, settled, log_bytes,
               logs_removed)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17,
               ?18, ?19, ?20, 0)",
            params![
                namespace.as_str(),
                pipeline.as_str(),
                number,
                uid.as_str(),
                version,
                body,
                words::json("run's variables", variables)?,
                words::word(initiator.kind)?,
                initiator.name,
                reason,
                created.as_ms(),
                retry_of,
                words::json("run's policy", policy)?,
                idempotency_key,
                columns.state_kind,
                columns.status,
                columns.state,
                run.generation,
                run.is_settled(),
                columns.log_bytes,
            ],
        )?;
        for (position, task) in run.tasks.iter().enumerate() {
            self.insert_task_run(&run.spec.key, position, task)?;
        }
        Ok(())
    }

    fn insert_task_run(
        &self,
        key: &RunKey,
        position: usize,
        task: &TaskRun,
    ) -> Result<(), StoreError> {
        self.write(
            "INSERT INTO task_runs (namespace_id, pipeline_id, run, position, task_id, state_kind,
               status, state)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                key.pipeline.namespace.as_str(),
                key.pipeline.pipeline.as_str(),
                key.run,
                position,
                task.task.as_str(),
                words::task_state_word(&task.state),
                task.outcome().map(|outcome| words::word(outcome.status())).transpose()?,
                words::json("task run", task)?,
            ],
        )?;
        Ok(())
    }

    fn tell_created(&self, run: &Run, now: Timestamp) -> Result<(), StoreError> {
        let RunSpec { initiator, reason, retry_of, .. } = run.spec.as_ref();
        let mut text = format!("started by {initiator}");
        if let Some(old) = retry_of {
            text.push_str(&format!(", again after run {old}"));
        }
        if !reason.is_empty() {
            text.push_str(": ");
            text.push_str(reason);
        }
        self.tell(EntryKind::RunCreated, run_subject(run), text, now)
    }

    /// Stores one step of a run with its entries: the run's row, and the rows of the task runs that
    /// changed. `next` must be what a step made of `before`. A step that changed nothing writes
    /// its entries only.
    ///
    /// # Errors
    /// Conflict where the stored run is not `before`, or is gone.
    pub fn save_run(
        &self,
        before: &Run,
        next: &Run,
        entries: &[Entry],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.guarded(|| {
            if next.generation != before.generation {
                self.update_run(before, next)?;
                for (position, task) in next.changed_since(before) {
                    self.update_task_run(&next.spec.key, position, task)?;
                }
            }
            entries.iter().try_for_each(|entry| self.append(entry, now))
        })
    }

    fn update_run(&self, before: &Run, next: &Run) -> Result<(), StoreError> {
        let key = &next.spec.key;
        let columns = RunColumns::of(next)?;
        let n_rows = self.write(
            "UPDATE runs SET state_kind = ?4, status = ?5, state = ?6, generation = ?7,
               settled = ?8, log_bytes = ?9
             WHERE namespace_id = ?1 AND pipeline_id = ?2 AND run = ?3 AND uid = ?10
               AND generation = ?11",
            params![
                key.pipeline.namespace.as_str(),
                key.pipeline.pipeline.as_str(),
                key.run,
                columns.state_kind,
                columns.status,
                columns.state,
                next.generation,
                next.is_settled(),
                columns.log_bytes,
                next.spec.uid.as_str(),
                before.generation,
            ],
        )?;
        if n_rows == 1 { Ok(()) } else { Err(changed_meanwhile(key).into()) }
    }

    fn update_task_run(
        &self,
        key: &RunKey,
        position: usize,
        task: &TaskRun,
    ) -> Result<(), StoreError> {
        self.write(
            "UPDATE task_runs SET state_kind = ?5, status = ?6, state = ?7
             WHERE namespace_id = ?1 AND pipeline_id = ?2 AND run = ?3 AND position = ?4",
            params![
                key.pipeline.namespace.as_str(),
                key.pipeline.pipeline.as_str(),
                key.run,
                position,
                words::task_state_word(&task.state),
                task.outcome().map(|outcome| words::word(outcome.status())).transpose()?,
                words::json("task run", task)?,
            ],
        )?;
        Ok(())
    }

    /// Notes that the logs of these runs were removed, with an entry for each. Runs that are gone or
    /// were noted before are passed over. A run that is read afterwards shows its logs as removed.
    ///
    /// # Errors
    /// A fault of the database.
    pub fn mark_logs_removed(&self, runs: &[RunUid], now: Timestamp) -> Result<(), StoreError> {
        self.guarded(|| runs.iter().try_for_each(|uid| self.mark_log_removed(uid, now)))
    }

    fn mark_log_removed(&self, uid: &RunUid, now: Timestamp) -> Result<(), StoreError> {
        let subject = self.db.row(
            "UPDATE runs SET logs_removed = 1, log_bytes = 0 WHERE uid = ?1 AND logs_removed = 0
             RETURNING namespace_id, pipeline_id, run, version",
            [uid.as_str()],
            |row| {
                Ok(Subject {
                    namespace: Some(words::parsed("namespace id", row.get(0)?)?),
                    pipeline: Some(words::parsed("pipeline id", row.get(1)?)?),
                    run: Some(row.get(2)?),
                    version: Some(row.get(3)?),
                    ..Subject::default()
                })
            },
        )?;
        match subject {
            Some(subject) => {
                self.tell(EntryKind::LogsExpired, subject, "its logs were removed", now)
            }
            None => Ok(()),
        }
    }
}

/// What a run's row repeats of its state, for those who ask by columns.
struct RunColumns {
    state_kind: String,
    status: Option<String>,
    state: String,
    log_bytes: u64,
}

impl RunColumns {
    fn of(run: &Run) -> Result<Self, StoreError> {
        let status = match &run.state {
            RunState::Complete { outcome, .. } => Some(words::word(outcome.status)?),
            RunState::Pending | RunState::Running { .. } => None,
        };
        let logs = run.tasks.iter().flat_map(|task| &task.attempts).filter_map(|a| a.collected);
        Ok(Self {
            state_kind: words::word(StateKind::from(&run.state))?,
            status,
            state: words::json("run's state", &run.state)?,
            log_bytes: logs.map(|log| log.bytes).sum(),
        })
    }
}

fn run_subject(run: &Run) -> Subject {
    Subject {
        run: Some(run.spec.key.run),
        ..super::pipeline_subject(&run.spec.key.pipeline, Some(run.spec.version))
    }
}

fn changed_meanwhile(key: &RunKey) -> Problem {
    let message = format!("run {key} is not as it was read: it was changed or deleted meanwhile");
    Problem::new(Kind::Conflict, "RUN_CHANGED", message).with_next("read it again and retry")
}
