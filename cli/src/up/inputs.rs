//! What a build reads: the files below a folder, without build output, hidden files and git's own. The
//! hash of their contents says whether anything changed; touching a file changes nothing.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Files above this size count by size and time instead of content: no source is that long.
const CONTENT_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Whether something of that name below the watched folder is no input.
pub(crate) fn is_ignored(name: &str) -> bool {
    name.starts_with('.') || name == "target" || name.ends_with('~') || name.ends_with(".swp")
}

/// Whether a path below `root` is no input, by any of its parts.
pub(crate) fn is_ignored_below(root: &Path, path: &Path) -> bool {
    let inner = path.strip_prefix(root).unwrap_or(path);
    inner.components().any(|part| is_ignored(&part.as_os_str().to_string_lossy()))
}

/// The hash of all inputs below `root`, and the folders that they lie in.
pub(crate) fn read(root: &Path) -> (String, Vec<PathBuf>) {
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    if root.is_dir() {
        walk(root, &mut files, &mut folders);
    } else {
        files.push(root.to_path_buf());
        folders.extend(root.parent().map(Path::to_path_buf));
    }
    files.sort();
    let mut hash = Sha256::new();
    for file in &files {
        hash.update(file.as_os_str().as_encoded_bytes());
        hash.update([0]);
        hash.update(content(file));
        hash.update([0]);
    }
    let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    (hex, folders)
}

/// A file that is gone again, or may not be read, counts as empty.
fn content(file: &Path) -> Vec<u8> {
    let Ok(meta) = std::fs::metadata(file) else { return Vec::new() };
    if meta.len() > CONTENT_BYTES_MAX {
        return format!("{} {:?}", meta.len(), meta.modified().ok()).into_bytes();
    }
    std::fs::read(file).unwrap_or_default()
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>, folders: &mut Vec<PathBuf>) {
    folders.push(folder.to_path_buf());
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if is_ignored(&entry.file_name().to_string_lossy()) {
            continue;
        }
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => walk(&entry.path(), files, folders),
            Ok(kind) if kind.is_file() || kind.is_symlink() => files.push(entry.path()),
            Ok(_) | Err(_) => {} // a socket, a pipe, or gone already
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_contents_of_inputs_count() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let put = |name: &str, text: &str| {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let hash = || read(root).0;
        put("src/main.rs", "a");
        let first = hash();
        put("src/main.rs", "a");
        put("target/debug/x", "1");
        put(".git/HEAD", "1");
        put("src/main.rs~", "1");
        assert_eq!(hash(), first, "nothing that counts changed");
        put("src/main.rs", "b");
        assert_ne!(hash(), first);
        put("src/main.rs", "a");
        assert_eq!(hash(), first, "there and back is no change");
        put("src/deep/new.rs", "x");
        assert_ne!(hash(), first);
        assert!(read(root).1.contains(&root.join("src/deep")));
        assert!(is_ignored_below(root, &root.join("target/debug/x")));
        assert!(!is_ignored_below(root, &root.join("src/main.rs")));
    }
}
