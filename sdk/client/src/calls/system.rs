//! Calls on the server itself.

use gofer_proto::v1 as pb;
use gofer_proto::v1::system_service_client::SystemServiceClient;

use super::{Client, present};
use crate::channel::Wire;
use crate::error::Result;
use crate::model::{Ingress, SystemInfo};

impl Client {
    fn system_service(&self) -> SystemServiceClient<Wire> {
        SystemServiceClient::new(self.wire.clone())
    }

    /// Tells what the server is. Needs no token.
    pub async fn info(&self) -> Result<SystemInfo> {
        let request = pb::GetInfoRequest {};
        let answer = self.answer(self.system_service().get_info(request)).await?;
        present(answer.info, "information").map(Into::into)
    }

    /// Tells whether new runs are accepted.
    pub async fn ingress(&self) -> Result<Ingress> {
        let request = pb::GetIngressRequest {};
        let answer = self.answer(self.system_service().get_ingress(request)).await?;
        Ok(Ingress { enabled: answer.enabled, changed: false })
    }

    /// Says whether new runs are accepted.
    pub async fn set_ingress(&self, enabled: bool) -> Result<Ingress> {
        let request = pb::SetIngressRequest { enabled };
        let answer = self.answer(self.system_service().set_ingress(request)).await?;
        Ok(Ingress { enabled: answer.enabled, changed: answer.changed })
    }
}
