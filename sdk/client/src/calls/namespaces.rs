//! Calls on namespaces.

use gofer_proto::v1 as pb;
use gofer_proto::v1::namespace_service_client::NamespaceServiceClient;

use super::{Client, Mode, present};
use crate::channel::Wire;
use crate::convert::{page_info, page_request};
use crate::error::Result;
use crate::model::{DeletionReport, Namespace, Page, PageRequest};

/// A namespace that is to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewNamespace {
    /// Its id: 3 to 32 letters, digits and underscores.
    pub id: String,
    /// Name for people; empty: the id serves.
    pub name: String,
    /// What it is for; may be empty.
    pub description: String,
}

impl Client {
    fn namespace_service(&self) -> NamespaceServiceClient<Wire> {
        NamespaceServiceClient::new(self.wire.clone())
    }

    /// Makes a namespace.
    pub async fn create_namespace(&self, new: NewNamespace) -> Result<Namespace> {
        let request =
            pb::CreateNamespaceRequest { id: new.id, name: new.name, description: new.description };
        let answer = self.answer(self.namespace_service().create_namespace(request)).await?;
        present(answer.namespace, "namespace").map(Into::into)
    }

    /// Reads one namespace.
    pub async fn namespace(&self, id: &str) -> Result<Namespace> {
        let request = pb::GetNamespaceRequest { id: id.to_owned() };
        let answer = self.answer(self.namespace_service().get_namespace(request)).await?;
        present(answer.namespace, "namespace").map(Into::into)
    }

    /// Lists the namespaces that the caller may see, by id.
    pub async fn namespaces(&self, page: &PageRequest) -> Result<Page<Namespace>> {
        let request = pb::ListNamespacesRequest { page: page_request(page) };
        let answer = self.answer(self.namespace_service().list_namespaces(request)).await?;
        Ok(page_info(answer.namespaces.into_iter().map(Into::into).collect(), answer.page))
    }

    /// Changes the name or the description; `None` leaves it as it is.
    pub async fn update_namespace(
        &self,
        id: &str,
        name: Option<String>,
        description: Option<String>,
    ) -> Result<Namespace> {
        let request = pb::UpdateNamespaceRequest { id: id.to_owned(), name, description };
        let answer = self.answer(self.namespace_service().update_namespace(request)).await?;
        present(answer.namespace, "namespace").map(Into::into)
    }

    /// Deletes a namespace with all that is in it.
    pub async fn delete_namespace(&self, id: &str, mode: Mode) -> Result<DeletionReport> {
        let request = pb::DeleteNamespaceRequest { id: id.to_owned(), dry_run: mode.is_dry_run() };
        let answer = self.answer(self.namespace_service().delete_namespace(request)).await?;
        Ok(answer.report.into())
    }
}
