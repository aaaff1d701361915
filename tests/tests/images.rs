//! The same image in Docker and in our own store, with layers such as real ones are and odder: what
//! a container would see must be the same to the last mode and owner. Docker's side is what it
//! exports of a container that never ran; ours is the layers, stacked by the kernel in a mount
//! namespace of its own. So this needs root and a Docker engine with overlayfs.
#![expect(clippy::expect_used, reason = "test code: a panic is how a check fails")]

use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Stdio;

use anyhow::{Context as _, Result, bail, ensure};
use bollard::Docker;
use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{
    CreateContainerOptions, ImportImageOptions, RemoveContainerOptions, RemoveImageOptions,
};
use bytes::Bytes;
use futures_util::StreamExt as _;
use gofer_images::{Digest, ErrorKind, Store};
use tar::EntryType;
use tokio::process::Command;

/// What Docker puts into every container itself.
const DOCKERS_OWN: &[&str] = &[
    ".dockerenv",
    "dev",
    "dev/console",
    "dev/pts",
    "dev/shm",
    "etc",
    "etc/hostname",
    "etc/hosts",
    "etc/mtab",
    "etc/resolv.conf",
    "proc",
    "sys",
];

/// A layer in the making.
struct Layer {
    tar: tar::Builder<Vec<u8>>,
}

/// What a file is besides its data.
#[derive(Clone, Copy)]
struct About {
    mode: u32,
    owner: (u64, u64),
    mtime: u64,
}

const PLAIN: About = About { mode: 0o644, owner: (0, 0), mtime: 1_000_000_000 };
const FOLDER: About = About { mode: 0o755, ..PLAIN };

impl Layer {
    fn new() -> Self {
        Self { tar: tar::Builder::new(Vec::new()) }
    }

    fn header(kind: EntryType, about: About, size: usize) -> tar::Header {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(about.mode);
        header.set_uid(about.owner.0);
        header.set_gid(about.owner.1);
        header.set_mtime(about.mtime);
        header.set_size(size as u64);
        header
    }

    fn file(mut self, path: &str, data: &str, about: About) -> Self {
        let mut header = Self::header(EntryType::Regular, about, data.len());
        self.tar.append_data(&mut header, path, data.as_bytes()).expect("a member");
        self
    }

    fn folder(mut self, path: &str, about: About) -> Self {
        let mut header = Self::header(EntryType::Directory, about, 0);
        self.tar.append_data(&mut header, path, &[][..]).expect("a member");
        self
    }

    fn link(mut self, kind: EntryType, path: &str, target: &str) -> Self {
        let mut header = Self::header(kind, PLAIN, 0);
        self.tar.append_link(&mut header, path, target).expect("a member");
        self
    }

    fn symlink(self, path: &str, target: &str) -> Self {
        self.link(EntryType::Symlink, path, target)
    }

    fn hard_link(self, path: &str, target: &str) -> Self {
        self.link(EntryType::Link, path, target)
    }

    fn fifo(mut self, path: &str) -> Self {
        let mut header = Self::header(EntryType::Fifo, PLAIN, 0);
        self.tar.append_data(&mut header, path, &[][..]).expect("a member");
        self
    }

    /// What the next member has in records.
    fn records(mut self, records: &[(&str, &[u8])]) -> Self {
        self.tar.append_pax_extensions(records.iter().copied()).expect("records");
        self
    }

    /// A file of 1,000,512 bytes with data at its end only.
    fn sparse(self, path: &str) -> Self {
        let records: [(&str, &[u8]); 4] = [
            ("GNU.sparse.major", b"1"),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.name", path.as_bytes()),
            ("GNU.sparse.realsize", b"1000512"),
        ];
        let map = format!("{:\0<512}", "1\n1000000\n512\n");
        self.records(&records).file("GNUSparseFile.0", &format!("{map}{}", "x".repeat(512)), PLAIN)
    }

    fn bytes(self) -> Vec<u8> {
        self.tar.into_inner().expect("bytes in memory")
    }
}

