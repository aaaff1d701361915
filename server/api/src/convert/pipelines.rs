//! Pipelines and their versions on the wire.

use gofer_core::pipeline::{ConfigState, Origin, OriginKind};
use gofer_core::problem::Problem;
use gofer_core::time::Timestamp;
use gofer_engine::records::{ConfigRecord, PipelineRecord};
use gofer_proto::v1 as pb;

use super::{drafts, runs};
use crate::parse;

pub(crate) fn pipeline(record: PipelineRecord) -> pb::Pipeline {
    let state =
        if record.enabled { pb::PipelineState::Active } else { pb::PipelineState::Disabled };
    pb::Pipeline {
        namespace_id: record.key.namespace.to_string(),
        id: record.key.pipeline.to_string(),
        name: record.name,
        description: record.description,
        state: state.into(),
        live_version: record.live,
        newest_version: record.newest.unwrap_or(0),
        created_ms: record.created.as_ms(),
        updated_ms: record.updated.as_ms(),
        last_run: record.last_run.as_ref().map(runs::brief),
    }
}

pub(crate) fn config(record: &ConfigRecord) -> pb::PipelineConfig {
    let state = match record.state {
        ConfigState::Unreleased => pb::PipelineConfigState::Unreleased,
        ConfigState::Live => pb::PipelineConfigState::Live,
        ConfigState::Deprecated => pb::PipelineConfigState::Deprecated,
    };
    pb::PipelineConfig {
        namespace_id: record.key.namespace.to_string(),
        pipeline_id: record.key.pipeline.to_string(),
        version: record.version,
        state: state.into(),
        content_hash: record.hash.clone(),
        registered_ms: record.registered.as_ms(),
        deprecated_ms: record.deprecated.map(Timestamp::as_ms),
        origin: Some(origin(&record.origin)),
        config: Some(drafts::pipeline(&record.config)),
    }
}

fn origin(origin: &Origin) -> pb::Origin {
    let kind = match origin.kind {
        OriginKind::Up => pb::OriginKind::Up,
        OriginKind::Watch => pb::OriginKind::Watch,
        OriginKind::Api => pb::OriginKind::Api,
    };
    pb::Origin {
        kind: kind.into(),
        git_commit: origin.git_commit.clone(),
        git_dirty: origin.git_commit.as_ref().map(|_| origin.git_dirty),
        author: origin.author.clone(),
    }
}

pub(crate) fn parse_origin(origin: Option<pb::Origin>) -> Result<Origin, Problem> {
    let origin = origin.unwrap_or_default();
    let kind = match pb::OriginKind::try_from(origin.kind) {
        Ok(pb::OriginKind::Unspecified | pb::OriginKind::Api) => Some(OriginKind::Api),
        Ok(pb::OriginKind::Up) => Some(OriginKind::Up),
        Ok(pb::OriginKind::Watch) => Some(OriginKind::Watch),
        Err(_unknown) => None,
    };
    let author = origin.author.map(|author| parse::prose("origin.author", author)).transpose()?;
    let git_commit =
        origin.git_commit.map(|commit| parse::prose("origin.git_commit", commit)).transpose()?;
    Ok(Origin {
        kind: parse::word("origin.kind", origin.kind, kind)?,
        git_commit,
        git_dirty: origin.git_dirty.unwrap_or(false),
        author,
    })
}
