//! Texts and numbers of requests become ids here, at the edge.

use gofer_core::ids::{NamespaceId, PipelineId, PipelineKey, RunKey, TaskId, Version};
use gofer_core::pipeline::check_image_name;
use gofer_core::problem::Problem;
use gofer_engine::records::PageRequest;
use gofer_proto::v1 as pb;

/// Longest reason text, in bytes.
const REASON_BYTES_MAX: usize = 1024;
/// Longest idempotency key, in bytes.
const KEY_BYTES_MAX: usize = 256;

pub(crate) fn namespace(id: &str) -> Result<NamespaceId, Problem> {
    NamespaceId::parse(id)
}

pub(crate) fn pipeline(namespace_id: &str, pipeline_id: &str) -> Result<PipelineKey, Problem> {
    let namespace = NamespaceId::parse(namespace_id)?;
    Ok(PipelineKey { namespace, pipeline: PipelineId::parse(pipeline_id)? })
}

pub(crate) fn run(namespace_id: &str, pipeline_id: &str, run_id: u64) -> Result<RunKey, Problem> {
    let pipeline = pipeline(namespace_id, pipeline_id)?;
    if run_id == 0 {
        return Err(Problem::invalid_field("run_id", "0", "run ids begin with 1"));
    }
    if i64::try_from(run_id).is_err() {
        return Err(Problem::not_found(
            format!("run {run_id} of pipeline `{}`", pipeline.pipeline),
            Vec::new(),
        ));
    }
    Ok(RunKey { pipeline, run: run_id })
}

pub(crate) fn task(task_id: &str) -> Result<TaskId, Problem> {
    TaskId::parse(task_id)
}

/// The name of an image.
pub(crate) fn image(field: &str, name: String) -> Result<String, Problem> {
    check_image_name(field, &name)?;
    Ok(name)
}

/// The name of an image, or its id.
pub(crate) fn image_or_id(name: String) -> Result<String, Problem> {
    let Some(hex) = name.strip_prefix("sha256:") else {
        return image("name", name);
    };
    if hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return Ok(name);
    }
    let rule = "an image's id is `sha256:` and 64 hexadecimal digits";
    Err(Problem::invalid_field("name", &name, rule))
}

pub(crate) fn version(version: u64) -> Result<Version, Problem> {
    if version == 0 {
        return Err(Problem::invalid_field("version", "0", "versions begin with 1"));
    }
    if i64::try_from(version).is_err() {
        return Err(Problem::not_found(format!("version {version}"), Vec::new()));
    }
    Ok(version)
}

pub(crate) fn reason(text: String) -> Result<String, Problem> {
    bounded("reason", text, REASON_BYTES_MAX)
}

pub(crate) fn idempotency_key(key: Option<String>) -> Result<Option<String>, Problem> {
    let Some(key) = key else { return Ok(None) };
    if key.is_empty() {
        return Err(Problem::invalid_field(
            "idempotency_key",
            "",
            "leave it out, or give it at least one character",
        ));
    }
    bounded("idempotency_key", key, KEY_BYTES_MAX).map(Some)
}

fn bounded(field: &str, text: String, bytes_max: usize) -> Result<String, Problem> {
    if text.len() > bytes_max {
        let rule = format!("{field} has {} bytes; at most {bytes_max} are allowed", text.len());
        return Err(Problem::invalid_field(field, "…", rule));
    }
    if text.contains('\0') {
        return Err(Problem::invalid_field(
            field,
            "…",
            format!("{field} must not hold a NUL character"),
        ));
    }
    Ok(text)
}

/// A name or description for people.
pub(crate) fn prose(field: &str, text: String) -> Result<String, Problem> {
    const PROSE_BYTES_MAX: usize = 4096;
    bounded(field, text, PROSE_BYTES_MAX)
}

pub(crate) fn page(page: Option<pb::PageRequest>) -> PageRequest {
    let page = page.unwrap_or_default();
    PageRequest { limit: page.limit, cursor: page.cursor }
}

/// An enum word that this server must know.
pub(crate) fn word<E>(field: &str, number: i32, known: Option<E>) -> Result<E, Problem> {
    known.ok_or_else(|| {
        Problem::invalid_field(
            field,
            "…",
            format!("{field} holds {number}, which this server does not know"),
        )
    })
}
