//! The server itself.

use gofer_engine::EngineState;
use gofer_proto::v1 as pb;
use pb::system_service_server::SystemService;
use tonic::{Request, Response, Status};

use super::Services;
use crate::status::status;

#[tonic::async_trait]
impl SystemService for Services {
    async fn get_info(
        &self,
        _request: Request<pb::GetInfoRequest>,
    ) -> Result<Response<pb::GetInfoResponse>, Status> {
        let ingress_enabled = self.engine.read(|reader| reader.ingress()).await.map_err(status)?;
        let info = pb::SystemInfo {
            version: self.facts.version.clone(),
            commit: self.facts.commit.clone(),
            instance_id: self.engine.instance().to_string(),
            engine: Some(self.engine_info().await),
            started_ms: self.facts.started_ms,
            data_dir: self.facts.data_dir.clone(),
            ingress_enabled,
            dev_mode: self.facts.dev_mode,
        };
        Ok(Response::new(pb::GetInfoResponse { info: Some(info) }))
    }

    async fn get_ingress(
        &self,
        _request: Request<pb::GetIngressRequest>,
    ) -> Result<Response<pb::GetIngressResponse>, Status> {
        let enabled = self.engine.read(|reader| reader.ingress()).await.map_err(status)?;
        Ok(Response::new(pb::GetIngressResponse { enabled }))
    }

    async fn set_ingress(
        &self,
        request: Request<pb::SetIngressRequest>,
    ) -> Result<Response<pb::SetIngressResponse>, Status> {
        let enabled = request.into_inner().enabled;
        let changed = self.engine.set_ingress(enabled).await.map_err(status)?;
        Ok(Response::new(pb::SetIngressResponse { enabled, changed }))
    }
}

impl Services {
    /// Who the container engine is. Asked now, so that the answer is true now.
    async fn engine_info(&self) -> pb::EngineInfo {
        let asked = self.engine.driver().info().await;
        let (state, since_ms) = match (&asked, self.engine.engine_state()) {
            (Ok(_), EngineState::Up) => (pb::EngineState::Up, self.facts.started_ms),
            (Ok(_), EngineState::Unknown { .. }) => (pb::EngineState::Up, self.facts.started_ms),
            (Err(_), EngineState::Unknown { since, .. }) => {
                (pb::EngineState::Unknown, since.as_ms())
            }
            (Err(_), EngineState::Up) => (pb::EngineState::Unknown, self.facts.started_ms),
        };
        let (kind, version) = match asked {
            Ok(info) => (info.kind, Some(info.version)),
            Err(_unreachable) => (self.facts.engine_kind.clone(), None),
        };
        let reason = self.facts.engine_reason.clone();
        pb::EngineInfo { kind, version, state: state.into(), since_ms, reason }
    }
}
