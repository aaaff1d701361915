//! Images as a registry or a file of anybody may bring them: a layer that is unpacked, and a whole
//! archive that is taken in.

use std::collections::{BTreeSet, HashSet};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use gofer_images::pack::{Folder, Settings, from_folder};
use gofer_images::{ErrorKind, ImageError, Limits, Store, unpack};
use tempfile::TempDir;

use crate::hunt::kind;
use crate::samples::words;
use crate::{Target, Verdict};

const BLOCK: usize = 512;
/// Kept small, so that a bomb is found out within the time of an input.
const LIMITS: Limits = Limits {
    n_layers_max: 8,
    n_bytes_max: 1 << 20,
    n_entries_max: 2000,
    n_folder_bytes_max: 1 << 20,
};

/// A folder in memory, where that can be.
fn memory() -> Result<TempDir> {
    Ok(tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())?)
}

/// A layer. An input's first byte says whether the headers' sums are made right, and whether the
/// rest is compressed then.
pub(crate) fn layers() -> Result<Target> {
    let dir = memory()?;
    std::fs::write(dir.path().join("outside"), "untouched")?;
    let below = dir.path().join("below");
    std::fs::create_dir_all(below.join("d"))?;
    std::fs::write(below.join("d/x"), "below")?;
    std::fs::write(below.join("f"), "below")?;
    let mut samples = vec![[&[0][..], &gzip(&odd_layer()?)?].concat()];
    for how in [0, 1, 3] {
        samples.push([&[how][..], &odd_layer()?].concat());
        samples.push([&[how][..], &plain_layer()?].concat());
    }
    let before = look(dir.path())?;
    Ok(Target {
        samples,
        words: words(&[
            "../",
            "/",
            ".wh.",
            ".wh..wh..opq",
            "..",
            "outside",
            "d/x",
            "30 mtime=1.5\n",
            "SCHILY.xattr.user.",
            "GNU.sparse.map",
            "GNU.sparse.major=1\n",
            "ustar  \0",
            "ustar\x0000",
            "\0\0\0\0\0\0\0\0",
        ]),
        feed: Box::new(move |input| {
            let verdict = unpack_one(dir.path(), &below, input);
            // The layer's own folder is gone again; all else must be as it was.
            match (look(dir.path()), verdict) {
                (Ok(after), verdict) if after == before => {
                    verdict.map_err(|error| format!("{error:#}"))?
                }
                (Ok(after), _) => Err(format!("the outside changed: {after:?}")),
                (Err(error), _) => Err(format!("the outside cannot be read: {error:#}")),
            }
        }),
    })
}

fn unpack_one(dir: &Path, below: &Path, input: &[u8]) -> Result<Verdict> {
    let (how, rest) = input.split_first().map_or((0, input), |(how, rest)| (*how, rest));
    let mut bytes = rest.to_vec();
    if how & 1 != 0 {
        mend(&mut bytes, 0);
    }
    if how & 2 != 0 {
        bytes = gzip(&bytes)?;
    }
    let at = dir.join("layer");
    std::fs::create_dir(&at)?;
    let unpacked = unpack::layer(bytes.as_slice(), &at, &[below.to_path_buf()], &LIMITS);
    let verdict = match &unpacked {
        Ok(unpacked) => {
            devices(&at).map(|()| kind(&format!("{:?}", unpacked.n_devices_skipped > 0)))
        }
        Err(error) => answer(error),
    };
    std::fs::remove_dir_all(&at)?;
    Ok(verdict)
}

/// Only whiteouts are devices.
fn devices(dir: &Path) -> Result<(), String> {
    for path in paths(dir).map_err(|error| error.to_string())? {
        let metadata = path.symlink_metadata().map_err(|error| error.to_string())?;
        let kind = metadata.file_type();
        if kind.is_block_device() || (kind.is_char_device() && metadata.rdev() != 0) {
            return Err(format!("{} is a device", path.display()));
        }
    }
    Ok(())
}

/// A fault is the input's, never the machine's.
fn answer(error: &ImageError) -> Verdict {
    match error.kind {
        ErrorKind::Damaged | ErrorKind::Refused | ErrorKind::Unsupported => {
            Ok(kind(&error.to_string()))
        }
        ErrorKind::Missing | ErrorKind::NoSpace | ErrorKind::Io => Err(error.to_string()),
    }
}

