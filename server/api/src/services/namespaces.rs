//! Namespaces.

use gofer_core::problem::Problem;
use gofer_engine::records::NamespaceChange;
use gofer_proto::v1 as pb;
use pb::namespace_service_server::NamespaceService;
use tonic::{Request, Response, Status};

use super::Services;
use crate::convert::common;
use crate::parse;
use crate::status::status;

#[tonic::async_trait]
impl NamespaceService for Services {
    async fn create_namespace(
        &self,
        request: Request<pb::CreateNamespaceRequest>,
    ) -> Result<Response<pb::CreateNamespaceResponse>, Status> {
        let record = self.create(request.into_inner()).await.map_err(status)?;
        Ok(Response::new(pb::CreateNamespaceResponse { namespace: Some(record) }))
    }

    async fn get_namespace(
        &self,
        request: Request<pb::GetNamespaceRequest>,
    ) -> Result<Response<pb::GetNamespaceResponse>, Status> {
        let id = parse::namespace(&request.into_inner().id).map_err(status)?;
        let record = self.engine.read(move |reader| reader.namespace(&id)).await.map_err(status)?;
        Ok(Response::new(pb::GetNamespaceResponse { namespace: Some(common::namespace(record)) }))
    }

    async fn list_namespaces(
        &self,
        request: Request<pb::ListNamespacesRequest>,
    ) -> Result<Response<pb::ListNamespacesResponse>, Status> {
        let page = parse::page(request.into_inner().page);
        let found =
            self.engine.read(move |reader| reader.namespaces(None, &page)).await.map_err(status)?;
        let page = Some(common::page_info(&found));
        let namespaces = found.items.into_iter().map(common::namespace).collect();
        Ok(Response::new(pb::ListNamespacesResponse { namespaces, page }))
    }

    async fn update_namespace(
        &self,
        request: Request<pb::UpdateNamespaceRequest>,
    ) -> Result<Response<pb::UpdateNamespaceResponse>, Status> {
        let record = self.update(request.into_inner()).await.map_err(status)?;
        Ok(Response::new(pb::UpdateNamespaceResponse { namespace: Some(record) }))
    }

    async fn delete_namespace(
        &self,
        request: Request<pb::DeleteNamespaceRequest>,
    ) -> Result<Response<pb::DeleteNamespaceResponse>, Status> {
        let request = request.into_inner();
        let id = parse::namespace(&request.id).map_err(status)?;
        let counted = id.clone();
        let report = self
            .engine
            .read(move |reader| reader.namespace_deletion(&counted))
            .await
            .map_err(status)?;
        if !request.dry_run {
            self.engine.delete_namespace(id).await.map_err(status)?;
        }
        Ok(Response::new(pb::DeleteNamespaceResponse {
            report: Some(common::deletion_report(report)),
        }))
    }
}

impl Services {
    async fn create(&self, request: pb::CreateNamespaceRequest) -> Result<pb::Namespace, Problem> {
        let id = parse::namespace(&request.id)?;
        let name = parse::prose("name", request.name)?;
        let description = parse::prose("description", request.description)?;
        self.engine.create_namespace(id, name, description).await.map(common::namespace)
    }

    async fn update(&self, request: pb::UpdateNamespaceRequest) -> Result<pb::Namespace, Problem> {
        let id = parse::namespace(&request.id)?;
        let name = request.name.map(|name| parse::prose("name", name)).transpose()?;
        let description =
            request.description.map(|text| parse::prose("description", text)).transpose()?;
        self.engine
            .update_namespace(id, NamespaceChange { name, description })
            .await
            .map(common::namespace)
    }
}
