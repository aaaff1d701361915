//! Images for tests, made without any registry: Debian's static busybox in an otherwise empty file
//! system. Made by `docker load` from bytes that hold no time and no chance, so an image has the
//! same id everywhere, two tests that make it at once make one, and what is there already stays.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use bollard::Docker;
use bollard::query_parameters::ImportImageOptions;
use bytes::Bytes;
use futures_util::StreamExt as _;
use sha2::{Digest as _, Sha256};
use tokio::process::Command;

/// The image that nearly every test runs: busybox with all its commands, users `root` and `job`.
pub const BUSYBOX: &str = "gofer-test/busybox:1";

const BUSYBOX_FILE: &str = "/bin/busybox";

/// Makes [`BUSYBOX`] on the machine's default engine, once; gives its id.
///
/// # Errors
/// Where busybox is not installed (the text names the package) or no engine answers.
pub async fn busybox() -> Result<String> {
    let docker = Docker::connect_with_defaults().context("connect to the Docker engine")?;
    busybox_on(&docker).await
}

/// Makes [`BUSYBOX`] on this engine, once; gives its id.
///
/// # Errors
/// As [`busybox`].
pub async fn busybox_on(docker: &Docker) -> Result<String> {
    variant_on(docker, BUSYBOX, None).await
}

/// [`BUSYBOX`] as `docker save` would write it.
///
/// # Errors
/// Where busybox is not installed.
pub async fn busybox_archive() -> Result<Vec<u8>> {
    let layer = layer(None).await?;
    archive(BUSYBOX, &config(&layer), &layer)
}

/// Makes a busybox image that differs from others by `mark`, a file `/mark` with that text, and
/// tags it `tag`; gives its id.
///
/// # Errors
/// As [`busybox`].
pub async fn variant_on(docker: &Docker, tag: &str, mark: Option<&str>) -> Result<String> {
    let layer = layer(mark).await?;
    let config = config(&layer);
    let id = format!("sha256:{}", hex(&config));
    if let Ok(found) = docker.inspect_image(tag).await
        && found.id.as_deref() == Some(id.as_str())
    {
        return Ok(id);
    }
    let archive = archive(tag, &config, &layer)?;
    let mut answers = docker.import_image(
        ImportImageOptions::default(),
        bollard::body_full(Bytes::from(archive)),
        None,
    );
    while let Some(answer) = answers.next().await {
        answer.with_context(|| format!("load image {tag}"))?;
    }
    let found = docker.inspect_image(tag).await.with_context(|| format!("inspect image {tag}"))?;
    if found.id.as_deref() != Some(id.as_str()) {
        bail!("image {tag} was loaded with id {:?}, not {id}", found.id);
    }
    Ok(id)
}

/// A busybox image as a file, for imports.
#[derive(Debug, Clone)]
pub struct Saved {
    /// The id that every engine gives it.
    pub id: String,
    /// What `docker save` would write.
    pub archive: Vec<u8>,
    /// The same image as an OCI layout, a tar file.
    pub layout: Vec<u8>,
}

/// A busybox image that differs from others by `mark`, as files that name it `tag`.
///
/// # Errors
/// Where busybox is not installed.
pub async fn saved(tag: &str, mark: &str) -> Result<Saved> {
    let layer = layer(Some(mark)).await?;
    let config = config(&layer);
    Ok(Saved {
        id: format!("sha256:{}", hex(&config)),
        archive: archive(tag, &config, &layer)?,
        layout: layout(tag, &config, &layer)?,
    })
}

/// An archive of two images, of which the second has the layer of the first instead of its own;
/// gives their ids as well.
///
/// # Errors
/// Where busybox is not installed.
pub async fn second_damaged(tags: [&str; 2], marks: [&str; 2]) -> Result<([String; 2], Vec<u8>)> {
    let (first, second) = (layer(Some(marks[0])).await?, layer(Some(marks[1])).await?);
    let configs = [config(&first), config(&second)];
    let images = [
        Packed { tag: tags[0], config: &configs[0], layer: &first },
        Packed { tag: tags[1], config: &configs[1], layer: &first },
    ];
    let ids = configs.each_ref().map(|config| format!("sha256:{}", hex(config)));
    Ok((ids, archive_of(&images)?))
}

