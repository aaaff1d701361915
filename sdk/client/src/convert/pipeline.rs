//! Pipelines and their versions.

use gofer_proto::v1 as pb;

use super::time;
use crate::model::{
    ConfigState, Origin, OriginKind, Pipeline, PipelineConfig, PipelineRef, PipelineState, Time,
};

impl From<pb::Pipeline> for Pipeline {
    fn from(wire: pb::Pipeline) -> Self {
        Self {
            path: PipelineRef::new(&wire.namespace_id, &wire.id).to_string(),
            namespace_id: wire.namespace_id,
            id: wire.id,
            name: wire.name,
            description: wire.description,
            state: PipelineState::from_wire(wire.state),
            live_version: wire.live_version,
            newest_version: wire.newest_version,
            created_at: Time::from_ms(wire.created_ms),
            updated_at: Time::from_ms(wire.updated_ms),
            last_run: wire.last_run.map(Into::into),
        }
    }
}

impl From<pb::PipelineConfig> for PipelineConfig {
    fn from(wire: pb::PipelineConfig) -> Self {
        let origin = wire.origin.unwrap_or_default();
        Self {
            namespace_id: wire.namespace_id,
            pipeline_id: wire.pipeline_id,
            version: wire.version,
            state: ConfigState::from_wire(wire.state),
            content_hash: wire.content_hash,
            registered_at: Time::from_ms(wire.registered_ms),
            deprecated_at: time(wire.deprecated_ms),
            origin: Origin {
                kind: OriginKind::from_wire(origin.kind),
                git_commit: origin.git_commit,
                git_dirty: origin.git_dirty,
                author: origin.author,
            },
            config: wire.config.map(Into::into),
        }
    }
}

impl From<Origin> for pb::Origin {
    fn from(origin: Origin) -> Self {
        Self {
            kind: origin.kind.into(),
            git_commit: origin.git_commit,
            git_dirty: origin.git_dirty,
            author: origin.author,
        }
    }
}