/// What `docker save` would write of these layers.
fn archive(name: &str, layers: &[Vec<u8>]) -> Vec<u8> {
    let ids: Vec<String> = layers.iter().map(|layer| Digest::of(layer).to_string()).collect();
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let config = serde_json::json!({
        "architecture": architecture,
        "os": "linux",
        "config": { "Cmd": ["/none"] },
        "rootfs": { "type": "layers", "diff_ids": ids },
    })
    .to_string();
    let config_file = format!("{}.json", Digest::of(config.as_bytes()).hex());
    let mut files = Vec::new();
    let mut tar = Layer::new();
    for (n, layer) in layers.iter().enumerate() {
        let file = format!("{n}/layer.tar");
        let mut header = Layer::header(EntryType::Regular, PLAIN, layer.len());
        tar.tar.append_data(&mut header, &file, layer.as_slice()).expect("a member");
        files.push(file);
    }
    let list = serde_json::json!([{ "Config": config_file, "RepoTags": [name], "Layers": files }]);
    tar.file(&config_file, &config, PLAIN).file("manifest.json", &list.to_string(), PLAIN).bytes()
}

/// One file as a container sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    kind: EntryType,
    mode: u32,
    owner: (u64, u64),
    mtime: u64,
    size: u64,
    content: String,
    link: String,
    capabilities: Option<Vec<u8>>,
}

type Tree = BTreeMap<String, Seen>;

/// The files of an archive. A hard link is the file that it leads to: which of a file's names comes
/// first is nobody's promise.
fn tree(bytes: &[u8]) -> Result<Tree> {
    let mut tree = Tree::new();
    for entry in tar::Archive::new(bytes).entries()? {
        let mut entry = entry?;
        let text =
            |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_matches(['.', '/']).to_owned();
        let path = match String::from_utf8_lossy(&entry.path_bytes()) {
            path if path == "./" => continue,
            path => path.trim_start_matches("./").trim_end_matches('/').to_owned(),
        };
        if DOCKERS_OWN.contains(&path.as_str()) {
            continue;
        }
        let link = entry.link_name_bytes().unwrap_or_default().into_owned();
        if entry.header().entry_type() == EntryType::Link {
            let target = tree.get(&text(&link)).context("a hard link to nothing")?.clone();
            tree.insert(path, target);
            continue;
        }
        let mut capabilities = None;
        if let Some(records) = entry.pax_extensions()? {
            for record in records {
                let record = record?;
                if record.key()? == "SCHILY.xattr.security.capability" {
                    capabilities = Some(record.value_bytes().to_vec());
                }
            }
        }
        let mut data = Vec::new();
        entry.read_to_end(&mut data)?;
        let header = entry.header();
        let seen = Seen {
            kind: header.entry_type(),
            mode: header.mode()? & 0o7777,
            owner: (header.uid()?, header.gid()?),
            mtime: header.mtime()?,
            size: data.len() as u64,
            content: Digest::of(&data).to_string(),
            link: String::from_utf8_lossy(&link).into_owned(),
            capabilities,
        };
        tree.insert(path, seen);
    }
    Ok(tree)
}

/// What Docker makes of an archive.
async fn by_docker(name: &str, archive: &[u8]) -> Result<Tree> {
    let docker = Docker::connect_with_defaults()?;
    let body = bollard::body_full(Bytes::copy_from_slice(archive));
    let mut answers = docker.import_image(ImportImageOptions::default(), body, None);
    while let Some(answer) = answers.next().await {
        answer?;
    }
    let config = ContainerCreateBody { image: Some(name.to_owned()), ..Default::default() };
    let made = docker.create_container(None::<CreateContainerOptions>, config).await?;
    let mut exported = Vec::new();
    let mut stream = docker.export_container(&made.id);
    while let Some(piece) = stream.next().await {
        exported.extend_from_slice(&piece?);
    }
    docker.remove_container(&made.id, None::<RemoveContainerOptions>).await?;
    docker.remove_image(name, None::<RemoveImageOptions>, None).await?;
    tree(&exported)
}

