//! Calls on pipelines and their versions.

use gofer_proto::v1 as pb;
use gofer_proto::v1::pipeline_service_client::PipelineServiceClient;

use super::{Client, Mode, present};
use crate::channel::Wire;
use crate::convert::{page_info, page_request};
use crate::error::Result;
use crate::limits::MESSAGE_BYTES_MAX;
use crate::model::{
    DeletionReport, Origin, Page, PageRequest, Pipeline, PipelineConfig, PipelineRef, Registered,
};
use crate::program::Declared;

impl Client {
    fn pipeline_service(&self) -> PipelineServiceClient<Wire> {
        PipelineServiceClient::new(self.wire.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// Registers a version of a pipeline; the first one makes the pipeline. Nothing goes live by it.
    pub async fn register_pipeline(
        &self,
        namespace: &str,
        declared: &Declared,
        origin: Origin,
        mode: Mode,
    ) -> Result<Registered> {
        let request = pb::RegisterPipelineRequest {
            namespace_id: namespace.to_owned(),
            pipeline: Some(declared.wire().clone()),
            origin: Some(origin.into()),
            dry_run: mode.is_dry_run(),
        };
        let answer = self.answer(self.pipeline_service().register_pipeline(request)).await?;
        Ok(Registered {
            version: answer.version,
            changed: answer.changed,
            created_pipeline: answer.created_pipeline,
        })
    }

    /// Reads one pipeline.
    pub async fn pipeline(&self, pipeline: &PipelineRef) -> Result<Pipeline> {
        let (namespace_id, pipeline_id) = ids(pipeline);
        let request = pb::GetPipelineRequest { namespace_id, pipeline_id };
        let answer = self.answer(self.pipeline_service().get_pipeline(request)).await?;
        present(answer.pipeline, "pipeline").map(Into::into)
    }

    /// Lists the pipelines of a namespace, by id.
    pub async fn pipelines(&self, namespace: &str, page: &PageRequest) -> Result<Page<Pipeline>> {
        let request = pb::ListPipelinesRequest {
            namespace_id: namespace.to_owned(),
            page: page_request(page),
        };
        let answer = self.answer(self.pipeline_service().list_pipelines(request)).await?;
        Ok(page_info(answer.pipelines.into_iter().map(Into::into).collect(), answer.page))
    }

    /// Lets a pipeline take new runs again.
    pub async fn enable_pipeline(&self, pipeline: &PipelineRef) -> Result<Pipeline> {
        let (namespace_id, pipeline_id) = ids(pipeline);
        let request = pb::EnablePipelineRequest { namespace_id, pipeline_id };
        let answer = self.answer(self.pipeline_service().enable_pipeline(request)).await?;
        present(answer.pipeline, "pipeline").map(Into::into)
    }

    /// Makes a pipeline refuse new runs.
    pub async fn disable_pipeline(&self, pipeline: &PipelineRef) -> Result<Pipeline> {
        let (namespace_id, pipeline_id) = ids(pipeline);
        let request = pb::DisablePipelineRequest { namespace_id, pipeline_id };
        let answer = self.answer(self.pipeline_service().disable_pipeline(request)).await?;
        present(answer.pipeline, "pipeline").map(Into::into)
    }

    /// Deletes a pipeline with its versions, runs and logs.
    pub async fn delete_pipeline(
        &self,
        pipeline: &PipelineRef,
        mode: Mode,
    ) -> Result<DeletionReport> {
        let (namespace_id, pipeline_id) = ids(pipeline);
        let dry_run = mode.is_dry_run();
        let request = pb::DeletePipelineRequest { namespace_id, pipeline_id, dry_run };
        let answer = self.answer(self.pipeline_service().delete_pipeline(request)).await?;
        Ok(answer.report.into())
    }

    /// Reads one version, with its config. `None`: the live one.
    pub async fn pipeline_config(
        &self,
        pipeline: &PipelineRef,
        version: Option<u64>,
    ) -> Result<PipelineConfig> {
        let (namespace_id, pipeline_id) = ids(pipeline);
        let request = pb::GetPipelineConfigRequest { namespace_id, pipeline_id, version };
        let answer = self.answer(self.pipeline_service().get_pipeline_config(request)).await?;
        present(answer.pipeline_config, "pipeline config").map(Into::into)
    }

    /// Lists the versions of a pipeline, newest first, without their configs.
    pub async fn pipeline_configs(
        &self,
        pipeline: &PipelineRef,
        page: &PageRequest,
    ) -> Result<Page<PipelineConfig>> {
        let (namespace_id, pipeline_id) = ids(pipeline);
        let page = page_request(page);
        let request = pb::ListPipelineConfigsRequest { namespace_id, pipeline_id, page };
        let answer = self.answer(self.pipeline_service().list_pipeline_configs(request)).await?;
        Ok(page_info(answer.pipeline_configs.into_iter().map(Into::into).collect(), answer.page))
    }

    /// Deletes one version that is not live.
    pub async fn delete_pipeline_config(
        &self,
        pipeline: &PipelineRef,
        version: u64,
        mode: Mode,
    ) -> Result<DeletionReport> {
        let (namespace_id, pipeline_id) = ids(pipeline);
        let dry_run = mode.is_dry_run();
        let request =
            pb::DeletePipelineConfigRequest { namespace_id, pipeline_id, version, dry_run };
        let answer = self.answer(self.pipeline_service().delete_pipeline_config(request)).await?;
        Ok(answer.report.into())
    }
}

fn ids(pipeline: &PipelineRef) -> (String, String) {
    (pipeline.namespace.clone(), pipeline.pipeline.clone())
}
