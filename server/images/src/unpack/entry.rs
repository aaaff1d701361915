//! Writes the members of a layer, one after the other, as they come: a later one replaces an
//! earlier one, a folder over a folder stays. Nothing is written through a link: the last name of
//! a path is removed first and then made anew with `O_EXCL`.

use std::collections::HashMap;
use std::io::{Read, Seek as _, SeekFrom, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::limits::Limits;
use super::lower::{self, Lowers};
use super::metadata::{self, Metadata, Rights};
use super::root::{Inside, Root, open_child_folder, shown};
use super::whiteout;
use crate::error::{ErrorKind, ImageError};
use crate::files::kind_of;
use crate::tarball::{Kind, Member, Time};

/// The unpacked files, in the folder of the layer.
pub(crate) const FS: &str = "fs";
/// Folders that later members replaced.
pub(super) const GONE: &str = "gone";
const COPY_BYTES: usize = 128 * 1024;
/// About what a folder costs to remember, besides its path.
const FOLDER_BYTES: usize = 96;

/// What was done so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) n_bytes: u64,
    pub(super) n_entries: u64,
    pub(super) n_devices_skipped: u64,
    pub(super) n_xattrs_skipped: u64,
}

/// What a folder gets at the end, when nothing is written into it any more.
struct Late {
    path: Vec<u8>,
    mode: u32,
    mtime: Time,
}

/// What stood where something is to be written.
#[derive(PartialEq, Eq)]
pub(super) enum Before {
    Nothing,
    Whiteout,
    Folder,
}

