//! The root of a container: the image's layers under a folder of its own, and what the engine puts
//! into it before anything runs there.
//!
//! It is mounted in a mount namespace of the shim's, so the host never sees it, and nothing is left
//! of it when the shim is gone, however it went. The image is hostile until shown otherwise: every
//! path in it is resolved by the kernel as if the root were `/` (`RESOLVE_IN_ROOT`), so no symbolic
//! link of the image leads to a file of the host.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};

use super::Refusal;
use crate::files::AttemptDir;

/// More than this of a passwd or group file is not read.
const ACCOUNTS_MAX: u64 = 4 << 20;
/// Folders that are mounted over. As links they would make the mounts land where they point.
const MOUNTED_OVER: [&str; 3] = ["dev", "proc", "sys"];

/// A mounted root. Dropping it closes it and leaves it mounted.
#[derive(Debug)]
pub(super) struct Root {
    path: PathBuf,
    fd: OwnedFd,
}

/// Where the root of an attempt is mounted.
pub(super) fn path_of(dir: &AttemptDir) -> PathBuf {
    dir.path().join("root")
}

/// Gives the calling process mounts of its own. What is unmounted on the host goes here too.
pub(super) fn own_mounts() -> Result<(), Refusal> {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS)
        .map_err(|errno| Refusal::tried("make a mount namespace", &errno.into()))?;
    let propagation = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", propagation)
        .map_err(|errno| Refusal::tried("keep mounts from the host", &errno.into()))
}

/// Mounts the root of an attempt over `layers`, lowest first.
pub(super) fn mount(dir: &AttemptDir, layers: &[PathBuf]) -> Result<Root, Refusal> {
    let path = path_of(dir);
    let [upper, work, none] = ["upper", "work", "none"].map(|name| dir.path().join(name));
    for folder in [&upper, &work, &path] {
        make_folder(folder)?;
    }
    let mut lower: Vec<&PathBuf> = layers.iter().rev().collect();
    if lower.is_empty() {
        make_folder(&none)?;
        lower.push(&none);
    }
    mount_overlay(&lower, &upper, &work, &path)?;
    let fd = rustix::fs::open(&path, FOLDER, Mode::empty())
        .map_err(|errno| Refusal::tried("open the container's root", &errno.into()))?;
    let root = Root { path, fd };
    root.check_folders()?;
    Ok(root)
}

