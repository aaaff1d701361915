//! What goes: images that no name, no container and nobody in this process needs, then the layers
//! and blobs that no image needs. The lock is held alone meanwhile, so nothing is being added, and
//! whatever is unreachable was left by a crash. Things are renamed into `trash` under the lock and
//! removed after it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::FlockOperation;

use super::blobs::PART;
use super::lock::StoreLock;
use super::{Pruned, Store};
use crate::digest::Digest;
use crate::error::ImageError;
use crate::files;

/// A blob that no image needs may belong to a pull that is under way.
const BLOB_AGE_MAX: Duration = Duration::from_secs(60 * 60);
/// A download that nobody goes on with.
const PART_AGE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// What is kept, by the images that are.
#[derive(Default)]
struct Roots {
    layers: BTreeSet<String>,
    links: BTreeSet<String>,
    blobs: BTreeSet<Digest>,
}

impl Store {
    /// Removes the images that have no name and that no container needs, and what only they used;
    /// with `dry_run` only says what that is. `in_use` are the ids of the images that containers
    /// need. Whoever makes a container holds a [`StoredImage`](crate::StoredImage) until such a set
    /// would tell of it, and makes no set before that.
    ///
    /// # Errors
    /// Faults of the disk.
    pub fn prune(&self, in_use: &BTreeSet<String>, dry_run: bool) -> Result<Pruned, ImageError> {
        let pruned = {
            let lock = StoreLock::exclusive(&self.path("lock"))?;
            let leased = self.leased();
            let named = self.names_by_image()?;
            let mut pruned = Pruned::default();
            let mut roots = Roots::default();
            for (id, record) in self.records()? {
                let shown = id.to_string();
                let needed =
                    named.contains_key(&id) || leased.contains(&id) || in_use.contains(&shown);
                if needed {
                    roots.layers.extend(record.layers.iter().map(|layer| layer.chain.clone()));
                    roots.links.extend(record.layers.iter().map(|layer| layer.link.clone()));
                    roots.blobs.extend(record.manifest.and_then(|text| Digest::parse(&text).ok()));
                    roots.blobs.insert(id);
                    continue;
                }
                if !dry_run {
                    self.remove_record(&id)?;
                }
                pruned.images.push(shown);
            }
            pruned.freed_bytes = self.sweep(&lock, &roots, dry_run)?;
            pruned
        };
        self.empty_trash()?;
        Ok(pruned)
    }

    /// Removes what no image needs, where nobody is adding anything just now.
    pub(super) fn sweep_if_idle(&self) -> Result<(), ImageError> {
        {
            let Some(lock) = StoreLock::try_exclusive(&self.path("lock"))? else { return Ok(()) };
            let roots = self.roots()?;
            self.sweep(&lock, &roots, false)?;
        }
        self.empty_trash()
    }

    /// Removes layers of an import that failed, unless someone needs them by now.
    pub(super) fn forget(&self, fresh: &[Digest]) -> Result<(), ImageError> {
        if fresh.is_empty() {
            return Ok(());
        }
        self.sweep_if_idle()
    }

    fn roots(&self) -> Result<Roots, ImageError> {
        let mut roots = Roots::default();
        for (id, record) in self.records()? {
            roots.layers.extend(record.layers.iter().map(|layer| layer.chain.clone()));
            roots.links.extend(record.layers.iter().map(|layer| layer.link.clone()));
            roots.blobs.extend(record.manifest.and_then(|text| Digest::parse(&text).ok()));
            roots.blobs.insert(id);
        }
        Ok(roots)
    }

    /// Gives the bytes that go.
    fn sweep(&self, lock: &StoreLock, roots: &Roots, dry_run: bool) -> Result<u64, ImageError> {
        let now = lock.now()?;
        let mut n_bytes = 0;
        for name in files::names_in(&self.path("layers"))? {
            if roots.layers.contains(&name) {
                continue;
            }
            let layer = Digest::from_hex(&name).map(|id| self.layer(&id)).transpose()?.flatten();
            n_bytes += layer.map_or(0, |layer| layer.n_bytes);
            if !dry_run {
                self.throw_away(&self.path("layers").join(&name))?;
            }
        }
        for name in files::names_in(&self.path("blobs/sha256"))? {
            let path = self.path("blobs/sha256").join(&name);
            let needed =
                Digest::from_hex(&name).is_some_and(|digest| roots.blobs.contains(&digest));
            if needed || !is_older(&path, now, BLOB_AGE_MAX) {
                continue;
            }
            n_bytes += std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
            if !dry_run {
                self.throw_away(&path)?;
            }
        }
        if !dry_run {
            self.sweep_links(roots)?;
            self.sweep_aside(now)?;
        }
        Ok(n_bytes)
    }

    fn sweep_links(&self, roots: &Roots) -> Result<(), ImageError> {
        for name in files::names_in(&self.path("l"))? {
            if !roots.links.contains(&name) {
                files::remove_file(&self.path("l").join(name))?;
            }
        }
        Ok(())
    }

    /// Nothing is being added, so all that lies aside was left, except downloads: they have locks
    /// of their own, and may be gone on with.
    fn sweep_aside(&self, now: SystemTime) -> Result<(), ImageError> {
        for name in files::names_in(&self.path("tmp"))? {
            let path = self.path("tmp").join(&name);
            if !name.ends_with(PART) {
                self.throw_away(&path)?;
            } else if is_older(&path, now, PART_AGE_MAX) {
                let file = files::open_lock(&path)?;
                if files::lock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
                    files::remove_file(&path)?;
                }
            }
        }
        Ok(())
    }

    fn throw_away(&self, path: &Path) -> Result<(), ImageError> {
        let to: PathBuf = self.path("trash").join(files::fresh_name("gone"));
        match std::fs::rename(path, to) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(ImageError::io(format!("could not move {}", path.display()), error)),
        }
    }

    fn empty_trash(&self) -> Result<(), ImageError> {
        for name in files::names_in(&self.path("trash"))? {
            files::remove_all(&self.path("trash").join(name))?;
        }
        Ok(())
    }
}

fn is_older(path: &Path, now: SystemTime, age: Duration) -> bool {
    let modified = std::fs::metadata(path).and_then(|metadata| metadata.modified());
    // A time of the future says nothing: the clock was set back.
    modified.is_ok_and(|modified| now.duration_since(modified).is_ok_and(|found| found > age))
}