/// Whole archives, taken in by a store.
pub(crate) fn archives() -> Result<Target> {
    let dir = memory()?;
    let store = Store::with_limits(&dir.path().join("store"), LIMITS)?;
    let mut samples = Vec::new();
    for archive in [saved(&dir)?, layout(&dir)?] {
        samples.push([&[0][..], &gzip(&archive)?].concat());
        samples.push([&[1][..], &archive].concat());
    }
    Ok(Target {
        samples,
        words: words(&[
            "manifest.json",
            "index.json",
            "../",
            "\"Layers\":[",
            "\"layers\":[",
            "\"manifests\":[",
            "blobs/sha256/",
            "\"RepoTags\":[\"a:1\"]",
            "\"platform\":{\"os\":\"linux\"}",
            "null",
            "[]",
        ]),
        feed: Box::new(move |input| {
            import(&dir, &store, input).map_err(|error| format!("{error:#}"))?
        }),
    })
}

fn import(dir: &TempDir, store: &Store, input: &[u8]) -> Result<Verdict> {
    let (how, rest) = input.split_first().map_or((0, input), |(how, rest)| (*how, rest));
    let mut bytes = rest.to_vec();
    if how & 1 != 0 {
        mend(&mut bytes, 0);
    }
    let file = dir.path().join("archive");
    std::fs::write(&file, &bytes)?;
    let verdict = match store.import(&file, None) {
        Ok(entries) => {
            for entry in &entries {
                let found = store.find(&entry.id)?;
                let Some(found) = found else {
                    return Ok(Err(format!("{entry:?} was taken in and is not there")));
                };
                if found.layers.is_empty() || !found.layers.iter().all(|layer| layer.is_dir()) {
                    return Ok(Err(format!("{found:?} has not all layers")));
                }
                store.remove(&entry.id)?;
            }
            Ok(kind(&format!("{} images", if entries.len() > 1 { "more" } else { "one" })))
        }
        Err(error) => answer(&error),
    };
    store.prune(&BTreeSet::new(), false)?;
    let left = ["layers", "l", "images", "refs", "tmp", "trash"]
        .map(|name| dir.path().join("store").join(name));
    for folder in left {
        if folder.read_dir()?.next().is_some() {
            return Ok(Err(format!("something is left in {}", folder.display())));
        }
    }
    Ok(verdict)
}

/// A path, its mode, its owner, and what is in it.
type Looked = (PathBuf, u32, u32, Vec<u8>);

/// All that is in a folder.
fn look(dir: &Path) -> Result<Vec<Looked>> {
    let mut found = Vec::new();
    for path in paths(dir)? {
        let metadata = path.symlink_metadata()?;
        let data = if metadata.is_file() { std::fs::read(&path)? } else { Vec::new() };
        found.push((path, metadata.mode(), metadata.uid(), data));
    }
    Ok(found)
}

fn paths(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_path_buf()];
    let mut seen = HashSet::new();
    while let Some(folder) = open.pop() {
        for entry in folder.read_dir()? {
            let path = entry?.path();
            if path.symlink_metadata()?.is_dir() && seen.insert(path.clone()) {
                open.push(path.clone());
            }
            found.push(path);
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Makes the sums of the headers right, and of those of archives inside of it.
fn mend(bytes: &mut [u8], depth: usize) {
    let mut at = 0;
    while let Some(block) = bytes.get_mut(at..at + BLOCK) {
        let mut header = tar::Header::new_old();
        header.as_mut_bytes().copy_from_slice(block);
        header.set_cksum();
        block.copy_from_slice(header.as_bytes());
        let size = usize::try_from(header.entry_size().unwrap_or(0)).unwrap_or(usize::MAX);
        at += BLOCK;
        let end = at.saturating_add(size).min(bytes.len());
        if depth == 0 && header.path_bytes().ends_with(b"layer.tar") {
            mend(&mut bytes[at..end], 1);
        }
        at = end.next_multiple_of(BLOCK);
        if bytes.get(at..at + BLOCK).is_some_and(|block| block.iter().all(|byte| *byte == 0)) {
            return;
        }
    }
}

fn header(kind: tar::EntryType, size: usize) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(0o4755);
    header.set_uid(1);
    header.set_gid(2);
    header.set_mtime(3);
    header.set_size(size as u64);
    header
}

fn plain_layer() -> Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    tar.append_data(&mut header(tar::EntryType::Directory, 0), "d/", &[][..])?;
    tar.append_data(&mut header(tar::EntryType::Regular, 4), "d/x", &b"data"[..])?;
    tar.append_data(&mut header(tar::EntryType::Regular, 0), ".wh.f", &[][..])?;
    Ok(tar.into_inner()?)
}

