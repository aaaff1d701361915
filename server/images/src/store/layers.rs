//! Unpacked layers. A layer is known by its chain id, which names the layers below it too: what is
//! unpacked depends on them. Whoever unpacks one holds the lock of its first two digits, so that a
//! second one waits and then finds it there.

use std::io::Read;
use std::path::PathBuf;

use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use super::Store;
use crate::digest::Digest;
use crate::error::ImageError;
use crate::files;
use crate::manifest::DOCUMENT_BYTES_MAX;
use crate::unpack;

const FILE: &str = "layer.json";
const LINK_CHARS: usize = 6;
/// Most tries to find a short name that nobody has.
const TRIES_MAX: usize = 1000;

/// An unpacked layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Layer {
    /// The chain id's digits: the name of its folder.
    pub(super) chain: String,
    /// Its short link.
    pub(super) link: String,
    /// Bytes of its files.
    pub(super) n_bytes: u64,
}

/// A layer that is wanted.
pub(super) struct Wanted<'a> {
    pub(super) diff_id: &'a Digest,
    pub(super) chain: Digest,
    /// The layers below, lowest first.
    pub(super) below: &'a [Layer],
}

/// What the stream of a layer must come to, besides its diff id.
#[derive(Debug, Clone, Default)]
pub(crate) struct Promise {
    pub(crate) digest: Option<Digest>,
    pub(crate) size: Option<u64>,
}

/// Whether a layer was there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Was {
    There,
    New,
}

impl Store {
    /// The unpacked layer; none where it is not.
    pub(super) fn layer(&self, chain: &Digest) -> Result<Option<Layer>, ImageError> {
        let path = self.path("layers").join(chain.hex()).join(FILE);
        let bytes = files::read_if_there(&path, DOCUMENT_BYTES_MAX)?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// Unpacks what `open` gives, unless it is unpacked already.
    pub(super) fn ensure_layer<R: Read>(
        &self,
        wanted: &Wanted<'_>,
        promise: &Promise,
        open: impl FnOnce() -> Result<R, ImageError>,
    ) -> Result<(Layer, Was), ImageError> {
        if let Some(layer) = self.layer(&wanted.chain)? {
            return Ok((layer, Was::There));
        }
        let name = wanted.chain.hex();
        let stripe = files::open_lock(&self.path("locks").join(name.get(..2).unwrap_or(name)))?;
        files::lock(&stripe, FlockOperation::LockExclusive)
            .map_err(|error| ImageError::io("could not lock a layer", error))?;
        if let Some(layer) = self.layer(&wanted.chain)? {
            return Ok((layer, Was::There));
        }
        let aside = self.path("tmp").join(format!("layer-{name}"));
        files::remove_all(&aside)?; // of one who was killed: nobody else has our lock
        let unpacked = self.unpack(wanted, promise, &aside, open);
        if unpacked.is_err() {
            // What is left is found by the next prune, should this fail too.
            files::remove_all(&aside).ok();
        }
        unpacked.map(|layer| (layer, Was::New))
    }

    fn unpack<R: Read>(
        &self,
        wanted: &Wanted<'_>,
        promise: &Promise,
        aside: &std::path::Path,
        open: impl FnOnce() -> Result<R, ImageError>,
    ) -> Result<Layer, ImageError> {
        files::make_dir(aside)?;
        let below: Vec<PathBuf> =
            wanted.below.iter().map(|layer| self.path("l").join(&layer.link)).collect();
        let unpacked = unpack::layer(open()?, aside, &below, &self.inner.limits)?;
        check(wanted, promise, &unpacked)?;
        let link = self.make_link(&wanted.chain)?;
        let layer = Layer { chain: wanted.chain.hex().to_owned(), link, n_bytes: unpacked.n_bytes };
        let json = serde_json::to_vec(&layer)
            .map_err(|error| ImageError::io("could not write a layer's record", error))?;
        let failed = |error| ImageError::io("could not keep a layer", error);
        std::fs::write(aside.join(FILE), json).map_err(failed)?;
        let folder = std::fs::File::open(aside).map_err(failed)?;
        rustix::fs::syncfs(&folder).map_err(|error| failed(error.into()))?;
        let place = self.path("layers").join(wanted.chain.hex());
        files::remove_all(&place)?; // it has no record, else it would have been found
        std::fs::rename(aside, &place).map_err(failed)?;
        files::sync_folder_of(&place)?;
        Ok(layer)
    }

    /// A link with a name that is short and new.
    fn make_link(&self, chain: &Digest) -> Result<String, ImageError> {
        let target = PathBuf::from("../layers").join(chain.hex()).join(unpack::FS);
        for n in 0..TRIES_MAX {
            let name = Digest::of(format!("{chain} {n}").as_bytes());
            let name: String = name.hex().chars().take(LINK_CHARS).collect();
            let path = self.path("l").join(&name);
            match std::os::unix::fs::symlink(&target, &path) {
                Ok(()) => return Ok(name),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                    // Of one who was killed, or of a layer that went: the name leads to us.
                    if std::fs::read_link(&path).is_ok_and(|found| found == target) {
                        return Ok(name);
                    }
                }
                Err(error) => return Err(ImageError::io("could not link a layer", error)),
            }
        }
        Err(ImageError::new(crate::ErrorKind::Io, "could not find a short name for a layer"))
    }
}

fn check(
    wanted: &Wanted<'_>,
    promise: &Promise,
    unpacked: &unpack::Unpacked,
) -> Result<(), ImageError> {
    let wrong = |what: &str, is: &dyn std::fmt::Display, should: &dyn std::fmt::Display| {
        Err(ImageError::damaged(format!("the {what} of a layer is {is} and should be {should}")))
    };
    match promise {
        Promise { digest: Some(digest), .. } if *digest != unpacked.digest => {
            wrong("digest", &unpacked.digest, digest)
        }
        Promise { size: Some(size), .. } if *size != unpacked.n_bytes_packed => {
            wrong("size", &unpacked.n_bytes_packed, size)
        }
        _ if unpacked.diff_id != *wanted.diff_id => {
            wrong("diff id", &unpacked.diff_id, wanted.diff_id)
        }
        _ => Ok(()),
    }
}
