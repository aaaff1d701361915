//! One file per service. A handler parses, asks the engine and converts; it holds no state but the
//! handle to the engine and a few facts about the server.

mod deployments;
mod events;
mod images;
mod logs;
mod namespaces;
mod pipelines;
mod runs;
mod system;
mod task_runs;
mod watch;

use std::path::Path;
use std::sync::Arc;

use gofer_engine::Engine;
use gofer_proto::v1 as pb;
use pb::deployment_service_server::DeploymentServiceServer;
use pb::event_service_server::EventServiceServer;
use pb::images_service_server::ImagesServiceServer;
use pb::log_service_server::LogServiceServer;
use pb::namespace_service_server::NamespaceServiceServer;
use pb::pipeline_service_server::PipelineServiceServer;
use pb::run_service_server::RunServiceServer;
use pb::system_service_server::SystemServiceServer;
use pb::task_run_service_server::TaskRunServiceServer;
use tonic::service::Routes;

use crate::unreadable::Blaming;
use crate::upload::Uploads;

/// The largest request that is read: the largest pipeline, with room to spare.
const REQUEST_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What the server knows about itself and the engine does not.
#[derive(Debug, Clone)]
pub struct ServerFacts {
    /// The server's version.
    pub version: String,
    /// The commit that it was built from, where that is known.
    pub commit: Option<String>,
    /// When it started, milliseconds since the epoch.
    pub started_ms: i64,
    /// Its data directory.
    pub data_dir: String,
    /// The kind of its container engine.
    pub engine_kind: String,
    /// Why it is that engine, as half a sentence.
    pub engine_reason: String,
    /// Whether it runs in development mode.
    pub dev_mode: bool,
}

/// All services over one engine.
#[derive(Debug, Clone)]
pub struct Services {
    engine: Engine,
    facts: Arc<ServerFacts>,
    uploads: Arc<Uploads>,
}

impl Services {
    /// The services of an engine.
    #[must_use]
    pub fn new(engine: Engine, facts: ServerFacts) -> Self {
        let uploads = Arc::new(Uploads::new(Path::new(&facts.data_dir)));
        Self { engine, facts: Arc::new(facts), uploads }
    }

    /// The services as routes for a server.
    #[must_use]
    pub fn routes(self) -> Routes {
        let limit = REQUEST_BYTES_MAX;
        let mut routes = Routes::builder();
        let service = NamespaceServiceServer::new(self.clone());
        routes.add_service(Blaming(service.max_decoding_message_size(limit)));
        let service = PipelineServiceServer::new(self.clone());
        routes.add_service(Blaming(service.max_decoding_message_size(limit)));
        let service = DeploymentServiceServer::new(self.clone());
        routes.add_service(Blaming(service.max_decoding_message_size(limit)));
        let service = RunServiceServer::new(self.clone());
        routes.add_service(Blaming(service.max_decoding_message_size(limit)));
        let service = TaskRunServiceServer::new(self.clone());
        routes.add_service(Blaming(service.max_decoding_message_size(limit)));
        let service = LogServiceServer::new(self.clone());
        routes.add_service(Blaming(service.max_decoding_message_size(limit)));
        let service = EventServiceServer::new(self.clone());
        routes.add_service(Blaming(service.max_decoding_message_size(limit)));
        let service = ImagesServiceServer::new(self.clone());
        routes.add_service(Blaming(service.max_decoding_message_size(limit)));
        let service = SystemServiceServer::new(self);
        routes.add_service(Blaming(service.max_decoding_message_size(limit)));
        routes.routes()
    }
}

/// Whether a call does what it says or only tries it.
fn mode(dry_run: bool) -> gofer_engine::Mode {
    if dry_run { gofer_engine::Mode::Rehearse } else { gofer_engine::Mode::Do }
}

/// How hard a cancel is.
fn force(force: bool) -> gofer_core::run::Force {
    if force { gofer_core::run::Force::Kill } else { gofer_core::run::Force::Grace }
}
