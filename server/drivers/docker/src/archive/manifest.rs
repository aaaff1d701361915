//! The JSON in an archive: Docker's `manifest.json`, and the OCI layout's index, manifests and
//! configs (OCI image specification 1.1). Only what is needed to find an image's files.

use std::collections::{BTreeMap, HashMap};

use gofer_core::ports::driver::DriverError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::bad;

/// An index that leads to an index, and so on: deeper than this is no image.
const DEPTH_MAX: u32 = 4;
/// Names an image in full; containerd and newer Docker write it.
const FULL_NAME: &str = "io.containerd.image.name";
/// The OCI name: often a bare tag, which names nothing.
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// One image in Docker's `manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Entry {
    pub(super) config: String,
    #[serde(default)]
    pub(super) repo_tags: Option<Vec<String>>,
    #[serde(default)]
    pub(super) layers: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    #[serde(default)]
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize, Clone)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    digest: String,
    #[serde(default)]
    platform: Option<Platform>,
    #[serde(default)]
    annotations: HashMap<String, String>,
}

#[derive(Deserialize, Clone)]
struct Platform {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
}

/// A manifest or an index, which are told apart by what they hold.
#[derive(Deserialize)]
struct Manifest {
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
    #[serde(default)]
    manifests: Vec<Descriptor>,
}

/// What is read of an image's config.
#[derive(Deserialize)]
pub(super) struct Config {
    #[serde(default)]
    pub(super) created: Option<String>,
}

/// The images of `files`, the small files of an archive by path, in the archive's order.
pub(super) fn entries(files: &BTreeMap<String, Vec<u8>>) -> Result<Vec<Entry>, DriverError> {
    if let Some(text) = files.get("manifest.json") {
        return parse("manifest.json", text);
    }
    let index = files
        .get("index.json")
        .ok_or_else(|| bad("it is neither what `docker save` writes nor an OCI layout"))?;
    let index: Index = parse("index.json", index)?;
    let mut found = Vec::new();
    for descriptor in &index.manifests {
        collect(files, descriptor, None, 0, &mut found)?;
    }
    Ok(found)
}

pub(super) fn parse<T: DeserializeOwned>(path: &str, text: &[u8]) -> Result<T, DriverError> {
    serde_json::from_slice(text).map_err(|error| bad(format!("{path}: {error}")))
}

/// Follows a descriptor down to images.
fn collect(
    files: &BTreeMap<String, Vec<u8>>,
    descriptor: &Descriptor,
    outer_name: Option<&str>,
    depth: u32,
    found: &mut Vec<Entry>,
) -> Result<(), DriverError> {
    if depth > DEPTH_MAX {
        return Err(bad("its index leads to indexes without an end"));
    }
    if descriptor.platform.as_ref().is_some_and(|platform| !fits(platform)) {
        return Ok(());
    }
    let path = blob_path(&descriptor.digest)?;
    let text = files.get(&path).ok_or_else(|| bad(format!("it lacks {path}")))?;
    let manifest: Manifest = parse(&path, text)?;
    let name = name_of(descriptor).or(outer_name);
    let Some(config) = manifest.config else {
        for inner in &manifest.manifests {
            collect(files, inner, name, depth + 1, found)?;
        }
        return Ok(());
    };
    let layers: Result<Vec<_>, _> =
        manifest.layers.iter().map(|layer| blob_path(&layer.digest)).collect();
    found.push(Entry {
        config: blob_path(&config.digest)?,
        repo_tags: name.map(|name| vec![name.to_owned()]),
        layers: layers?,
    });
    Ok(())
}

/// Whether an image of this platform runs here. One that names none is taken; the entries of an
/// image's attestations say `unknown`.
fn fits(platform: &Platform) -> bool {
    let here = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    platform.os == "linux" && platform.architecture == here
}

fn name_of(descriptor: &Descriptor) -> Option<&str> {
    let full = descriptor.annotations.get(FULL_NAME);
    let named = || descriptor.annotations.get(REF_NAME).filter(|name| name.contains([':', '/']));
    full.or_else(named).map(String::as_str)
}

/// Where a layout keeps the blob of `digest`.
fn blob_path(digest: &str) -> Result<String, DriverError> {
    let hex = digest.strip_prefix("sha256:").filter(|hex| {
        hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    });
    let hex = hex.ok_or_else(|| bad(format!("{digest:?} is no sha256 digest")))?;
    Ok(format!("blobs/sha256/{hex}"))
}
