//! The images of a Docker engine, as the port sees them. An engine is shared with others, so each
//! image that an import brought gets one name more, the mark of this instance (`mark.rs`): only
//! what carries it is ever pruned. The mark is never shown, and is no name to anybody but us.
//!
//! ```text
//!  import: survey ─> load without names ─> mark what is new ─> give names     import.rs
//!  list, remove                                                               here
//!  prune: marked, no other name, no container ─> take the mark                prune.rs
//! ```

mod import;
mod mark;
mod prune;

use std::collections::BTreeSet;

use bollard::models::{ImageInspect, ImageSummary};
use bollard::query_parameters::{ListImagesOptionsBuilder, RemoveImageOptionsBuilder};
use futures_util::future::BoxFuture;
use gofer_core::ids::InstanceId;
use gofer_core::pipeline::check_image_name;
use gofer_core::ports::driver::{DriverError, FaultKind};
use gofer_core::ports::images::{Image, ImageArchive, Images, Pruned};
use gofer_images::Reference;

use crate::DockerDriver;
use crate::client::{CallError, Client};
use crate::pull::look;

/// What Docker writes where an image has no name.
const NAMELESS: &str = "<none>";

impl Images for DockerDriver {
    fn import(&self, archive: ImageArchive) -> BoxFuture<'_, Result<Vec<Image>, DriverError>> {
        Box::pin(import::import(&self.client, &self.settings.instance, archive))
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<Image>, DriverError>> {
        Box::pin(async { Ok(shown(&all(&self.client).await?)) })
    }

    fn remove(&self, name: &str) -> BoxFuture<'_, Result<bool, DriverError>> {
        let name = name.to_owned();
        Box::pin(async move { remove(&self.client, &self.settings.instance, &name).await })
    }

    fn prune(&self, dry_run: bool) -> BoxFuture<'_, Result<Pruned, DriverError>> {
        Box::pin(prune::prune(&self.client, &self.settings.instance, dry_run))
    }
}

/// Every image of the engine, in its order.
async fn all(client: &Client) -> Result<Vec<ImageSummary>, DriverError> {
    let options = ListImagesOptionsBuilder::default().shared_size(true).build();
    let tried = "list the engine's images";
    Ok(client.read(tried, |docker| async move { docker.list_images(Some(options)).await }).await?)
}

/// As the port wants them: by name, those without one last.
fn shown(found: &[ImageSummary]) -> Vec<Image> {
    let mut images: Vec<Image> = found.iter().map(image).collect();
    images.sort_by(|a, b| {
        let key = |one: &Image| (one.names.is_empty(), one.names.first().cloned(), one.id.clone());
        key(a).cmp(&key(b))
    });
    images
}

fn image(found: &ImageSummary) -> Image {
    Image {
        id: found.id.clone(),
        names: names(&found.repo_tags),
        size_bytes: u64::try_from(found.size).unwrap_or(0),
        // Docker's "never" is year 1.
        created_ms: Some(found.created).filter(|s| *s >= 0).map(|s| s.saturating_mul(1000)),
    }
}

/// The names among `tags` that people gave.
fn names(tags: &[String]) -> Vec<String> {
    let given = |tag: &&String| !tag.contains(NAMELESS) && !mark::is_mark(tag);
    let names: BTreeSet<_> = tags.iter().filter(given).cloned().collect();
    names.into_iter().collect()
}

async fn remove(client: &Client, instance: &InstanceId, name: &str) -> Result<bool, DriverError> {
    let by_id = name.starts_with("sha256:");
    let wanted = if by_id { check_id(name)? } else { full_name(name)? };
    let Some(found) = look(client, &wanted).await? else {
        return Ok(false);
    };
    let id = found.id.clone().unwrap_or_default();
    for name in if by_id { all_names(&found) } else { vec![wanted] } {
        take_name(client, &name).await?;
    }
    let Some(left) = look(client, &id).await? else {
        return Ok(true);
    };
    if all_names(&left).is_empty() {
        let tags = left.repo_tags.unwrap_or_default();
        let mark = mark::of(instance, &id);
        if tags.contains(&mark) {
            // A container may need it still: then the next prune takes it.
            mark::take(client, &mark).await?;
        } else if by_id && tags.is_empty() {
            take_name(client, &id).await?;
        }
    }
    Ok(true)
}

/// The names of an image, with those that a registry's digest makes.
fn all_names(found: &ImageInspect) -> Vec<String> {
    let mut all = names(found.repo_tags.as_deref().unwrap_or_default());
    let digests = found.repo_digests.iter().flatten();
    all.extend(digests.filter(|digest| !digest.contains(NAMELESS)).cloned());
    all
}

/// Takes a name; gone already is fine. The engine removes the image with its last name.
async fn take_name(client: &Client, name: &str) -> Result<(), DriverError> {
    match untag(client, name).await {
        Ok(_) => Ok(()),
        Err(error) if error.is_absent() => Ok(()),
        Err(error) if error.is_conflict() => {
            Err(DriverError::new(FaultKind::Config, error.fault.message))
        }
        Err(error) => Err(error.fault),
    }
}

/// Asks the engine to take a name, and to remove the image where it was the last; gives whether
/// the image went.
async fn untag(client: &Client, name: &str) -> Result<bool, CallError> {
    let options = RemoveImageOptionsBuilder::default().build();
    let owned = name.to_owned();
    let removed = client
        .act(&format!("remove image {name}"), |docker| async move {
            docker.remove_image(&owned, Some(options), None).await
        })
        .await?;
    Ok(removed.iter().any(|item| item.deleted.is_some()))
}

/// The whole of a name, checked: it becomes part of a path.
fn full_name(name: &str) -> Result<String, DriverError> {
    let invalid = |problem: gofer_core::problem::Problem| {
        DriverError::new(FaultKind::Config, format!("could not use the name {name:?}: {problem}"))
    };
    check_image_name("name", name).map_err(invalid)?;
    Ok(Reference::parse(name).full)
}

fn check_id(id: &str) -> Result<String, DriverError> {
    let hex = id.strip_prefix("sha256:").unwrap_or_default();
    if !hex.is_empty() && hex.len() <= 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(id.to_owned());
    }
    let message = format!("could not use {id:?}: an image's id is sha256: and hexadecimal digits");
    Err(DriverError::new(FaultKind::Config, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_and_missing_names_are_no_names() {
        let id = format!("sha256:{}", "a".repeat(64));
        let instance = InstanceId::parse(&"0".repeat(26)).unwrap();
        let tags = ["b:1".to_owned(), "<none>:<none>".to_owned(), mark::of(&instance, &id)];
        assert_eq!(names(&tags), ["b:1"]);
        assert_eq!(names(&["gofer-import/x:1".to_owned()]), ["gofer-import/x:1"]);
    }

    #[test]
    fn nothing_but_a_name_or_an_id_becomes_part_of_a_path() {
        assert_eq!(full_name("a/b").unwrap(), "a/b:latest");
        for bad in ["", "a?force=true", "../containers/x", "a b", "A", "a#", "a%2f", "a/../b"] {
            assert_eq!(full_name(bad).unwrap_err().kind, FaultKind::Config, "{bad}");
        }
        for bad in ["sha256:", "sha256:xyz", "sha256:ab/json", "sha256:ab?force=1"] {
            assert_eq!(check_id(bad).unwrap_err().kind, FaultKind::Config, "{bad}");
        }
        assert!(check_id("sha256:ab12").is_ok());
    }
}
