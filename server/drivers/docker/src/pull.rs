//! Brings an image to the engine, by the task's policy. Dropping the future cancels the pull: the
//! engine ends it when our connection closes.

use std::collections::HashMap;
use std::path::Path;

use bollard::errors::Error;
use bollard::models::{CreateImageInfo, ImageInspect};
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::StreamExt;
use gofer_core::pipeline::PullPolicy;
use gofer_core::ports::driver::{
    DriverError, FaultKind, ProgressSink, PullProgress, PullRequest, PulledImage,
};
use gofer_images::Reference;

use crate::client::Client;
use crate::{credentials, fault, limits};

/// The status line that carries the digest of what was pulled.
const DIGEST_LINE: &str = "Digest: ";

pub(crate) async fn pull(
    client: &Client,
    config_file: Option<&Path>,
    request: &PullRequest,
    progress: &ProgressSink,
) -> Result<PulledImage, DriverError> {
    let reference = Reference::parse(&request.image);
    let present = match request.policy {
        PullPolicy::Always => None,
        PullPolicy::IfNotPresent | PullPolicy::Never => look(client, &request.image).await?,
    };
    if let Some(image) = present {
        return pulled(&reference, image, None);
    }
    if request.policy == PullPolicy::Never {
        let message = format!(
            "could not use image {}: it is not on the engine, and its pull policy is never",
            request.image
        );
        return Err(DriverError::new(FaultKind::Image, message));
    }
    let digest = fetch(client, config_file, request, &reference, progress).await?;
    let image = look(client, &reference.full).await?.ok_or_else(|| {
        let message =
            format!("could not pull image {}: it was pulled and is gone again", request.image);
        DriverError { retryable: true, ..DriverError::new(FaultKind::Image, message) }
    })?;
    pulled(&reference, image, digest)
}

pub(crate) async fn look(
    client: &Client,
    image: &str,
) -> Result<Option<ImageInspect>, DriverError> {
    let name = image.to_owned();
    let found = client
        .read(&format!("inspect image {image}"), |docker| async move {
            docker.inspect_image(&name).await
        })
        .await;
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => match error.engine_text() {
            Some((400, text)) => Err(fault::of_pull(image, text)),
            Some(_) | None => Err(error.fault),
        },
    }
}

