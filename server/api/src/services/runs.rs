//! Runs: start, read, watch, cancel, retry.

use gofer_core::ids::RunKey;
use gofer_core::problem::Problem;
use gofer_core::run::{Actor, Scope};
use gofer_core::time::Timestamp;
use gofer_core::variables::check_run_variables;
use gofer_engine::records::{RunFilter, Started};
use gofer_engine::{CancelRequest, RetryRequest, StartRequest};
use gofer_proto::v1 as pb;
use pb::run_service_server::RunService;
use tonic::{Request, Response, Status};

use super::{Services, force, watch};
use crate::caller::caller;
use crate::convert::{common, runs};
use crate::parse;
use crate::status::status;
use crate::stream::Answers;

#[tonic::async_trait]
impl RunService for Services {
    type WatchRunStream = Answers<pb::WatchRunResponse>;

    async fn start_run(
        &self,
        request: Request<pb::StartRunRequest>,
    ) -> Result<Response<pb::StartRunResponse>, Status> {
        let by = caller(&request);
        let started = self.start(request.into_inner(), by).await.map_err(status)?;
        let existing = started.existing;
        let run = Some(self.shown(started).await);
        Ok(Response::new(pb::StartRunResponse { run, existing }))
    }

    async fn get_run(
        &self,
        request: Request<pb::GetRunRequest>,
    ) -> Result<Response<pb::GetRunResponse>, Status> {
        let request = request.into_inner();
        let key = parse::run(&request.namespace_id, &request.pipeline_id, request.run_id)
            .map_err(status)?;
        let run = Some(self.run(&key).await.map_err(status)?);
        Ok(Response::new(pb::GetRunResponse { run }))
    }

    async fn list_runs(
        &self,
        request: Request<pb::ListRunsRequest>,
    ) -> Result<Response<pb::ListRunsResponse>, Status> {
        let request = request.into_inner();
        let page = parse::page(request.page.clone());
        let filter = filter(&request).map_err(status)?;
        let found =
            self.engine.read(move |reader| reader.runs(&filter, &page)).await.map_err(status)?;
        let page = Some(common::page_info(&found));
        let runs = found.items.iter().map(runs::listed).collect();
        Ok(Response::new(pb::ListRunsResponse { runs, page }))
    }

    async fn cancel_run(
        &self,
        request: Request<pb::CancelRunRequest>,
    ) -> Result<Response<pb::CancelRunResponse>, Status> {
        let by = caller(&request);
        let run = self.cancel(request.into_inner(), by).await.map_err(status)?;
        Ok(Response::new(pb::CancelRunResponse { run: Some(run) }))
    }

    async fn cancel_all_runs(
        &self,
        request: Request<pb::CancelAllRunsRequest>,
    ) -> Result<Response<pb::CancelAllRunsResponse>, Status> {
        let by = caller(&request);
        let request = request.into_inner();
        let key = parse::pipeline(&request.namespace_id, &request.pipeline_id).map_err(status)?;
        let reason = parse::reason(request.reason).map_err(status)?;
        let mut run_ids =
            self.engine.cancel_all(key, force(request.force), by, reason).await.map_err(status)?;
        run_ids.sort_unstable();
        Ok(Response::new(pb::CancelAllRunsResponse { run_ids }))
    }

    async fn retry_run(
        &self,
        request: Request<pb::RetryRunRequest>,
    ) -> Result<Response<pb::RetryRunResponse>, Status> {
        let by = caller(&request);
        let request = request.into_inner();
        let run = parse::run(&request.namespace_id, &request.pipeline_id, request.run_id)
            .map_err(status)?;
        let reason = parse::reason(request.reason).map_err(status)?;
        let started =
            self.engine.retry_run(RetryRequest { run, by, reason }).await.map_err(status)?;
        let run = Some(self.shown(started).await);
        Ok(Response::new(pb::RetryRunResponse { run }))
    }

    async fn watch_run(
        &self,
        request: Request<pb::WatchRunRequest>,
    ) -> Result<Response<Self::WatchRunStream>, Status> {
        let request = request.into_inner();
        let key = parse::run(&request.namespace_id, &request.pipeline_id, request.run_id)
            .map_err(status)?;
        let watch = self.engine.watch_run(&key).await.map_err(status)?;
        Ok(Response::new(watch::run(self.engine.clone(), key, watch)))
    }
}

impl Services {
    pub(super) async fn run(&self, key: &RunKey) -> Result<pb::Run, Problem> {
        let view = self.engine.run(key).await?;
        Ok(runs::run(&self.engine, &view))
    }

    /// A run as it was accepted, or, where an earlier call started it, as it is.
    async fn shown(&self, started: Started) -> pb::Run {
        let run = std::sync::Arc::new(started.run);
        let view = self.engine.view(run, &std::collections::BTreeMap::new()).await;
        runs::run(&self.engine, &view)
    }

    async fn start(&self, request: pb::StartRunRequest, by: Actor) -> Result<Started, Problem> {
        let variables = request.variables.into_iter().map(|pair| (pair.key, pair.value));
        let order = StartRequest {
            pipeline: parse::pipeline(&request.namespace_id, &request.pipeline_id)?,
            version: request.version.map(parse::version).transpose()?,
            variables: check_run_variables(variables)?,
            idempotency_key: parse::idempotency_key(request.idempotency_key)?,
            by,
            reason: parse::reason(request.reason)?,
        };
        if request.dry_run {
            return self.engine.rehearse_start(order).await;
        }
        self.engine.start_run(order).await
    }

    async fn cancel(&self, request: pb::CancelRunRequest, by: Actor) -> Result<pb::Run, Problem> {
        let run = parse::run(&request.namespace_id, &request.pipeline_id, request.run_id)?;
        let reason = parse::reason(request.reason)?;
        let force = force(request.force);
        self.engine
            .cancel(CancelRequest { run: run.clone(), scope: Scope::Run, force, by, reason })
            .await?;
        self.run(&run).await
    }
}

fn filter(request: &pb::ListRunsRequest) -> Result<RunFilter, Problem> {
    let namespace = parse::namespace(&request.namespace_id)?;
    let pipeline = match &request.pipeline_id {
        Some(id) => Some(parse::pipeline(&request.namespace_id, id)?.pipeline),
        None => None,
    };
    let states = request.states.iter();
    let statuses = request.statuses.iter();
    Ok(RunFilter {
        namespace,
        pipeline,
        states: states
            .map(|n| parse::word("states", *n, runs::parse_state(*n)))
            .collect::<Result<_, _>>()?,
        statuses: statuses
            .map(|n| parse::word("statuses", *n, runs::parse_status(*n)))
            .collect::<Result<_, _>>()?,
        since: request.since_ms.map(Timestamp::from_ms),
    })
}
