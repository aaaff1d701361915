//! Removes the images that imports of this instance brought, that have lost their names, and that
//! no container needs. Images of others, pulled ones and those of other instances stay: a shared
//! engine is not ours to tidy, and `docker image prune` does that for whoever wants it.

use std::collections::HashSet;

use bollard::models::ImageSummary;
use bollard::query_parameters::ListContainersOptionsBuilder;
use gofer_core::ids::InstanceId;
use gofer_core::ports::driver::DriverError;
use gofer_core::ports::images::Pruned;

use super::{NAMELESS, all, mark, names};
use crate::client::Client;

pub(super) async fn prune(
    client: &Client,
    instance: &InstanceId,
    dry_run: bool,
) -> Result<Pruned, DriverError> {
    let unneeded = unneeded(client, instance).await?;
    let mut pruned = Pruned::default();
    for image in unneeded {
        // A container that came meanwhile keeps its image; so does a name.
        if dry_run || mark::take(client, &mark::of(instance, &image.id)).await? {
            pruned.freed_bytes = pruned.freed_bytes.saturating_add(own_bytes(&image));
            pruned.images.push(image.id);
        }
    }
    Ok(pruned)
}

async fn unneeded(
    client: &Client,
    instance: &InstanceId,
) -> Result<Vec<ImageSummary>, DriverError> {
    let images = all(client).await?;
    let options = ListContainersOptionsBuilder::default().all(true).build();
    let containers = client
        .read("list the engine's containers", |docker| async move {
            docker.list_containers(Some(options)).await
        })
        .await?;
    let used: HashSet<String> =
        containers.into_iter().filter_map(|container| container.image_id).collect();
    let is_unneeded = |image: &ImageSummary| {
        image.repo_tags.contains(&mark::of(instance, &image.id))
            && names(&image.repo_tags).is_empty()
            && image.repo_digests.iter().all(|digest| digest.contains(NAMELESS))
            && !used.contains(&image.id)
    };
    Ok(images.into_iter().filter(is_unneeded).collect())
}

/// Bytes that are the image's alone; engines before API 1.42 do not say what it shares.
fn own_bytes(image: &ImageSummary) -> u64 {
    u64::try_from(image.size.saturating_sub(image.shared_size.max(0))).unwrap_or(0)
}
