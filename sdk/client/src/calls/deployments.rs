//! Calls on deployments.

use gofer_proto::v1 as pb;
use gofer_proto::v1::deployment_service_client::DeploymentServiceClient;

use super::{Client, Mode, present};
use crate::channel::Wire;
use crate::convert::{page_info, page_request};
use crate::error::Result;
use crate::model::{Deployed, Deployment, DeploymentStrategy, Page, PageRequest, PipelineRef};

/// A version that is to go live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deploy {
    /// The pipeline.
    pub pipeline: PipelineRef,
    /// The version.
    pub version: u64,
    /// Deploy only if this version is live now. `None`: whatever is live.
    pub base_version: Option<u64>,
    /// Why; may be empty.
    pub reason: String,
    /// Whether it is done, or only checked.
    pub mode: Mode,
}

/// A way back to the version that was live before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollback {
    /// The pipeline.
    pub pipeline: PipelineRef,
    /// Go back only if this version is live now. `None`: whatever is live.
    pub base_version: Option<u64>,
    /// Why; may be empty.
    pub reason: String,
    /// Whether it is done, or only checked.
    pub mode: Mode,
}

impl Client {
    fn deployment_service(&self) -> DeploymentServiceClient<Wire> {
        DeploymentServiceClient::new(self.wire.clone())
    }

    /// Makes a version live. Deploying the live one changes nothing and says so.
    pub async fn deploy(&self, deploy: Deploy) -> Result<Deployed> {
        let request = pb::DeployRequest {
            namespace_id: deploy.pipeline.namespace,
            pipeline_id: deploy.pipeline.pipeline,
            version: deploy.version,
            strategy: DeploymentStrategy::Immediate.into(),
            base_version: deploy.base_version,
            reason: deploy.reason,
            dry_run: deploy.mode.is_dry_run(),
        };
        let answer = self.answer(self.deployment_service().deploy(request)).await?;
        let deployment = present(answer.deployment, "deployment")?.into();
        Ok(Deployed { deployment, changed: answer.changed })
    }

    /// Makes the version live that was live before.
    pub async fn rollback(&self, rollback: Rollback) -> Result<Deployed> {
        let request = pb::RollbackRequest {
            namespace_id: rollback.pipeline.namespace,
            pipeline_id: rollback.pipeline.pipeline,
            base_version: rollback.base_version,
            reason: rollback.reason,
            dry_run: rollback.mode.is_dry_run(),
        };
        let answer = self.answer(self.deployment_service().rollback(request)).await?;
        let deployment = present(answer.deployment, "deployment")?.into();
        Ok(Deployed { deployment, changed: answer.changed })
    }

    /// Reads one deployment.
    pub async fn deployment(&self, pipeline: &PipelineRef, id: u64) -> Result<Deployment> {
        let request = pb::GetDeploymentRequest {
            namespace_id: pipeline.namespace.clone(),
            pipeline_id: pipeline.pipeline.clone(),
            deployment_id: id,
        };
        let answer = self.answer(self.deployment_service().get_deployment(request)).await?;
        present(answer.deployment, "deployment").map(Into::into)
    }

    /// Lists the deployments of a pipeline, newest first.
    pub async fn deployments(
        &self,
        pipeline: &PipelineRef,
        page: &PageRequest,
    ) -> Result<Page<Deployment>> {
        let request = pb::ListDeploymentsRequest {
            namespace_id: pipeline.namespace.clone(),
            pipeline_id: pipeline.pipeline.clone(),
            page: page_request(page),
        };
        let answer = self.answer(self.deployment_service().list_deployments(request)).await?;
        Ok(page_info(answer.deployments.into_iter().map(Into::into).collect(), answer.page))
    }
}