async fn fetch(
    client: &Client,
    config_file: Option<&Path>,
    request: &PullRequest,
    reference: &Reference,
    progress: &ProgressSink,
) -> Result<Option<String>, DriverError> {
    let credentials = credentials::find(request.auth.as_ref(), config_file, reference).await;
    let docker = client.ready().await?;
    let options = CreateImageOptionsBuilder::default().from_image(&reference.full).build();
    let mut lines = docker.create_image(Some(options), None, credentials);
    let mut layers = Layers::default();
    let mut digest = None;
    loop {
        let next = tokio::time::timeout(limits::PULL_SILENCE_MAX, lines.next()).await;
        let line = next.map_err(|_| {
            let message = format!(
                "could not pull image {}: the engine said nothing for {} seconds",
                request.image,
                limits::PULL_SILENCE_MAX.as_secs()
            );
            DriverError { retryable: true, ..DriverError::new(FaultKind::Image, message) }
        })?;
        let Some(line) = line else {
            return Ok(digest);
        };
        let line = line.map_err(|error| pull_fault(&request.image, &error))?;
        if let Some(text) =
            line.status.as_deref().and_then(|status| status.strip_prefix(DIGEST_LINE))
        {
            digest = Some(text.to_owned());
        }
        if let Some(now) = layers.heard(&line) {
            progress(now);
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the rest is between us and the engine")]
fn pull_fault(image: &str, error: &Error) -> DriverError {
    match error {
        Error::DockerResponseServerError { status_code: 502..=504, .. } => {
            fault::of_call(&format!("pull image {image}"), error)
        }
        Error::DockerResponseServerError { message, .. } => fault::of_pull(image, message),
        Error::DockerStreamError { error } => fault::of_pull(image, error),
        _ => fault::of_call(&format!("pull image {image}"), error),
    }
}

fn pulled(
    reference: &Reference,
    image: ImageInspect,
    fresh: Option<String>,
) -> Result<PulledImage, DriverError> {
    let recorded = image.repo_digests.unwrap_or_default();
    let prefix = format!("{}@", reference.name);
    let digest = match fresh {
        Some(fresh) => Some(format!("{prefix}{fresh}")),
        // Under this name first; an image that came under another is still that image.
        None => {
            recorded.iter().find(|digest| digest.starts_with(&prefix)).or(recorded.first()).cloned()
        }
    };
    let image_id = image.id.ok_or_else(|| {
        let message = format!("could not inspect image {}: the answer names no id", reference.full);
        DriverError::new(FaultKind::Engine, message)
    })?;
    Ok(PulledImage { image_id, digest })
}

/// Sums the engine's progress, which it tells per layer: first download, then extraction. Only the
/// download counts, so that the sum never falls.
#[derive(Default)]
struct Layers {
    by_id: HashMap<String, PullProgress>,
    told: Option<PullProgress>,
}

impl Layers {
    /// The new sum, where this line changed it.
    fn heard(&mut self, line: &CreateImageInfo) -> Option<PullProgress> {
        let layer = self.by_id.entry(line.id.clone()?).or_default();
        let detail = line.progress_detail.clone().unwrap_or_default();
        let size =
            |bytes: Option<i64>| bytes.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0);
        match line.status.as_deref() {
            Some("Downloading") => {
                layer.current_bytes = layer.current_bytes.max(size(detail.current));
                layer.total_bytes =
                    layer.total_bytes.max(size(detail.total)).max(layer.current_bytes);
            }
            Some("Download complete" | "Pull complete") => layer.current_bytes = layer.total_bytes,
            // Waiting, verifying, extracting: nothing is fetched.
            Some(_) | None => return None,
        }
        let sum = self.by_id.values().fold(PullProgress::default(), |sum, layer| PullProgress {
            current_bytes: sum.current_bytes.saturating_add(layer.current_bytes),
            total_bytes: sum.total_bytes.saturating_add(layer.total_bytes),
        });
        let changed = self.told != Some(sum);
        self.told = Some(sum);
        changed.then_some(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard::models::ProgressDetail;

    fn line(id: &str, status: &str, detail: Option<(i64, i64)>) -> CreateImageInfo {
        CreateImageInfo {
            id: Some(id.to_owned()),
            status: Some(status.to_owned()),
            progress_detail: detail.map(|(current, total)| ProgressDetail {
                current: Some(current),
                total: Some(total),
            }),
            error_detail: None,
        }
    }

    #[test]
    fn progress_is_the_sum_over_layers_and_never_falls() {
        let mut layers = Layers::default();
        let mut heard = |id, status, detail| {
            layers.heard(&line(id, status, detail)).map(|sum| (sum.current_bytes, sum.total_bytes))
        };
        assert_eq!(heard("a", "Pulling fs layer", None), None);
        assert_eq!(heard("a", "Downloading", Some((10, 100))), Some((10, 100)));
        assert_eq!(heard("b", "Downloading", Some((5, 50))), Some((15, 150)));
        assert_eq!(heard("a", "Downloading", Some((10, 100))), None);
        assert_eq!(heard("a", "Download complete", None), Some((105, 150)));
        assert_eq!(heard("a", "Extracting", Some((1, 100))), None);
        assert_eq!(heard("a", "Pull complete", None), None);
        assert_eq!(heard("b", "Pull complete", None), Some((150, 150)));
    }

    #[test]
    fn the_digest_is_the_one_under_the_pulled_name() {
        let image = || ImageInspect {
            id: Some("sha256:1".to_owned()),
            repo_digests: Some(vec!["other@sha256:2".to_owned(), "r.io/app@sha256:3".to_owned()]),
            ..ImageInspect::default()
        };
        let check = |name: &str, fresh: Option<&str>, want: &str| {
            let got = pulled(&Reference::parse(name), image(), fresh.map(str::to_owned)).unwrap();
            assert_eq!(got.digest.as_deref(), Some(want), "{name}");
        };
        check("r.io/app:1", None, "r.io/app@sha256:3");
        check("app:1", None, "other@sha256:2");
        check("r.io/app:1", Some("sha256:4"), "r.io/app@sha256:4");
    }
}
