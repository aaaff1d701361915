//! Files on their way in. A client sends one in pieces; they go into a file of the data directory,
//! since an archive of images does not fit in memory. Whatever ends the call before its end, also a
//! client that goes away, removes the file; what a crash left goes at the next start.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gofer_core::problem::{Kind, Problem};
use tempfile::TempPath;
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The folder of the files, in the data directory.
const FOLDER: &str = "uploads";
/// Bytes of one file: more than any image that a job has a use for.
const FILE_BYTES_MAX: u64 = 20 * 1024 * 1024 * 1024;
/// Files on their way at once: more would only share the same disk.
const FILES_MAX: usize = 4;
/// When a caller may try again where all of them are taken, in milliseconds.
const RETRY_MS: u64 = 5_000;

/// Takes files in.
#[derive(Debug)]
pub(crate) struct Uploads {
    folder: PathBuf,
    room: Arc<Semaphore>,
}

impl Uploads {
    /// Uploads into this data directory, whose one server this is.
    pub(crate) fn new(data_dir: &Path) -> Self {
        let folder = data_dir.join(FOLDER);
        match std::fs::remove_dir_all(&folder) {
            Ok(()) => tracing::info!("removed the remains of uploads that a crash cut off"),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(folder = %folder.display(), %error, "could not remove old uploads");
            }
        }
        Self { folder, room: Arc::new(Semaphore::new(FILES_MAX)) }
    }

    /// Begins a file.
    pub(crate) async fn begin(&self) -> Result<Upload, Problem> {
        let permit = Arc::clone(&self.room).try_acquire_owned().map_err(|_taken| {
            let text = format!("{FILES_MAX} uploads go on already");
            let mut full = Problem::new(Kind::Full, "TOO_MANY_UPLOADS", text);
            full.retry_after_ms = Some(RETRY_MS);
            full
        })?;
        let folder = self.folder.clone();
        let made = tokio::task::spawn_blocking(move || make(&folder)).await;
        let (file, path) = made
            .unwrap_or_else(|error| Err(io::Error::other(error)))
            .map_err(|error| write_problem(&error))?;
        Ok(Upload { file, path, n_bytes: 0, _permit: permit })
    }
}

fn make(folder: &Path) -> io::Result<(File, TempPath)> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let (file, path) = tempfile::Builder::new().prefix("upload-").tempfile_in(folder)?.into_parts();
    Ok((File::from_std(file), path))
}

/// A file on its way in. Dropped before its end, it is removed.
#[derive(Debug)]
pub(crate) struct Upload {
    file: File,
    path: TempPath,
    n_bytes: u64,
    _permit: OwnedSemaphorePermit,
}

impl Upload {
    /// Takes the next piece.
    pub(crate) async fn take(&mut self, piece: &[u8]) -> Result<(), Problem> {
        self.n_bytes = self.n_bytes.saturating_add(piece.len() as u64);
        check_size(self.n_bytes)?;
        self.file.write_all(piece).await.map_err(|error| write_problem(&error))
    }

    /// The whole file; it is removed when the path is dropped.
    pub(crate) async fn end(mut self) -> Result<TempPath, Problem> {
        self.file.flush().await.map_err(|error| write_problem(&error))?;
        Ok(self.path)
    }
}

fn check_size(n_bytes: u64) -> Result<(), Problem> {
    if n_bytes <= FILE_BYTES_MAX {
        return Ok(());
    }
    let text = format!(
        "the archive is larger than the {} GiB that this server takes in",
        FILE_BYTES_MAX / (1024 * 1024 * 1024)
    );
    Err(Problem::new(Kind::Full, "UPLOAD_TOO_LARGE", text))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "every other fault is the machine's")]
fn write_problem(error: &io::Error) -> Problem {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            let text = "the server's disk has no room for the archive; it was thrown away";
            Problem::new(Kind::Full, "DISK_FULL", text)
                .with_next("make room on the server's disk, then import the archive again")
        }
        _ => Problem::internal(format!("could not write an upload: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_lives_as_long_as_somebody_holds_it() {
        let data_dir = tempfile::tempdir().unwrap();
        let folder = data_dir.path().join(FOLDER);
        let left = || std::fs::read_dir(&folder).unwrap().count();
        let uploads = Uploads::new(data_dir.path());
        let mut upload = uploads.begin().await.unwrap();
        upload.take(b"one ").await.unwrap();
        drop(upload);
        assert_eq!(left(), 0, "an upload that was cut off stays");
        let mut upload = uploads.begin().await.unwrap();
        upload.take(b"two ").await.unwrap();
        upload.take(b"pieces").await.unwrap();
        let path = upload.end().await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two pieces");
        drop(path);
        assert_eq!(left(), 0);
        std::fs::write(folder.join("upload-of-a-crash"), b"x").unwrap();
        drop(Uploads::new(data_dir.path()));
        assert!(!folder.exists(), "a start leaves what a crash left");
    }

    #[tokio::test]
    async fn so_many_at_once_and_no_more() {
        let data_dir = tempfile::tempdir().unwrap();
        let uploads = Uploads::new(data_dir.path());
        let mut held = Vec::new();
        for _ in 0..FILES_MAX {
            held.push(uploads.begin().await.unwrap());
        }
        assert_eq!(uploads.begin().await.unwrap_err().reason, "TOO_MANY_UPLOADS");
        held.pop();
        uploads.begin().await.unwrap();
    }

    #[test]
    fn a_file_has_a_largest_size() {
        check_size(FILE_BYTES_MAX).unwrap();
        assert_eq!(check_size(FILE_BYTES_MAX + 1).unwrap_err().kind, Kind::Full);
    }
}
