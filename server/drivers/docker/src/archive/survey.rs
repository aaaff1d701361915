//! Reads an archive to its end and says what is in it, so that a damaged one is refused before the
//! engine has seen a byte of it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

use gofer_core::ports::driver::DriverError;
use sha2::{Digest as _, Sha256};
use tar::EntryType;

use super::manifest::{Config, Entry, entries, parse};
use super::{bad, inner_path, open};
use crate::clock;

/// Files up to this size are kept while the archive is read: manifests and configs are some KiB,
/// and the OCI specification asks nobody to take manifests above 4 MiB.
const SMALL_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// All those files together.
const KEPT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Entries of the outer archive: a few for each layer.
const ENTRIES_MAX: usize = 100_000;
/// Bytes that a gzipped archive may unpack to, so that a small file cannot keep a server busy
/// for ever.
const UNPACKED_BYTES_MAX: u64 = 200 * 1024 * 1024 * 1024;

/// What is in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// Its images, in its order; never empty.
    pub images: Vec<Packed>,
}

/// One image in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// `sha256:` and the digest of its config.
    pub id: String,
    /// The names that the archive gives it.
    pub names: Vec<String>,
    /// When its maker says it was made, milliseconds since the epoch.
    pub created_ms: Option<i64>,
    /// Bytes of its layers, as they are packed.
    pub packed_bytes: u64,
    /// Its files in the archive.
    pub(super) config: String,
    pub(super) layers: Vec<String>,
}

/// Reads the archive to its end.
///
/// # Errors
/// [`FaultKind::Image`](gofer_core::ports::driver::FaultKind::Image) where it is none, is damaged
/// or leads out of itself; `Engine` where the file cannot be opened.
pub fn survey(file: &Path) -> Result<Survey, DriverError> {
    let mut contents = Contents::default();
    let mut stream = open(file)?.take(UNPACKED_BYTES_MAX);
    let mut archive = tar::Archive::new(&mut stream);
    for entry in archive.entries().map_err(bad)? {
        contents.take(&mut entry.map_err(bad)?)?;
    }
    // What follows the last entry is padding, and the checksum of a gzipped file.
    std::io::copy(&mut stream, &mut std::io::sink()).map_err(bad)?;
    if stream.limit() == 0 {
        return Err(bad(format!("it unpacks to more than {UNPACKED_BYTES_MAX} bytes")));
    }
    contents.images()
}

/// What was met while reading.
#[derive(Default)]
struct Contents {
    /// Every file, with its size.
    files: BTreeMap<String, u64>,
    /// Links within the archive; old engines write the second use of a layer as one.
    links: BTreeSet<String>,
    small: BTreeMap<String, Vec<u8>>,
    kept_bytes: usize,
    n_entries: usize,
}

impl Contents {
    #[expect(clippy::wildcard_enum_match_arm, reason = "whatever kind it is, it has no place here")]
    fn take<R: Read>(&mut self, entry: &mut tar::Entry<'_, R>) -> Result<(), DriverError> {
        self.n_entries += 1;
        if self.n_entries > ENTRIES_MAX {
            return Err(bad(format!("it has more than {ENTRIES_MAX} entries")));
        }
        let shown = entry.path().map_err(bad)?.display().to_string();
        let leads_out = || bad(format!("its entry {shown:?} leads out of it"));
        let path = entry.path().map_err(bad)?;
        let has_parent = path.components().any(|part| part == std::path::Component::ParentDir);
        let path = inner_path(&path).filter(|_| !has_parent).ok_or_else(leads_out)?;
        match entry.header().entry_type() {
            EntryType::Directory | EntryType::XGlobalHeader => Ok(()),
            EntryType::Regular | EntryType::Continuous => self.keep(path, entry),
            kind @ (EntryType::Symlink | EntryType::Link) => {
                let target = entry.link_name().map_err(bad)?.ok_or_else(leads_out)?;
                let base = if kind == EntryType::Symlink { parent_of(&path) } else { "" };
                inner_path(&Path::new(base).join(target)).ok_or_else(leads_out)?;
                self.links.insert(path);
                Ok(())
            }
            // Devices, pipes, holes: no image archive has them at this level.
            _ => Err(bad(format!("its entry {shown:?} is of a kind that no image archive has"))),
        }
    }

    fn keep<R: Read>(
        &mut self,
        path: String,
        entry: &mut tar::Entry<'_, R>,
    ) -> Result<(), DriverError> {
        let size = entry.size();
        self.files.insert(path.clone(), size);
        let is_json = || path.ends_with(".json") || path.starts_with("blobs/");
        if size > SMALL_BYTES_MAX || !is_json() {
            return Ok(());
        }
        let mut text = Vec::new();
        let n_read = entry.read_to_end(&mut text).map_err(bad)?;
        if n_read as u64 != size {
            return Err(bad(format!("its entry {path:?} is cut off")));
        }
        // A layer: its bytes are of no use here.
        if !matches!(text.first(), Some(b'{' | b'[')) {
            return Ok(());
        }
        self.kept_bytes += text.len();
        if self.kept_bytes > KEPT_BYTES_MAX {
            return Err(bad("its descriptions are larger than any image's"));
        }
        self.check_digest(&path, &text)?;
        self.small.insert(path, text);
        Ok(())
    }

    /// The name of a blob is its digest. What the engine reads itself, it checks itself.
    fn check_digest(&self, path: &str, text: &[u8]) -> Result<(), DriverError> {
        match path.strip_prefix("blobs/sha256/") {
            Some(hex) if hex != hex_digest(text) => Err(bad(format!("{path} is damaged"))),
            Some(_) | None => Ok(()),
        }
    }

    fn images(&self) -> Result<Survey, DriverError> {
        let mut images: Vec<Packed> = Vec::new();
        for entry in entries(&self.small)? {
            let image = self.image(entry)?;
            match images.iter_mut().find(|known| known.id == image.id) {
                Some(known) => known.names.extend(image.names),
                None => images.push(image),
            }
        }
        for image in &mut images {
            image.names.sort_unstable();
            image.names.dedup();
        }
        if images.is_empty() {
            return Err(bad("it holds no image for this machine"));
        }
        Ok(Survey { images })
    }

    fn image(&self, entry: Entry) -> Result<Packed, DriverError> {
        let inner = |path: &str| {
            inner_path(Path::new(path)).ok_or_else(|| bad(format!("{path:?} leads out of it")))
        };
        let config = inner(&entry.config)?;
        let text = self.small.get(&config).ok_or_else(|| bad(format!("it lacks {config}")))?;
        let created = parse::<Config>(&config, text)?.created;
        let layers: Vec<String> =
            entry.layers.iter().map(|layer| inner(layer)).collect::<Result<_, _>>()?;
        if let Some(layer) = layers
            .iter()
            .find(|path| !self.files.contains_key(*path) && !self.links.contains(*path))
        {
            return Err(bad(format!("it lacks the layer {layer}")));
        }
        Ok(Packed {
            id: format!("sha256:{}", hex_digest(text)),
            names: entry.repo_tags.unwrap_or_default(),
            created_ms: created.as_deref().and_then(clock::parse_ms),
            packed_bytes: layers.iter().filter_map(|path| self.files.get(path)).sum(),
            config,
            layers,
        })
    }
}

fn parent_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

fn hex_digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let digits = digest.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect()
}
