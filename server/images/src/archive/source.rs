//! The files of an archive, by name, wherever they lie: in a tar file at a place that was noted
//! once, or in a folder. No name and no link leads out of it.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use rustix::io::Errno;

use super::shown;
use crate::compression;
use crate::error::ImageError;
use crate::files;
use crate::tarball::{Kind, Tarball};
use crate::unpack::{Inside, Limits, Root};

/// Files of one archive.
const FILES_MAX: usize = 100_000;
/// Links from one file of an archive to the next.
const LINKS_MAX: usize = 8;
const MAGIC_BYTES: usize = 6;

pub(super) enum Source {
    Tar { file: File, places: HashMap<Vec<u8>, Place> },
    Folder(Root),
}

/// Where a file of an archive is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// At this byte, of this size.
    At(u64, u64),
    /// Where another one is.
    Link(Vec<u8>),
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tar { places, .. } => f.debug_struct("Tar").field("n", &places.len()).finish(),
            Self::Folder(root) => f.debug_tuple("Folder").field(root).finish(),
        }
    }
}

impl Source {
    pub(super) fn open(path: &Path, scratch: &Path, limits: &Limits) -> Result<Self, ImageError> {
        let what = || format!("could not open {}", path.display());
        // Without waiting for a writer, should it be a pipe.
        let flags = rustix::fs::OFlags::RDONLY
            | rustix::fs::OFlags::NONBLOCK
            | rustix::fs::OFlags::NOCTTY
            | rustix::fs::OFlags::CLOEXEC;
        let file = rustix::fs::open(path, flags, rustix::fs::Mode::empty())
            .map_err(|error| ImageError::io(what(), error))?;
        let file = File::from(file);
        let metadata = file.metadata().map_err(|error| ImageError::io(what(), error))?;
        if metadata.is_dir() {
            return Root::open(path).map(Self::Folder);
        }
        if !metadata.is_file() {
            return Err(ImageError::refused(format!(
                "{} is neither a file nor a folder",
                path.display()
            )));
        }
        let mut magic = [0; MAGIC_BYTES];
        let n_magic = file.read_at(&mut magic, 0).map_err(|error| ImageError::io(what(), error))?;
        let file = match magic.get(..n_magic) {
            Some(magic) if compression::is_compressed(magic) => opened(&file, scratch, limits)?,
            Some(_) | None => file,
        };
        let places = survey(&file)?;
        Ok(Self::Tar { file, places })
    }

    /// A small file, if there is one.
    pub(super) fn document(&self, name: &str, max: u64) -> Result<Option<Vec<u8>>, ImageError> {
        match self.find(name)? {
            Some(file) => files::read_limited(file, &format!("`{}`", shown(name)), max).map(Some),
            None => Ok(None),
        }
    }

    /// A file that must be there.
    pub(super) fn open_file(&self, name: &str) -> Result<Window<'_>, ImageError> {
        self.find(name)?
            .ok_or_else(|| ImageError::damaged(format!("the archive has no `{}`", shown(name))))
    }

    fn find(&self, name: &str) -> Result<Option<Window<'_>>, ImageError> {
        let path = Inside::parse(name.as_bytes())?;
        match self {
            Self::Tar { file, places } => match place(places, path.bytes())? {
                Some((start, size)) => Ok(Some(Window::part(file, start, size))),
                None => Ok(None),
            },
            Self::Folder(root) => in_folder(root, name, &path),
        }
    }
}

fn in_folder(
    root: &Root,
    name: &str,
    path: &Inside,
) -> Result<Option<Window<'static>>, ImageError> {
    let what = || format!("could not open `{}`", shown(name));
    let file = match root.file_beneath(path.bytes()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::XDEV | Errno::LOOP) => {
            return Err(ImageError::refused(format!("`{}` leads out of the archive", shown(name))));
        }
        Err(error) => return Err(ImageError::io(what(), error)),
    };
    let metadata = file.metadata().map_err(|error| ImageError::io(what(), error))?;
    if !metadata.is_file() {
        return Err(ImageError::damaged(format!("`{}` is no file", shown(name))));
    }
    Ok(Some(Window::whole(file, metadata.len())))
}

