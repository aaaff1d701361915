//! Why a server could not start, worded for the person who starts it.

use std::net::SocketAddr;
use std::path::PathBuf;

use gofer_core::problem::{Kind, Problem};

/// Why a server could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Without access control nobody but this machine may reach the server.
    #[error(
        "this release has no access control yet, so it starts in development mode only; add --dev-mode"
    )]
    NotDevMode,
    /// Development mode knows no users.
    #[error(
        "development mode lets everybody in, so it listens on loopback addresses only, and {address} is not one; use 127.0.0.1:{}",
        address.port()
    )]
    NotLoopback {
        /// The refused address.
        address: SocketAddr,
    },
    /// A setting has a value that it cannot have, or there is no such setting.
    #[error("{place}: {rule}")]
    Setting {
        /// Where it stands: `file:line`, or the variable with its value.
        place: String,
        /// What is wrong with it and what it may be.
        rule: String,
    },
    /// The store could not be opened.
    #[error(transparent)]
    Store(#[from] gofer_store::OpenError),
    /// A file could not be read or written.
    #[error("could not {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The address could not be listened on.
    #[error("could not listen on {address}; is another server running there?")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The certificate could not be made or used.
    #[error("could not {what}")]
    Tls {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The container engine's address makes no sense.
    #[error("the container engine cannot be used: {0}")]
    Driver(#[from] gofer_core::ports::driver::DriverError),
    /// Neither engine can be used, and none was asked for.
    #[error("no container engine can be used. Docker: {docker}. Embedded: {embedded}")]
    NoEngine {
        /// Why not Docker.
        docker: String,
        /// Why not the embedded one.
        embedded: String,
    },
    /// The engine could not start.
    #[error("the server could not start: {0}")]
    Engine(Problem),
    /// Serving ended by itself.
    #[error("serving ended by itself")]
    ServingEnded,
    /// Serving ended with an error.
    #[error("serving ended")]
    Serve(#[source] tonic::transport::Error),
}

impl StartError {
    /// The kind, for the exit code.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::NotDevMode | Self::NotLoopback { .. } | Self::Setting { .. } => Kind::Invalid,
            Self::Store(gofer_store::OpenError::Locked { .. }) => Kind::Rejected,
            Self::Store(gofer_store::OpenError::Full { .. }) => Kind::Full,
            Self::Store(
                gofer_store::OpenError::Io { .. }
                | gofer_store::OpenError::Foreign { .. }
                | gofer_store::OpenError::Damaged { .. }
                | gofer_store::OpenError::Newer { .. }
                | gofer_store::OpenError::Sql { .. },
            ) => Kind::Rejected,
            Self::Io { .. } | Self::Listen { .. } => Kind::Rejected,
            Self::Tls { .. } | Self::Serve(_) | Self::ServingEnded => Kind::Internal,
            Self::Driver(_) | Self::NoEngine { .. } => Kind::Unavailable,
            Self::Engine(problem) => problem.kind,
        }
    }
}
