//! The OCI image layout: an index leads to manifests, or to further indexes with one manifest for
//! each kind of machine, and everything is a blob called by its digest.

use super::source::Source;
use super::{ArchivedLayer, Parts};
use crate::error::ImageError;
use crate::manifest::{DOCUMENT_BYTES_MAX, Descriptor, Document, Index, Manifest, Platform};
use crate::reference::Reference;
use crate::store::Promise;

/// The whole name, as containerd and Docker write it.
const FULL_NAME: &str = "io.containerd.image.name";
/// The OCI's, which is often a tag alone and then names nothing.
const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// Indexes in indexes.
const DEPTH_MAX: usize = 4;

/// Reads `index.json` and the manifests that it leads to.
pub(super) fn parts(source: &Source, index: &[u8]) -> Result<Vec<Parts>, ImageError> {
    let Document::Index(index) = Document::parse(index)? else {
        return Err(ImageError::damaged("index.json is no index"));
    };
    let mut images: Vec<(Descriptor, Parts)> = Vec::new();
    for entry in wanted(&index)? {
        let names = names(entry);
        if let Some((_, known)) = images.iter_mut().find(|(other, _)| other.digest == entry.digest)
        {
            known.names.extend(names); // one image under several names
            continue;
        }
        let manifest = follow(source, entry, DEPTH_MAX)?;
        images.push((entry.clone(), of_manifest(&manifest, names)?));
    }
    Ok(images.into_iter().map(|(_, parts)| parts).collect())
}

/// The entries of the outermost index: one for each image, unless it is itself the choice of one
/// image for several machines.
fn wanted(index: &Index) -> Result<Vec<&Descriptor>, ImageError> {
    let ours = Platform::current();
    let entries: Vec<&Descriptor> =
        index.manifests.iter().filter(|entry| !entry.is_attestation()).collect();
    let for_us = |entry: &&Descriptor| {
        let platform = entry.platform.as_ref();
        platform.is_none_or(|p| p.os == ours.os && p.architecture == ours.architecture)
    };
    let fitting: Vec<&Descriptor> = entries.iter().copied().filter(for_us).collect();
    if fitting.is_empty() && !entries.is_empty() {
        return index.choose(&ours).map(|entry| vec![entry]); // says what there is
    }
    Ok(fitting)
}

fn follow(source: &Source, entry: &Descriptor, depth: usize) -> Result<Manifest, ImageError> {
    if depth == 0 {
        return Err(ImageError::refused("an index leads to an index too often"));
    }
    let digest = entry.digest()?;
    let file = blob(entry)?;
    let bytes = source.document(&file, DOCUMENT_BYTES_MAX)?;
    let bytes = bytes.ok_or_else(|| ImageError::damaged(format!("the layout has no {digest}")))?;
    let found = crate::digest::Digest::of(&bytes);
    if found != digest {
        return Err(ImageError::damaged(format!("the digest of {digest} is {found}")));
    }
    match Document::parse(&bytes)? {
        Document::Manifest(manifest) => Ok(manifest),
        Document::Index(index) => follow(source, index.choose(&Platform::current())?, depth - 1),
    }
}

fn of_manifest(manifest: &Manifest, names: Vec<String>) -> Result<Parts, ImageError> {
    let layer =
        |layer: &Descriptor| Ok(ArchivedLayer { file: blob(layer)?, promise: promise(layer)? });
    let layers: Result<Vec<ArchivedLayer>, ImageError> =
        manifest.layers.iter().map(layer).collect();
    Ok(Parts {
        names,
        config: blob(&manifest.config)?,
        config_promise: promise(&manifest.config)?,
        layers: layers?,
    })
}

fn promise(descriptor: &Descriptor) -> Result<Promise, ImageError> {
    Ok(Promise { digest: Some(descriptor.digest()?), size: Some(descriptor.size) })
}

fn blob(descriptor: &Descriptor) -> Result<String, ImageError> {
    Ok(format!("blobs/sha256/{}", descriptor.digest()?.hex()))
}

fn names(entry: &Descriptor) -> Vec<String> {
    let said = entry
        .annotations
        .get(FULL_NAME)
        .or_else(|| entry.annotations.get(REF_NAME).filter(|name| name.contains(['/', ':'])));
    said.filter(|name| Reference::checked(name).is_ok()).cloned().into_iter().collect()
}
