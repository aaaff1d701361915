//! What an image will hold, by path. Folders on the way to a file are there by themselves.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::ImageError;
use crate::unpack::{Inside, shown};

/// Something in an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    Folder {
        mode: u32,
    },
    File {
        source: PathBuf,
        n_bytes: u64,
        mode: u32,
    },
    Symlink {
        target: Vec<u8>,
    },
    /// Another path of the tree, which comes before it.
    HardLink {
        target: Vec<u8>,
        mode: u32,
    },
}

/// Paths without a leading slash. A folder sorts before what is in it.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) nodes: BTreeMap<Vec<u8>, Node>,
}

impl Tree {
    /// Puts a node at a path, with the folders that lead to it.
    pub(super) fn put(&mut self, path: &Inside, node: Node) -> Result<(), ImageError> {
        let Some((mut folder, _)) = path.split() else {
            return Err(ImageError::refused("could not put a file at `/`"));
        };
        while folder.depth() > 0 {
            let there = self.nodes.entry(folder.bytes().to_vec());
            let there = there.or_insert(Node::Folder { mode: 0o755 });
            if !matches!(there, Node::Folder { .. }) {
                return Err(taken(&folder));
            }
            folder = folder.split().map(|(above, _)| above).unwrap_or_default();
        }
        match self.nodes.get(path.bytes()) {
            Some(Node::Folder { .. }) if !matches!(node, Node::Folder { .. }) => Err(taken(path)),
            Some(there) if !matches!(there, Node::Folder { .. }) && *there != node => {
                Err(taken(path))
            }
            Some(_) | None => {
                self.nodes.insert(path.bytes().to_vec(), node);
                Ok(())
            }
        }
    }

    /// Puts a file of this machine at a path; a link is followed.
    pub(super) fn put_file(
        &mut self,
        path: &Inside,
        source: &Path,
        mode: Option<u32>,
    ) -> Result<(), ImageError> {
        use std::os::unix::fs::PermissionsExt as _;
        let metadata = std::fs::metadata(source).map_err(|error| {
            ImageError::io(format!("could not read {}", source.display()), error)
        })?;
        if !metadata.is_file() {
            let message = format!("could not pack {}: it is no file", source.display());
            return Err(ImageError::refused(message));
        }
        let mode = mode.unwrap_or(metadata.permissions().mode() & 0o777);
        let node = Node::File { source: source.to_path_buf(), n_bytes: metadata.len(), mode };
        self.put(path, node)
    }

    pub(super) fn has(&self, path: &Inside) -> bool {
        self.nodes.contains_key(path.bytes())
    }
}

fn taken(path: &Inside) -> ImageError {
    ImageError::refused(format!("two things of the image would be at `/{}`", shown(path.bytes())))
}