/// Takes the root of an attempt off, if it is on. Nothing of its container runs any more.
pub(crate) fn unmount(dir: &AttemptDir) -> io::Result<()> {
    match rustix::mount::unmount(path_of(dir), UnmountFlags::DETACH) {
        Ok(()) | Err(Errno::INVAL | Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// A layer's path may be long and hold any character, and all options share one page: so they name
/// open folders by their numbers.
fn mount_overlay(
    lower: &[&PathBuf],
    upper: &Path,
    work: &Path,
    target: &Path,
) -> Result<(), Refusal> {
    let open = |folder: &Path| {
        rustix::fs::open(folder, FOLDER, Mode::empty()).map_err(|errno| {
            Refusal::tried(&format!("open the folder {}", folder.display()), &errno.into())
        })
    };
    let name = |fd: &OwnedFd| format!("/proc/self/fd/{}", fd.as_raw_fd());
    let lower = lower.iter().map(|layer| open(layer)).collect::<Result<Vec<_>, _>>()?;
    let (upper, work) = (open(upper)?, open(work)?);
    let names: Vec<String> = lower.iter().map(name).collect();
    // What a job writes goes with the attempt, so syncing it to the disk would be for nothing.
    let options = format!(
        "lowerdir={},upperdir={},workdir={},volatile",
        names.join(":"),
        name(&upper),
        name(&work)
    );
    let options = std::ffi::CString::new(options)
        .map_err(|error| Refusal::tried("mount the container's root", &error.into()))?;
    let flags = MountFlags::NODEV | MountFlags::NOSUID;
    rustix::mount::mount("overlay", target, "overlay", flags, options.as_c_str())
        .map_err(|errno| Refusal::tried("mount the container's root", &errno.into()))
}

fn make_folder(path: &Path) -> Result<(), Refusal> {
    use std::os::unix::fs::DirBuilderExt as _;
    match fs::DirBuilder::new().mode(0o755).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(Refusal::tried(&format!("make the folder {}", path.display()), &error))
        }
        _ => Ok(()), // there now, by us or by whoever made it before
    }
}

impl Root {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads a small file of the image; empty where it has no such file.
    pub(super) fn read(&self, path: &str) -> Result<String, Refusal> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let read = self.open(Path::new(path), flags).map_err(io::Error::from).and_then(|fd| {
            let kind = FileType::from_raw_mode(rustix::fs::fstat(&fd)?.st_mode);
            let mut bytes = Vec::new();
            if kind == FileType::RegularFile {
                File::from(fd).take(ACCOUNTS_MAX).read_to_end(&mut bytes)?;
            }
            Ok(bytes)
        });
        match read {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) => match Errno::from_io_error(&error) {
                Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(String::new()),
                _ => Err(Refusal::tried(&format!("read the image's {path}"), &error)),
            },
        }
    }

    /// Makes the working directory where it is missing, as Docker does, and gives its clean path.
    pub(super) fn make_workdir(&self, workdir: &str) -> Result<String, Refusal> {
        if !workdir.starts_with('/') || workdir.contains('\0') {
            let message = format!("the working directory {workdir:?} is not an absolute path");
            return Err(Refusal::config(message));
        }
        let clean = clean(Path::new(workdir));
        self.folder(&clean).map_err(|errno| match errno {
            Errno::NOTDIR | Errno::EXIST | Errno::LOOP | Errno::NAMETOOLONG => {
                let said = io::Error::from(errno);
                Refusal::config(format!("cannot mkdir: {workdir} is not a directory: {said}"))
            }
            errno => {
                Refusal::tried(&format!("make the working directory {workdir}"), &errno.into())
            }
        })?;
        clean.to_str().map(|clean| format!("/{clean}")).ok_or_else(|| {
            Refusal::config(format!("the working directory {workdir:?} is not text"))
        })
    }

    /// Writes the files of `/etc` that are the engine's, over whatever the image has there.
    pub(super) fn write_etc(&self, files: &[(&str, String)]) -> Result<(), Refusal> {
        let etc = self.folder(Path::new("etc"));
        let etc = etc.map_err(|errno| Refusal::tried("open the image's /etc", &errno.into()))?;
        for (name, text) in files {
            write_new(&etc, name, text)
                .map_err(|error| Refusal::tried(&format!("write /etc/{name}"), &error))?;
        }
        match rustix::fs::symlinkat("/proc/mounts", &etc, "mtab") {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(errno) => Err(Refusal::tried("write /etc/mtab", &errno.into())),
        }
    }

    /// An image whose `/dev` is a link would have the devices made where it points: on the host.
    fn check_folders(&self) -> Result<(), Refusal> {
        for name in MOUNTED_OVER {
            match rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => {}
                Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {}
                Ok(_) => {
                    let message = format!("the image's /{name} is not a folder");
                    return Err(Refusal::config(message));
                }
                Err(errno) => {
                    return Err(Refusal::tried(&format!("look at /{name}"), &errno.into()));
                }
            }
        }
        Ok(())
    }

    /// Opens a folder of the root, made with all above it where they are missing.
    fn folder(&self, path: &Path) -> Result<OwnedFd, Errno> {
        let mut at = self.open(Path::new("."), FOLDER)?;
        let mut so_far = PathBuf::new();
        for part in path.components() {
            so_far.push(part);
            at = match self.open(&so_far, FOLDER) {
                Err(Errno::NOENT) => {
                    rustix::fs::mkdirat(&at, part.as_os_str(), Mode::from_raw_mode(0o755))?;
                    self.open(&so_far, FOLDER)?
                }
                opened => opened?,
            };
        }
        Ok(at)
    }

    fn open(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let path = path.strip_prefix("/").unwrap_or(path);
        rustix::fs::openat2(&self.fd, path, flags, Mode::empty(), resolve)
    }
}

