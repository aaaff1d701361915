//! The images of this machine, as files below one folder that many processes may use at once.
//!
//! ```text
//!  lock                 shared by whoever adds or looks, exclusive while something is removed
//!  blobs/sha256/<hex>   configs, manifests, and layers as they were fetched
//!  layers/<chain>/      fs/ (unpacked, read-only by convention) and layer.json
//!  l/<6 letters>        short links to layers/…/fs: the options of a mount must fit one page
//!  images/<hex>.json    one image: its layers and what its config says
//!  refs/<hash>.json     name → image
//!  locks/<2 digits>     held by whoever unpacks a layer whose id begins so
//!  tmp/  trash/         on the same file system, so that a rename moves between them
//! ```
//!
//! What is at its final name is whole: it was written in `tmp`, synced and renamed. The order is
//! blobs, layers, image, name, so whatever a crash leaves is unreachable and [`Store::prune`]
//! removes it. A lock is `flock`'s, taken on a file opened for it, so it holds between threads as
//! between processes and goes with its holder.

mod blobs;
mod gc;
mod import;
mod layers;
mod lock;
mod record;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::ImageConfig;
use crate::digest::Digest;
use crate::error::ImageError;
use crate::files;
use crate::manifest::Descriptor;
use crate::reference::Reference;
use crate::unpack::Limits;
pub use blobs::BlobWriter;
pub(crate) use layers::Promise;
use lock::StoreLock;
use record::{Name, Record};

/// A store of images. Clones are the same store; every call blocks.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    limits: Limits,
    /// How many [`StoredImage`]s of this process there are, by image.
    leases: Mutex<HashMap<Digest, usize>>,
}

/// An image that a container can be made from. As long as this value or a clone of it lives, no
/// [`Store::prune`] of this process removes the image.
#[derive(Debug, Clone)]
pub struct StoredImage {
    /// `sha256:…`, the digest of its config.
    pub id: String,
    /// `name@sha256:…` of the manifest, where it came from a registry.
    pub digest: Option<String>,
    /// The unpacked layers, lowest first, at least one: links of six letters that all lie in one
    /// folder, so that a mount from there can name 128 of them in one page.
    pub layers: Vec<PathBuf>,
    /// What it says of its containers.
    pub config: ImageConfig,
    _lease: Arc<Lease>,
}

/// One image, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// `sha256:…`, the digest of its config.
    pub id: String,
    /// Its names, sorted; empty where it has lost them.
    pub names: Vec<String>,
    /// Bytes of all its files; layers that it shares with others included.
    pub size_bytes: u64,
    /// When its maker says it was made, milliseconds since the epoch.
    pub created_ms: Option<i64>,
}

/// What a prune removed, or would.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pruned {
    /// The images, by id.
    pub images: Vec<String>,
    /// Bytes that came free.
    pub freed_bytes: u64,
}

/// Keeps an image while it lives.
#[derive(Debug)]
struct Lease {
    store: Arc<Inner>,
    image: Digest,
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut leases = self.store.leases.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(n) = leases.get_mut(&self.image) {
            *n -= 1;
            if *n == 0 {
                leases.remove(&self.image);
            }
        }
    }
}

impl Store {
    /// Opens the store at `root`, and makes it where there is none.
    ///
    /// # Errors
    /// Where the folder cannot be made or written.
    pub fn open(root: &Path) -> Result<Self, ImageError> {
        Self::with_limits(root, Limits::default())
    }

    /// The same with limits of its own.
    ///
    /// # Errors
    /// Those of [`Store::open`].
    pub fn with_limits(root: &Path, limits: Limits) -> Result<Self, ImageError> {
        for folder in ["blobs/sha256", "layers", "l", "images", "refs", "locks", "tmp", "trash"] {
            files::make_dir(&root.join(folder))?;
        }
        let root = std::path::absolute(root)
            .map_err(|error| ImageError::io("could not find the store's folder", error))?;
        let store = Self { inner: Arc::new(Inner { root, limits, leases: Mutex::default() }) };
        drop(store.share()?);
        Ok(store)
    }

    /// Finds an image by `name`, `name:tag`, `name@sha256:…` or by its id `sha256:…`.
    ///
    /// # Errors
    /// [`Refused`](crate::ErrorKind::Refused) for what is no name, and faults of the disk. An image
    /// that is not here, or no longer whole, is none.
    pub fn find(&self, name_or_id: &str) -> Result<Option<StoredImage>, ImageError> {
        let _shared = self.share()?;
        match self.resolve(name_or_id)? {
            Some((id, name)) => self.stored(&id, name.and_then(|name| name.digest)),
            None => Ok(None),
        }
    }

    /// All images, by name; those without one last.
    ///
    /// # Errors
    /// Faults of the disk.
    pub fn list(&self) -> Result<Vec<Entry>, ImageError> {
        let _shared = self.share()?;
        let mut names = self.names_by_image()?;
        let mut entries = Vec::new();
        for (id, record) in self.records()? {
            entries.push(record.entry(&id, names.remove(&id).unwrap_or_default()));
        }
        entries.sort_by(|a, b| {
            (a.names.is_empty(), &a.names, &a.id).cmp(&(b.names.is_empty(), &b.names, &b.id))
        });
        Ok(entries)
    }

