//! Calls on runs.

use gofer_proto::v1 as pb;
use gofer_proto::v1::run_service_client::RunServiceClient;

use super::{Client, Mode, present};
use crate::channel::Wire;
use crate::convert::{key_values, page_info, page_request, run_request};
use crate::error::Result;
use crate::limits::MESSAGE_BYTES_MAX;
use crate::model::{
    Page, PageRequest, PipelineRef, Run, RunRef, RunState, RunStatus, Started, Time,
};

/// A run that is to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartRun {
    /// The pipeline.
    pub pipeline: PipelineRef,
    /// The version to run. `None`: the live one.
    pub version: Option<u64>,
    /// Names and values for all its tasks.
    pub variables: Vec<(String, String)>,
    /// A second start with the same text answers with the run of the first. `None`: each one starts.
    pub idempotency_key: Option<String>,
    /// Why; may be empty.
    pub reason: String,
    /// Whether it is started, or only checked.
    pub mode: Mode,
}

/// Which runs are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunQuery {
    /// The namespace.
    pub namespace: String,
    /// Only runs of this pipeline. `None`: of all.
    pub pipeline: Option<String>,
    /// Only runs in one of these states. Empty: in any.
    pub states: Vec<RunState>,
    /// Only runs that ended so. Empty: however.
    pub statuses: Vec<RunStatus>,
    /// Only runs accepted then or later. `None`: all.
    pub since: Option<Time>,
    /// Which page.
    pub page: PageRequest,
}

/// How something is cancelled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cancel {
    /// Whether containers are killed at once.
    pub force: bool,
    /// Why; may be empty.
    pub reason: String,
}

impl Client {
    pub(crate) fn run_service(&self) -> RunServiceClient<Wire> {
        RunServiceClient::new(self.wire.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// Starts a run; the answer comes as soon as it is stored.
    pub async fn start_run(&self, start: StartRun) -> Result<Started> {
        let request = pb::StartRunRequest {
            namespace_id: start.pipeline.namespace,
            pipeline_id: start.pipeline.pipeline,
            version: start.version,
            variables: key_values(start.variables),
            idempotency_key: start.idempotency_key,
            reason: start.reason,
            dry_run: start.mode.is_dry_run(),
        };
        let answer = self.answer(self.run_service().start_run(request)).await?;
        Ok(Started { run: present(answer.run, "run")?.into(), existing: answer.existing })
    }

    /// Reads one run, with its task runs.
    pub async fn run(&self, run: &RunRef) -> Result<Run> {
        let (namespace_id, pipeline_id, run_id) = run_request(run);
        let request = pb::GetRunRequest { namespace_id, pipeline_id, run_id };
        let answer = self.answer(self.run_service().get_run(request)).await?;
        present(answer.run, "run").map(Into::into)
    }

    /// Lists runs, newest first, without their task runs.
    pub async fn runs(&self, query: &RunQuery) -> Result<Page<Run>> {
        let request = pb::ListRunsRequest {
            namespace_id: query.namespace.clone(),
            pipeline_id: query.pipeline.clone(),
            states: query.states.iter().map(|state| (*state).into()).collect(),
            statuses: query.statuses.iter().map(|status| (*status).into()).collect(),
            since_ms: query.since.map(Time::as_ms),
            page: page_request(&query.page),
        };
        let answer = self.answer(self.run_service().list_runs(request)).await?;
        Ok(page_info(answer.runs.into_iter().map(Into::into).collect(), answer.page))
    }

    /// Cancels a run. The run may not be complete yet when the answer comes.
    pub async fn cancel_run(&self, run: &RunRef, cancel: Cancel) -> Result<Run> {
        let (namespace_id, pipeline_id, run_id) = run_request(run);
        let Cancel { force, reason } = cancel;
        let request = pb::CancelRunRequest { namespace_id, pipeline_id, run_id, force, reason };
        let answer = self.answer(self.run_service().cancel_run(request)).await?;
        present(answer.run, "run").map(Into::into)
    }

    /// Cancels all runs of a pipeline that are not complete, and says which.
    pub async fn cancel_all_runs(
        &self,
        pipeline: &PipelineRef,
        cancel: Cancel,
    ) -> Result<Vec<RunRef>> {
        let request = pb::CancelAllRunsRequest {
            namespace_id: pipeline.namespace.clone(),
            pipeline_id: pipeline.pipeline.clone(),
            force: cancel.force,
            reason: cancel.reason,
        };
        let answer = self.answer(self.run_service().cancel_all_runs(request)).await?;
        Ok(answer.run_ids.into_iter().map(|id| pipeline.run(id)).collect())
    }

    /// Starts a new run with the version and variables of an old one.
    pub async fn retry_run(&self, run: &RunRef, reason: &str) -> Result<Run> {
        let (namespace_id, pipeline_id, run_id) = run_request(run);
        let reason = reason.to_owned();
        let request = pb::RetryRunRequest { namespace_id, pipeline_id, run_id, reason };
        let answer = self.answer(self.run_service().retry_run(request)).await?;
        present(answer.run, "run").map(Into::into)
    }
}