/// The path without `.` and `..`, below `/`, as the working directory of a process reads.
fn clean(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut clean, part| {
        match part {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => {
                clean.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
        clean
    })
}

/// Puts a new file in place of whatever has its name, which may be a link to anywhere.
fn write_new(folder: &OwnedFd, name: &str, text: &str) -> io::Result<()> {
    match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(errno) => return Err(errno.into()),
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(folder, name, flags, Mode::from_raw_mode(0o644))?;
    // Whatever this process's own mask of permissions is, the job must be able to read it.
    rustix::fs::fchmod(&file, Mode::from_raw_mode(0o644))?;
    File::from(file).write_all(text.as_bytes())
}

/// `/etc/hosts` of a container that has its own loopback.
pub(super) fn hosts(hostname: &str) -> String {
    let mut hosts = String::from(
        "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n\
         fe00::0\tip6-localnet\nff00::0\tip6-mcastprefix\nff02::1\tip6-allnodes\n\
         ff02::2\tip6-allrouters\n",
    );
    // Writing into a String cannot fail.
    writeln!(hosts, "127.0.1.1\t{hostname}").unwrap_or_default();
    hosts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root_of(folder: &Path) -> Root {
        let fd = rustix::fs::open(folder, FOLDER, Mode::empty()).unwrap();
        Root { path: folder.to_owned(), fd }
    }

    #[test]
    fn no_link_of_the_image_leads_out_of_its_root() {
        let tmp = tempfile::tempdir().unwrap();
        let (root, host) = (tmp.path().join("root"), tmp.path().join("host"));
        fs::create_dir_all(root.join("inside")).unwrap();
        fs::create_dir(&host).unwrap();
        fs::write(host.join("passwd"), "host:x:1:1::/:").unwrap();
        let link = |to: &Path, name: &str| std::os::unix::fs::symlink(to, root.join(name)).unwrap();
        link(&host, "etc");
        link(&host.join("passwd"), "inside/passwd");
        link(Path::new("../../../../../../../.."), "up");
        let image = root_of(&root);
        assert_eq!(image.read("/etc/passwd").unwrap(), "");
        assert_eq!(image.read("/inside/passwd").unwrap(), "");
        image.make_workdir("/up/made").unwrap();
        assert!(root.join("made").is_dir());
        // A dangling link cannot be a working directory, and nothing is made behind it.
        assert!(image.make_workdir("/etc/x").is_err());
        assert!(image.write_etc(&[("hosts", String::new())]).is_err());
        assert_eq!(fs::read_dir(&host).unwrap().count(), 1);
    }

    #[test]
    fn files_of_etc_take_the_place_of_links() {
        let tmp = tempfile::tempdir().unwrap();
        let (root, host) = (tmp.path().join("root"), tmp.path().join("resolv.conf"));
        fs::create_dir_all(root.join("usr/etc")).unwrap();
        fs::write(&host, "of the host").unwrap();
        std::os::unix::fs::symlink("usr/etc", root.join("etc")).unwrap();
        std::os::unix::fs::symlink(&host, root.join("etc/resolv.conf")).unwrap();
        let image = root_of(&root);
        image.write_etc(&[("resolv.conf", "ours".to_owned())]).unwrap();
        assert_eq!(fs::read_to_string(root.join("usr/etc/resolv.conf")).unwrap(), "ours");
        assert_eq!(fs::read_to_string(&host).unwrap(), "of the host");
        assert_eq!(fs::read_link(root.join("etc/mtab")).unwrap(), Path::new("/proc/mounts"));
    }

    #[test]
    fn a_working_directory_is_made_or_refused() {
        let tmp = tempfile::tempdir().unwrap();
        fs::write(tmp.path().join("file"), "").unwrap();
        let image = root_of(tmp.path());
        assert_eq!(image.make_workdir("/a/./b/../c/").unwrap(), "/a/c");
        assert!(tmp.path().join("a/c").is_dir() && !tmp.path().join("a/b").exists());
        assert_eq!(image.make_workdir("/").unwrap(), "/");
        for (workdir, said) in
            [("/file", "cannot mkdir: /file is not a directory"), ("x", "absolute")]
        {
            let refusal = image.make_workdir(workdir).unwrap_err();
            assert_eq!(refusal.fault, crate::files::exit::Fault::Config);
            assert!(refusal.message.contains(said), "{refusal:?}");
        }
    }

    #[test]
    fn a_pipe_in_the_place_of_a_file_keeps_nobody_waiting() {
        let tmp = tempfile::tempdir().unwrap();
        let fifo = tmp.path().join("passwd");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o644), 0)
            .unwrap();
        assert_eq!(root_of(tmp.path()).read("/passwd").unwrap(), "");
    }

    #[test]
    fn a_link_in_the_place_of_dev_is_refused() {
        let tmp = tempfile::tempdir().unwrap();
        let image = root_of(tmp.path());
        image.check_folders().unwrap();
        std::os::unix::fs::symlink("/etc", tmp.path().join("dev")).unwrap();
        assert!(image.check_folders().unwrap_err().message.contains("/dev is not a folder"));
    }
}
