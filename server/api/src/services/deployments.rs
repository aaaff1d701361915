//! Deployments: which version is live.

use gofer_core::problem::Problem;
use gofer_core::run::Actor;
use gofer_engine::records::{DeployOrder, Deployed, RollbackOrder};
use gofer_proto::v1 as pb;
use pb::deployment_service_server::DeploymentService;
use tonic::{Request, Response, Status};

use super::{Services, mode};
use crate::caller::caller;
use crate::convert::{common, deployments};
use crate::parse;
use crate::status::status;

#[tonic::async_trait]
impl DeploymentService for Services {
    async fn deploy(
        &self,
        request: Request<pb::DeployRequest>,
    ) -> Result<Response<pb::DeployResponse>, Status> {
        let by = caller(&request);
        let deployed = self.deploy_version(request.into_inner(), by).await.map_err(status)?;
        let deployment = Some(deployments::deployment(&deployed.deployment));
        Ok(Response::new(pb::DeployResponse { deployment, changed: deployed.changed }))
    }

    async fn rollback(
        &self,
        request: Request<pb::RollbackRequest>,
    ) -> Result<Response<pb::RollbackResponse>, Status> {
        let by = caller(&request);
        let deployed = self.roll_back(request.into_inner(), by).await.map_err(status)?;
        let deployment = Some(deployments::deployment(&deployed.deployment));
        Ok(Response::new(pb::RollbackResponse { deployment, changed: deployed.changed }))
    }

    async fn get_deployment(
        &self,
        request: Request<pb::GetDeploymentRequest>,
    ) -> Result<Response<pb::GetDeploymentResponse>, Status> {
        let request = request.into_inner();
        let key = parse::pipeline(&request.namespace_id, &request.pipeline_id).map_err(status)?;
        let id = request.deployment_id;
        if i64::try_from(id).is_err() {
            return Err(status(Problem::not_found(format!("deployment {id}"), Vec::new())));
        }
        let record =
            self.engine.read(move |reader| reader.deployment(&key, id)).await.map_err(status)?;
        let deployment = Some(deployments::deployment(&record));
        Ok(Response::new(pb::GetDeploymentResponse { deployment }))
    }

    async fn list_deployments(
        &self,
        request: Request<pb::ListDeploymentsRequest>,
    ) -> Result<Response<pb::ListDeploymentsResponse>, Status> {
        let request = request.into_inner();
        let key = parse::pipeline(&request.namespace_id, &request.pipeline_id).map_err(status)?;
        let page = parse::page(request.page);
        let found = self
            .engine
            .read(move |reader| reader.deployments(&key, &page))
            .await
            .map_err(status)?;
        let page = Some(common::page_info(&found));
        let deployments = found.items.iter().map(deployments::deployment).collect();
        Ok(Response::new(pb::ListDeploymentsResponse { deployments, page }))
    }
}

impl Services {
    async fn deploy_version(
        &self,
        request: pb::DeployRequest,
        by: Actor,
    ) -> Result<Deployed, Problem> {
        let known = match pb::DeploymentStrategy::try_from(request.strategy) {
            Ok(pb::DeploymentStrategy::Unspecified | pb::DeploymentStrategy::Immediate) => Some(()),
            Err(_unknown) => None,
        };
        parse::word("strategy", request.strategy, known)?;
        let order = DeployOrder {
            key: parse::pipeline(&request.namespace_id, &request.pipeline_id)?,
            version: parse::version(request.version)?,
            base: request.base_version,
            version_limit: self.engine.config().pipeline_version_limit,
            by,
            reason: parse::reason(request.reason)?,
        };
        self.engine.deploy(order, mode(request.dry_run)).await
    }

    async fn roll_back(
        &self,
        request: pb::RollbackRequest,
        by: Actor,
    ) -> Result<Deployed, Problem> {
        let order = RollbackOrder {
            key: parse::pipeline(&request.namespace_id, &request.pipeline_id)?,
            base: request.base_version,
            version_limit: self.engine.config().pipeline_version_limit,
            by,
            reason: parse::reason(request.reason)?,
        };
        self.engine.rollback(order, mode(request.dry_run)).await
    }
}
