//! Images put straight into a registry, with no engine at hand: any number of layers, for any
//! machine, with any mistake.

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::io::Write as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Access, PASSWORD, Registry, USER};

/// The media type of an image's manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of a choice of images.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A layer as a registry holds it.
#[derive(Debug, Clone)]
pub struct Layer {
    /// A gzipped tar archive.
    pub blob: Vec<u8>,
    /// The digest of the archive.
    pub diff_id: String,
}

impl Layer {
    /// A layer of these files.
    ///
    /// # Errors
    /// Where a path is none.
    pub fn new(files: &[(&str, &[u8])]) -> Result<Self> {
        let mut tar = tar::Builder::new(Vec::new());
        for (path, data) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(data.len() as u64);
            header.set_mode(0o755);
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(0);
            tar.append_data(&mut header, path, *data)?;
        }
        let archive = tar.into_inner()?;
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&archive)?;
        Ok(Self { blob: gzip.finish()?, diff_id: digest(&archive) })
    }

    /// A layer of one file of so many bytes that no compression makes fewer, differing by `mark`.
    ///
    /// # Errors
    /// Where `path` is none.
    pub fn noise(path: &str, n_bytes: usize, mark: &str) -> Result<Self> {
        let mut seed = Sha256::digest(mark.as_bytes());
        let mut data = Vec::with_capacity(n_bytes);
        while data.len() < n_bytes {
            data.extend_from_slice(&seed);
            seed = Sha256::digest(seed);
        }
        data.truncate(n_bytes);
        Self::new(&[(path, &data)])
    }

    /// The blob's digest.
    #[must_use]
    pub fn digest(&self) -> String {
        digest(&self.blob)
    }
}

/// An image in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The digest of its config: its id on every engine.
    pub id: String,
    /// The digest of its manifest.
    pub digest: String,
    /// The bytes of its manifest.
    pub manifest: Vec<u8>,
}

/// The config of an image for Linux on `architecture`.
#[must_use]
pub fn config(architecture: &str, layers: &[Layer]) -> Vec<u8> {
    let diff_ids: Vec<&str> = layers.iter().map(|layer| layer.diff_id.as_str()).collect();
    let config = json!({
        "architecture": architecture,
        "os": "linux",
        "config": { "Env": ["PATH=/bin"] },
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    config.to_string().into_bytes()
}

/// This machine's architecture as images name it.
#[must_use]
pub fn architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }
}

/// `sha256:…` of these bytes.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": digest(bytes), "size": bytes.len() })
}

/// A manifest of a config and layers.
#[must_use]
pub fn manifest(config: &[u8], layers: &[Layer]) -> Vec<u8> {
    let layer =
        |layer: &Layer| descriptor("application/vnd.oci.image.layer.v1.tar+gzip", &layer.blob);
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor("application/vnd.oci.image.config.v1+json", config),
        "layers": layers.iter().map(layer).collect::<Vec<Value>>(),
    });
    manifest.to_string().into_bytes()
}

impl Registry {
    /// Puts an image for this machine there as `name:tag`.
    ///
    /// # Errors
    /// Where the registry refuses.
    pub async fn put(&self, name: &str, tag: &str, layers: &[Layer]) -> Result<Pushed> {
        self.put_with(name, tag, &config(architecture(), layers), layers).await
    }

    /// The same with a config of the caller's.
    ///
    /// # Errors
    /// Where the registry refuses.
    pub async fn put_with(
        &self,
        name: &str,
        tag: &str,
        config: &[u8],
        layers: &[Layer],
    ) -> Result<Pushed> {
        self.put_blob(name, config).await?;
        for layer in layers {
            self.put_blob(name, &layer.blob).await?;
        }
        let manifest = manifest(config, layers);
        self.put_manifest(name, tag, MANIFEST, &manifest).await?;
        Ok(Pushed { id: digest(config), digest: digest(&manifest), manifest })
    }

    /// Puts a choice of images there, each for an architecture.
    ///
    /// # Errors
    /// Where the registry refuses.
    pub async fn put_index(&self, name: &str, tag: &str, images: &[(&str, &Pushed)]) -> Result<()> {
        let entries = images.iter().map(|(architecture, pushed)| {
            let mut entry = descriptor(MANIFEST, &pushed.manifest);
            entry["platform"] = json!({ "os": "linux", "architecture": architecture });
            entry
        });
        let index = json!({
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": entries.collect::<Vec<Value>>(),
        });
        self.put_manifest(name, tag, INDEX, index.to_string().as_bytes()).await
    }

    async fn put_blob(&self, name: &str, blob: &[u8]) -> Result<()> {
        let begun = self.call("POST", &format!("/v2/{name}/blobs/uploads/"), "", &[]).await?;
        ensure!(begun.starts_with("HTTP/1.1 202"), "begin an upload: {begun}");
        let place = begun
            .lines()
            .find_map(|line| line.strip_prefix("Location: "))
            .context("an upload has no place")?;
        let place = place.split_once("/v2/").context("an upload's place is none")?.1.trim();
        let path = format!("/v2/{place}&digest={}", digest(blob));
        let put = self.call("PUT", &path, "application/octet-stream", blob).await?;
        ensure!(put.starts_with("HTTP/1.1 201"), "put a blob: {put}");
        Ok(())
    }

    async fn put_manifest(&self, name: &str, tag: &str, kind: &str, bytes: &[u8]) -> Result<()> {
        let put = self.call("PUT", &format!("/v2/{name}/manifests/{tag}"), kind, bytes).await?;
        ensure!(put.starts_with("HTTP/1.1 201"), "put a manifest: {put}");
        Ok(())
    }

    /// One request; gives the answer as text.
    async fn call(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> Result<String> {
        let mut stream = TcpStream::connect(&self.address).await?;
        let login = match self.access {
            Access::Open => String::new(),
            Access::Login => {
                format!(
                    "Authorization: Basic {}\r\n",
                    STANDARD.encode(format!("{USER}:{PASSWORD}"))
                )
            }
        };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{login}Content-Type: {kind}\r\n\
             Content-Length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}