/// The file system of the image as a tar archive.
async fn layer(mark: Option<&str>) -> Result<Vec<u8>> {
    let missing = "read /bin/busybox: install Debian's package busybox-static";
    let busybox = tokio::fs::read(BUSYBOX_FILE).await.context(missing)?;
    let listed = Command::new(BUSYBOX_FILE).arg("--list").output().await.context(missing)?;
    let mut commands: Vec<String> =
        String::from_utf8(listed.stdout)?.lines().map(str::to_owned).collect();
    commands.sort_unstable();
    let mut tar = tar::Builder::new(Vec::new());
    for (folder, mode) in [("bin", 0o755), ("etc", 0o755), ("root", 0o700), ("tmp", 0o1777)] {
        add(&mut tar, tar::EntryType::Directory, folder, &[], mode)?;
    }
    add(&mut tar, tar::EntryType::Regular, "bin/busybox", &busybox, 0o755)?;
    for command in commands.iter().filter(|command| *command != "busybox") {
        let mut header = header(tar::EntryType::Symlink, 0, 0o777);
        tar.append_link(&mut header, format!("bin/{command}"), "busybox")?;
    }
    let passwd = b"root:x:0:0::/root:/bin/sh\njob:x:1000:1000::/tmp:/bin/sh\n";
    add(&mut tar, tar::EntryType::Regular, "etc/passwd", passwd, 0o644)?;
    let group = b"root:x:0:\njob:x:1000:\n";
    add(&mut tar, tar::EntryType::Regular, "etc/group", group, 0o644)?;
    if let Some(mark) = mark {
        add(&mut tar, tar::EntryType::Regular, "mark", mark.as_bytes(), 0o644)?;
    }
    Ok(tar.into_inner()?)
}

fn config(layer: &[u8]) -> Vec<u8> {
    let config = serde_json::json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux",
        "created": "2020-01-01T00:00:00Z",
        "config": { "Env": ["PATH=/bin"], "Cmd": ["sh"] },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{}", hex(layer))] },
    });
    config.to_string().into_bytes()
}

/// What `docker save` would write of one image.
fn archive(tag: &str, config: &[u8], layer: &[u8]) -> Result<Vec<u8>> {
    archive_of(&[Packed { tag, config, layer }])
}

/// An image on its way into an archive.
struct Packed<'a> {
    tag: &'a str,
    config: &'a [u8],
    layer: &'a [u8],
}

fn archive_of(images: &[Packed<'_>]) -> Result<Vec<u8>> {
    let config_name = |image: &Packed<'_>| format!("{}.json", hex(image.config));
    // Named by the config, so that a layer which is not the config's is found all the same.
    let layer_name = |image: &Packed<'_>| format!("{}/layer.tar", hex(image.config));
    let entry = |image: &Packed<'_>| {
        serde_json::json!({
            "Config": config_name(image), "RepoTags": [image.tag], "Layers": [layer_name(image)]
        })
    };
    let manifest = serde_json::Value::from_iter(images.iter().map(entry));
    let mut tar = tar::Builder::new(Vec::new());
    let file = tar::EntryType::Regular;
    add(&mut tar, file, "manifest.json", manifest.to_string().as_bytes(), 0o644)?;
    for image in images {
        add(&mut tar, file, config_name(image), image.config, 0o644)?;
        add(&mut tar, file, layer_name(image), image.layer, 0o644)?;
    }
    Ok(tar.into_inner()?)
}

/// An OCI layout (image specification 1.1) of one image.
fn layout(tag: &str, config: &[u8], layer: &[u8]) -> Result<Vec<u8>> {
    let descriptor = |kind: &str, bytes: &[u8]| {
        serde_json::json!({
            "mediaType": format!("application/vnd.oci.image.{kind}"),
            "digest": format!("sha256:{}", hex(bytes)),
            "size": bytes.len(),
        })
    };
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("config.v1+json", config),
        "layers": [descriptor("layer.v1.tar", layer)],
    })
    .to_string();
    let mut named = descriptor("manifest.v1+json", manifest.as_bytes());
    if let Some(fields) = named.as_object_mut() {
        let name = serde_json::json!({ "org.opencontainers.image.ref.name": tag });
        fields.insert("annotations".to_owned(), name);
    }
    let index = serde_json::json!({ "schemaVersion": 2, "manifests": [named] }).to_string();
    let mut tar = tar::Builder::new(Vec::new());
    let file = tar::EntryType::Regular;
    let version = br#"{"imageLayoutVersion":"1.0.0"}"#;
    add(&mut tar, file, "oci-layout", version, 0o644)?;
    add(&mut tar, file, "index.json", index.as_bytes(), 0o644)?;
    for blob in [manifest.as_bytes(), config, layer] {
        add(&mut tar, file, format!("blobs/sha256/{}", hex(blob)), blob, 0o644)?;
    }
    Ok(tar.into_inner()?)
}

fn add(
    tar: &mut tar::Builder<Vec<u8>>,
    kind: tar::EntryType,
    path: impl AsRef<Path>,
    data: &[u8],
    mode: u32,
) -> Result<()> {
    let mut header = header(kind, u64::try_from(data.len())?, mode);
    Ok(tar.append_data(&mut header, path, data)?)
}

/// All of nobody and of no time, so that the bytes are the same at every making.
fn header(kind: tar::EntryType, size: u64, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(mode);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        // Writing into a String cannot fail.
        write!(text, "{byte:02x}").unwrap_or_default();
        text
    })
}
