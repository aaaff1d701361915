//! Writes a surveyed archive out again in the form that every Docker engine loads: the same files
//! under the same paths, and a `manifest.json` that names no image.

use std::io::{self, Write};
use std::path::Path;

use tar::EntryType;

use super::manifest::Entry;
use super::survey::Survey;
use super::{inner_path, open};

/// Files that describe the whole archive. Ours takes their place; a newer engine that still found
/// an index would take names from it.
const DESCRIPTIONS: [&str; 4] = ["manifest.json", "repositories", "index.json", "oci-layout"];

/// Writes the archive `file`, which `survey` was taken of, to `out`.
///
/// # Errors
/// Where reading or writing fails, or the file is no longer the one that was surveyed.
pub fn copy(file: &Path, survey: &Survey, out: impl Write) -> io::Result<()> {
    let stream = open(file).map_err(|error| io::Error::other(error.message))?;
    let mut archive = tar::Archive::new(stream);
    let mut copied = tar::Builder::new(out);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = inner_path(&entry.path()?)
            .ok_or_else(|| io::Error::other("the archive changed while it was read"))?;
        let is_note = entry.header().entry_type() == EntryType::XGlobalHeader;
        if is_note || path.is_empty() || DESCRIPTIONS.contains(&path.as_str()) {
            continue;
        }
        let mut header = entry.header().clone();
        if matches!(header.entry_type(), EntryType::Symlink | EntryType::Link) {
            let target = entry.link_name()?.map(std::borrow::Cow::into_owned).unwrap_or_default();
            copied.append_link(&mut header, path, target)?;
        } else {
            header.set_size(entry.size());
            copied.append_data(&mut header, path, &mut entry)?;
        }
    }
    append_manifest(&mut copied, survey)?;
    copied.into_inner()?.flush()
}

fn append_manifest<W: Write>(copied: &mut tar::Builder<W>, survey: &Survey) -> io::Result<()> {
    let images = survey.images.iter().map(|image| Entry {
        config: image.config.clone(),
        repo_tags: None,
        layers: image.layers.clone(),
    });
    let manifest = serde_json::to_vec(&images.collect::<Vec<_>>())?;
    let mut header = tar::Header::new_gnu();
    header.set_size(manifest.len() as u64);
    header.set_mode(0o644);
    copied.append_data(&mut header, "manifest.json", manifest.as_slice())
}
