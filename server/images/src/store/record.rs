//! The two small files that make an image: its record and its names. A file that cannot be read is
//! as good as none: it is never half written, so something else spoilt it, and the image comes anew.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Store;
use super::layers::Layer;
use crate::config::ImageConfig;
use crate::digest::Digest;
use crate::error::ImageError;
use crate::files;
use crate::manifest::DOCUMENT_BYTES_MAX;

const VERSION: u32 = 1;

/// An image.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    v: u32,
    /// Where it came from a registry: the manifest's digest.
    pub(super) manifest: Option<String>,
    /// Lowest first.
    pub(super) layers: Vec<Layer>,
    pub(super) config: ImageConfig,
}

impl Record {
    pub(super) fn new(manifest: Option<&Digest>, layers: Vec<Layer>, config: ImageConfig) -> Self {
        Self { v: VERSION, manifest: manifest.map(Digest::to_string), layers, config }
    }
}

/// A name of an image.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Name {
    v: u32,
    pub(super) name: String,
    /// The image's id.
    pub(super) image: String,
    /// `name@sha256:…`, where it came from a registry under this name.
    pub(super) digest: Option<String>,
}

impl Store {
    fn record_path(&self, id: &Digest) -> PathBuf {
        self.path("images").join(format!("{}.json", id.hex()))
    }

    /// Text that users give never becomes a path.
    fn name_path(&self, name: &str) -> PathBuf {
        self.path("refs").join(format!("{}.json", Digest::of(name.as_bytes()).hex()))
    }

    pub(super) fn record(&self, id: &Digest) -> Result<Option<Record>, ImageError> {
        Ok(read(&self.record_path(id))?.filter(|record: &Record| record.v == VERSION))
    }

    /// All images that can be read.
    pub(super) fn records(&self) -> Result<BTreeMap<Digest, Record>, ImageError> {
        let mut records = BTreeMap::new();
        for file in files::names_in(&self.path("images"))? {
            let Some(id) = file.strip_suffix(".json").and_then(Digest::from_hex) else { continue };
            if let Some(record) = self.record(&id)? {
                records.insert(id, record);
            }
        }
        Ok(records)
    }

    pub(super) fn write_record(&self, id: &Digest, record: &Record) -> Result<(), ImageError> {
        write(self, &self.record_path(id), record)
    }

    pub(super) fn remove_record(&self, id: &Digest) -> Result<(), ImageError> {
        let path = self.record_path(id);
        files::remove_file(&path)?;
        files::sync_folder_of(&path)
    }

    pub(super) fn name(&self, name: &str) -> Result<Option<Name>, ImageError> {
        let found: Option<Name> = read(&self.name_path(name))?;
        Ok(found.filter(|found| found.v == VERSION && found.name == name))
    }

    pub(super) fn names(&self) -> Result<Vec<Name>, ImageError> {
        let mut names = Vec::new();
        for file in files::names_in(&self.path("refs"))? {
            let found: Option<Name> = read(&self.path("refs").join(file))?;
            names.extend(found.filter(|found| found.v == VERSION));
        }
        Ok(names)
    }

    pub(super) fn write_name(
        &self,
        name: &str,
        image: &Digest,
        digest: Option<&str>,
    ) -> Result<(), ImageError> {
        let digest = digest.map(str::to_owned);
        let value = Name { v: VERSION, name: name.to_owned(), image: image.to_string(), digest };
        write(self, &self.name_path(name), &value)
    }

    /// False where nobody had the name.
    pub(super) fn remove_name(&self, name: &str) -> Result<bool, ImageError> {
        let path = self.name_path(name);
        let was_there = files::remove_file(&path)?;
        files::sync_folder_of(&path)?;
        Ok(was_there)
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, ImageError> {
    let bytes = files::read_if_there(path, DOCUMENT_BYTES_MAX)?;
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

fn write(store: &Store, path: &Path, value: &impl Serialize) -> Result<(), ImageError> {
    let what = || format!("could not write {}", path.display());
    let bytes = serde_json::to_vec(value).map_err(|error| ImageError::io(what(), error))?;
    files::write_whole(&store.path("tmp"), path, &bytes)
}