pub(super) struct Writer<'a> {
    pub(super) root: Root,
    pub(super) lowers: Lowers,
    pub(super) rights: Rights,
    gone: OwnedFd,
    limits: &'a Limits,
    /// By the number of the inode, which stays whatever becomes of the path.
    late: HashMap<u64, Late>,
    n_late_bytes: usize,
    report: Report,
    buffer: Vec<u8>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(
        dir: &Path,
        lowers: &[PathBuf],
        limits: &'a Limits,
    ) -> Result<Self, ImageError> {
        let what = || format!("could not make the layer's folder {}", dir.display());
        let rights = Rights::current();
        let make = |name, mode| {
            use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
            let path = dir.join(name);
            std::fs::DirBuilder::new().mode(mode).create(&path)?;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode))?;
            Ok(path)
        };
        let root = make(FS, 0o755).map_err(|error| ImageError::io(what(), error))?;
        let gone =
            make(GONE, 0o700).map_err(|error: std::io::Error| ImageError::io(what(), error))?;
        Ok(Self {
            root: Root::open(&root)?,
            gone: Root::open(&gone)?.folder(b"").map_err(|error| ImageError::io(what(), error))?,
            lowers: Lowers::open(lowers, rights)?,
            rights,
            limits,
            late: HashMap::new(),
            n_late_bytes: 0,
            report: Report::default(),
            buffer: vec![0; COPY_BYTES],
        })
    }

    /// Writes one member; `data` gives what it has stored.
    pub(super) fn take(&mut self, member: &Member, data: &mut impl Read) -> Result<(), ImageError> {
        self.report.n_entries += 1;
        if self.report.n_entries > self.limits.n_entries_max {
            let message = format!("the layer has more than {} files", self.limits.n_entries_max);
            return Err(ImageError::refused(message));
        }
        let path = Inside::parse(&member.path)?;
        let Some((folder, name)) = path.split() else {
            return self.take_root(member).map_err(|error| fault(&path, error));
        };
        let deletion = whiteout::deletion(name)?;
        if member.kind == Kind::Device && deletion.is_none() {
            self.report.n_devices_skipped += 1;
            return Ok(());
        }
        let parent = self.parent(folder.bytes()).map_err(|error| fault(&path, error))?;
        if let Some(deletion) = deletion {
            return self.delete(&folder, &parent, &deletion).map_err(|error| fault(&path, error));
        }
        let place = Place { path: &path, parent, name };
        match member.kind {
            Kind::File => self.file(&place, member, data),
            Kind::HardLink => self.hard_link(&place, member),
            Kind::Directory => self.folder(&place, member).map_err(|error| fault(&path, error)),
            Kind::Symlink => self.symlink(&place, member).map_err(|error| fault(&path, error)),
            Kind::Fifo => self.fifo(&place, member).map_err(|error| fault(&path, error)),
            Kind::Device => Ok(()),
            Kind::Other(byte) => Err(ImageError::unsupported(format!(
                "could not unpack `{}`: members of kind {byte:#04x} are not read",
                shown(path.bytes())
            ))),
        }
    }

    /// Gives the folders their modes and times.
    pub(super) fn finish(mut self) -> Result<Report, ImageError> {
        let mut late: Vec<(u64, Late)> = std::mem::take(&mut self.late).into_iter().collect();
        // The deepest first: a mode may shut us out of what is below.
        late.sort_by_key(|(_, late)| {
            std::cmp::Reverse(late.path.iter().filter(|b| **b == b'/').count())
        });
        for (inode, late) in late {
            self.settle(inode, &late).map_err(|error| {
                let shown = shown(&late.path);
                ImageError::io(format!("could not settle the folder `{shown}`"), error)
            })?;
        }
        Ok(self.report)
    }

    fn settle(&self, inode: u64, late: &Late) -> Result<(), Errno> {
        let folder = match self.root.folder(&late.path) {
            Ok(folder) => folder,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(()), // replaced since
            Err(error) => return Err(error),
        };
        if rustix::fs::fstat(&folder)?.st_ino != inode {
            return Ok(());
        }
        rustix::fs::utimensat(&folder, ".", &metadata::times(late.mtime), AtFlags::empty())?;
        rustix::fs::chmodat(&folder, ".", Mode::from_raw_mode(late.mode), AtFlags::empty())
    }

    /// The layer's own folder is what containers see as `/`.
    fn take_root(&mut self, member: &Member) -> Result<(), Errno> {
        if member.kind != Kind::Directory {
            return Err(Errno::ISDIR);
        }
        let root = open_child_folder(&self.root.folder(b"")?, b".")?;
        self.adopt(b"", &root, &Metadata::of_member(member))
    }

    fn folder(&mut self, place: &Place<'_>, member: &Member) -> Result<(), Errno> {
        let before = self.clear(place, Kind::Directory)?;
        if before != Before::Folder {
            rustix::fs::mkdirat(&place.parent, place.name, Mode::RWXU)?;
        }
        let folder = open_child_folder(&place.parent, place.name)?;
        if before == Before::Whiteout {
            self.make_opaque(&folder)?;
        }
        self.adopt(place.path.bytes(), &folder, &Metadata::of_member(member))
    }

    /// Gives a folder its owner now, and remembers the rest for the end.
    pub(super) fn adopt(
        &mut self,
        path: &[u8],
        folder: &OwnedFd,
        metadata: &Metadata,
    ) -> Result<(), Errno> {
        metadata.own(folder, self.rights)?;
        self.report.n_xattrs_skipped += metadata.mark(folder, self.rights)?;
        let inode = rustix::fs::fstat(folder)?.st_ino;
        let late = Late { path: path.to_vec(), mode: metadata.mode, mtime: metadata.mtime };
        if let Some(old) = self.late.insert(inode, late) {
            self.n_late_bytes -= old.path.len() + FOLDER_BYTES;
        }
        self.n_late_bytes += path.len() + FOLDER_BYTES;
        if self.n_late_bytes > self.limits.n_folder_bytes_max { Err(Errno::TOOBIG) } else { Ok(()) }
    }

    fn file(
        &mut self,
        place: &Place<'_>,
        member: &Member,
        data: &mut impl Read,
    ) -> Result<(), ImageError> {
        let path = place.path;
        self.count_bytes(member.size)?;
        self.clear(place, member.kind).map_err(|error| fault(path, error))?;
        let file = create(place).map_err(|error| fault(path, error))?;
        let mut file = std::fs::File::from(file);
        let failed = |error| {
            ImageError::reading(format!("could not unpack `{}`", shown(path.bytes())), error)
        };
        match &member.extents {
            None => self.copy(data, &mut file, member.size).map_err(failed)?,
            Some(extents) => {
                for extent in extents {
                    file.seek(SeekFrom::Start(extent.offset)).map_err(failed)?;
                    self.copy(data, &mut file, extent.length).map_err(failed)?;
                }
                file.set_len(member.size).map_err(failed)?;
            }
        }
        let metadata = Metadata::of_member(member);
        let applied = metadata.apply(&file.into(), self.rights);
        self.report.n_xattrs_skipped += applied.map_err(|error| fault(path, error))?;
        Ok(())
    }

    pub(super) fn copy(
        &mut self,
        data: &mut impl Read,
        file: &mut std::fs::File,
        n_bytes: u64,
    ) -> std::io::Result<()> {
        let mut left = n_bytes;
        while left > 0 {
            let room = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
            let room = self.buffer.get_mut(..room).unwrap_or_default();
            match data.read(room) {
                Ok(0) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => {
                    file.write_all(room.get(..n).unwrap_or_default())?;
                    left -= n as u64;
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    pub(super) fn count_bytes(&mut self, n_bytes: u64) -> Result<(), ImageError> {
        self.report.n_bytes = self.report.n_bytes.saturating_add(n_bytes);
        if self.report.n_bytes <= self.limits.n_bytes_max {
            return Ok(());
        }
        let message = format!("the layer has more than {} bytes", self.limits.n_bytes_max);
        Err(ImageError::refused(message))
    }

    fn symlink(&mut self, place: &Place<'_>, member: &Member) -> Result<(), Errno> {
        self.clear(place, member.kind)?;
        rustix::fs::symlinkat(member.link.as_slice(), &place.parent, place.name)?;
        Metadata::of_member(member).apply_at(&place.parent, place.name, self.rights)
    }

    fn fifo(&mut self, place: &Place<'_>, member: &Member) -> Result<(), Errno> {
        self.clear(place, member.kind)?;
        rustix::fs::mknodat(&place.parent, place.name, FileType::Fifo, Mode::RUSR, 0)?;
        Metadata::of_member(member).apply_at(&place.parent, place.name, self.rights)?;
        let mode = Mode::from_raw_mode(member.mode);
        rustix::fs::chmodat(&place.parent, place.name, mode, AtFlags::empty())
    }

    /// Makes room. A folder stays where a folder comes; else it is put aside with all it holds.
    pub(super) fn clear(&mut self, place: &Place<'_>, comes: Kind) -> Result<Before, Errno> {
        let stat = match rustix::fs::statat(&place.parent, place.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(Before::Nothing),
            Err(error) => return Err(error),
        };
        if kind_of(&stat) == FileType::Directory {
            if comes == Kind::Directory {
                return Ok(Before::Folder);
            }
            let name = crate::files::fresh_name("gone");
            rustix::fs::renameat(&place.parent, place.name, &self.gone, name.as_str())?;
            return Ok(Before::Nothing);
        }
        rustix::fs::unlinkat(&place.parent, place.name, AtFlags::empty())?;
        Ok(if lower::is_whiteout(&stat) { Before::Whiteout } else { Before::Nothing })
    }
}

/// Where a member goes.
pub(super) struct Place<'a> {
    pub(super) path: &'a Inside,
    pub(super) parent: OwnedFd,
    pub(super) name: &'a [u8],
}

pub(super) fn create(place: &Place<'_>) -> Result<OwnedFd, Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(&place.parent, place.name, flags, Mode::RUSR | Mode::WUSR)
}

pub(super) fn open_file(folder: &OwnedFd, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::openat(folder, name, flags, Mode::empty())
}

/// The fault of one path. Some errors of the kernel are the archive's doing.
pub(super) fn fault(path: &Inside, error: Errno) -> ImageError {
    let shown = shown(path.bytes());
    let say = |kind, why| ImageError::new(kind, format!("could not unpack `{shown}`: {why}"));
    match error {
        Errno::NOTDIR => say(ErrorKind::Damaged, "it is in something that is no folder"),
        Errno::ISDIR => say(ErrorKind::Damaged, "only a folder can be there"),
        Errno::NOENT => say(ErrorKind::Damaged, "it leads to nothing"),
        Errno::INVAL => say(ErrorKind::Damaged, "the kernel does not take it"),
        Errno::LOOP => say(ErrorKind::Refused, "too many links lead to it"),
        Errno::NAMETOOLONG => say(ErrorKind::Refused, "it is too long"),
        Errno::TOOBIG => say(ErrorKind::Refused, "the layer has too many folders"),
        Errno::MLINK => say(ErrorKind::Refused, "the file has too many links"),
        other => ImageError::io(format!("could not unpack `{shown}`"), other),
    }
}
