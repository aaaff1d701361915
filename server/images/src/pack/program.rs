//! An image of one program. A statically linked one is all that its image needs; one that is not
//! gets in with its loader and its libraries, or not at all: it would fail in every container with
//! "no such file or directory", which is said of the loader and read as said of the program.

use std::io::Write;
use std::path::PathBuf;

use super::tree::Tree;
use super::{Packed, Settings, elf, writer};
use crate::error::ImageError;
use crate::unpack::Inside;

/// A program to make an image of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binary {
    /// The program; a link is followed.
    pub program: PathBuf,
    /// Where it is in the image; `/` and its name if none is said.
    pub at: Option<String>,
    /// What else is in the image.
    pub files: Vec<ExtraFile>,
    /// What the image says of its containers. Without an entrypoint it is the program.
    pub settings: Settings,
}

/// A file besides the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraFile {
    /// The file here; a link is followed.
    pub source: PathBuf,
    /// Its path in the image.
    pub at: String,
}

/// Writes the archive of an image of a program, for the architecture of the program.
///
/// # Errors
/// [`Refused`](crate::ErrorKind::Refused) for what is no program, and for one that needs a loader
/// or libraries that are not among the files; the fault names them.
pub fn from_binary(binary: &Binary, out: &mut dyn Write) -> Result<Packed, ImageError> {
    let program = &binary.program;
    let elf = elf::read(program)?.ok_or_else(|| {
        let message = format!("could not pack {}: it is no program of Linux", program.display());
        ImageError::refused(message)
    })?;
    let at = match (&binary.at, program.file_name()) {
        (Some(at), _) => at.clone(),
        (None, Some(name)) => format!("/{}", name.to_string_lossy()),
        (None, None) => return Err(ImageError::refused("the program has no name")),
    };
    let mut tree = Tree::default();
    tree.put_file(&Inside::parse(at.as_bytes())?, program, Some(0o755))?;
    for file in &binary.files {
        tree.put_file(&Inside::parse(file.at.as_bytes())?, &file.source, None)?;
    }
    check_links(binary, &elf, &tree)?;
    let mut settings = binary.settings.clone();
    if settings.entrypoint.is_empty() {
        settings.entrypoint = vec![format!("/{}", at.trim_start_matches('/'))];
    }
    writer::write(&tree, &settings, &elf.architecture, out)
}

/// Whether everything that the program and its libraries need is in the image.
fn check_links(binary: &Binary, program: &elf::Elf, tree: &Tree) -> Result<(), ImageError> {
    let mut missing: Vec<String> = Vec::new();
    if let Some(loader) = &program.interpreter
        && !tree.has(&Inside::parse(loader.as_bytes())?)
    {
        missing.push(loader.clone());
    }
    let mut needed = program.needed.clone();
    for file in &binary.files {
        needed.extend(elf::read(&file.source)?.map(|elf| elf.needed).unwrap_or_default());
    }
    needed.sort_unstable();
    needed.dedup();
    let names = || binary.files.iter().filter_map(|file| file.at.rsplit('/').next());
    missing.extend(needed.into_iter().filter(|library| !names().any(|name| name == library)));
    if missing.is_empty() {
        return Ok(());
    }
    Err(ImageError::refused(format!(
        "could not pack {}: it is dynamically linked, and the image would not have {}; \
         link it statically, or add these files",
        binary.program.display(),
        missing.join(", ")
    )))
}
