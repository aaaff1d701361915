//! The server itself.

use gofer_proto::v1 as pb;

use crate::model::{EngineInfo, EngineState, SystemInfo, Time};

impl From<pb::SystemInfo> for SystemInfo {
    fn from(wire: pb::SystemInfo) -> Self {
        Self {
            version: wire.version,
            commit: wire.commit,
            instance_id: wire.instance_id,
            engine: wire.engine.map(Into::into),
            started_at: Time::from_ms(wire.started_ms),
            data_dir: wire.data_dir,
            ingress_enabled: wire.ingress_enabled,
            dev_mode: wire.dev_mode,
        }
    }
}

impl From<pb::EngineInfo> for EngineInfo {
    fn from(wire: pb::EngineInfo) -> Self {
        Self {
            kind: wire.kind,
            version: wire.version,
            state: EngineState::from_wire(wire.state),
            reason: wire.reason,
            since: Time::from_ms(wire.since_ms),
        }
    }
}
