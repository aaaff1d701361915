//! What people do with the fake engine's images by hand. A name leads to one image; an image whose
//! last name goes stays only while a container needs it, as on a real engine.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use futures_util::future::BoxFuture;
use gofer_core::pipeline::check_image_name;
use gofer_core::ports::driver::{DriverError, FaultKind};
use gofer_core::ports::images::{Image, ImageArchive, Images, Pruned};
use gofer_driver_docker::archive::{Packed, Survey, survey};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::driver::FakeDriver;
use super::image::{FakeImage, FakeImport};
use super::state::State;

impl Images for FakeDriver {
    fn import(&self, archive: ImageArchive) -> BoxFuture<'_, Result<Vec<Image>, DriverError>> {
        Box::pin(async move {
            self.enter().await?;
            let found = survey(&archive.file)?;
            check_layers(&archive.file, &found)?;
            let names = names(&archive, &found)?;
            self.act(move |state| {
                let images = found.images.into_iter().zip(names);
                images.map(|(image, names)| state.take_in(image, &names)).collect()
            })
            .await
        })
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<Image>, DriverError>> {
        Box::pin(self.read(|state| state.shelf()))
    }

    fn remove(&self, name: &str) -> BoxFuture<'_, Result<bool, DriverError>> {
        let name = name.to_owned();
        Box::pin(async move {
            if name.starts_with("sha256:") {
                return self.act(|state| state.take_id(&name)).await;
            }
            check_image_name("name", &name)
                .map_err(|problem| DriverError::new(FaultKind::Config, problem.message))?;
            self.act(|state| state.take_name(&with_tag(&name))).await
        })
    }

    fn prune(&self, dry_run: bool) -> BoxFuture<'_, Result<Pruned, DriverError>> {
        Box::pin(self.act(move |state| {
            let unneeded = state.nameless.keys().filter(|id| !state.is_used(id));
            let images: Vec<String> = unneeded.cloned().collect();
            let bytes = |id: &String| state.nameless.get(id).map_or(0, |import| import.bytes);
            let freed_bytes = images.iter().map(bytes).sum();
            if !dry_run {
                state.nameless.retain(|id, _| !images.contains(id));
            }
            Pruned { images, freed_bytes }
        }))
    }
}

/// The names that each image of the archive is to get.
fn names(archive: &ImageArchive, found: &Survey) -> Result<Vec<Vec<String>>, DriverError> {
    let Some(name) = &archive.name else {
        let own = |image: &Packed| image.names.iter().map(|name| with_tag(name)).collect();
        return Ok(found.images.iter().map(own).collect());
    };
    if found.images.len() == 1 {
        return Ok(vec![vec![with_tag(name)]]);
    }
    let message = format!("could not name {} images {name}", found.images.len());
    Err(DriverError::new(FaultKind::Image, message))
}

/// Holds each layer to the digest that the image's config gives, as an engine does when it unpacks.
/// The layers of test archives are not compressed.
fn check_layers(file: &Path, found: &Survey) -> Result<(), DriverError> {
    let damaged = |what: String| {
        let message = format!("could not load the image archive: {what}");
        DriverError::new(FaultKind::Image, message)
    };
    let bytes = std::fs::read(file).map_err(|error| damaged(error.to_string()))?;
    let is_zipped = bytes.starts_with(&[0x1f, 0x8b]);
    let zipped = is_zipped.then(|| MultiGzDecoder::new(bytes.as_slice()));
    let plain: Box<dyn Read> =
        zipped.map_or_else(|| Box::new(bytes.as_slice()) as _, |zipped| Box::new(zipped) as _);
    let files = by_digest(plain).map_err(|error| damaged(error.to_string()))?;
    for image in &found.images {
        let config = files.get(&image.id).map(Vec::as_slice).unwrap_or_default();
        let config: Value = serde_json::from_slice(config).unwrap_or_default();
        let layers = config.pointer("/rootfs/diff_ids").and_then(Value::as_array);
        let wrong = |layer: &&Value| !files.contains_key(layer.as_str().unwrap_or_default());
        if let Some(layer) = layers.into_iter().flatten().find(wrong) {
            return Err(damaged(format!("no layer has the digest {layer}")));
        }
    }
    Ok(())
}

