//! Task runs of a run.

use gofer_core::problem::Problem;
use gofer_core::run::{Actor, Scope};
use gofer_engine::CancelRequest;
use gofer_proto::v1 as pb;
use pb::task_run_service_server::TaskRunService;
use tonic::{Request, Response, Status};

use super::{Services, force};
use crate::caller::caller;
use crate::parse;
use crate::status::status;

#[tonic::async_trait]
impl TaskRunService for Services {
    async fn get_task_run(
        &self,
        request: Request<pb::GetTaskRunRequest>,
    ) -> Result<Response<pb::GetTaskRunResponse>, Status> {
        let request = request.into_inner();
        let key = parse::run(&request.namespace_id, &request.pipeline_id, request.run_id)
            .map_err(status)?;
        let task = parse::task(&request.task_id).map_err(status)?;
        let run = self.run(&key).await.map_err(status)?;
        let task_run = Some(pick(run, task.as_str()).map_err(status)?);
        Ok(Response::new(pb::GetTaskRunResponse { task_run }))
    }

    async fn list_task_runs(
        &self,
        request: Request<pb::ListTaskRunsRequest>,
    ) -> Result<Response<pb::ListTaskRunsResponse>, Status> {
        let request = request.into_inner();
        let key = parse::run(&request.namespace_id, &request.pipeline_id, request.run_id)
            .map_err(status)?;
        let task_runs = self.run(&key).await.map_err(status)?.task_runs;
        Ok(Response::new(pb::ListTaskRunsResponse { task_runs }))
    }

    async fn cancel_task_run(
        &self,
        request: Request<pb::CancelTaskRunRequest>,
    ) -> Result<Response<pb::CancelTaskRunResponse>, Status> {
        let by = caller(&request);
        let task_run = self.cancel_task(request.into_inner(), by).await.map_err(status)?;
        Ok(Response::new(pb::CancelTaskRunResponse { task_run: Some(task_run) }))
    }
}

impl Services {
    async fn cancel_task(
        &self,
        request: pb::CancelTaskRunRequest,
        by: Actor,
    ) -> Result<pb::TaskRun, Problem> {
        let run = parse::run(&request.namespace_id, &request.pipeline_id, request.run_id)?;
        let task = parse::task(&request.task_id)?;
        let reason = parse::reason(request.reason)?;
        let (scope, force) = (Scope::Task(task.clone()), force(request.force));
        self.engine.cancel(CancelRequest { run: run.clone(), scope, force, by, reason }).await?;
        pick(self.run(&run).await?, task.as_str())
    }
}

fn pick(run: pb::Run, task_id: &str) -> Result<pb::TaskRun, Problem> {
    let nearest = gofer_core::problem::nearest(
        task_id,
        run.task_runs.iter().map(|task| task.task_id.as_str()),
    );
    let missing = format!("task `{task_id}` in run {} of pipeline `{}`", run.id, run.pipeline_id);
    let mut tasks = run.task_runs.into_iter();
    tasks.find(|task| task.task_id == task_id).ok_or_else(|| Problem::not_found(missing, nearest))
}
