//! The server itself.

use serde::Serialize;

use super::{Time, words};

/// What a server is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SystemInfo {
    /// Version of Gofer.
    pub version: String,
    /// Commit that it was built from. `None`: unknown.
    pub commit: Option<String>,
    /// Id of its data directory.
    pub instance_id: String,
    /// The container engine. `None`: the server names none.
    pub engine: Option<EngineInfo>,
    /// When it started.
    pub started_at: Time,
    /// Where it keeps its data.
    pub data_dir: String,
    /// Whether new runs are accepted.
    pub ingress_enabled: bool,
    /// Whether it runs in development mode.
    pub dev_mode: bool,
}

/// The container engine of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EngineInfo {
    /// Which engine.
    pub kind: String,
    /// Version that it names. `None`: it has not answered yet.
    pub version: Option<String>,
    /// Whether it answers.
    pub state: EngineState,
    /// Since when it is in that state.
    pub since: Time,
    /// Why the server uses this one, as half a sentence.
    pub reason: String,
}

words! {
    /// Whether the container engine answers.
    EngineState is gofer_proto::v1::EngineState {
        /// It does.
        Up = "UP",
    }
}

/// Whether new runs are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Ingress {
    /// Whether they are.
    pub enabled: bool,
    /// Whether the call changed that.
    pub changed: bool,
}
