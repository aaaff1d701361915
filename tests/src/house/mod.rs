//! The rules of the house that no compiler holds: which crate may name which ([`layers`]), the shape
//! of the files ([`tidy`]), and that the documents tell the truth about paths, links and commands
//! ([`docs`]). Each check is a function from a tree to a list of faults, so that a test can hand it a
//! planted fault and see that it is found.

pub mod docs;
pub mod layers;
pub mod manifests;
pub mod markdown;
pub mod tidy;

use std::fmt;
use std::path::{Path, PathBuf};

/// One broken rule: where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// A path from the root of the tree (with a line), or the name of a crate.
    pub place: String,
    /// What is wrong, in one sentence.
    pub text: String,
}

impl Fault {
    pub fn new(place: impl Into<String>, text: impl Into<String>) -> Self {
        Self { place: place.into(), text: text.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.text)
    }
}

/// The root of the tree that these tests were built from.
pub fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).to_path_buf()
}

/// All files under `root` whose name ends in `.extension`, sorted. Build output and hidden folders
/// are left out.
pub fn files(root: &Path, extension: &str) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let path = entry.path();
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if entry.file_type()?.is_dir() {
                if name != "target" && name != "node_modules" && !name.starts_with('.') {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|e| e == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// `path` as it is written in the repository: from its root, with forward slashes.
pub fn shown(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/")
}
