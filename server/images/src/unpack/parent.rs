//! The folders that members lie in. Most are named before what is in them; the others are made
//! here, behind links that lead nowhere yet as well.

use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FileType, Mode};
use rustix::io::Errno;

use super::entry::Writer;
use super::lower;
use super::metadata::{self, Metadata};
use super::root::{Inside, open_child_folder};
use crate::files::kind_of;

/// Links that are followed to make folders behind links that lead nowhere.
const LINKS_MAX: u32 = 40;

impl Writer<'_> {
    /// Opens the folder that something is to be written into, and makes it where the layer never
    /// named it.
    pub(super) fn parent(&mut self, path: &[u8]) -> Result<OwnedFd, Errno> {
        match self.root.folder(path) {
            Err(Errno::NOENT | Errno::NOTDIR) => {
                self.make_folders(path, 0)?;
                self.root.folder(path)
            }
            other => other,
        }
    }

    /// Makes the folders of `path` that are not there, behind links too.
    fn make_folders(&mut self, path: &[u8], n_links: u32) -> Result<(), Errno> {
        if n_links > LINKS_MAX {
            return Err(Errno::LOOP);
        }
        let names: Vec<&[u8]> =
            path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).collect();
        let mut n_there = self.n_there(&names)?;
        while let (Some(above), Some(name)) = (names.get(..n_there), names.get(n_there)) {
            let above = above.join(&b'/');
            let folder = self.root.folder(&above)?;
            let stat = rustix::fs::statat(&folder, *name, AtFlags::SYMLINK_NOFOLLOW);
            match stat.map(|stat| (kind_of(&stat), lower::is_whiteout(&stat))) {
                Err(Errno::NOENT) => {
                    return self.imply_all(folder, above, names.get(n_there..).unwrap_or_default());
                }
                Ok((_, true)) => {
                    rustix::fs::unlinkat(&folder, *name, AtFlags::empty())?;
                    let made = self.imply(&folder, &above, name)?;
                    self.make_opaque(&made)?;
                }
                // It leads nowhere, else it would be there.
                Ok((FileType::Symlink, false)) => {
                    let link = rustix::fs::readlinkat(&folder, *name, Vec::new())?;
                    let next = match link.to_bytes().strip_prefix(b"/") {
                        Some(absolute) => absolute.to_vec(),
                        None => [&above, &b"/"[..], link.to_bytes()].concat(),
                    };
                    self.make_folders(&next, n_links + 1)?;
                }
                Ok(_) => return Err(Errno::NOTDIR),
                Err(error) => return Err(error),
            }
            let before = n_there;
            n_there = self.n_there(&names)?;
            if n_there <= before {
                return Err(Errno::NOTDIR); // a link to a file
            }
        }
        Ok(())
    }

    /// How many of the first names lead to a folder. Where so many do, fewer do as well.
    fn n_there(&self, names: &[&[u8]]) -> Result<usize, Errno> {
        let (mut there, mut not_there) = (0, names.len() + 1);
        while not_there - there > 1 {
            let middle = there.midpoint(not_there);
            match self.root.folder(&names.get(..middle).unwrap_or_default().join(&b'/')) {
                Ok(_) => there = middle,
                Err(Errno::NOENT | Errno::NOTDIR) => not_there = middle,
                Err(error) => return Err(error),
            }
        }
        Ok(there)
    }

    /// Makes folders in each other; none of them is there.
    fn imply_all(
        &mut self,
        mut folder: OwnedFd,
        mut above: Vec<u8>,
        names: &[&[u8]],
    ) -> Result<(), Errno> {
        for name in names {
            folder = self.imply(&folder, &above, name)?;
            if !above.is_empty() {
                above.push(b'/');
            }
            above.extend_from_slice(name);
        }
        Ok(())
    }

    /// Makes a folder that the layer named only on the way to something. Where a layer below has
    /// it, it keeps what it is there; this layer would change it otherwise.
    fn imply(&mut self, folder: &OwnedFd, above: &[u8], name: &[u8]) -> Result<OwnedFd, Errno> {
        rustix::fs::mkdirat(folder, name, Mode::RWXU)?;
        let made = open_child_folder(folder, name)?;
        let path = if above.is_empty() { name.to_vec() } else { [above, b"/", name].concat() };
        let below = match Inside::parse(&path) {
            Ok(path) => self.lowers.find(&path)?,
            Err(_leads_through_links) => None,
        };
        let metadata = match below {
            Some((below, stat)) if kind_of(&stat) == FileType::Directory => {
                let there = open_child_folder(&below, name)?;
                Metadata::of_stat(&stat, metadata::xattrs_of(&there, self.rights)?)
            }
            Some(_) | None => Metadata::implied(),
        };
        self.adopt(&path, &made, &metadata)?;
        Ok(made)
    }
}