    /// Takes a name from its image, or by `sha256:…` all its names. An image without names stays
    /// until the next [`Store::prune`]. False where there is no such image.
    ///
    /// # Errors
    /// [`Refused`](crate::ErrorKind::Refused) for what is no name, and faults of the disk.
    pub fn remove(&self, name_or_id: &str) -> Result<bool, ImageError> {
        let _shared = self.share()?;
        let Some((id, name)) = self.resolve(name_or_id)? else { return Ok(false) };
        match name {
            Some(name) => self.remove_name(&name.name),
            None => {
                let names = self.names_by_image()?.remove(&id).unwrap_or_default();
                names.iter().try_for_each(|name| self.remove_name(name).map(|_was_there| ()))?;
                Ok(true)
            }
        }
    }

    /// What has still to be fetched before [`Store::commit`] can use the manifest, which is there
    /// as a blob: first the config; once that is there, the layers that are neither unpacked nor
    /// fetched. Ask again until it is empty. A prune may take a layer between this and the commit,
    /// which then says that something is missing: ask once more.
    ///
    /// # Errors
    /// Where the manifest is missing or damaged.
    pub fn missing(&self, manifest_digest: &str) -> Result<Vec<Descriptor>, ImageError> {
        let _shared = self.share()?;
        self.still_missing(&Digest::parse(manifest_digest)?)
    }

    /// Makes an image of what was fetched: unpacks the layers that are not unpacked yet, and gives
    /// the image its name, if any; the name leaves the image that had it before. The manifest, the
    /// config and the layers that [`Store::missing`] told are there as blobs.
    ///
    /// # Errors
    /// [`Missing`](crate::ErrorKind::Missing) where a blob is not there, and those of
    /// [`unpack::layer`](crate::unpack::layer).
    pub fn commit(
        &self,
        name: Option<&str>,
        manifest_digest: &str,
    ) -> Result<StoredImage, ImageError> {
        let reference = name.map(Reference::checked).transpose()?;
        let manifest = Digest::parse(manifest_digest)?;
        let image = {
            let _shared = self.share()?;
            let id = self.commit_blobs(&manifest)?;
            let digest =
                reference.as_ref().map(|reference| format!("{}@{manifest}", reference.name));
            if let Some(reference) = &reference {
                self.write_name(&reference.to_string(), &id, digest.as_deref())?;
            }
            self.stored(&id, digest)?
        };
        self.sweep_if_idle()?;
        image.ok_or_else(|| ImageError::missing("the image was removed while it was committed"))
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.inner.root.join(inside)
    }

    fn share(&self) -> Result<StoreLock, ImageError> {
        StoreLock::shared(&self.path("lock"))
    }

    /// The image of a name or an id, and the name that led to it.
    fn resolve(&self, name_or_id: &str) -> Result<Option<(Digest, Option<Name>)>, ImageError> {
        if name_or_id.starts_with("sha256:") {
            let id = Digest::parse(name_or_id)?;
            return Ok(self.record(&id)?.map(|_record| (id, None)));
        }
        let reference = Reference::checked(name_or_id)?;
        let name = reference.to_string();
        let found = match self.name(&name)? {
            Some(found) => Some(found),
            // By digest an image is also found that came under a tag.
            None if reference.digest.is_some() => {
                self.names()?.into_iter().find(|other| other.digest.as_deref() == Some(&name))
            }
            None => None,
        };
        let Some(found) = found else { return Ok(None) };
        let Some(id) = Digest::parse(&found.image).ok() else { return Ok(None) };
        Ok(self.record(&id)?.map(|_record| (id, Some(found))))
    }

    /// The image, with a lease on it. Called with the lock held, so no prune is between.
    fn stored(
        &self,
        id: &Digest,
        digest: Option<String>,
    ) -> Result<Option<StoredImage>, ImageError> {
        let Some(record) = self.record(id)? else { return Ok(None) };
        let layers: Vec<PathBuf> =
            record.layers.iter().map(|layer| self.path("l").join(&layer.link)).collect();
        if !layers.iter().all(|layer| layer.is_dir()) {
            return Ok(None); // someone took files away; it has to come anew
        }
        let digest = match digest {
            Some(digest) => Some(digest),
            None => self.digest_of(id)?,
        };
        let _lease = Arc::new(self.lease(id));
        Ok(Some(StoredImage { id: id.to_string(), digest, layers, config: record.config, _lease }))
    }

    fn lease(&self, image: &Digest) -> Lease {
        let mut leases = self.inner.leases.lock().unwrap_or_else(PoisonError::into_inner);
        *leases.entry(image.clone()).or_insert(0) += 1;
        Lease { store: Arc::clone(&self.inner), image: image.clone() }
    }

    fn leased(&self) -> BTreeSet<Digest> {
        let leases = self.inner.leases.lock().unwrap_or_else(PoisonError::into_inner);
        leases.keys().cloned().collect()
    }

    fn digest_of(&self, id: &Digest) -> Result<Option<String>, ImageError> {
        let id = id.to_string();
        Ok(self.names()?.into_iter().filter(|name| name.image == id).find_map(|name| name.digest))
    }

    fn names_by_image(&self) -> Result<BTreeMap<Digest, Vec<String>>, ImageError> {
        let mut by_image: BTreeMap<Digest, Vec<String>> = BTreeMap::new();
        for name in self.names()? {
            if let Ok(id) = Digest::parse(&name.image) {
                by_image.entry(id).or_default().push(name.name);
            }
        }
        by_image.values_mut().for_each(|names| names.sort_unstable());
        Ok(by_image)
    }
}

impl Record {
    fn entry(&self, id: &Digest, names: Vec<String>) -> Entry {
        Entry {
            id: id.to_string(),
            names,
            size_bytes: self.layers.iter().map(|layer| layer.n_bytes).sum(),
            created_ms: self.config.created_ms,
        }
    }
}

#[cfg(test)]
mod tests;
