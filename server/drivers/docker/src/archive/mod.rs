//! Archives of images: what `docker save` writes, old form and new, and OCI layouts as tar files,
//! plain or gzipped. [`survey`] reads one to its end and says what is in it; [`copy`] then writes
//! it out in the one form that every Docker engine loads, without names: engines before 25 know no
//! OCI layout, and one that names images itself would have moved names before it fails.
//!
//! ```text
//!  file ── survey ──> Survey: images, their names, their files
//!    └──── copy(survey) ──> the same blobs + a manifest.json without names ──> POST /images/load
//! ```
//!
//! An archive comes from whoever may call the server: nothing in it is believed, its bulk is
//! bounded, and nothing of it is written to a path that it names.

mod copy;
mod manifest;
mod survey;

use std::fs::File;
use std::io::{BufReader, Read, Seek as _, SeekFrom};
use std::path::{Component, Path};

use flate2::read::MultiGzDecoder;
use gofer_core::ports::driver::{DriverError, FaultKind};

pub use copy::copy;
pub use survey::{Packed, Survey, survey};

/// The first two bytes of a gzipped file.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// The tar stream of an archive.
type TarStream = Box<dyn Read>;

/// Opens the archive and takes off what it is packed in.
fn open(file: &Path) -> Result<TarStream, DriverError> {
    let failed = |error: std::io::Error| {
        let message = format!("could not read the archive {}: {error}", file.display());
        DriverError::new(FaultKind::Engine, message)
    };
    let mut opened = File::open(file).map_err(failed)?;
    let mut magic = Vec::new();
    opened.by_ref().take(2).read_to_end(&mut magic).map_err(failed)?;
    opened.seek(SeekFrom::Start(0)).map_err(failed)?;
    let buffered = BufReader::with_capacity(64 * 1024, opened);
    Ok(if magic == GZIP_MAGIC {
        Box::new(MultiGzDecoder::new(buffered))
    } else {
        Box::new(buffered)
    })
}

/// The fault of an archive that is none, is damaged or wants too much.
fn bad(what: impl std::fmt::Display) -> DriverError {
    DriverError::new(FaultKind::Image, format!("could not read the image archive: {what}"))
}

/// The path of an entry as the archive's own files name it: without a leading `./`, with `/`
/// between names. None where it leads out of the archive, or is no text.
fn inner_path(path: &Path) -> Option<String> {
    let mut names: Vec<&str> = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => names.push(name.to_str()?),
            Component::CurDir => {}
            Component::ParentDir => {
                names.pop()?;
            }
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(names.join("/"))
}

#[cfg(test)]
mod tests;
