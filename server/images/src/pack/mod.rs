//! Makes archives of images without any engine: of a program, of a folder, of the program that is
//! running. The archive is of the form of `docker save` with one layer, and depends on nothing but
//! what goes in: paths are sorted, every file is root's and from the epoch, and the image says that
//! it was made then. The same input gives the same image id, everywhere and at any time.
//!
//! ```text
//!  program, folder, own binary ─> Tree (paths, sorted) ─> layer.tar ─> config ─> manifest.json
//! ```

mod elf;
mod folder;
mod own;
mod program;
mod tree;
mod writer;

pub use folder::{Folder, from_folder};
pub use own::own_binary;
pub use program::{Binary, ExtraFile, from_binary};

use crate::error::ImageError;
use crate::reference::Reference;

/// What an image says of the containers made from it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Names with tags; `latest` where there is no tag. None is allowed.
    pub names: Vec<String>,
    /// The program and its first arguments; [`from_binary`] puts its program here if it is empty.
    pub entrypoint: Vec<String>,
    /// Arguments that a task may replace.
    pub cmd: Vec<String>,
    /// Environment.
    pub env: Vec<(String, String)>,
    /// `user` or `user:group`, by name or number; none is root.
    pub user: Option<String>,
    /// Where the program starts; none is `/`.
    pub workdir: Option<String>,
}

/// What was packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// The image's id: `sha256:…`, the digest of its config.
    pub id: String,
    /// Bytes of the archive.
    pub n_bytes: u64,
}

impl Settings {
    /// The names in their short forms, once each.
    fn checked_names(&self) -> Result<Vec<String>, ImageError> {
        let mut names = Vec::new();
        for name in &self.names {
            let reference = Reference::checked(name)?;
            if reference.digest.is_some() {
                let message = format!("could not name an image {name}: a digest is no name");
                return Err(ImageError::refused(message));
            }
            let name = reference.to_string();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Ok(names)
    }
}

#[cfg(test)]
mod tests;
