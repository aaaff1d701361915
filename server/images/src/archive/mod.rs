//! Reads archives of images: what `docker save` writes, old (`manifest.json` and `layer.tar`s) and
//! new (the same over OCI blobs), and the OCI image layout; each as a tar file, as one that is
//! compressed, or as a folder. First everything but the layers is read and checked; the layers are
//! then read one by one, at their place in the file.

mod docker;
mod layout;
mod source;

use std::io::Read;
use std::path::Path;

use crate::config;
use crate::digest::Digest;
use crate::error::ImageError;
use crate::manifest::DOCUMENT_BYTES_MAX;
use crate::reference::Reference;
use crate::store::Promise;
use crate::unpack::Limits;
use source::Source;

/// Most images of one archive.
const IMAGES_MAX: usize = 1000;

/// An archive whose images are known.
#[derive(Debug)]
pub struct Archive {
    source: Source,
    images: Vec<ArchivedImage>,
}

/// An image in an archive.
#[derive(Debug, Clone)]
pub struct ArchivedImage {
    /// In their short forms.
    pub(crate) names: Vec<String>,
    pub(crate) id: Digest,
    /// The config as it stands there.
    pub(crate) config: Vec<u8>,
    pub(crate) parsed: config::Parsed,
    /// As many as there are diff ids, lowest first.
    pub(crate) layers: Vec<ArchivedLayer>,
}

/// A layer in an archive.
#[derive(Debug, Clone)]
pub(crate) struct ArchivedLayer {
    /// The name of its file in the archive.
    pub(crate) file: String,
    pub(crate) promise: Promise,
}

/// What an image is made of, before it is read.
struct Parts {
    names: Vec<String>,
    config: String,
    config_promise: Promise,
    layers: Vec<ArchivedLayer>,
}

impl Archive {
    /// Reads what is at `path`. An archive that is compressed as a whole is opened into a file of
    /// `scratch`, which goes with the value.
    ///
    /// # Errors
    /// [`Damaged`](crate::ErrorKind::Damaged) for what is no archive of images or is torn,
    /// [`Refused`](crate::ErrorKind::Refused) for one that leads out of itself or has too much.
    pub fn read(path: &Path, scratch: &Path, limits: &Limits) -> Result<Self, ImageError> {
        let source = Source::open(path, scratch, limits)?;
        // The newer form has both; this one names the images in full.
        let parts = match source.document("manifest.json", DOCUMENT_BYTES_MAX)? {
            Some(manifest) => docker::parts(&manifest)?,
            None => match source.document("index.json", DOCUMENT_BYTES_MAX)? {
                Some(index) => layout::parts(&source, &index)?,
                None => {
                    return Err(ImageError::damaged(format!(
                        "{} is no archive of images: it has neither manifest.json nor index.json",
                        path.display()
                    )));
                }
            },
        };
        if parts.is_empty() || parts.len() > IMAGES_MAX {
            let message = format!(
                "{} has {} images; 1 to {IMAGES_MAX} are read",
                path.display(),
                parts.len()
            );
            return Err(ImageError::damaged(message));
        }
        let images: Result<Vec<ArchivedImage>, ImageError> =
            parts.into_iter().map(|parts| image(&source, parts, limits)).collect();
        Ok(Self { images: images?, source })
    }

    /// The images, in the archive's order.
    #[must_use]
    pub fn images(&self) -> &[ArchivedImage] {
        &self.images
    }

    pub(crate) fn layer(&self, layer: &ArchivedLayer) -> Result<impl Read + '_, ImageError> {
        self.source.open_file(&layer.file)
    }
}

impl ArchivedImage {
    /// `sha256:…`, the digest of its config.
    #[must_use]
    pub fn id(&self) -> String {
        self.id.to_string()
    }

    /// The names that the archive gives it.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

fn image(source: &Source, parts: Parts, limits: &Limits) -> Result<ArchivedImage, ImageError> {
    let config = source.document(&parts.config, DOCUMENT_BYTES_MAX)?.ok_or_else(|| {
        ImageError::damaged(format!("the archive has no `{}`", shown(&parts.config)))
    })?;
    let id = Digest::of(&config);
    if parts.config_promise.digest.as_ref().is_some_and(|digest| *digest != id) {
        let message = format!("the digest of `{}` is {id}", shown(&parts.config));
        return Err(ImageError::damaged(message));
    }
    let parsed = config::parse(&config)?;
    check_layers(parsed.diff_ids.len(), parts.layers.len(), limits)?;
    let names: Result<Vec<String>, ImageError> = parts
        .names
        .iter()
        .map(|name| Reference::checked(name).map(|reference| reference.to_string()))
        .collect();
    Ok(ArchivedImage { names: names?, id, config, parsed, layers: parts.layers })
}

/// The layers that a config promises against those that there are.
pub(crate) fn check_layers(
    n_promised: usize,
    n_there: usize,
    limits: &Limits,
) -> Result<(), ImageError> {
    if n_promised != n_there {
        return Err(ImageError::damaged(format!(
            "the image has {n_there} layers, and its config tells of {n_promised}"
        )));
    }
    match n_there {
        0 => Err(ImageError::unsupported("the image has no layers, so nothing in it could run")),
        n if n > limits.n_layers_max => Err(ImageError::refused(format!(
            "the image has {n} layers; {} is the most",
            limits.n_layers_max
        ))),
        _ => Ok(()),
    }
}

fn shown(name: &str) -> String {
    name.chars().take(200).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests;
