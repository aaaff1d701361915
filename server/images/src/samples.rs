//! Archives for the tests, good ones and such as no tool would write.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use crate::digest::Digest;
use crate::manifest::Platform;

/// One member of a tar archive, taken at its word.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) kind: u8,
    pub(crate) path: Vec<u8>,
    pub(crate) link: Vec<u8>,
    pub(crate) mode: u32,
    pub(crate) owner: (u64, u64),
    pub(crate) mtime: u64,
    pub(crate) data: Vec<u8>,
    pub(crate) pax: Vec<(String, Vec<u8>)>,
}

impl Item {
    pub(crate) fn new(kind: u8, path: &str) -> Self {
        Self {
            kind,
            path: path.as_bytes().to_vec(),
            link: Vec::new(),
            mode: 0o644,
            owner: (0, 0),
            mtime: 1000,
            data: Vec::new(),
            pax: Vec::new(),
        }
    }

    pub(crate) fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    pub(crate) fn owner(mut self, uid: u64, gid: u64) -> Self {
        self.owner = (uid, gid);
        self
    }

    pub(crate) fn mtime(mut self, mtime: u64) -> Self {
        self.mtime = mtime;
        self
    }

    pub(crate) fn pax(mut self, key: &str, value: &[u8]) -> Self {
        self.pax.push((key.to_owned(), value.to_vec()));
        self
    }

    pub(crate) fn xattr(self, name: &str, value: &[u8]) -> Self {
        self.pax(&format!("SCHILY.xattr.{name}"), value)
    }

    fn header(&self) -> tar::Header {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::new(self.kind));
        header.set_mode(self.mode);
        header.set_uid(self.owner.0);
        header.set_gid(self.owner.1);
        header.set_mtime(self.mtime);
        header.set_size(self.data.len() as u64);
        let old = header.as_old_mut();
        let (name, link) = (self.path.len().min(100), self.link.len().min(100));
        old.name[..name].copy_from_slice(&self.path[..name]);
        old.linkname[..link].copy_from_slice(&self.link[..link]);
        header.set_cksum();
        header
    }

    fn write(&self, out: &mut Vec<u8>) {
        let mut pax = self.pax.clone();
        if self.path.len() > 100 {
            pax.push(("path".to_owned(), self.path.clone()));
        }
        if self.link.len() > 100 {
            pax.push(("linkpath".to_owned(), self.link.clone()));
        }
        if !pax.is_empty() {
            let mut records = Item::new(b'x', "PaxHeaders/x");
            records.data = pax.iter().flat_map(|(key, value)| record(key, value)).collect();
            records.write(out);
        }
        out.extend_from_slice(self.header().as_bytes());
        out.extend_from_slice(&self.data);
        out.resize(out.len().next_multiple_of(512), 0);
    }
}

pub(crate) fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let length = (rest..).find(|n| n.to_string().len() + rest == *n).unwrap();
    [format!("{length} {key}=").as_bytes(), value, b"\n"].concat()
}

pub(crate) fn file(path: &str, data: &str) -> Item {
    Item { data: data.as_bytes().to_vec(), ..Item::new(b'0', path) }
}

pub(crate) fn folder(path: &str) -> Item {
    Item::new(b'5', path).mode(0o755)
}

pub(crate) fn symlink(path: &str, target: &str) -> Item {
    Item { link: target.as_bytes().to_vec(), ..Item::new(b'2', path) }
}

pub(crate) fn hard_link(path: &str, target: &str) -> Item {
    Item { link: target.as_bytes().to_vec(), ..Item::new(b'1', path) }
}

