//! The layers below the one that is unpacked, looked at as overlayfs would merge them: the topmost
//! that has a path decides, a whiteout or a file on the way hides what is below, and so does an
//! opaque folder. Links are not followed, since overlayfs merges by name.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::metadata::Rights;
use super::root::{Inside, open_child_folder};
use crate::error::ImageError;
use crate::files::kind_of;

/// Something that a layer has: the folder that it is in, and its status.
pub(super) type Found = (OwnedFd, Stat);

/// What one layer says of a path.
pub(super) struct Look {
    pub(super) found: Option<Found>,
    /// Whatever the layers below have there is hidden.
    pub(super) hides: bool,
}

pub(super) struct Lowers {
    /// The topmost first.
    roots: Vec<OwnedFd>,
    rights: Rights,
}

impl Lowers {
    pub(super) fn open(lowest_first: &[PathBuf], rights: Rights) -> Result<Self, ImageError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = |path: &PathBuf| {
            rustix::fs::open(path, flags, Mode::empty()).map_err(|error| {
                ImageError::io(format!("could not open the layer {}", path.display()), error)
            })
        };
        let roots: Result<Vec<OwnedFd>, ImageError> = lowest_first.iter().rev().map(open).collect();
        Ok(Self { roots: roots?, rights })
    }

    /// What a container would see at `path` without the layer that is unpacked.
    pub(super) fn find(&self, path: &Inside) -> Result<Option<Found>, Errno> {
        for root in &self.roots {
            let look = look(root, path, self.rights)?;
            if look.found.is_some() || look.hides {
                return Ok(look.found);
            }
        }
        Ok(None)
    }

    /// The names in the root folders of all layers.
    pub(super) fn names_at_root(&self) -> Result<Vec<Vec<u8>>, Errno> {
        let mut names = Vec::new();
        for root in &self.roots {
            for entry in rustix::fs::Dir::read_from(root)? {
                let name = entry?.file_name().to_bytes().to_vec();
                if name != b"." && name != b".." {
                    names.push(name);
                }
            }
        }
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }
}

pub(super) fn look(root: &OwnedFd, path: &Inside, rights: Rights) -> Result<Look, Errno> {
    let mut at = open_child_folder(root, b".")?;
    let mut hides = false;
    let (folder, last) = match path.split() {
        Some((folder, last)) => (folder, last),
        None => (Inside::default(), &b"."[..]),
    };
    for name in folder.names() {
        hides |= is_opaque(&at, rights)?;
        match rustix::fs::statat(&at, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if kind_of(&stat) == FileType::Directory => at = open_child_folder(&at, name)?,
            Ok(_) => return Ok(Look { found: None, hides: true }),
            Err(Errno::NOENT) => return Ok(Look { found: None, hides }),
            Err(error) => return Err(error),
        }
    }
    hides |= is_opaque(&at, rights)?;
    match rustix::fs::statat(&at, last, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if is_whiteout(&stat) => Ok(Look { found: None, hides: true }),
        Ok(stat) => Ok(Look { found: Some((at, stat)), hides }),
        Err(Errno::NOENT) => Ok(Look { found: None, hides }),
        Err(error) => Err(error),
    }
}

/// A character device 0:0, by which overlayfs knows that there is nothing.
pub(super) fn is_whiteout(stat: &Stat) -> bool {
    kind_of(stat) == FileType::CharacterDevice && stat.st_rdev == 0
}

pub(super) fn is_opaque(folder: &OwnedFd, rights: Rights) -> Result<bool, Errno> {
    let mut value = [0; 4];
    match rustix::fs::fgetxattr(folder, rights.opaque_mark(), &mut value) {
        Ok(n_bytes) => Ok(n_bytes > 0 && value.first() == Some(&b'y')),
        Err(Errno::NODATA | Errno::NOTSUP | Errno::RANGE) => Ok(false),
        Err(error) => Err(error),
    }
}
