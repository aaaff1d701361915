//! The registry of one image, through the `oci-client` crate: sign in, bring a manifest, bring a blob
//! from some byte on. Nothing else in this engine knows that crate, but for what its faults mean.
//!
//! The client reads manifests and the answers of sign-in services into memory before it shows them,
//! so there is a limit in time on them and not in bytes. Blobs come as streams.

use bytes::Bytes;
use futures_util::stream::BoxStream;
use gofer_core::ports::driver::DriverError;
use gofer_images::{Descriptor, Digest, Reference};
use oci_client::client::{BlobResponse, ClientConfig, ClientProtocol, LayerDescriptor};
use oci_client::errors::OciDistributionError;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, RegistryOperation};
use tokio::task::spawn_blocking;

use super::judge::Judge;
use super::limits;

/// What we understand: Docker's and the OCI's kinds of the same two things.
const MANIFESTS: &[&str] = &[
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];
const USER_AGENT: &str = concat!("gofer/", env!("CARGO_PKG_VERSION"));
const LATEST: &str = "latest";

/// A registry that was signed in to.
pub(super) struct Registry<'a> {
    client: Client,
    image: oci_client::Reference,
    auth: RegistryAuth,
    judge: &'a Judge<'a>,
}

/// A document with its digest.
pub(super) struct Document {
    pub(super) bytes: Bytes,
    pub(super) digest: Digest,
}

/// The bytes of a blob from `from` on.
pub(super) struct Answer {
    pub(super) from: u64,
    pub(super) stream: BoxStream<'static, std::io::Result<Bytes>>,
}

impl<'a> Registry<'a> {
    /// Signs in, where the registry wants that.
    pub(super) async fn open(
        reference: &Reference,
        judge: &'a Judge<'a>,
    ) -> Result<Self, DriverError> {
        // It reads the certificates of this machine's authorities, some hundred files.
        let protocol = protocol(reference);
        let client = spawn_blocking(move || client(protocol)).await;
        let client =
            client.map_err(|error| judge.lost(&error))?.map_err(|error| judge.no_client(&error))?;
        let registry = Self { client, image: image(reference), auth: judge.login.auth(), judge };
        registry.sign_in().await?;
        Ok(registry)
    }

    async fn sign_in(&self) -> Result<(), DriverError> {
        let signing_in = self.client.auth(&self.image, &self.auth, RegistryOperation::Pull);
        let signed_in = tokio::time::timeout(limits::DOCUMENT_LIMIT, signing_in).await;
        let signed_in = signed_in.map_err(|_| self.judge.silence("let us sign in"))?;
        signed_in.map(|_token| ()).map_err(|error| self.judge.registry(&error))
    }

    /// The manifest or index of the image, or another by its digest.
    pub(super) async fn document(&self, other: Option<&Digest>) -> Result<Document, DriverError> {
        let image = match other {
            Some(digest) => self.image.clone_with_digest(digest.to_string()),
            None => self.image.clone(),
        };
        let fetching = self.client.pull_manifest_raw(&image, &self.auth, MANIFESTS);
        let fetched = tokio::time::timeout(limits::DOCUMENT_LIMIT, fetching).await;
        let (bytes, _) = fetched
            .map_err(|_| self.judge.silence("bring the manifest"))?
            .map_err(|error| self.judge.registry(&error))?;
        if bytes.len() as u64 > limits::DOCUMENT_BYTES_MAX {
            let why = format!("its manifest has {} bytes, which is too much", bytes.len());
            return Err(self.judge.useless(&why));
        }
        // Where a digest was asked for, the client has compared it.
        let digest = Digest::of(&bytes);
        Ok(Document { bytes, digest })
    }

    /// A blob from `from` on, or from its beginning where the registry will have it so.
    pub(super) async fn blob(&self, blob: &Descriptor, from: u64) -> Result<Answer, DriverError> {
        let layer = LayerDescriptor { digest: &blob.digest, urls: &None };
        let ask = || self.client.pull_blob_stream_partial(&self.image, &layer, from, None);
        let asked = match ask().await {
            // It let us in before: what it gave us has run out since then.
            Err(OciDistributionError::UnauthorizedError { .. }) => {
                self.sign_in().await?;
                ask().await
            }
            asked => asked,
        };
        match asked.map_err(|error| self.judge.registry(&error))? {
            BlobResponse::Full(whole) => Ok(Answer { from: 0, stream: whole.stream }),
            BlobResponse::Partial(part) => Ok(Answer { from, stream: part.stream }),
        }
    }
}

fn client(protocol: ClientProtocol) -> Result<Client, OciDistributionError> {
    // An error means that the process has a provider already, which serves as well.
    rustls::crypto::ring::default_provider().install_default().ok();
    Client::try_from(ClientConfig {
        protocol,
        connect_timeout: Some(limits::CONNECT_LIMIT),
        read_timeout: Some(limits::SILENCE_MAX),
        user_agent: USER_AGENT,
        ..ClientConfig::default()
    })
}

/// Plain HTTP to this very machine and TLS to all others, as Docker does unless it is told otherwise.
fn protocol(reference: &Reference) -> ClientProtocol {
    let host = reference.registry.split(':').next().unwrap_or_default();
    let is_here = host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback());
    if is_here || host == "localhost" { ClientProtocol::Http } else { ClientProtocol::Https }
}

fn image(reference: &Reference) -> oci_client::Reference {
    let (registry, repository) = (reference.registry.clone(), reference.repository());
    match (&reference.digest, &reference.tag) {
        (Some(digest), _) => {
            oci_client::Reference::with_digest(registry, repository, digest.clone())
        }
        (None, tag) => {
            let tag = tag.as_deref().unwrap_or(LATEST).to_owned();
            oci_client::Reference::with_tag(registry, repository, tag)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_asked_without_tls() {
        let is_plain = |image: &str| protocol(&Reference::parse(image)) == ClientProtocol::Http;
        for image in ["127.0.0.1:5000/a", "127.9.9.9/a", "localhost/a", "localhost:5000/a"] {
            assert!(is_plain(image), "{image}");
        }
        for image in
            ["a", "10.0.0.1:5000/a", "ghcr.io/a", "localhost.example.io/a", "127.0.0.1.io/a"]
        {
            assert!(!is_plain(image), "{image}");
        }
    }

    #[test]
    fn a_digest_decides_over_the_tag_and_the_hubs_own_images_have_a_folder() {
        let asked = |text: &str| image(&Reference::parse(text)).whole();
        assert_eq!(asked("busybox"), "docker.io/library/busybox:latest");
        assert_eq!(asked("127.0.0.1:5/a/b:1"), "127.0.0.1:5/a/b:1");
        let digest = Digest::of(b"");
        assert_eq!(asked(&format!("r.io/a:1@{digest}")), format!("r.io/a@{digest}"));
    }
}