fn odd_layer() -> Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    tar.append_link(&mut header(tar::EntryType::Symlink, 0), "l", "../../outside")?;
    tar.append_link(&mut header(tar::EntryType::Symlink, 0), "up", "../..")?;
    tar.append_data(&mut header(tar::EntryType::Regular, 4), "up/f", &b"data"[..])?;
    tar.append_link(&mut header(tar::EntryType::Link, 0), "h", "d/x")?;
    tar.append_data(&mut header(tar::EntryType::Fifo, 0), "p", &[][..])?;
    tar.append_data(&mut header(tar::EntryType::Char, 0), "null", &[][..])?;
    tar.append_data(&mut header(tar::EntryType::Regular, 0), "d/.wh..wh..opq", &[][..])?;
    let records: [(&str, &[u8]); 2] = [("SCHILY.xattr.user.a", b"b"), ("mtime", b"1.5")];
    tar.append_pax_extensions(records)?;
    tar.append_data(&mut header(tar::EntryType::Regular, 4), "n".repeat(150), &b"data"[..])?;
    let records: [(&str, &[u8]); 2] =
        [("GNU.sparse.size", b"2000"), ("GNU.sparse.map", b"0,4,1996,4")];
    tar.append_pax_extensions(records)?;
    tar.append_data(&mut header(tar::EntryType::Regular, 8), "sparse", &b"headtail"[..])?;
    Ok(tar.into_inner()?)
}

/// What `docker save` of old would write.
fn saved(dir: &TempDir) -> Result<Vec<u8>> {
    let root = dir.path().join("root");
    std::fs::create_dir_all(root.join("d"))?;
    std::fs::write(root.join("d/x"), "data")?;
    let settings = Settings { names: vec!["app:1".to_owned()], ..Settings::default() };
    let mut archive = Vec::new();
    from_folder(&Folder { root, settings }, &mut archive)?;
    Ok(archive)
}

/// The same as an OCI layout.
fn layout(dir: &TempDir) -> Result<Vec<u8>> {
    let saved = saved(dir)?;
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for entry in tar::Archive::new(saved.as_slice()).entries()? {
        let mut entry = entry?;
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut bytes)?;
        files.push((entry.path()?.display().to_string(), bytes));
    }
    let find = |end: &str| {
        files
            .iter()
            .find(|(name, _)| name.ends_with(end) && name != "manifest.json")
            .context("a file")
    };
    let ((_, layer), (_, config)) = (find("layer.tar")?, find(".json")?);
    let point = |bytes: &[u8]| {
        let digest = gofer_images::Digest::of(bytes).to_string();
        serde_json::json!({ "mediaType": "m", "digest": digest, "size": bytes.len() })
    };
    let manifest =
        serde_json::json!({ "config": point(config), "layers": [point(layer)] }).to_string();
    let index = serde_json::json!({ "manifests": [point(manifest.as_bytes())] }).to_string();
    let mut tar = tar::Builder::new(Vec::new());
    tar.append_data(
        &mut header(tar::EntryType::Regular, index.len()),
        "index.json",
        index.as_bytes(),
    )?;
    for blob in [manifest.as_bytes(), config, layer] {
        let name = format!("blobs/sha256/{}", gofer_images::Digest::of(blob).hex());
        tar.append_data(&mut header(tar::EntryType::Regular, blob.len()), name, blob)?;
    }
    Ok(tar.into_inner()?)
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, bytes)?;
    Ok(encoder.finish()?)
}
