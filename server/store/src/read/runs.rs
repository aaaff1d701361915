//! Runs, whole: the row, the config that it was pinned to, and its task runs in the config's order.

use std::sync::Arc;

use gofer_core::ids::{PipelineKey, RunKey};
use gofer_core::log::LogState;
use gofer_core::problem::Problem;
use gofer_core::run::{Run, RunSpec, TaskRun};
use gofer_core::time::Timestamp;
use rusqlite::{Row, params};

use super::Db;
use crate::error::StoreError;
use crate::words;

/// The columns of a whole run, as [`Db::whole_run`] reads them.
macro_rules! run_columns {
    () => {
        "namespace_id, pipeline_id, run, uid, version, body, variables, initiator_kind,
         initiator_name, reason, created_ms, retry_of, policy, state, generation, logs_removed"
    };
}

impl Db<'_> {
    pub(crate) fn run(self, key: &RunKey) -> Result<Run, StoreError> {
        let pipeline = &key.pipeline;
        let found = self.row(
            concat!(
                "SELECT ",
                run_columns!(),
                " FROM runs WHERE namespace_id = ?1 AND pipeline_id = ?2 AND run = ?3"
            ),
            params![pipeline.namespace.as_str(), pipeline.pipeline.as_str(), key.run],
            |row| self.whole_run(row),
        )?;
        found.map_or_else(|| Err(self.no_run(key)?.into()), Ok)
    }

    pub(crate) fn active_runs(self) -> Result<Vec<Run>, StoreError> {
        self.rows(
            concat!(
                "SELECT ",
                run_columns!(),
                " FROM runs WHERE settled = 0 ORDER BY namespace_id, pipeline_id, run"
            ),
            [],
            |row| self.whole_run(row),
        )
    }

    /// A run that is not there, or whose pipeline is not.
    pub(crate) fn no_run(self, key: &RunKey) -> Result<Problem, StoreError> {
        let Some(pipeline) = self.find_pipeline_row(&key.pipeline)? else {
            return self.no_pipeline(&key.pipeline);
        };
        let near = match pipeline.runs_made {
            0 => Vec::new(),
            last => vec![last.to_string()],
        };
        let what = format!("run {} of pipeline `{}`", key.run, key.pipeline.pipeline);
        let next = format!("`gofer run list {}` shows its runs", key.pipeline);
        Ok(Problem::not_found(what, near).with_next(next))
    }

    fn whole_run(self, row: &Row<'_>) -> Result<Run, StoreError> {
        let key = run_key(row)?;
        let variables: String = row.get(6)?;
        let initiator_kind: String = row.get(7)?;
        let policy: String = row.get(12)?;
        let state: String = row.get(13)?;
        let spec = RunSpec {
            uid: words::parsed("run uid", row.get(3)?)?,
            version: row.get(4)?,
            config: self.bodies.load(self.sql, row.get(5)?)?,
            variables: words::from_json("run's variables", &variables)?,
            initiator: words::actor(&initiator_kind, row.get(8)?)?,
            reason: row.get(9)?,
            created: Timestamp::from_ms(row.get(10)?),
            retry_of: row.get(11)?,
            policy: words::from_json("run's policy", &policy)?,
            key: key.clone(),
        };
        let mut tasks = self.task_runs(&key)?;
        if row.get(15)? {
            tasks.iter_mut().for_each(show_logs_removed);
        }
        Ok(Run {
            spec: Arc::new(spec),
            state: words::from_json("run's state", &state)?,
            tasks: tasks.into_iter().map(Arc::new).collect(),
            generation: row.get(14)?,
        })
    }

    fn task_runs(self, key: &RunKey) -> Result<Vec<TaskRun>, StoreError> {
        let pipeline = &key.pipeline;
        self.rows(
            "SELECT state FROM task_runs
             WHERE namespace_id = ?1 AND pipeline_id = ?2 AND run = ?3 ORDER BY position",
            params![pipeline.namespace.as_str(), pipeline.pipeline.as_str(), key.run],
            |row| {
                let state: String = row.get(0)?;
                words::from_json("task run", &state)
            },
        )
    }
}

/// The key of a run from the first three columns.
pub(super) fn run_key(row: &Row<'_>) -> Result<RunKey, StoreError> {
    let pipeline = PipelineKey {
        namespace: words::parsed("namespace id", row.get(0)?)?,
        pipeline: words::parsed("pipeline id", row.get(1)?)?,
    };
    Ok(RunKey { pipeline, run: row.get(2)? })
}

/// The removal of a run's logs is one column of the run, not a change of every task run's row.
fn show_logs_removed(task: &mut TaskRun) {
    for log in task.attempts.iter_mut().filter_map(|attempt| attempt.collected.as_mut()) {
        match log.state {
            LogState::Open | LogState::Sealed | LogState::Truncated => {
                log.state = LogState::Removed;
            }
            LogState::None | LogState::Removed => {}
        }
    }
}