/// What our store and the kernel make of it.
async fn by_us(name: &str, archive: &[u8]) -> Result<Tree> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("archive.tar");
    std::fs::write(&file, archive)?;
    let store = Store::open(&dir.path().join("store"))?;
    store.import(&file, None)?;
    let image = store.find(name)?.context("the image is not there")?;
    // Topmost first, and one that is empty: an overlay has two layers at least.
    let (empty, at) = (dir.path().join("empty"), dir.path().join("at"));
    std::fs::create_dir(&empty)?;
    std::fs::create_dir(&at)?;
    let mut lowers = vec![empty.as_os_str().as_bytes().to_vec()];
    lowers.extend(
        image
            .layers
            .iter()
            .rev()
            .filter_map(|layer| layer.file_name().map(|name| name.as_bytes().to_vec())),
    );
    let links = image.layers.first().and_then(|layer| layer.parent()).context("no layers")?;
    let script = r#"mount -t overlay -o "ro,lowerdir=$1" overlay "$2" &&
        tar -C "$2" --format=pax --xattrs --xattrs-include=security.capability -cf - ."#;
    let output = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"])
        .arg(std::ffi::OsStr::from_bytes(&lowers.join(&b':')))
        .arg(&at)
        .current_dir(links)
        .stdin(Stdio::null())
        .output()
        .await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    tree(&output.stdout)
}

/// Holds both sides to each other.
async fn check(name: &str, layers: Vec<Layer>) -> Result<Tree> {
    let name = format!("gofer-test/differential:{name}");
    let layers: Vec<Vec<u8>> = layers.into_iter().map(Layer::bytes).collect();
    let archive = archive(&name, &layers);
    let dockers = by_docker(&name, &archive).await.with_context(|| format!("{name} by Docker"))?;
    let ours = by_us(&name, &archive).await.with_context(|| format!("{name} by us"))?;
    for path in dockers.keys().chain(ours.keys()) {
        if dockers.get(path) != ours.get(path) {
            bail!(
                "{name}: {path}\n Docker: {:?}\n ours:   {:?}",
                dockers.get(path),
                ours.get(path)
            );
        }
    }
    Ok(ours)
}

fn base() -> Layer {
    Layer::new()
        .folder("etc", FOLDER)
        .folder("opt", FOLDER)
        .folder("opt/app", About { mode: 0o750, owner: (10, 20), ..FOLDER })
        .file("opt/app/old", "old", PLAIN)
        .file("opt/app/kept", "kept", PLAIN)
        .file("opt/file", "1", PLAIN)
        .folder("tmp", About { mode: 0o1777, ..FOLDER })
}

#[tokio::test]
async fn kinds_owners_modes_and_times_are_the_same() -> Result<()> {
    let layer = base()
        .file("opt/setuid", "s", About { mode: 0o4755, owner: (1, 2), ..PLAIN })
        .file("opt/setgid", "s", About { mode: 0o2711, owner: (70_000, 3), mtime: 5 })
        .file("opt/nobody", "", About { mode: 0, owner: (65_534, 65_534), ..PLAIN })
        .symlink("opt/relative", "../tmp/./x")
        .symlink("opt/absolute", "/nowhere//at/all")
        .hard_link("opt/second", "opt/file")
        .hard_link("opt/link-twice", "opt/relative")
        .fifo("opt/pipe")
        .folder("./opt/dotted/", FOLDER);
    let seen = check("kinds", vec![layer]).await?;
    ensure!(seen.len() > 12, "{seen:?}");
    Ok(())
}

