//! A folder as the root of everything in it. Paths are checked as text once, and are then resolved
//! by `openat2` in that root: `..` and links at any place, absolute ones too, stay inside, and
//! `/proc`'s magic links are not followed. The last component is never followed.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::error::ImageError;

/// The kernel's limits on a path and on a name.
const PATH_BYTES_MAX: usize = 4095 - 64;
const NAME_BYTES_MAX: usize = 255;
/// Folders in folders. Each costs a look into every layer below, so this is what keeps a small
/// archive from taking hours.
const DEPTH_MAX: usize = 256;
/// The kernel gives up on `..` while anything on the machine is renamed; then it is asked again.
const TRIES_MAX: u32 = 1000;

/// A path below a root: no `..`, no `.`, nothing empty. The root itself is the empty path.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Inside(Vec<u8>);

impl Inside {
    /// Checks a path of an archive: a leading `/` and `.` go, `..` refuses it.
    pub(crate) fn parse(path: &[u8]) -> Result<Self, ImageError> {
        let mut clean: Vec<u8> = Vec::with_capacity(path.len());
        let mut depth = 0;
        for name in path.split(|byte| *byte == b'/') {
            match name {
                b"" | b"." => {}
                b".." => return Err(refuse(path, "it leads out of the image")),
                _ if name.contains(&0) => return Err(refuse(path, "a name has a zero byte")),
                _ if name.len() > NAME_BYTES_MAX => return Err(refuse(path, "a name is too long")),
                _ => {
                    if !clean.is_empty() {
                        clean.push(b'/');
                    }
                    clean.extend_from_slice(name);
                    depth += 1;
                }
            }
        }
        if depth > DEPTH_MAX {
            return Err(refuse(path, "it is in too many folders"));
        }
        if clean.len() > PATH_BYTES_MAX {
            return Err(refuse(path, "it is too long"));
        }
        Ok(Self(clean))
    }

    /// The folder that it is in, and its name there; none for the root.
    pub(crate) fn split(&self) -> Option<(Self, &[u8])> {
        match self.0.iter().rposition(|byte| *byte == b'/') {
            Some(at) => {
                let (folder, name) = self.0.split_at_checked(at)?;
                Some((Self(folder.to_vec()), name.get(1..)?))
            }
            None if self.0.is_empty() => None,
            None => Some((Self::default(), &self.0)),
        }
    }

    pub(crate) fn join(&self, name: &[u8]) -> Self {
        if self.0.is_empty() {
            return Self(name.to_vec());
        }
        Self([&self.0, &b"/"[..], name].concat())
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|byte| *byte == b'/').filter(|name| !name.is_empty())
    }

    pub(crate) fn depth(&self) -> usize {
        self.names().count()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// For people; nothing that a terminal would obey.
pub(crate) fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).chars().take(200).flat_map(char::escape_debug).collect()
}

fn refuse(path: &[u8], why: &str) -> ImageError {
    ImageError::refused(format!("could not take in the path `{}`: {why}", shown(path)))
}

/// A folder that is the root of its paths.
#[derive(Debug)]
pub(crate) struct Root(OwnedFd);

impl Root {
    pub(crate) fn open(path: &Path) -> Result<Self, ImageError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = rustix::fs::open(path, flags, Mode::empty());
        let what = || format!("could not open the folder {}", path.display());
        opened.map(Self).map_err(|error| ImageError::io(what(), error))
    }

    /// Opens a folder to name things in. Links on the way are followed inside of the root.
    pub(crate) fn folder(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        self.open_with(path, flags, ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS)
    }

    /// Opens a regular file or whatever there is; a link that leads out is a fault of `XDEV`.
    pub(crate) fn file_beneath(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        self.open_with(path, flags, ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS)
    }

    fn open_with(&self, path: &[u8], flags: OFlags, how: ResolveFlags) -> Result<OwnedFd, Errno> {
        let path = if path.is_empty() { b"." } else { path };
        let mut tries = 0;
        loop {
            match rustix::fs::openat2(&self.0, path, flags | OFlags::CLOEXEC, Mode::empty(), how) {
                Err(Errno::AGAIN | Errno::INTR) if tries < TRIES_MAX => tries += 1,
                other => return other,
            }
        }
    }
}

/// Opens a folder by its name for what needs more than a name: reading it, marking it, its times.
pub(crate) fn open_child_folder(folder: &OwnedFd, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(folder, name, flags, Mode::empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_are_cleaned_and_those_that_lead_out_are_refused() {
        let clean = |text: &str| Inside::parse(text.as_bytes()).map(|inside| inside.0);
        for (text, want) in
            [("a/b", "a/b"), ("/a//./b/", "a/b"), ("./", ""), ("", ""), ("...", "...")]
        {
            assert_eq!(clean(text).unwrap(), want.as_bytes(), "{text}");
        }
        let long = "n".repeat(256);
        let deep = "d/".repeat(257);
        let both = format!("{}/", "n".repeat(200)).repeat(30);
        for text in ["..", "a/../b", "/..", "a/..", "a\0b", &long, &deep, &both] {
            assert!(clean(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_path_is_its_folder_and_its_name(text in "[a-c./]{0,12}") {
            let Ok(path) = Inside::parse(text.as_bytes()) else { return Ok(()) };
            prop_assert_eq!(path.names().count(), path.depth());
            match path.split() {
                None => prop_assert_eq!(path.depth(), 0),
                Some((folder, name)) => prop_assert_eq!(folder.join(name), path.clone()),
            }
        }
    }
}
