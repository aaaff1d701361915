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

/// What `docker save` would write.
fn archive(tag: &str, config: &[u8], layer: &[u8]) -> Result<Vec<u8>> {
    let config_name = format!("{}.json", hex(config));
    let layer_name = format!("{}/layer.tar", hex(layer));
    let manifest = serde_json::json!([
        { "Config": config_name, "RepoTags": [tag], "Layers": [layer_name] }
    ]);
    let mut tar = tar::Builder::new(Vec::new());
    let file = tar::EntryType::Regular;
    add(&mut tar, file, "manifest.json", manifest.to_string().as_bytes(), 0o644)?;
    add(&mut tar, file, &config_name, config, 0o644)?;
    add(&mut tar, file, &layer_name, layer, 0o644)?;
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
