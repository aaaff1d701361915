//! Writes the archive: the layer, then the config with the layer's digest, then `manifest.json`.
//! The layer's size stands before it in the archive, so it is written twice: once with zeros for
//! the files' bytes, only to be counted.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use serde::Serialize;
use tar::{EntryType, Header};

use super::tree::{Node, Tree};
use super::{Packed, Settings};
use crate::digest::{Digest, HashingWriter};
use crate::error::ImageError;
use crate::manifest::Platform;

const LAYER: &str = "layer.tar";
const EPOCH: &str = "1970-01-01T00:00:00Z";

/// Where the bytes of files come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bytes {
    Zeros,
    Files,
}

pub(super) fn write(
    tree: &Tree,
    settings: &Settings,
    architecture: &str,
    out: &mut dyn Write,
) -> Result<Packed, ImageError> {
    let names = settings.checked_names()?;
    let mut counter = Counter { inner: io::sink(), n_bytes: 0 };
    write_layer(tree, Bytes::Zeros, &mut counter)?;
    let n_layer_bytes = counter.n_bytes;

    let mut archive = Counter { inner: out, n_bytes: 0 };
    let failed = |error| ImageError::reading("could not write the archive", error);
    let mut header = header(EntryType::Regular, 0o644, n_layer_bytes);
    header.set_path(LAYER).map_err(failed)?;
    header.set_cksum();
    archive.write_all(header.as_bytes()).map_err(failed)?;
    let mut layer = HashingWriter::new(&mut archive);
    write_layer(tree, Bytes::Files, &mut layer)?;
    let (diff_id, n_written) = layer.finish();
    if n_written != n_layer_bytes {
        return Err(ImageError::damaged("a file changed while it was packed"));
    }
    let config = config(settings, architecture, &diff_id)?;
    let id = Digest::of(&config);
    let file = format!("{}.json", id.hex());
    let manifest = json(&[Image { config: &file, repo_tags: &names, layers: [LAYER] }])?;
    let mut builder = tar::Builder::new(&mut archive);
    for (name, text) in [(file.as_str(), config), ("manifest.json", manifest)] {
        let mut header = self::header(EntryType::Regular, 0o644, text.len() as u64);
        builder.append_data(&mut header, name, text.as_slice()).map_err(failed)?;
    }
    builder.into_inner().and_then(Write::flush).map_err(failed)?;
    Ok(Packed { id: id.to_string(), n_bytes: archive.n_bytes })
}

fn write_layer(tree: &Tree, bytes: Bytes, out: &mut dyn Write) -> Result<(), ImageError> {
    let mut builder = tar::Builder::new(out);
    for (path, node) in &tree.nodes {
        append(&mut builder, path, node, bytes)?;
    }
    // A layer ends on the size of a block by itself, since the builder pads it.
    builder
        .into_inner()
        .map_err(|error| ImageError::reading("could not write the layer", error))?;
    Ok(())
}

fn append(
    builder: &mut tar::Builder<&mut dyn Write>,
    path: &[u8],
    node: &Node,
    bytes: Bytes,
) -> Result<(), ImageError> {
    let path = Path::new(OsStr::from_bytes(path));
    let failed = |error| ImageError::reading(format!("could not pack {}", path.display()), error);
    match node {
        Node::Folder { mode } => {
            let mut header = header(EntryType::Directory, *mode, 0);
            // With a slash at the end, as everyone writes folders.
            builder.append_data(&mut header, path.join(""), io::empty()).map_err(failed)
        }
        Node::File { source, n_bytes, mode } => {
            let mut header = header(EntryType::Regular, *mode, *n_bytes);
            if bytes == Bytes::Zeros {
                let zeros = io::repeat(0).take(*n_bytes);
                return builder.append_data(&mut header, path, zeros).map_err(failed);
            }
            let open = File::open(source);
            let file = open.map_err(|error| {
                ImageError::io(format!("could not open {}", source.display()), error)
            })?;
            builder.append_data(&mut header, path, Exactly { file, left: *n_bytes }).map_err(failed)
        }
        Node::Symlink { target } => {
            let mut header = header(EntryType::Symlink, 0o777, 0);
            link(builder, &mut header, path, target).map_err(failed)
        }
        Node::HardLink { target, mode } => {
            let mut header = header(EntryType::Link, *mode, 0);
            link(builder, &mut header, path, target).map_err(failed)
        }
    }
}

/// A link whose target stands in the archive as it is.
fn link(
    builder: &mut tar::Builder<&mut dyn Write>,
    header: &mut Header,
    path: &Path,
    target: &[u8],
) -> io::Result<()> {
    if header.set_link_name_literal(target).is_err() {
        let mut long = self::header(EntryType::GNULongLink, 0o644, target.len() as u64 + 1);
        long.set_path("././@LongLink")?;
        long.set_cksum();
        builder.append(&long, target.chain(io::repeat(0).take(1)))?;
    }
    builder.append_data(header, path, io::empty())
}

fn header(kind: EntryType, mode: u32, n_bytes: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(n_bytes);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

/// Counts what is written through it.
struct Counter<W> {
    inner: W,
    n_bytes: u64,
}

impl<W: Write> Write for Counter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(bytes)?;
        self.n_bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// A file that has the size that it had when it was looked at.
struct Exactly {
    file: File,
    left: u64,
}

impl Read for Exactly {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let changed = || ImageError::damaged("the file changed while it was packed").into();
        let n = self.file.read(buffer)? as u64;
        if n > self.left || (n == 0 && self.left > 0 && !buffer.is_empty()) {
            return Err(changed());
        }
        self.left -= n;
        Ok(usize::try_from(n).unwrap_or(0))
    }
}

/// As structs: their order is the order of the text, whatever a map would make of it.
#[derive(Serialize)]
struct Config<'a> {
    architecture: &'a str,
    os: &'a str,
    created: &'a str,
    config: Container<'a>,
    rootfs: RootFs<'a>,
    history: [History<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Container<'a> {
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    entrypoint: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    cmd: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    env: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    working_dir: Option<&'a str>,
}

#[derive(Serialize)]
struct RootFs<'a> {
    r#type: &'a str,
    diff_ids: [String; 1],
}

#[derive(Serialize)]
struct History<'a> {
    created: &'a str,
    created_by: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Image<'a> {
    config: &'a str,
    repo_tags: &'a [String],
    layers: [&'a str; 1],
}

fn config(
    settings: &Settings,
    architecture: &str,
    diff_id: &Digest,
) -> Result<Vec<u8>, ImageError> {
    let env = settings.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    json(&Config {
        architecture,
        os: &Platform::current().os,
        created: EPOCH,
        config: Container {
            entrypoint: &settings.entrypoint,
            cmd: &settings.cmd,
            env,
            user: settings.user.as_deref(),
            working_dir: settings.workdir.as_deref(),
        },
        rootfs: RootFs { r#type: "layers", diff_ids: [diff_id.to_string()] },
        history: [History { created: EPOCH, created_by: "gofer image build" }],
    })
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, ImageError> {
    serde_json::to_vec(value).map_err(|error| ImageError::io("could not write JSON", error))
}