/// The files of a tar stream by their digests.
fn by_digest(tar: impl Read) -> std::io::Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(tar).entries()? {
        let mut bytes = Vec::new();
        entry?.read_to_end(&mut bytes)?;
        let digest = Sha256::digest(&bytes);
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        files.insert(format!("sha256:{hex}"), bytes);
    }
    Ok(files)
}

fn with_tag(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or_default();
    if last.contains([':', '@']) { name.to_owned() } else { format!("{name}:latest") }
}

impl State {
    fn take_in(&mut self, image: Packed, names: &[String]) -> Image {
        let (bytes, created_ms) = (image.packed_bytes, image.created_ms);
        let import = FakeImport { id: image.id.clone(), bytes, created_ms };
        for name in names {
            let new = FakeImage {
                in_registry: false,
                imported: Some(import.clone()),
                ..FakeImage::default()
            };
            let old = self.images.insert(name.clone(), new);
            self.bereave(old.and_then(|old| old.imported));
        }
        if self.names_of(&image.id).is_empty() {
            self.nameless.insert(image.id.clone(), import);
        } else {
            self.nameless.remove(&image.id);
        }
        let names = self.names_of(&image.id).into_iter().collect();
        Image { id: image.id, names, size_bytes: bytes, created_ms }
    }

    /// An import has lost a name; with the last one it becomes nameless.
    fn bereave(&mut self, import: Option<FakeImport>) {
        if let Some(import) = import
            && self.names_of(&import.id).is_empty()
        {
            self.nameless.insert(import.id.clone(), import);
        }
    }

    fn names_of(&self, id: &str) -> BTreeSet<String> {
        let held = self.images.iter().filter(|(name, one)| one.on_engine && one.id(name) == id);
        held.map(|(name, _)| name.clone()).collect()
    }

    fn is_used(&self, id: &str) -> bool {
        self.containers.values().any(|one| one.image_id == id)
    }

    fn shelf(&self) -> Vec<Image> {
        let mut by_id: BTreeMap<String, Image> = BTreeMap::new();
        for (name, one) in self.images.iter().filter(|(_, one)| one.on_engine) {
            let import = one.imported.as_ref();
            let fresh = || Image {
                id: one.id(name),
                names: Vec::new(),
                size_bytes: import.map_or(one.bytes, |import| import.bytes),
                created_ms: import.and_then(|import| import.created_ms),
            };
            by_id.entry(one.id(name)).or_insert_with(fresh).names.push(name.clone());
        }
        let mut images: Vec<Image> = by_id.into_values().collect();
        images.sort_by(|a, b| a.names.cmp(&b.names));
        images.extend(self.nameless.values().map(|import| Image {
            id: import.id.clone(),
            names: Vec::new(),
            size_bytes: import.bytes,
            created_ms: import.created_ms,
        }));
        images
    }

    fn take_name(&mut self, name: &str) -> bool {
        let Some(one) = self.images.get_mut(name).filter(|one| one.on_engine) else {
            return false;
        };
        let import = one.imported.take();
        one.on_engine = false;
        let id = import.as_ref().map(|import| import.id.clone());
        self.bereave(import);
        if let Some(id) = id.filter(|id| !self.is_used(id)) {
            self.nameless.remove(&id);
        }
        true
    }

    fn take_id(&mut self, id: &str) -> bool {
        let names = self.names_of(id);
        if names.is_empty() {
            let known = self.nameless.contains_key(id);
            if !self.is_used(id) {
                self.nameless.remove(id);
            }
            return known;
        }
        names.iter().all(|name| self.take_name(name))
    }
}