#[tokio::test]
async fn what_a_layer_deletes_is_gone_in_both() -> Result<()> {
    let top = Layer::new()
        .folder("opt", FOLDER)
        .file("opt/.wh.file", "", PLAIN)
        .folder("opt/app", FOLDER)
        .file("opt/app/.wh.old", "", PLAIN)
        .file("opt/app/new", "new", PLAIN)
        .file(".wh.tmp", "", PLAIN);
    let again = Layer::new().folder("tmp", FOLDER).file("tmp/back", "", PLAIN);
    let seen = check("whiteouts", vec![base(), top, again]).await?;
    ensure!(!seen.contains_key("opt/file") && !seen.contains_key("opt/app/old"), "{seen:?}");
    ensure!(seen.contains_key("opt/app/kept") && seen.contains_key("tmp/back"), "{seen:?}");
    Ok(())
}

#[tokio::test]
async fn an_opaque_folder_hides_what_is_below_in_both() -> Result<()> {
    let top = Layer::new()
        .folder("opt", FOLDER)
        .folder("opt/app", FOLDER)
        .file("opt/app/.wh..wh..opq", "", PLAIN)
        .file("opt/app/new", "new", PLAIN);
    let seen = check("opaque", vec![base(), top]).await?;
    ensure!(!seen.contains_key("opt/app/kept") && seen.contains_key("opt/app/new"), "{seen:?}");
    Ok(())
}

#[tokio::test]
async fn links_on_the_way_are_followed_alike() -> Result<()> {
    let layer = Layer::new()
        .folder("run", FOLDER)
        .folder("var", FOLDER)
        .symlink("var/run", "/run")
        .file("var/run/absolute", "1", PLAIN)
        .symlink("var/up", "../../../run")
        .file("var/up/relative", "2", PLAIN)
        .symlink("var/chain", "run")
        .file("var/chain/twice", "3", PLAIN)
        .hard_link("hard", "var/run/absolute");
    let seen = check("parents", vec![layer]).await?;
    ensure!(seen.contains_key("run/absolute") && seen.contains_key("run/relative"), "{seen:?}");
    Ok(())
}

#[tokio::test]
async fn a_link_of_a_lower_layer_is_replaced_alike() -> Result<()> {
    let lower = Layer::new().folder("run", FOLDER).folder("var", FOLDER).symlink("var/run", "/run");
    let folder =
        Layer::new().folder("var", FOLDER).folder("var/run", FOLDER).file("var/run/x", "", PLAIN);
    check("link-folder", vec![lower, folder]).await?;
    let lower = Layer::new().folder("a", FOLDER).file("a/x", "", PLAIN).file("b", "", PLAIN);
    let upper = Layer::new().symlink("a", "b").folder("b", FOLDER).file("b/y", "", PLAIN);
    let seen = check("kinds-over-layers", vec![lower, upper]).await?;
    ensure!(!seen.contains_key("a/x") && seen.contains_key("b/y"), "{seen:?}");
    Ok(())
}

#[tokio::test]
async fn long_and_odd_names_and_records_are_the_same() -> Result<()> {
    let folders = ["d".repeat(90), ["d".repeat(90), "e".repeat(90)].join("/")];
    let deep = format!("{}/{}", folders[1], "n".repeat(250));
    let layer = Layer::new()
        .folder("records", FOLDER)
        .folder(&folders[0], FOLDER)
        .folder(&folders[1], FOLDER)
        .file(&deep, "deep", PLAIN)
        .symlink(&"l".repeat(200), &"t".repeat(300))
        .file("weiß — 漢字", "", PLAIN)
        .file("new\nline and\ttab", "", PLAIN)
        .records(&[("path", "records/name".as_bytes()), ("uid", b"3000000"), ("mtime", b"77.5")])
        .file("other", "by its records", PLAIN)
        .file("records/next", "without records", PLAIN);
    let seen = check("names", vec![layer]).await?;
    ensure!(seen.contains_key(&deep), "{seen:?}");
    ensure!(seen["records/name"].owner.0 == 3_000_000, "{seen:?}");
    Ok(())
}

