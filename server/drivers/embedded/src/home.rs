//! The engine's folder and what lies in it. Folders of attempts come and go whole: made aside and
//! renamed into place, renamed away and then deleted, so that nobody ever meets half of one.
//!
//! ```text
//!  <data>/engine/      0700
//!    id                which engine this is
//!    images/           the image store's
//!    attempts/<name>/  one per container, see [`crate::files`]
//!    trash/            on its way out; emptied at every start
//! ```

use std::fmt::Write as _;
use std::fs::{self, DirBuilder};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use gofer_core::ids::{AttemptKey, InstanceId, RunUid, TaskId};
use gofer_core::ports::driver::container_name;

use crate::files::AttemptDir;
use crate::files::spec::SpecFile;
use crate::limits;

const STAGING_PREFIX: &str = ".new-";
const SCRATCH_PREFIX: &str = ".try-";

/// The engine's folder.
#[derive(Debug)]
pub(crate) struct Home {
    root: PathBuf,
    id: String,
    boot_id: String,
    /// Tells names that this object gives from those of any other.
    nonce: String,
    n_named: AtomicU64,
}

impl Home {
    /// Opens the engine's folder in a data directory, and makes it where it is not there.
    pub(crate) fn open(data_dir: &Path) -> io::Result<Self> {
        let root = std::path::absolute(data_dir)?.join("engine");
        for folder in ["", "images", "attempts", "trash"] {
            DirBuilder::new().recursive(true).mode(0o700).create(root.join(folder))?;
        }
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned();
        let id = id(&root)?;
        Ok(Self { root, id, boot_id, nonce: random_hex()?, n_named: AtomicU64::new(0) })
    }

    /// Which engine this is.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Which life of the machine this is.
    pub(crate) fn boot_id(&self) -> &str {
        &self.boot_id
    }

    /// The image store's folder.
    pub(crate) fn images(&self) -> PathBuf {
        self.root.join("images")
    }

    /// The folder of an attempt, which need not exist.
    pub(crate) fn attempt(&self, instance: &InstanceId, key: &AttemptKey) -> AttemptDir {
        AttemptDir::new(self.attempts().join(container_name(instance, key)))
    }

    /// Makes the folder of an attempt with its spec in it; false where there is one already.
    pub(crate) fn make(&self, spec: &SpecFile) -> io::Result<bool> {
        let staging = self.attempts().join(self.fresh_name(STAGING_PREFIX));
        DirBuilder::new().mode(0o700).create(&staging)?;
        let wanted = self.attempt(&spec.instance, &spec.key);
        let made = write_spec(&AttemptDir::new(&staging), spec)
            .and_then(|()| fs::rename(&staging, wanted.path()));
        match made {
            Ok(()) => Ok(true),
            Err(error) => {
                fs::remove_dir_all(&staging)?;
                let is_there = matches!(
                    error.kind(),
                    io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty
                );
                if is_there { Ok(false) } else { Err(error) }
            }
        }
    }

