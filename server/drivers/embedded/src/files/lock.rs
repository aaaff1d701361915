//! The lock of an attempt: whoever holds it is the attempt's shim, and it is held for as long as the
//! shim lives. It is the one thing that decides whether a container may be alive.
//!
//! It is a lock of an open file (`F_OFD_SETLK`), not of a process: the kernel frees it when the last
//! copy of the descriptor is closed, which no crash can prevent. Testing it takes nothing, so that a
//! server that looks never makes a shim believe that another one is there.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

/// The lock, held until this is dropped.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "the open file is the lock")] File);

/// Takes the lock at `path`, whose folder must exist; none where another process has it.
pub(crate) fn take(path: &Path) -> io::Result<Option<Lock>> {
    let file =
        OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
    match fcntl(&file, FcntlArg::F_OFD_SETLK(&whole_file())) {
        Ok(_) => Ok(Some(Lock(file))),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// Whether some process holds the lock at `path`. A lock that nobody ever took is free.
pub(crate) fn is_busy(path: &Path) -> io::Result<bool> {
    // The kernel wants a descriptor for writing where it is asked about a lock for writing.
    let file = match OpenOptions::new().write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let mut found = whole_file();
    fcntl(&file, FcntlArg::F_OFD_GETLK(&mut found))?;
    Ok(i32::from(found.l_type) != libc::F_UNLCK)
}

/// A lock for writing on all of the file.
fn whole_file() -> libc::flock {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the constants fit into the kernel's field"
    )]
    let (kind, from) = (libc::F_WRLCK as libc::c_short, libc::SEEK_SET as libc::c_short);
    libc::flock { l_type: kind, l_whence: from, l_start: 0, l_len: 0, l_pid: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_by_one_until_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let lock = folder.path().join("lock");
        assert!(!is_busy(&lock).unwrap());
        let taken = take(&lock).unwrap().unwrap();
        assert!(is_busy(&lock).unwrap());
        assert!(take(&lock).unwrap().is_none());
        drop(taken);
        assert!(!is_busy(&lock).unwrap());
        assert!(take(&lock).unwrap().is_some());
    }

    #[test]
    fn looking_at_a_lock_does_not_take_it() {
        let folder = tempfile::tempdir().unwrap();
        let lock = folder.path().join("lock");
        drop(take(&lock).unwrap());
        let seen = std::thread::spawn({
            let lock = lock.clone();
            move || (0..2_000).filter(|_| is_busy(&lock).unwrap()).count()
        });
        let n_taken = (0..2_000).filter(|_| take(&lock).unwrap().is_some()).count();
        seen.join().unwrap();
        assert_eq!(n_taken, 2_000, "a look kept a shim away");
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error_to_lock_and_free_to_look_at() {
        let folder = tempfile::tempdir().unwrap();
        let lock = folder.path().join("none/lock");
        assert!(take(&lock).is_err());
        assert!(!is_busy(&lock).unwrap());
    }
}
