//! Content by its digest: what a pull fetches. A download goes to a file in `tmp` that is locked by
//! whoever writes it, survives a crash, and is renamed into place once its digest is right.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use rustix::fs::FlockOperation;

use super::Store;
use crate::digest::{Digest, Hasher};
use crate::error::ImageError;
use crate::files;
use crate::manifest::DOCUMENT_BYTES_MAX;

/// How a download in `tmp` is called.
pub(super) const PART: &str = ".part";

impl Store {
    /// Whether the content is here. It then stays for an hour, whatever is pruned.
    ///
    /// # Errors
    /// Where `digest` is none, and faults of the disk.
    pub fn has_blob(&self, digest: &str) -> Result<bool, ImageError> {
        let _shared = self.share()?;
        self.touch_blob(&Digest::parse(digest)?)
    }

    /// Opens content of `n_bytes` for writing; the writer says how much of it is here already. One
    /// who writes the same content is waited for.
    ///
    /// # Errors
    /// Where `digest` is none or the size is beyond the limits, and faults of the disk.
    pub fn blob(&self, digest: &str, n_bytes: u64) -> Result<BlobWriter, ImageError> {
        let digest = Digest::parse(digest)?;
        if n_bytes > self.inner.limits.stream_bytes_max() {
            return Err(ImageError::refused(format!(
                "{digest} has {n_bytes} bytes, which is too much"
            )));
        }
        let part = self.path("tmp").join(format!("{}{PART}", digest.hex()));
        let what = || format!("could not write {digest}");
        loop {
            let mut file = files::open_lock(&part)?;
            files::lock(&file, FlockOperation::LockExclusive)
                .map_err(|error| ImageError::io(what(), error))?;
            let shared = self.share()?;
            if self.touch_blob(&digest)? {
                remove_if_ours(&part, &file)?;
                return Ok(BlobWriter::done(digest, n_bytes));
            }
            drop(shared);
            if !is_at(&part, &file).map_err(|error| ImageError::io(what(), error))? {
                continue; // the one before us finished or gave up, and the file is no longer there
            }
            let mut hasher = Hasher::default();
            let n_there = file.metadata().map_err(|error| ImageError::io(what(), error))?.len();
            if n_there > n_bytes {
                file.set_len(0).map_err(|error| ImageError::io(what(), error))?;
            }
            hash_rest(&mut file, &mut hasher).map_err(|error| ImageError::io(what(), error))?;
            let state = State::Open { file, hasher, store: self.clone(), part };
            return Ok(BlobWriter { digest, n_bytes, state });
        }
    }

    pub(super) fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.path("blobs/sha256").join(digest.hex())
    }

    /// Reads a small document, checked; it is missing otherwise.
    pub(super) fn document(&self, digest: &Digest) -> Result<Vec<u8>, ImageError> {
        let path = self.blob_path(digest);
        let bytes = files::read_if_there(&path, DOCUMENT_BYTES_MAX)?;
        let bytes = bytes.ok_or_else(|| ImageError::missing(format!("{digest} is not here")))?;
        if Digest::of(&bytes) != *digest {
            files::remove_file(&path)?; // so that it can come anew
            return Err(ImageError::damaged(format!("the file of {digest} holds something else")));
        }
        Ok(bytes)
    }

    pub(super) fn write_document(&self, bytes: &[u8]) -> Result<Digest, ImageError> {
        let digest = Digest::of(bytes);
        if !self.touch_blob(&digest)? {
            files::write_whole(&self.path("tmp"), &self.blob_path(&digest), bytes)?;
        }
        Ok(digest)
    }

    /// Makes content young, so that no prune takes it; false where it is not here.
    pub(super) fn touch_blob(&self, digest: &Digest) -> Result<bool, ImageError> {
        let now = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
        let times = rustix::fs::Timestamps { last_access: now, last_modification: now };
        let path = self.blob_path(digest);
        let flags = rustix::fs::AtFlags::empty();
        match rustix::fs::utimensat(rustix::fs::CWD, &path, &times, flags) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::NOENT) => Ok(false),
            Err(error) => Err(ImageError::io(format!("could not touch {}", path.display()), error)),
        }
    }
}