    /// Takes an attempt's folder away, whole; none where there is none.
    pub(crate) fn bury(&self, dir: &AttemptDir) -> io::Result<Option<PathBuf>> {
        let grave = self.trash().join(self.fresh_name(""));
        match fs::rename(dir.path(), &grave) {
            Ok(()) => Ok(Some(grave)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The attempts of this instance, by the names of their folders.
    pub(crate) fn attempts_of(&self, instance: &InstanceId) -> io::Result<Vec<AttemptKey>> {
        let keys = self.attempt_folders()?.into_iter().filter_map(|dir| {
            let name = dir.path().file_name()?.to_str()?;
            let key = key_of(name)?;
            (container_name(instance, &key) == name).then_some(key)
        });
        Ok(keys.collect())
    }

    /// All attempts, whosever they are.
    pub(crate) fn attempt_folders(&self) -> io::Result<Vec<AttemptDir>> {
        let mut folders = Vec::new();
        for entry in fs::read_dir(self.attempts())? {
            let entry = entry?;
            if !entry.file_name().as_encoded_bytes().starts_with(STAGING_PREFIX.as_bytes()) {
                folders.push(AttemptDir::new(entry.path()));
            }
        }
        Ok(folders)
    }

    /// Deletes what former lives left in the trash, and folders that they left half made.
    pub(crate) fn sweep(&self) -> io::Result<()> {
        for folder in [self.trash(), self.attempts()] {
            for entry in fs::read_dir(&folder)? {
                let entry = entry?;
                let begins = |prefix| entry.file_name().as_encoded_bytes().starts_with(prefix);
                let staged = begins(STAGING_PREFIX.as_bytes()) || begins(SCRATCH_PREFIX.as_bytes());
                let garbage = if staged { is_old(&entry)? } else { folder == self.trash() };
                if garbage {
                    delete(&entry.path())?;
                }
            }
        }
        Ok(())
    }

    /// A folder in which something may be tried out.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.trash().join(self.fresh_name(SCRATCH_PREFIX))
    }

    fn attempts(&self) -> PathBuf {
        self.root.join("attempts")
    }

    fn trash(&self) -> PathBuf {
        self.root.join("trash")
    }

    /// A name that nobody else has.
    fn fresh_name(&self, prefix: &str) -> String {
        let n = self.n_named.fetch_add(1, Ordering::Relaxed);
        format!("{prefix}{}-{n}", self.nonce)
    }
}

/// Whether whoever made it must be gone.
fn is_old(entry: &fs::DirEntry) -> io::Result<bool> {
    let made = match entry.metadata() {
        Ok(metadata) => metadata.modified()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    // An age is an error where the clock was set back; a later start sees to it then.
    Ok(made.elapsed().unwrap_or_default() > limits::STAGING_AGE_MAX)
}

fn write_spec(dir: &AttemptDir, spec: &SpecFile) -> io::Result<()> {
    fs::write(dir.spec(), serde_json::to_vec(spec)?)
}

/// The id of the engine in this folder, made once.
fn id(root: &Path) -> io::Result<String> {
    let file = root.join("id");
    for _ in 0..2 {
        match fs::read_to_string(&file) {
            Ok(id) if !id.is_empty() => return Ok(id),
            Ok(_) => fs::remove_file(&file)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let id = random_hex()?;
        match fs::File::options().write(true).create_new(true).open(&file) {
            Ok(mut file) => {
                file.write_all(id.as_bytes())?;
                return Ok(id);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other(format!("{} cannot be made nor read", file.display())))
}

fn random_hex() -> io::Result<String> {
    let mut random = [0; 16];
    fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
    Ok(random.iter().fold(String::new(), |mut text, byte| {
        // Writing into a String cannot fail.
        write!(text, "{byte:02x}").unwrap_or_default();
        text
    }))
}

/// The attempt that a container's name tells; none where it is no name of ours.
fn key_of(name: &str) -> Option<AttemptKey> {
    let mut parts = name.split('-');
    let (Some("gofer"), Some(_tail)) = (parts.next(), parts.next()) else { return None };
    let uid = RunUid::parse(parts.next()?).ok()?;
    let task = TaskId::parse(parts.next()?).ok()?;
    let attempt = parts.next()?.parse().ok()?;
    parts.next().is_none().then_some(AttemptKey { uid, task, attempt })
}

/// Deletes a folder and all in it. The kernel leaves folders without any permission inside an
/// overlay's work folder, which only root may pass.
pub(crate) fn delete(path: &Path) -> io::Result<()> {
    let deleted = fs::remove_dir_all(path).or_else(|error| {
        if error.kind() != io::ErrorKind::PermissionDenied {
            return Err(error);
        }
        open_up(path)?;
        fs::remove_dir_all(path)
    });
    match deleted {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        deleted => deleted,
    }
}

fn open_up(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(task: &str) -> SpecFile {
        let uid = RunUid::parse("01j9zzzzzzzzzzzzzzzzzzzzzz").unwrap();
        let key = AttemptKey { uid: uid.clone(), task: TaskId::parse(task).unwrap(), attempt: 12 };
        SpecFile::for_tests(uid, key, "b")
    }

    #[test]
    fn a_folder_is_made_once_and_found_by_its_instance_alone() {
        let data = tempfile::tempdir().unwrap();
        let home = Home::open(data.path()).unwrap();
        let spec = spec("a_task");
        assert!(home.make(&spec).unwrap());
        assert!(!home.make(&spec).unwrap());
        assert_eq!(home.attempts_of(&spec.instance).unwrap(), std::slice::from_ref(&spec.key));
        let other = RunUid::parse("01j9aaaaaaaaaaaaaaaaaaaaaa").unwrap();
        assert_eq!(home.attempts_of(&other).unwrap(), []);
        let dir = home.attempt(&spec.instance, &spec.key);
        let grave = home.bury(&dir).unwrap().unwrap();
        assert!(grave.join("spec.json").exists() && !dir.path().exists());
        assert_eq!(home.bury(&dir).unwrap(), None);
        home.sweep().unwrap();
        assert!(!grave.exists());
        let left = fs::read_dir(home.attempts()).unwrap().count();
        assert_eq!(left, 0, "a staging folder is left");
    }

    #[test]
    fn the_engine_keeps_its_id() {
        let data = tempfile::tempdir().unwrap();
        let id = Home::open(data.path()).unwrap().id().to_owned();
        assert_eq!(Home::open(data.path()).unwrap().id(), id);
        let other = tempfile::tempdir().unwrap();
        assert_ne!(Home::open(other.path()).unwrap().id(), id);
    }

    #[test]
    fn only_names_of_ours_are_attempts() {
        let spec = spec("abc");
        let name = container_name(&spec.instance, &spec.key);
        assert_eq!(key_of(&name), Some(spec.key));
        for other in ["gofer", "gofer-x", "gofer-x-y-abc-1", &format!("{name}-1"), &name[1..]] {
            assert_eq!(key_of(other), None, "{other}");
        }
    }

    #[test]
    fn folders_without_permission_are_deleted_too() {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join("a");
        fs::create_dir_all(folder.join("work/work/x")).unwrap();
        fs::set_permissions(folder.join("work/work"), fs::Permissions::from_mode(0o0)).unwrap();
        open_up(&folder).unwrap();
        let mode = fs::metadata(folder.join("work/work")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        fs::set_permissions(folder.join("work/work"), fs::Permissions::from_mode(0o0)).unwrap();
        delete(&folder).unwrap();
        assert!(!folder.exists());
        delete(&folder).unwrap();
    }
}
