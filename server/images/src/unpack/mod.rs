//! Unpacks one layer into a folder, in the form that overlayfs stacks: what the layer deletes
//! becomes a whiteout device, and a folder that hides those below is opaque. Every path is resolved
//! by the kernel with the layer's folder as its root, so no link leads out of it.
//!
//! ```text
//!  compressed stream ─> digest ─> gzip, zstd ─> diff id, size ─> tar members ─> Writer ─> DIR/fs
//! ```
//!
//! DIR also gets a folder `gone` for what later members of the layer replaced; it is removed at
//! the end. Nothing is synced here and nothing is removed after a fault: the folder is the
//! caller's, who throws it away.

mod entry;
mod limits;
mod link;
mod lower;
mod metadata;
mod parent;
mod root;
mod whiteout;

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::compression;
use crate::digest::{Digest, HashingReader};
use crate::error::ImageError;
use crate::tarball::Tarball;
pub(crate) use entry::FS;
use entry::Writer;
pub use limits::Limits;
pub(crate) use root::{Inside, Root, shown};

/// What a layer came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpacked {
    /// The digest of the stream as it came.
    pub digest: Digest,
    /// Bytes of the stream as it came.
    pub n_bytes_packed: u64,
    /// The digest of the stream without its compression.
    pub diff_id: Digest,
    /// Bytes of all files.
    pub n_bytes: u64,
    /// Members of the archive.
    pub n_entries: u64,
    /// Devices that were left out: mounts without devices could not use them.
    pub n_devices_skipped: u64,
    /// Extended attributes that were left out: of a kind that no image may set, or that this file
    /// system does not take.
    pub n_xattrs_skipped: u64,
}

/// Unpacks the layer in `stream` to `dir/fs`; `dir` is there and empty. `lowers` are the folders of
/// the layers below it, lowest first: they say what there is to hide, and hold what a hard link
/// leads to. Whoever has root's rights gets the owners of the archive and root's marks of
/// overlayfs, everyone else the own user and `user.overlay.` marks.
///
/// # Errors
/// [`Damaged`](crate::ErrorKind::Damaged) where the stream is torn,
/// [`Refused`](crate::ErrorKind::Refused) where it leads out of itself or beyond a limit,
/// [`Unsupported`](crate::ErrorKind::Unsupported) for what is not read here, and faults of the disk.
pub fn layer(
    stream: impl Read,
    dir: &Path,
    lowers: &[PathBuf],
    limits: &Limits,
) -> Result<Unpacked, ImageError> {
    let max = limits.stream_bytes_max();
    let (is_compressed, stream) = compression::look(stream)?;
    // Uncompressed it is one stream with one digest.
    let mut packed = if is_compressed {
        HashingReader::new(stream, max)
    } else {
        HashingReader::counting(stream, max)
    };
    let mut plain = HashingReader::new(compression::open(&mut packed)?, max);
    let mut writer = Writer::new(dir, lowers, limits)?;
    let mut archive = Tarball::new(&mut plain);
    while let Some(member) = archive.next()? {
        writer.take(&member, &mut archive)?;
    }
    let report = writer.finish()?;
    crate::files::remove_all(&dir.join(entry::GONE))?;
    let torn = |error| ImageError::reading("could not read the layer to its end", error);
    let (diff_id, _) = plain.finish().map_err(torn)?;
    let (digest, n_bytes_packed) = packed.finish().map_err(torn)?;
    let diff_id = diff_id.ok_or_else(|| ImageError::damaged("the layer has no digest"))?;
    Ok(Unpacked {
        digest: digest.unwrap_or_else(|| diff_id.clone()),
        n_bytes_packed,
        diff_id,
        n_bytes: report.n_bytes,
        n_entries: report.n_entries,
        n_devices_skipped: report.n_devices_skipped,
        n_xattrs_skipped: report.n_xattrs_skipped,
    })
}

#[cfg(test)]
mod tests;
