//! Files that survive a crash, and folders that go whatever is in them. A file is written aside,
//! synced and renamed into place, so a reader sees all of it or none.

use std::fs::File;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{Read, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, Dir, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::error::ImageError;

/// Folders below this depth are moved up before they are removed, so that no depth of a hostile
/// layer needs more descriptors or more stack than this.
const DEPTH_MAX: u32 = 64;

static N_NAMES: AtomicU64 = AtomicU64::new(0);

/// What tells this process from all others, those before a restart of the machine too.
static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(std::process::id()));

/// A name that no other file has.
pub(crate) fn fresh_name(prefix: &str) -> String {
    let n = N_NAMES.fetch_add(1, Ordering::Relaxed);
    format!("{prefix}-{:016x}-{n}", *PROCESS)
}

/// Makes a folder that only we may enter, and its parents.
pub(crate) fn make_dir(path: &Path) -> Result<(), ImageError> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| {
        ImageError::io(format!("could not make the folder {}", path.display()), error)
    })
}

/// Writes `bytes` to `path` by way of a file in `aside`, which is on the same file system.
pub(crate) fn write_whole(aside: &Path, path: &Path, bytes: &[u8]) -> Result<(), ImageError> {
    let what = || format!("could not write {}", path.display());
    let temporary = aside.join(fresh_name("file"));
    let written = (|| {
        let mut file = File::create_new(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    })();
    if let Err(error) = written {
        std::fs::remove_file(&temporary).ok();
        return Err(ImageError::io(what(), error));
    }
    sync_folder_of(path)
}

/// Makes what was renamed to or removed at `path` last.
pub(crate) fn sync_folder_of(path: &Path) -> Result<(), ImageError> {
    let folder = path.parent().unwrap_or(path);
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| ImageError::io(format!("could not sync {}", folder.display()), error))
}

/// Reads a file; none where there is none. More than `n_bytes_max` is a fault.
pub(crate) fn read_if_there(path: &Path, n_bytes_max: u64) -> Result<Option<Vec<u8>>, ImageError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(ImageError::io(format!("could not open {}", path.display()), error));
        }
    };
    read_limited(file, &path.display().to_string(), n_bytes_max).map(Some)
}

/// Reads all that `input` has, up to a limit.
pub(crate) fn read_limited(
    input: impl Read,
    name: &str,
    n_bytes_max: u64,
) -> Result<Vec<u8>, ImageError> {
    let mut bytes = Vec::new();
    let read = input.take(n_bytes_max + 1).read_to_end(&mut bytes);
    read.map_err(|error| ImageError::reading(format!("could not read {name}"), error))?;
    if bytes.len() as u64 > n_bytes_max {
        return Err(ImageError::refused(format!("{name} has more than {n_bytes_max} bytes")));
    }
    Ok(bytes)
}

/// The names in a folder that are UTF-8, which all of ours are; none where there is no folder.
pub(crate) fn names_in(folder: &Path) -> Result<Vec<String>, ImageError> {
    let what = || format!("could not list {}", folder.display());
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(ImageError::io(what(), error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| ImageError::io(what(), error))?;
        names.extend(entry.file_name().into_string());
    }
    names.sort_unstable();
    Ok(names)
}

/// Removes a file; none is as good.
pub(crate) fn remove_file(path: &Path) -> Result<bool, ImageError> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(ImageError::io(format!("could not remove {}", path.display()), error)),
    }
}

/// Removes whatever is at `path`, of any depth, and follows no link.
pub(crate) fn remove_all(path: &Path) -> Result<(), ImageError> {
    let what = || format!("could not remove {}", path.display());
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(ImageError::refused(what()));
    };
    let parent = match open_folder(parent) {
        Ok(parent) => parent,
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(ImageError::io(what(), error)),
    };
    let mut removal = Removal { top: parent, moved: Vec::new() };
    let mut next = Some(name.as_bytes().to_vec());
    while let Some(name) = next {
        removal.top_level(&name).map_err(|error| ImageError::io(what(), error))?;
        next = removal.moved.pop();
    }
    Ok(())
}

fn open_folder(path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty())
}

/// A removal under way.
struct Removal {
    top: OwnedFd,
    /// Names in `top` of folders that lay too deep.
    moved: Vec<Vec<u8>>,
}

impl Removal {
    fn top_level(&mut self, name: &[u8]) -> Result<(), Errno> {
        let top = self.top.try_clone().map_err(|_full| Errno::MFILE)?;
        self.remove(&top, name, 0)
    }

    fn remove(&mut self, folder: &OwnedFd, name: &[u8], depth: u32) -> Result<(), Errno> {
        match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            Err(Errno::ISDIR | Errno::PERM) => {}
            Err(error) => return Err(error),
        }
        if depth == DEPTH_MAX {
            let moved = fresh_name(".deep").into_bytes();
            rustix::fs::renameat(folder, name, &self.top, moved.as_slice())?;
            self.moved.push(moved);
            return Ok(());
        }
        self.empty(folder, name, depth)?;
        match rustix::fs::unlinkat(folder, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn empty(&mut self, folder: &OwnedFd, name: &[u8], depth: u32) -> Result<(), Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // Not root: a layer's own mode may keep us out of what is ours.
        rustix::fs::chmodat(folder, name, Mode::RWXU, AtFlags::empty())?;
        let inside = rustix::fs::openat(folder, name, flags, Mode::empty())?;
        for entry in Dir::read_from(&inside)? {
            let entry = entry?;
            let child = entry.file_name().to_bytes();
            if child != b"." && child != b".." {
                self.remove(&inside, child, depth + 1)?;
            }
        }
        Ok(())
    }
}

/// Takes the lock of an open file; waits for it.
pub(crate) fn lock(file: impl AsFd, how: FlockOperation) -> Result<(), Errno> {
    loop {
        match rustix::fs::flock(&file, how) {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}

/// Opens a file that is there for its lock.
pub(crate) fn open_lock(path: &Path) -> Result<File, ImageError> {
    let file = File::options().read(true).write(true).create(true).truncate(false).open(path);
    file.map_err(|error| ImageError::io(format!("could not open {}", path.display()), error))
}

/// Whether a status says a regular file, and so on.
pub(crate) fn kind_of(stat: &rustix::fs::Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// A file that goes with its value.
#[derive(Debug)]
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_goes_however_deep_it_is_and_its_links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let keep = dir.path().join("keep");
        std::fs::write(&keep, "x").unwrap();
        let tree = dir.path().join("tree");
        std::fs::create_dir(&tree).unwrap();
        let mut at = open_folder(&tree).unwrap();
        for _ in 0..1200 {
            rustix::fs::symlinkat(keep.as_path(), &at, "link").unwrap();
            rustix::fs::mkdirat(&at, "d", Mode::RWXU).unwrap();
            let flags = OFlags::RDONLY | OFlags::DIRECTORY;
            at = rustix::fs::openat(&at, "d", flags, Mode::empty()).unwrap();
        }
        remove_all(&tree).unwrap();
        remove_all(&tree).unwrap();
        assert_eq!(names_in(dir.path()).unwrap(), ["keep"]);
        assert_eq!(std::fs::read(&keep).unwrap(), b"x");
    }

    #[test]
    fn a_file_is_there_in_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        write_whole(dir.path(), &path, b"one").unwrap();
        write_whole(dir.path(), &path, b"two").unwrap();
        assert_eq!(read_if_there(&path, 3).unwrap().unwrap(), b"two");
        assert!(read_if_there(&path, 2).is_err());
        assert_eq!(names_in(dir.path()).unwrap(), ["f"], "nothing is left aside");
    }
}