/// Writes content. Dropped before its end, it leaves what it has for the next one.
#[derive(Debug)]
pub struct BlobWriter {
    digest: Digest,
    n_bytes: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Someone else finished it.
    Done,
    Open {
        file: File,
        hasher: Hasher,
        store: Store,
        part: PathBuf,
    },
}

impl BlobWriter {
    fn done(digest: Digest, n_bytes: u64) -> Self {
        Self { digest, n_bytes, state: State::Done }
    }

    /// Bytes that are here: where to go on.
    #[must_use]
    pub fn written(&self) -> u64 {
        match &self.state {
            State::Done => self.n_bytes,
            State::Open { hasher, .. } => hasher.n_bytes(),
        }
    }

    /// Forgets what is here: for a source that cannot go on in the middle.
    ///
    /// # Errors
    /// Faults of the disk.
    pub fn restart(&mut self) -> Result<(), ImageError> {
        let State::Open { file, hasher, .. } = &mut self.state else { return Ok(()) };
        let emptied = file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0)));
        emptied
            .map_err(|error| ImageError::io(format!("could not empty {}", self.digest), error))?;
        *hasher = Hasher::default();
        Ok(())
    }

    /// Checks size and digest, and makes the content last. Content that is wrong is forgotten.
    ///
    /// # Errors
    /// [`Damaged`](crate::ErrorKind::Damaged) where it is not what the digest says, and faults of
    /// the disk.
    pub fn finish(self) -> Result<(), ImageError> {
        let State::Open { file, hasher, store, part } = self.state else { return Ok(()) };
        let digest = self.digest;
        let n_there = hasher.n_bytes();
        if n_there < self.n_bytes {
            let message = format!("{digest} ends after {n_there} of {} bytes", self.n_bytes);
            return Err(ImageError::damaged(message)); // the rest may still come
        }
        let found = hasher.finish();
        if found != digest {
            files::remove_file(&part)?;
            return Err(ImageError::damaged(format!(
                "the digest is {found} and should be {digest}"
            )));
        }
        let failed = |error| ImageError::io(format!("could not keep {digest}"), error);
        file.sync_all().map_err(failed)?;
        let _shared = store.share()?;
        let place = store.blob_path(&digest);
        std::fs::rename(&part, &place).map_err(failed)?;
        store.touch_blob(&digest)?;
        files::sync_folder_of(&place)
    }
}

impl Write for BlobWriter {
    /// Fails where there is more than was promised.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let State::Open { file, hasher, .. } = &mut self.state else {
            return Err(ImageError::refused("the content is complete").into());
        };
        if hasher.n_bytes().saturating_add(bytes.len() as u64) > self.n_bytes {
            let message = format!("{} has more than {} bytes", self.digest, self.n_bytes);
            return Err(ImageError::damaged(message).into());
        }
        let n = file.write(bytes)?;
        hasher.update(bytes.get(..n).unwrap_or_default());
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn hash_rest(file: &mut File, hasher: &mut Hasher) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match io::Read::read(file, &mut buffer)? {
            0 => return Ok(()),
            n => hasher.update(buffer.get(..n).unwrap_or_default()),
        }
    }
}

/// Whether an open file is the one that a path leads to.
fn is_at(path: &std::path::Path, file: &File) -> io::Result<bool> {
    let open = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(there) => Ok(there.ino() == open.ino() && there.dev() == open.dev()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn remove_if_ours(part: &std::path::Path, file: &File) -> Result<(), ImageError> {
    let ours =
        is_at(part, file).map_err(|error| ImageError::io("could not look at a download", error))?;
    if ours { files::remove_file(part).map(|_was_there| ()) } else { Ok(()) }
}
