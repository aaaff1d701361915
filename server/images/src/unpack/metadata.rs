//! Owners, modes, extended attributes and times of what is unpacked, in the order in which the
//! kernel keeps them: the owner first, since a new owner takes setuid and capabilities away.

use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, Gid, Mode, Stat, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use crate::tarball::{Member, Time, Xattr};

const CAPABILITY: &[u8] = b"security.capability";
const XATTR_NAME_BYTES_MAX: usize = 255;
const XATTR_BYTES_MAX: usize = 64 * 1024;

/// What this process may do with files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rights {
    Root,
    /// Everything belongs to the user that we are.
    User,
}

impl Rights {
    pub(super) fn current() -> Self {
        if rustix::process::geteuid().is_root() { Self::Root } else { Self::User }
    }

    /// The mark of a folder that hides the ones below.
    pub(super) fn opaque_mark(self) -> &'static [u8] {
        match self {
            Self::Root => b"trusted.overlay.opaque",
            Self::User => b"user.overlay.opaque",
        }
    }
}

/// What a file gets besides its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Metadata {
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mtime: Time,
    pub(super) xattrs: Vec<Xattr>,
}

impl Metadata {
    pub(super) fn of_member(member: &Member) -> Self {
        Self {
            mode: member.mode,
            uid: member.uid,
            gid: member.gid,
            mtime: member.mtime,
            xattrs: member.xattrs.clone(),
        }
    }

    /// For folders that the layer names only on the way to others.
    pub(super) fn implied() -> Self {
        Self { mode: 0o755, uid: 0, gid: 0, mtime: Time::default(), xattrs: Vec::new() }
    }

    pub(super) fn of_stat(stat: &Stat, xattrs: Vec<Xattr>) -> Self {
        let nanoseconds = u32::try_from(stat.st_mtime_nsec).unwrap_or(0);
        Self {
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            mtime: Time { seconds: stat.st_mtime, nanoseconds },
            xattrs,
        }
    }

    /// Gives an open file everything; the number of attributes that it could not get.
    pub(super) fn apply(&self, file: &OwnedFd, rights: Rights) -> Result<u64, Errno> {
        self.own(file, rights)?;
        rustix::fs::fchmod(file, Mode::from_raw_mode(self.mode))?;
        let n_skipped = self.mark(file, rights)?;
        rustix::fs::futimens(file, &times(self.mtime))?;
        Ok(n_skipped)
    }

    pub(super) fn own(&self, file: &OwnedFd, rights: Rights) -> Result<(), Errno> {
        let (uid, gid) = self.owner();
        match rights {
            Rights::Root => rustix::fs::fchown(file, uid, gid),
            Rights::User => Ok(()),
        }
    }

    /// Sets the attributes that an image may set; the number of those that were left out.
    pub(super) fn mark(&self, file: &OwnedFd, rights: Rights) -> Result<u64, Errno> {
        let mut n_skipped = 0;
        for (name, value) in &self.xattrs {
            if !may_set(name, rights) || value.len() > XATTR_BYTES_MAX {
                n_skipped += 1;
                continue;
            }
            match rustix::fs::fsetxattr(file, name.as_slice(), value, XattrFlags::empty()) {
                Ok(()) => {}
                // This file system has none, or this kind of file.
                Err(Errno::NOTSUP | Errno::PERM) => n_skipped += 1,
                Err(error) => return Err(error),
            }
        }
        Ok(n_skipped)
    }

    /// Gives a link or a pipe what it can have, by name.
    pub(super) fn apply_at(
        &self,
        folder: &OwnedFd,
        name: &[u8],
        rights: Rights,
    ) -> Result<(), Errno> {
        let (uid, gid) = self.owner();
        if rights == Rights::Root {
            rustix::fs::chownat(folder, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
        }
        rustix::fs::utimensat(folder, name, &times(self.mtime), AtFlags::SYMLINK_NOFOLLOW)
    }

    fn owner(&self) -> (Option<Uid>, Option<Gid>) {
        (Some(Uid::from_raw_unchecked(self.uid)), Some(Gid::from_raw_unchecked(self.gid)))
    }
}

pub(super) fn times(mtime: Time) -> Timestamps {
    let time = Timespec { tv_sec: mtime.seconds, tv_nsec: i64::from(mtime.nanoseconds) };
    Timestamps { last_access: time, last_modification: time }
}

/// Capabilities of a program, and what programs keep for themselves. Never the marks by which
/// overlayfs would believe that something is hidden or lies elsewhere.
fn may_set(name: &[u8], rights: Rights) -> bool {
    if name.len() > XATTR_NAME_BYTES_MAX || name.contains(&0) {
        return false;
    }
    (name == CAPABILITY && rights == Rights::Root)
        || (name.starts_with(b"user.") && !name.starts_with(b"user.overlay."))
}

/// The attributes of an open file that an image may set.
pub(super) fn xattrs_of(file: &OwnedFd, rights: Rights) -> Result<Vec<Xattr>, Errno> {
    let mut names = vec![0; XATTR_BYTES_MAX];
    let n_bytes = match rustix::fs::flistxattr(file, names.as_mut_slice()) {
        Ok(n_bytes) => n_bytes,
        Err(Errno::NOTSUP) => 0,
        Err(error) => return Err(error),
    };
    names.truncate(n_bytes);
    let mut found = Vec::new();
    for name in names.split(|byte| *byte == 0).filter(|name| may_set(name, rights)) {
        let mut value = vec![0; XATTR_BYTES_MAX];
        let n_bytes = rustix::fs::fgetxattr(file, name, value.as_mut_slice())?;
        value.truncate(n_bytes);
        found.push((name.to_vec(), value));
    }
    Ok(found)
}
