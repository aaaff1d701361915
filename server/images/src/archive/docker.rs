//! The form of `docker save`: a list of images, each with the names of the files that make it.

use serde::Deserialize;

use super::{ArchivedLayer, Parts};
use crate::digest::Digest;
use crate::error::ImageError;
use crate::manifest;
use crate::store::Promise;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Image {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Option<Vec<String>>,
}

/// Reads `manifest.json`.
pub(super) fn parts(manifest: &[u8]) -> Result<Vec<Parts>, ImageError> {
    let images: Vec<Image> = manifest::from_json("manifest.json", manifest)?;
    Ok(images.into_iter().map(of_image).collect())
}

fn of_image(image: Image) -> Parts {
    let layer = |file: String| {
        // Only in the newer form is a layer's file called by its digest.
        let digest = file.strip_prefix("blobs/sha256/").and_then(Digest::from_hex);
        ArchivedLayer { promise: Promise { digest, size: None }, file }
    };
    Parts {
        names: image.repo_tags.unwrap_or_default(),
        config_promise: Promise { digest: digest_of_config(&image.config), size: None },
        config: image.config,
        layers: image.layers.unwrap_or_default().into_iter().map(layer).collect(),
    }
}

/// `<digest>.json` of the older form, or a blob of the newer one.
fn digest_of_config(file: &str) -> Option<Digest> {
    let hex = file.strip_suffix(".json").or_else(|| file.strip_prefix("blobs/sha256/"));
    hex.and_then(Digest::from_hex)
}
