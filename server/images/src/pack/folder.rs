//! An image of a folder: everything in it, as it lies there, but root's and from the epoch.

use std::collections::HashMap;
use std::fs::Metadata;
use std::io::Write;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use super::tree::{Node, Tree};
use super::{Packed, Settings, writer};
use crate::error::ImageError;
use crate::manifest::Platform;
use crate::unpack::Inside;

/// Folders in folders.
const DEPTH_MAX: usize = 200;

/// A folder to make an image of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// What becomes `/`. Links in it are kept as they are and not followed.
    pub root: PathBuf,
    /// What the image says of its containers.
    pub settings: Settings,
}

/// Writes the archive of an image of a folder, for this machine's architecture. Modes are kept,
/// owners and times are not; files with several names in the folder stay one file.
///
/// # Errors
/// [`Refused`](crate::ErrorKind::Refused) for devices and sockets, which no image holds, and for
/// a name that is none.
pub fn from_folder(folder: &Folder, out: &mut dyn Write) -> Result<Packed, ImageError> {
    let mut walk = Walk { tree: Tree::default(), known: HashMap::new() };
    walk.take_in(&folder.root, &Inside::default())?;
    if walk.tree.nodes.is_empty() {
        return Err(ImageError::refused(format!("{} is empty", folder.root.display())));
    }
    writer::write(&walk.tree, &folder.settings, &Platform::current().architecture, out)
}

struct Walk {
    tree: Tree,
    /// Files with several names, by device and inode.
    known: HashMap<(u64, u64), Inside>,
}

impl Walk {
    fn take_in(&mut self, folder: &Path, inside: &Inside) -> Result<(), ImageError> {
        let failed = |error| ImageError::io(format!("could not read {}", folder.display()), error);
        if inside.depth() > DEPTH_MAX {
            let message = format!("{} is more than {DEPTH_MAX} folders deep", folder.display());
            return Err(ImageError::refused(message));
        }
        let mut children: Vec<PathBuf> = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            children.push(entry.map_err(failed)?.path());
        }
        // The first name of a file in this order is the one that the others are links to.
        children.sort_unstable();
        for child in children {
            let name = child.file_name().map(|name| name.as_bytes().to_vec()).unwrap_or_default();
            let path = inside.join(&name);
            let metadata = child.symlink_metadata().map_err(failed)?;
            let node = self.node(&child, &path, &metadata)?;
            self.tree.put(&path, node)?;
            if metadata.is_dir() {
                self.take_in(&child, &path)?;
            }
        }
        Ok(())
    }

    fn node(
        &mut self,
        source: &Path,
        path: &Inside,
        metadata: &Metadata,
    ) -> Result<Node, ImageError> {
        let mode = metadata.mode() & 0o7777;
        let kind = metadata.file_type();
        if kind.is_dir() {
            return Ok(Node::Folder { mode });
        }
        if kind.is_symlink() {
            let target = std::fs::read_link(source).map_err(|error| {
                ImageError::io(format!("could not read the link {}", source.display()), error)
            })?;
            return Ok(Node::Symlink { target: target.as_os_str().as_bytes().to_vec() });
        }
        if !kind.is_file() {
            let what = if kind.is_socket() { "a socket" } else { "a device or a pipe" };
            let message = format!("could not pack {}: it is {what}", source.display());
            return Err(ImageError::refused(message));
        }
        if metadata.nlink() > 1 {
            let first = self.known.entry((metadata.dev(), metadata.ino()));
            let first = first.or_insert_with(|| path.clone());
            // In the archive's order a link comes after what it leads to.
            if first.bytes() < path.bytes() {
                return Ok(Node::HardLink { target: first.bytes().to_vec(), mode });
            }
        }
        Ok(Node::File { source: source.to_path_buf(), n_bytes: metadata.len(), mode })
    }
}
