//! How images come in: from an archive, or from blobs that a pull fetched. All layers are unpacked
//! and checked first; only then are the image and its names written.

use std::path::Path;

use super::layers::{Layer, Promise, Wanted, Was};
use super::record::Record;
use super::{Entry, Store};
use crate::archive::{self, Archive, ArchivedImage};
use crate::config;
use crate::digest::Digest;
use crate::error::ImageError;
use crate::files;
use crate::manifest::{Descriptor, Document, Manifest};
use crate::reference::Reference;

impl Store {
    /// Takes in the images of an archive: see [`Archive`]. With `name` the image is called that in
    /// place of the archive's names; only for an archive of one image. Gives what came in, in the
    /// archive's order.
    ///
    /// # Errors
    /// Those of [`Archive::read`] and [`unpack::layer`](crate::unpack::layer); nothing of the
    /// archive is kept then. [`Refused`](crate::ErrorKind::Refused) where `name` is none or there
    /// are several images.
    pub fn import(&self, archive: &Path, name: Option<&str>) -> Result<Vec<Entry>, ImageError> {
        let name = name.map(|name| Reference::checked(name).map(|found| found.to_string()));
        let name = name.transpose()?;
        let mut fresh = Vec::new();
        let imported = {
            let _shared = self.share()?;
            self.import_shared(archive, name.as_deref(), &mut fresh)
        };
        if imported.is_err() {
            self.forget(&fresh)?;
        }
        imported
    }

    fn import_shared(
        &self,
        archive: &Path,
        name: Option<&str>,
        fresh: &mut Vec<Digest>,
    ) -> Result<Vec<Entry>, ImageError> {
        let archive = Archive::read(archive, &self.path("tmp"), &self.inner.limits)?;
        let images = archive.images();
        if let (Some(name), 2..) = (name, images.len()) {
            return Err(ImageError::refused(format!(
                "could not name the archive's images {name}: there are {}",
                images.len()
            )));
        }
        let mut layers = Vec::new();
        for image in images {
            layers.push(self.unpack_archived(&archive, image, fresh)?);
        }
        let mut entries = Vec::new();
        for (image, layers) in images.iter().zip(layers) {
            let names = name.map_or_else(|| image.names.clone(), |name| vec![name.to_owned()]);
            let record = Record::new(None, layers, image.parsed.config.clone());
            self.write_document(&image.config)?;
            self.keep_record(&image.id, record)?;
            for name in &names {
                self.write_name(name, &image.id, None)?;
            }
        }
        let mut names = self.names_by_image()?;
        for image in images {
            let record = self.record(&image.id)?;
            let record = record.ok_or_else(|| ImageError::missing("an image went as it came"))?;
            entries.push(record.entry(&image.id, names.remove(&image.id).unwrap_or_default()));
        }
        Ok(entries)
    }

    /// An image that came from a registry before stays one.
    fn keep_record(&self, id: &Digest, mut record: Record) -> Result<(), ImageError> {
        if let Some(known) = self.record(id)? {
            record.manifest = record.manifest.or(known.manifest);
        }
        self.write_record(id, &record)
    }

    fn unpack_archived(
        &self,
        archive: &Archive,
        image: &ArchivedImage,
        fresh: &mut Vec<Digest>,
    ) -> Result<Vec<Layer>, ImageError> {
        let mut done: Vec<Layer> = Vec::new();
        let mut chain = None;
        for (diff_id, layer) in image.parsed.diff_ids.iter().zip(&image.layers) {
            let id = diff_id.chained(chain.as_ref());
            let wanted = Wanted { diff_id, chain: id.clone(), below: &done };
            let (unpacked, was) =
                self.ensure_layer(&wanted, &layer.promise, || archive.layer(layer))?;
            if was == Was::New {
                fresh.push(id.clone());
            }
            done.push(unpacked);
            chain = Some(id);
        }
        Ok(done)
    }

    /// Makes an image of blobs; gives its id.
    pub(super) fn commit_blobs(&self, manifest_digest: &Digest) -> Result<Digest, ImageError> {
        let manifest = self.manifest(manifest_digest)?;
        let id = manifest.config.digest()?;
        let parsed = config::parse(&self.document(&id)?)?;
        archive::check_layers(parsed.diff_ids.len(), manifest.layers.len(), &self.inner.limits)?;
        let mut done: Vec<Layer> = Vec::new();
        let mut chain = None;
        for (diff_id, layer) in parsed.diff_ids.iter().zip(&manifest.layers) {
            let link = diff_id.chained(chain.as_ref());
            let wanted = Wanted { diff_id, chain: link.clone(), below: &done };
            let blob = layer.digest()?;
            let promise = Promise { digest: Some(blob.clone()), size: Some(layer.size) };
            let open = || {
                let path = self.blob_path(&blob);
                std::fs::File::open(&path)
                    .map_err(|error| ImageError::io(format!("could not open {blob}"), error))
            };
            let (unpacked, _was) =
                self.ensure_layer(&wanted, &promise, open).inspect_err(|error| {
                    if error.kind == crate::ErrorKind::Damaged {
                        // So that it comes anew, should it be the disk's doing.
                        files::remove_file(&self.blob_path(&blob)).ok();
                    }
                })?;
            done.push(unpacked);
            chain = Some(link);
        }
        self.write_record(&id, &Record::new(Some(manifest_digest), done, parsed.config))?;
        Ok(id)
    }

    pub(super) fn still_missing(&self, manifest: &Digest) -> Result<Vec<Descriptor>, ImageError> {
        let manifest = self.manifest(manifest)?;
        let config = manifest.config.digest()?;
        if !self.touch_blob(&config)? {
            return Ok(vec![manifest.config]);
        }
        let parsed = config::parse(&self.document(&config)?)?;
        archive::check_layers(parsed.diff_ids.len(), manifest.layers.len(), &self.inner.limits)?;
        let mut missing: Vec<Descriptor> = Vec::new();
        let mut chain = None;
        for (diff_id, layer) in parsed.diff_ids.iter().zip(manifest.layers) {
            let link = diff_id.chained(chain.as_ref());
            let known = missing.iter().any(|other| other.digest == layer.digest);
            if !known && self.layer(&link)?.is_none() && !self.touch_blob(&layer.digest()?)? {
                missing.push(layer);
            }
            chain = Some(link);
        }
        Ok(missing)
    }

    fn manifest(&self, digest: &Digest) -> Result<Manifest, ImageError> {
        self.touch_blob(digest)?;
        match Document::parse(&self.document(digest)?)? {
            Document::Manifest(manifest) => Ok(manifest),
            Document::Index(_) => Err(ImageError::refused(format!(
                "{digest} is a choice of images; the manifest of one is needed"
            ))),
        }
    }
}