/// A compressed archive without its compression, in a file that has no name.
fn opened(file: &File, scratch: &Path, limits: &Limits) -> Result<File, ImageError> {
    let path = scratch.join(files::fresh_name("archive"));
    let named = files::Scratch(path);
    let mut plain = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&named.0)
        .map_err(|error| ImageError::io("could not make room for the archive", error))?;
    drop(named);
    let size =
        file.metadata().map_err(|error| ImageError::io("could not read the archive", error))?.len();
    let max = limits.stream_bytes_max();
    let stream = compression::open(Window::part(file, 0, size))?;
    let n = io::copy(&mut stream.take(max + 1), &mut plain)
        .map_err(|error| ImageError::reading("could not open the compressed archive", error))?;
    if n > max {
        return Err(ImageError::refused(format!("the archive has more than {max} bytes")));
    }
    Ok(plain)
}

/// Notes where each file of a tar archive lies. The files are passed over, not read.
fn survey(file: &File) -> Result<HashMap<Vec<u8>, Place>, ImageError> {
    let mut input: &File = file;
    input
        .seek(SeekFrom::Start(0))
        .map_err(|error| ImageError::io("could not read the archive", error))?;
    let input = io::BufReader::new(input);
    let mut archive = Tarball::with_skip(input, |input, n_bytes| {
        let n_bytes = i64::try_from(n_bytes).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        input.seek_relative(n_bytes)
    });
    let mut places = HashMap::new();
    let mut n_files = 0_usize;
    while let Some(member) = archive.next()? {
        n_files += 1;
        if n_files > FILES_MAX {
            return Err(ImageError::refused(format!(
                "the archive has more than {FILES_MAX} files"
            )));
        }
        let path = Inside::parse(&member.path)?;
        let place = match member.kind {
            Kind::File if member.extents.is_none() => Place::At(archive.position(), member.size),
            Kind::HardLink => Place::Link(Inside::parse(&member.link)?.bytes().to_vec()),
            Kind::Symlink => Place::Link(beside(&path, &member.link)?),
            Kind::File | Kind::Directory | Kind::Fifo | Kind::Device | Kind::Other(_) => continue,
        };
        places.insert(path.bytes().to_vec(), place);
    }
    Ok(places)
}

/// Where a link leads, seen from where it is.
fn beside(path: &Inside, link: &[u8]) -> Result<Vec<u8>, ImageError> {
    let leads_out = || ImageError::refused("a link of the archive leads out of it");
    if link.starts_with(b"/") {
        return Err(leads_out());
    }
    let folder = path.split().map(|(folder, _)| folder).unwrap_or_default();
    let mut names: Vec<&[u8]> = folder.names().collect();
    for name in link.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => drop(names.pop().ok_or_else(leads_out)?),
            _ => names.push(name),
        }
    }
    Ok(names.join(&b'/'))
}

fn place(places: &HashMap<Vec<u8>, Place>, name: &[u8]) -> Result<Option<(u64, u64)>, ImageError> {
    let mut name = name;
    for _ in 0..LINKS_MAX {
        match places.get(name) {
            Some(Place::At(start, size)) => return Ok(Some((*start, *size))),
            Some(Place::Link(next)) => name = next,
            None => return Ok(None),
        }
    }
    Err(ImageError::refused("the links of the archive lead in a circle"))
}

/// A part of a file, read at its place, so that several may be read at once. It fails where the
/// file ends before the part does.
pub(super) struct Window<'a> {
    file: Handle<'a>,
    position: u64,
    left: u64,
}

enum Handle<'a> {
    Shared(&'a File),
    Owned(File),
}

impl<'a> Window<'a> {
    fn part(file: &'a File, start: u64, size: u64) -> Self {
        Self { file: Handle::Shared(file), position: start, left: size }
    }

    fn whole(file: File, size: u64) -> Self {
        Self { file: Handle::Owned(file), position: 0, left: size }
    }
}

impl Read for Window<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let Some(room) = buffer.get_mut(..room).filter(|room| !room.is_empty()) else {
            return Ok(0);
        };
        let file = match &self.file {
            Handle::Shared(file) => file,
            Handle::Owned(file) => file,
        };
        let n = file.read_at(room, self.position)?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.position += n as u64;
        self.left -= n as u64;
        Ok(n)
    }
}
