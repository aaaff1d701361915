//! Pipelines and their versions.

use gofer_core::ids::PipelineKey;
use gofer_core::pipeline::{content_hash, faults_to_problem, validate};
use gofer_core::problem::Problem;
use gofer_core::run::Actor;
use gofer_engine::records::Registration;
use gofer_proto::v1 as pb;
use pb::pipeline_service_server::PipelineService;
use tonic::{Request, Response, Status};

use super::Services;
use crate::caller::caller;
use crate::convert::{common, drafts, pipelines};
use crate::parse;
use crate::status::status;

#[tonic::async_trait]
impl PipelineService for Services {
    async fn register_pipeline(
        &self,
        request: Request<pb::RegisterPipelineRequest>,
    ) -> Result<Response<pb::RegisterPipelineResponse>, Status> {
        let by = caller(&request);
        let answer = self.register(request.into_inner(), by).await.map_err(status)?;
        Ok(Response::new(answer))
    }

    async fn get_pipeline(
        &self,
        request: Request<pb::GetPipelineRequest>,
    ) -> Result<Response<pb::GetPipelineResponse>, Status> {
        let request = request.into_inner();
        let key = parse::pipeline(&request.namespace_id, &request.pipeline_id).map_err(status)?;
        let pipeline = Some(self.pipeline(key).await.map_err(status)?);
        Ok(Response::new(pb::GetPipelineResponse { pipeline }))
    }

    async fn list_pipelines(
        &self,
        request: Request<pb::ListPipelinesRequest>,
    ) -> Result<Response<pb::ListPipelinesResponse>, Status> {
        let request = request.into_inner();
        let namespace = parse::namespace(&request.namespace_id).map_err(status)?;
        let page = parse::page(request.page);
        let found = self
            .engine
            .read(move |reader| reader.pipelines(&namespace, &page))
            .await
            .map_err(status)?;
        let page = Some(common::page_info(&found));
        let pipelines = found.items.into_iter().map(pipelines::pipeline).collect();
        Ok(Response::new(pb::ListPipelinesResponse { pipelines, page }))
    }

    async fn enable_pipeline(
        &self,
        request: Request<pb::EnablePipelineRequest>,
    ) -> Result<Response<pb::EnablePipelineResponse>, Status> {
        let request = request.into_inner();
        let key = parse::pipeline(&request.namespace_id, &request.pipeline_id).map_err(status)?;
        self.engine.set_pipeline_enabled(key.clone(), true).await.map_err(status)?;
        let pipeline = Some(self.pipeline(key).await.map_err(status)?);
        Ok(Response::new(pb::EnablePipelineResponse { pipeline }))
    }

    async fn disable_pipeline(
        &self,
        request: Request<pb::DisablePipelineRequest>,
    ) -> Result<Response<pb::DisablePipelineResponse>, Status> {
        let request = request.into_inner();
        let key = parse::pipeline(&request.namespace_id, &request.pipeline_id).map_err(status)?;
        self.engine.set_pipeline_enabled(key.clone(), false).await.map_err(status)?;
        let pipeline = Some(self.pipeline(key).await.map_err(status)?);
        Ok(Response::new(pb::DisablePipelineResponse { pipeline }))
    }

    async fn delete_pipeline(
        &self,
        request: Request<pb::DeletePipelineRequest>,
    ) -> Result<Response<pb::DeletePipelineResponse>, Status> {
        let request = request.into_inner();
        let key = parse::pipeline(&request.namespace_id, &request.pipeline_id).map_err(status)?;
        let counted = key.clone();
        let report = self
            .engine
            .read(move |reader| reader.pipeline_deletion(&counted))
            .await
            .map_err(status)?;
        if !request.dry_run {
            self.engine.delete_pipeline(key).await.map_err(status)?;
        }
        Ok(Response::new(pb::DeletePipelineResponse {
            report: Some(common::deletion_report(report)),
        }))
    }

    async fn get_pipeline_config(
        &self,
        request: Request<pb::GetPipelineConfigRequest>,
    ) -> Result<Response<pb::GetPipelineConfigResponse>, Status> {
        let request = request.into_inner();
        let key = parse::pipeline(&request.namespace_id, &request.pipeline_id).map_err(status)?;
        let version = request.version.map(parse::version).transpose().map_err(status)?;
        let record =
            self.engine.read(move |reader| reader.config(&key, version)).await.map_err(status)?;
        let pipeline_config = Some(pipelines::config(&record));
        Ok(Response::new(pb::GetPipelineConfigResponse { pipeline_config }))
    }

    async fn list_pipeline_configs(
        &self,
        request: Request<pb::ListPipelineConfigsRequest>,
    ) -> Result<Response<pb::ListPipelineConfigsResponse>, Status> {
        let request = request.into_inner();
        let key = parse::pipeline(&request.namespace_id, &request.pipeline_id).map_err(status)?;
        let page = parse::page(request.page);
        let found =
            self.engine.read(move |reader| reader.configs(&key, &page)).await.map_err(status)?;
        let page = Some(common::page_info(&found));
        let pipeline_configs = found.items.iter().map(pipelines::config).collect();
        Ok(Response::new(pb::ListPipelineConfigsResponse { pipeline_configs, page }))
    }

    async fn delete_pipeline_config(
        &self,
        request: Request<pb::DeletePipelineConfigRequest>,
    ) -> Result<Response<pb::DeletePipelineConfigResponse>, Status> {
        let request = request.into_inner();
        let key = parse::pipeline(&request.namespace_id, &request.pipeline_id).map_err(status)?;
        let version = parse::version(request.version).map_err(status)?;
        let mode = super::mode(request.dry_run);
        self.engine.delete_config(key, version, mode).await.map_err(status)?;
        let report = pb::DeletionReport { versions: 1, ..pb::DeletionReport::default() };
        Ok(Response::new(pb::DeletePipelineConfigResponse { report: Some(report) }))
    }
}

impl Services {
    async fn pipeline(&self, key: PipelineKey) -> Result<pb::Pipeline, Problem> {
        self.engine.read(move |reader| reader.pipeline(&key)).await.map(pipelines::pipeline)
    }

    async fn register(
        &self,
        request: pb::RegisterPipelineRequest,
        by: Actor,
    ) -> Result<pb::RegisterPipelineResponse, Problem> {
        let namespace = parse::namespace(&request.namespace_id)?;
        let origin = pipelines::parse_origin(request.origin)?;
        let pipeline = request.pipeline.ok_or_else(|| {
            Problem::invalid_field("pipeline", "", "a pipeline to register is needed")
        })?;
        let draft = drafts::draft(pipeline);
        let config = validate(&draft).map_err(|faults| faults_to_problem(&draft.id, faults))?;
        let content_hash = content_hash(&config);
        let registration = Registration { namespace, config, content_hash, origin, by };
        let registered = self.engine.register(registration, super::mode(request.dry_run)).await?;
        Ok(pb::RegisterPipelineResponse {
            version: registered.version,
            changed: registered.changed,
            created_pipeline: registered.created_pipeline,
        })
    }
}
