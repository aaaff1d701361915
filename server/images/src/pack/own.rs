//! The image of the program that is running: with it a first task needs neither a registry nor a
//! network. A released Gofer is statically linked. One that was built for debugging is not, and
//! gets in with the loader and the libraries that it runs with at this moment.

use std::collections::BTreeSet;
use std::io::Write;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::tree::{Node, Tree};
use super::{Packed, Settings, elf, writer};
use crate::error::ImageError;
use crate::unpack::Inside;

/// Where the program is in its image.
const AT: &str = "/gofer";
/// The program, even where its file was replaced since it was started.
const SELF: &str = "/proc/self/exe";

/// Writes the archive of an image called `name` that holds this very program as `/gofer`, which is
/// its entrypoint.
///
/// # Errors
/// Where the program cannot be read.
pub fn own_binary(name: &str, out: &mut dyn Write) -> Result<Packed, ImageError> {
    let program = Path::new(SELF);
    let elf = elf::read(program)?
        .ok_or_else(|| ImageError::damaged("the running program is no program of Linux"))?;
    let mut tree = Tree::default();
    tree.put_file(&Inside::parse(AT.as_bytes())?, program, Some(0o755))?;
    if let Some(loader) = &elf.interpreter {
        put_library(&mut tree, Path::new(loader))?;
        for library in mapped_libraries()? {
            put_library(&mut tree, &library)?;
        }
    }
    let settings = Settings {
        names: vec![name.to_owned()],
        entrypoint: vec![AT.to_owned()],
        ..Settings::default()
    };
    writer::write(&tree, &settings, &elf.architecture, out)
}

/// Puts a library at its own path, and beside it the name by which it is asked for.
fn put_library(tree: &mut Tree, library: &Path) -> Result<(), ImageError> {
    let path = Inside::parse(library.as_os_str().as_bytes())?;
    tree.put_file(&path, library, Some(0o755))?;
    let soname = elf::read(library)?.and_then(|elf| elf.soname);
    let (Some(soname), Some((folder, name))) = (soname, path.split()) else { return Ok(()) };
    let link = Inside::parse(folder.join(soname.as_bytes()).bytes())?;
    if tree.has(&link) {
        return Ok(());
    }
    tree.put(&link, Node::Symlink { target: name.to_vec() })
}

/// The libraries in this process's memory.
fn mapped_libraries() -> Result<BTreeSet<PathBuf>, ImageError> {
    let failed = |error| ImageError::io("could not read which libraries are in use", error);
    let maps = std::fs::read_to_string("/proc/self/maps").map_err(failed)?;
    let own = std::fs::read_link(SELF).map_err(failed)?;
    let mut found = BTreeSet::new();
    for path in maps.lines().filter_map(path_of_line).map(PathBuf::from) {
        if path != own && path.is_file() && elf::read(&path)?.is_some() {
            found.insert(path);
        }
    }
    Ok(found)
}

/// A line is an address range, permissions, an offset, a device, an inode, and a path if there is
/// a file behind it. Only of a library some part may be executed.
fn path_of_line(line: &str) -> Option<&str> {
    let (before, _) = line.split_at_checked(line.find('/')?)?;
    let executable = before.split(' ').nth(1).is_some_and(|permissions| permissions.contains('x'));
    line.get(before.len()..).filter(|_| executable).filter(|path| !path.ends_with(" (deleted)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_with_a_file_that_is_there_name_a_library() {
        let line = "7f00-7f01 r-xp 00000000 fe:01 12 /usr/lib/x86_64-linux-gnu/libc.so.6";
        assert_eq!(path_of_line(line), Some("/usr/lib/x86_64-linux-gnu/libc.so.6"));
        assert_eq!(path_of_line("7f00-7f01 r--p 0 00:00 0 [vdso]"), None);
        assert_eq!(path_of_line("7f00-7f01 r-xp 0 fe:01 0 /tmp/x (deleted)"), None);
        assert_eq!(path_of_line("7f00-7f01 r--p 0 fe:01 0 /usr/lib/debug/libc.so.6"), None);
        assert_eq!(path_of_line("7f00-7f01 r-xp 0 fe:01 0 /a b"), Some("/a b"));
    }
}
