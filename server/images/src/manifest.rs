//! Manifests and indexes, as registries and OCI layouts hold them, in Docker's media types and in
//! those of the OCI. Only what is needed to find an image's config and layers is read.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::digest::Digest;
use crate::error::ImageError;

/// Most bytes of a manifest, an index or a config.
pub(crate) const DOCUMENT_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Points to content.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the content is.
    #[serde(default)]
    pub media_type: String,
    /// `sha256:…`; not checked before [`Descriptor::digest`].
    pub digest: String,
    /// Bytes of the content.
    pub size: u64,
    /// For which machine; only in an index.
    pub platform: Option<Platform>,
    /// What else is said of it.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

impl Descriptor {
    /// The digest, checked.
    ///
    /// # Errors
    /// Those of [`Digest::parse`].
    pub fn digest(&self) -> Result<Digest, ImageError> {
        Digest::parse(&self.digest)
    }
}

/// A kind of machine.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Platform {
    /// `linux`.
    #[serde(default)]
    pub os: String,
    /// `amd64`, `arm64`, as Go names them.
    #[serde(default)]
    pub architecture: String,
    /// `v7`, `v8`: which of the architecture.
    pub variant: Option<String>,
}

impl Platform {
    /// This machine.
    #[must_use]
    pub fn current() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "x86" => "386",
            other => other,
        };
        Self { os: "linux".to_owned(), architecture: architecture.to_owned(), variant: None }
    }

    fn fits(&self, wanted: &Self) -> bool {
        self.os == wanted.os && self.architecture == wanted.architecture
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

/// One image: a config and layers, lowest first.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Manifest {
    /// The config.
    pub config: Descriptor,
    /// The layers, lowest first.
    pub layers: Vec<Descriptor>,
}

/// Several images: one for each kind of machine, or those of a layout.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Index {
    /// The manifests, or indexes again.
    pub manifests: Vec<Descriptor>,
}

/// What a tag of a registry may lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// An image.
    Manifest(Manifest),
    /// A choice of images.
    Index(Index),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Any {
    schema_version: Option<u32>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
}

impl Document {
    /// Reads either. What it is shows in its fields, since not everyone names the media type.
    ///
    /// # Errors
    /// [`Damaged`](crate::ErrorKind::Damaged) for what is neither,
    /// [`Unsupported`](crate::ErrorKind::Unsupported) for Docker's first schema.
    pub fn parse(bytes: &[u8]) -> Result<Self, ImageError> {
        let any: Any = from_json("the manifest", bytes)?;
        match (any.config, any.layers, any.manifests) {
            (Some(config), Some(layers), None) => Ok(Self::Manifest(Manifest { config, layers })),
            (None, None, Some(manifests)) => Ok(Self::Index(Index { manifests })),
            (None, None, None) if any.schema_version == Some(1) => Err(ImageError::unsupported(
                "manifests of schema 1 are not read; push the image anew with a current tool",
            )),
            _ => Err(ImageError::damaged("the manifest is neither of an image nor an index")),
        }
    }
}

impl Index {
    /// The entry for `wanted`; the first where several fit.
    ///
    /// # Errors
    /// [`Unsupported`](crate::ErrorKind::Unsupported), with what there is, where none fits.
    pub fn choose(&self, wanted: &Platform) -> Result<&Descriptor, ImageError> {
        let fits = |entry: &&Descriptor| entry.platform.as_ref().is_some_and(|p| p.fits(wanted));
        let images = || self.manifests.iter().filter(|entry| !entry.is_attestation());
        if let Some(found) = images().find(fits) {
            return Ok(found);
        }
        let mut unsaid = images().filter(|entry| entry.platform.is_none());
        if let (Some(only), None) = (unsaid.next(), unsaid.next()) {
            return Ok(only);
        }
        let known: Vec<String> =
            images().filter_map(|entry| entry.platform.as_ref().map(Platform::to_string)).collect();
        Err(ImageError::unsupported(format!(
            "the image is not made for {wanted}; there is: {}",
            if known.is_empty() { "nothing".to_owned() } else { known.join(", ") }
        )))
    }
}

impl Descriptor {
    /// Whether it is what a build tool says of its work, which stands between the images.
    pub(crate) fn is_attestation(&self) -> bool {
        let unknown = |platform: &Platform| platform.os == "unknown";
        self.annotations.contains_key("vnd.docker.reference.type")
            || self.platform.as_ref().is_some_and(unknown)
    }
}

/// Reads JSON, with `what` in the fault.
pub(crate) fn from_json<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, ImageError> {
    serde_json::from_slice(bytes)
        .map_err(|error| ImageError::damaged(format!("could not read {what}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn entry(os: &str, architecture: &str) -> String {
        let digest = Digest::of(architecture.as_bytes());
        format!(
            r#"{{"mediaType":"m","digest":"{digest}","size":2,"platform":{{"os":"{os}","architecture":"{architecture}"}}}}"#
        )
    }

    fn index(entries: &[String]) -> Index {
        let text = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, entries.join(","));
        match Document::parse(text.as_bytes()).unwrap() {
            Document::Index(index) => index,
            Document::Manifest(manifest) => panic!("{manifest:?}"),
        }
    }

    #[test]
    fn this_machines_image_is_chosen_and_else_it_is_said_what_there_is() {
        let arm = Platform { architecture: "arm64".to_owned(), ..Platform::current() };
        let both =
            index(&[entry("unknown", "unknown"), entry("linux", "amd64"), entry("linux", "arm64")]);
        assert_eq!(both.choose(&arm).unwrap().digest().unwrap(), Digest::of(b"arm64"));
        let error = index(&[entry("linux", "s390x")]).choose(&arm).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unsupported);
        assert!(error.message.contains("linux/s390x"), "{error}");
        assert!(index(&[]).choose(&arm).is_err());
    }

    #[test]
    fn what_is_no_manifest_is_told_apart() {
        let kind = |text: &str| Document::parse(text.as_bytes()).unwrap_err().kind;
        assert_eq!(kind("{}"), ErrorKind::Damaged);
        assert_eq!(kind("[]"), ErrorKind::Damaged);
        assert_eq!(kind(r#"{"schemaVersion":1}"#), ErrorKind::Unsupported);
    }
}
