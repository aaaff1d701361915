//! What a layer deletes. An archive says it by names: `.wh.NAME` deletes NAME of the layers below,
//! `.wh..wh..opq` everything that they have in the folder; neither touches what the layer itself
//! has (OCI image specification, "Whiteouts"). overlayfs wants a device 0:0 and an attribute.
//!
//! A mark is made only where it hides something: a whiteout in a folder that nothing is merged
//! into would show up in listings.

use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::{AtFlags, FileType, Mode, XattrFlags};
use rustix::io::Errno;

use super::entry::Writer;
use super::lower;
use super::root::{Inside, open_child_folder, shown};
use crate::error::ImageError;
use crate::files::kind_of;

const PREFIX: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Names by which an old storage driver kept its own books.
const AUFS: &[u8] = b".wh..wh.";

/// What a name of an archive asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Deletion<'a> {
    One(&'a [u8]),
    AllBelow,
    Nothing,
}

/// Reads a name; none where it is that of a file.
pub(super) fn deletion(name: &[u8]) -> Result<Option<Deletion<'_>>, ImageError> {
    if name == OPAQUE {
        return Ok(Some(Deletion::AllBelow));
    }
    if name.starts_with(AUFS) {
        return Ok(Some(Deletion::Nothing));
    }
    match name.strip_prefix(PREFIX) {
        None => Ok(None),
        Some(b"" | b"." | b"..") => {
            let message = format!("could not take in `{}`: it deletes no file", shown(name));
            Err(ImageError::refused(message))
        }
        Some(hidden) => Ok(Some(Deletion::One(hidden))),
    }
}

impl Writer<'_> {
    pub(super) fn delete(
        &mut self,
        folder: &Inside,
        parent: &OwnedFd,
        deletion: &Deletion<'_>,
    ) -> Result<(), Errno> {
        let folder = self.real_path(parent).unwrap_or_else(|| folder.clone());
        match deletion {
            Deletion::Nothing => Ok(()),
            Deletion::One(name) => self.hide(&folder, parent, name),
            Deletion::AllBelow if folder.depth() == 0 => {
                // overlayfs does not look for the mark on the layer's own folder.
                let names = self.lowers.names_at_root()?;
                names.iter().try_for_each(|name| self.hide(&folder, parent, name))
            }
            Deletion::AllBelow => {
                if self.visible_below(&folder)? {
                    self.make_opaque(&open_child_folder(parent, b".")?)?;
                }
                Ok(())
            }
        }
    }

    fn hide(&mut self, folder: &Inside, parent: &OwnedFd, name: &[u8]) -> Result<(), Errno> {
        if !self.visible_below(&folder.join(name))? {
            return Ok(());
        }
        match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if kind_of(&stat) == FileType::Directory => {
                self.make_opaque(&open_child_folder(parent, name)?)
            }
            Ok(_) => Ok(()), // the layer's own file hides it
            Err(Errno::NOENT) => {
                let kind = FileType::CharacterDevice;
                rustix::fs::mknodat(parent, name, kind, Mode::empty(), rustix::fs::makedev(0, 0))
            }
            Err(error) => Err(error),
        }
    }

    /// Whether a container would see something of the layers below at `path`.
    fn visible_below(&self, path: &Inside) -> Result<bool, Errno> {
        let root = self.root.folder(b"")?;
        if lower::look(&root, path, self.rights)?.hides {
            return Ok(false);
        }
        Ok(self.lowers.find(path)?.is_some())
    }

    /// Hides the folders below, and takes out the whiteouts that are of no use any more.
    pub(super) fn make_opaque(&self, folder: &OwnedFd) -> Result<(), Errno> {
        let mark = self.rights.opaque_mark();
        rustix::fs::fsetxattr(folder, mark, b"y", XattrFlags::empty())?;
        for entry in rustix::fs::Dir::read_from(folder)? {
            let entry = entry?;
            let stat = rustix::fs::statat(folder, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)?;
            if lower::is_whiteout(&stat) {
                rustix::fs::unlinkat(folder, entry.file_name(), AtFlags::empty())?;
            }
        }
        Ok(())
    }

    /// Where a folder is, whatever links led to it; none where the kernel does not say.
    fn real_path(&self, folder: &OwnedFd) -> Option<Inside> {
        let of =
            |fd: &OwnedFd| std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).ok();
        let root = self.root.folder(b"").ok()?;
        let (root, folder) = (of(&root)?, of(folder)?);
        Inside::parse(folder.strip_prefix(root).ok()?.as_os_str().as_bytes()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_delete_are_told_from_files() {
        let of = |name: &'static str| deletion(name.as_bytes());
        assert_eq!(of("a").unwrap(), None);
        assert_eq!(of(".wh").unwrap(), None);
        assert_eq!(of(".wh.a").unwrap(), Some(Deletion::One(b"a")));
        assert_eq!(of(".wh..wh..opq").unwrap(), Some(Deletion::AllBelow));
        assert_eq!(of(".wh..wh.plnk").unwrap(), Some(Deletion::Nothing));
        for wrong in [".wh.", ".wh..", ".wh..."] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }
}