/// The archive of some members.
pub(crate) fn tar(items: &[Item]) -> Vec<u8> {
    let mut out = Vec::new();
    items.iter().for_each(|item| item.write(&mut out));
    out.resize(out.len() + 1024, 0);
    out
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The config of an image of uncompressed layers.
pub(crate) fn config(layers: &[Vec<u8>]) -> String {
    let ids: Vec<String> =
        layers.iter().map(|layer| format!("\"{}\"", Digest::of(layer))).collect();
    format!(
        r#"{{"architecture":"{}","os":"linux","created":"2020-01-01T00:00:00Z","config":{{"Cmd":["/a"]}},"rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
        Platform::current().architecture,
        ids.join(",")
    )
}

/// An image as `docker save` of old writes it, the list last.
pub(crate) fn docker_save(layers: &[Vec<u8>], names: &[&str]) -> Vec<Item> {
    let config = config(layers);
    let file_name = format!("{}.json", Digest::of(config.as_bytes()).hex());
    let mut items = Vec::new();
    let mut files = Vec::new();
    for (n, layer) in layers.iter().enumerate() {
        let path = format!("{n}/layer.tar");
        items.push(folder(&format!("{n}/")));
        items.push(Item { data: layer.clone(), ..Item::new(b'0', &path) });
        files.push(path);
    }
    items.push(file(&file_name, &config));
    let manifest =
        format!(r#"[{{"Config":"{file_name}","RepoTags":{names:?},"Layers":{files:?}}}]"#);
    items.push(file("manifest.json", &manifest));
    items
}

/// The blobs of an image with compressed layers, its manifest last: name by digest, and bytes.
pub(crate) fn oci_blobs(layers: &[Vec<u8>]) -> Vec<(Digest, Vec<u8>)> {
    let packed: Vec<Vec<u8>> = layers.iter().map(|layer| gzip(layer)).collect();
    let config = config(layers).into_bytes();
    let point = |bytes: &[u8]| {
        format!(r#"{{"mediaType":"m","digest":"{}","size":{}}}"#, Digest::of(bytes), bytes.len())
    };
    let list: Vec<String> = packed.iter().map(|layer| point(layer)).collect();
    let manifest = format!(
        r#"{{"schemaVersion":2,"config":{},"layers":[{}]}}"#,
        point(&config),
        list.join(",")
    );
    let all = packed.into_iter().chain([config, manifest.into_bytes()]);
    all.map(|bytes| (Digest::of(&bytes), bytes)).collect()
}

/// The files of an OCI layout.
pub(crate) fn oci_layout(layers: &[Vec<u8>], name: &str) -> Vec<Item> {
    let blobs = oci_blobs(layers);
    let (digest, manifest) = blobs.last().unwrap();
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"m","digest":"{digest}","size":{},
        "annotations":{{"org.opencontainers.image.ref.name":"{name}"}}}}]}}"#,
        manifest.len()
    );
    let mut items =
        vec![file("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#), file("index.json", &index)];
    for (digest, bytes) in &blobs {
        let path = format!("blobs/sha256/{}", digest.hex());
        items.push(Item { data: bytes.clone(), ..Item::new(b'0', &path) });
    }
    items
}

/// Puts files and folders below `dir`.
pub(crate) fn lay_out(items: &[Item], dir: &Path) {
    for item in items {
        let path = dir.join(std::str::from_utf8(&item.path).unwrap());
        if item.kind == b'5' {
            std::fs::create_dir_all(path).unwrap();
        } else {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, &item.data).unwrap();
        }
    }
}

/// Everything below `dir`, by path: kind, mode, owner, and what is in it.
pub(crate) fn tree(dir: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    walk(dir, dir, &mut found);
    found
}

fn walk(top: &Path, dir: &Path, found: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let metadata = path.symlink_metadata().unwrap();
        let kind = metadata.file_type();
        let what = if kind.is_dir() {
            "folder".to_owned()
        } else if kind.is_symlink() {
            format!("-> {}", std::fs::read_link(&path).unwrap().display())
        } else if kind.is_file() {
            String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned()
        } else if kind.is_char_device() {
            format!("device {}", metadata.rdev())
        } else {
            "other".to_owned()
        };
        let (mode, uid, gid) = (metadata.mode() & 0o7777, metadata.uid(), metadata.gid());
        let name = path.strip_prefix(top).unwrap().as_os_str().as_bytes();
        let name = String::from_utf8_lossy(name).into_owned();
        found.insert(name, format!("{what} {mode:o} {uid}:{gid}"));
        if kind.is_dir() {
            walk(top, &path, found);
        }
    }
}