#[tokio::test]
async fn capabilities_and_holes_are_the_same() -> Result<()> {
    let bind = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let layer = Layer::new()
        .records(&[("SCHILY.xattr.security.capability", &bind)])
        .file("server", "x", About { mode: 0o755, ..PLAIN })
        .sparse("sparse");
    let seen = check("capabilities", vec![layer]).await?;
    ensure!(seen["server"].capabilities.as_deref() == Some(&bind[..]), "{seen:?}");
    ensure!(seen["sparse"].size == 1_000_512, "{seen:?}");
    Ok(())
}

#[tokio::test]
async fn many_layers_are_stacked_alike() -> Result<()> {
    let mut layers = vec![base()];
    for n in 0..63 {
        let mut layer = Layer::new().file("top", &n.to_string(), PLAIN).folder("each", FOLDER);
        layer = layer.file(&format!("each/{n}"), "", PLAIN);
        if n > 0 && n % 2 == 0 {
            layer = layer.file(&format!("each/.wh.{}", n - 1), "", PLAIN);
        }
        layers.push(layer);
    }
    let seen = check("many", layers).await?;
    ensure!(seen.keys().filter(|path| path.starts_with("each/")).count() == 32, "{seen:?}");
    Ok(())
}

/// Where we are not like Docker, and why.
#[tokio::test]
async fn what_docker_cannot_take_or_gets_wrong_is_known() -> Result<()> {
    let both = |name: &str, layers: Vec<Layer>| {
        let name = format!("gofer-test/differential:{name}");
        let layers: Vec<Vec<u8>> = layers.into_iter().map(Layer::bytes).collect();
        let archive = archive(&name, &layers);
        async move { (by_docker(&name, &archive).await, by_us(&name, &archive).await) }
    };
    // A hard link to a file of a lower layer: Docker does not find it in the layer's own folder.
    let link = Layer::new().folder("opt", FOLDER).hard_link("opt/second", "opt/file");
    let (dockers, ours) = both("hard-link-over-layers", vec![base(), link]).await;
    ensure!(dockers.is_err(), "Docker learned it: {dockers:?}");
    let ours = ours?;
    ensure!(ours["opt/second"] == ours["opt/file"], "{ours:?}");

    // A file in a folder that the layer does not name: with Docker the folder loses its mode.
    let file = Layer::new().file("tmp/x", "", PLAIN);
    let (dockers, ours) = both("implied-folder", vec![base(), file]).await;
    let (dockers, ours) = (dockers?, ours?);
    ensure!(ours["tmp"].mode == 0o1777 && dockers["tmp"].mode != 0o1777, "{dockers:?} {ours:?}");

    // A path that comes twice: Docker takes none, and every tar takes the last.
    let twice = Layer::new()
        .file("twice", "one", PLAIN)
        .file("twice", "two", About { mode: 0o600, ..PLAIN })
        .folder("d", FOLDER)
        .file("d/x", "", PLAIN)
        .file("d", "now a file", PLAIN);
    let (dockers, ours) = both("twice", vec![twice]).await;
    ensure!(dockers.is_err(), "Docker learned it: {dockers:?}");
    let ours = ours?;
    ensure!(ours.len() == 2 && ours["twice"].size == 3 && ours["d"].size == 10, "{ours:?}");

    // What leads out: Docker puts some of it inside; nobody can have meant that.
    let mut out = Layer::new().file("opt__out", "x", PLAIN).bytes();
    out[..8].copy_from_slice(b"../../xx");
    let mut header = tar::Header::new_gnu();
    header.as_mut_bytes().copy_from_slice(&out[..512]);
    header.set_cksum();
    out[..512].copy_from_slice(header.as_bytes());
    let name = "gofer-test/differential:out";
    let archive = archive(name, &[out]);
    let error = by_us(name, &archive).await.expect_err("it leads out");
    let kind = error.downcast_ref::<gofer_images::ImageError>().map(|error| error.kind);
    ensure!(kind == Some(ErrorKind::Refused), "{error:?}");
    Ok(())
}
