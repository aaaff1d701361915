//! Hard links. What one leads to is in this layer, or in one below: then it is copied up, since a
//! layer is a folder of its own.

use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FileType, Stat};
use rustix::io::Errno;

use super::entry::{Place, Writer, create, fault, open_file};
use super::lower;
use super::metadata::{self, Metadata, Rights};
use super::root::{Inside, shown};
use crate::error::ImageError;
use crate::files::kind_of;
use crate::tarball::{Kind, Member};

impl Writer<'_> {
    pub(super) fn hard_link(
        &mut self,
        place: &Place<'_>,
        member: &Member,
    ) -> Result<(), ImageError> {
        let target = Inside::parse(&member.link)?;
        let failed = |error| fault(place.path, error);
        match self.find_here(&target).map_err(failed)? {
            Some((folder, stat)) if kind_of(&stat) != FileType::Directory => {
                let name = target.split().map(|(_, name)| name.to_vec()).unwrap_or_default();
                self.link_here(place, &folder, &name, &stat).map_err(failed)?;
                self.reconcile(place, member, &stat).map_err(failed)
            }
            Some(_) => Err(ImageError::damaged(format!(
                "could not unpack `{}`: it is a hard link to a folder",
                shown(place.path.bytes())
            ))),
            None => self.copy_up(place, &target),
        }
    }

    /// Something of this layer that a link may lead to.
    fn find_here(&self, target: &Inside) -> Result<Option<lower::Found>, Errno> {
        let Some((folder, name)) = target.split() else { return Err(Errno::ISDIR) };
        let folder = match self.root.folder(folder.bytes()) {
            Ok(folder) => folder,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            Err(error) => return Err(error),
        };
        match rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if lower::is_whiteout(&stat) => Err(Errno::NOENT),
            Ok(stat) => Ok(Some((folder, stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn link_here(
        &mut self,
        place: &Place<'_>,
        folder: &OwnedFd,
        name: &[u8],
        target: &Stat,
    ) -> Result<(), Errno> {
        let there = rustix::fs::statat(&place.parent, place.name, AtFlags::SYMLINK_NOFOLLOW);
        if there.is_ok_and(|there| there.st_ino == target.st_ino) {
            return Ok(()); // the same file already; clearing the place would remove it
        }
        self.clear(place, Kind::HardLink)?;
        rustix::fs::linkat(folder, name, &place.parent, place.name, AtFlags::empty())
    }

    /// A link that names another owner or mode than its target changes both, as with Docker.
    fn reconcile(
        &mut self,
        place: &Place<'_>,
        member: &Member,
        target: &Stat,
    ) -> Result<(), Errno> {
        let same_owner = target.st_uid == member.uid && target.st_gid == member.gid;
        let owned = same_owner || self.rights == Rights::User;
        let is_file = kind_of(target) == FileType::RegularFile;
        if !is_file || (owned && target.st_mode & 0o7777 == member.mode) {
            return Ok(());
        }
        let file = open_file(&place.parent, place.name)?;
        let xattrs = metadata::xattrs_of(&file, self.rights)?;
        let metadata = Metadata { xattrs, ..Metadata::of_member(member) };
        metadata.apply(&file, self.rights).map(|_none_is_new| ())
    }

    /// A hard link to a file of a layer below: the file is copied into this one.
    fn copy_up(&mut self, place: &Place<'_>, target: &Inside) -> Result<(), ImageError> {
        let failed = |error| fault(place.path, error);
        let Some((folder, stat)) = self.lowers.find(target).map_err(failed)? else {
            return Err(ImageError::damaged(format!(
                "could not unpack `{}`: it is a hard link to `{}`, which is not there",
                shown(place.path.bytes()),
                shown(target.bytes())
            )));
        };
        let name = target.split().map(|(_, name)| name.to_vec()).unwrap_or_default();
        self.clear(place, Kind::HardLink).map_err(failed)?;
        match kind_of(&stat) {
            FileType::RegularFile => {
                let source = open_file(&folder, &name).map_err(failed)?;
                let xattrs = metadata::xattrs_of(&source, self.rights).map_err(failed)?;
                let metadata = Metadata::of_stat(&stat, xattrs);
                let n_bytes = u64::try_from(stat.st_size).unwrap_or(0);
                self.count_bytes(n_bytes)?;
                let mut file = std::fs::File::from(create(place).map_err(failed)?);
                let copied = self.copy(&mut std::fs::File::from(source), &mut file, n_bytes);
                copied.map_err(|error| ImageError::io("could not copy a file up", error))?;
                metadata.apply(&file.into(), self.rights).map_err(failed)?;
                Ok(())
            }
            FileType::Symlink => {
                let link = rustix::fs::readlinkat(&folder, name.as_slice(), Vec::new());
                let link = link.map_err(failed)?;
                let made = rustix::fs::symlinkat(&link, &place.parent, place.name);
                made.map_err(failed)?;
                let metadata = Metadata::of_stat(&stat, Vec::new());
                metadata.apply_at(&place.parent, place.name, self.rights).map_err(failed)
            }
            FileType::Directory
            | FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => Err(ImageError::damaged(format!(
                "could not unpack `{}`: it is a hard link to what is no file",
                shown(place.path.bytes())
            ))),
        }
    }
}
