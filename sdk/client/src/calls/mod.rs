//! One request, one answer. Each file holds the calls of one noun; what they share is here: the
//! connection, the time limit, and the reading of errors.

mod deployments;
mod events;
mod images;
mod logs;
mod namespaces;
mod pipelines;
mod runs;
mod system;
mod task_runs;

use std::sync::Arc;

use tonic::{Response, Status};

use crate::Target;
use crate::channel::{self, Wire};
use crate::error::{ClientError, ErrorKind, Result};

pub use deployments::{Deploy, Rollback};
pub use events::EventQuery;
pub use images::{ImportImages, Piece};
pub use logs::{LogStart, ReadLog};
pub use namespaces::NewNamespace;
pub use runs::{Cancel, RunQuery, StartRun};

/// A connection to a server. Cheap to clone; clones share the connection.
#[derive(Debug, Clone)]
pub struct Client {
    pub(crate) wire: Wire,
    pub(crate) target: Arc<Target>,
}

/// Whether a change is made, or only checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It is made.
    Commit,
    /// The server checks in full and answers what would happen.
    DryRun,
}

impl Mode {
    pub(crate) fn is_dry_run(self) -> bool {
        self == Self::DryRun
    }
}

impl Client {
    /// A client of that server. Connects when it is first used, so this fails only for settings that
    /// cannot be right. Must be called inside a tokio runtime.
    pub fn connect(target: &Target) -> Result<Self> {
        Ok(Self { wire: channel::open(target)?, target: Arc::new(target.clone()) })
    }

    /// The address of the server.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.target.host
    }

    /// Awaits the answer to one call, within the time limit.
    pub(crate) async fn answer<T>(
        &self,
        call: impl Future<Output = std::result::Result<Response<T>, Status>>,
    ) -> Result<T> {
        let limit = self.target.timeouts.call;
        match tokio::time::timeout(limit, call).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(ClientError::from_status(self.host(), status)),
            Err(_) => Err(ClientError::lost(
                self.host(),
                &format!("no answer within {} ms from", limit.as_millis()),
            )),
        }
    }
}

/// A message that must be there; only a server with a fault leaves it out.
pub(crate) fn present<T>(message: Option<T>, what: &str) -> Result<T> {
    message.ok_or_else(|| {
        ClientError::new(
            ErrorKind::Internal,
            "INCOMPLETE_ANSWER",
            format!("the server's answer holds no {what}"),
        )
    })
}
