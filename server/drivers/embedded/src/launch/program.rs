//! Finds the program to run, in the container and as its user, in the words of Docker's `runc`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD};
use rustix::io::Errno;

use super::Refusal;

/// The file that `name` means: itself where it holds a slash, else the first in the folders of
/// `search` (as in PATH) that can be run.
pub(super) fn find(name: &str, search: &str) -> Result<PathBuf, Refusal> {
    if name.contains('/') {
        let path = PathBuf::from(name);
        return match runnable(&path) {
            Ok(()) => Ok(path),
            Err(error) => Err(refused(name, &path, &error)),
        };
    }
    let folders = search.split(':').map(|folder| if folder.is_empty() { "." } else { folder });
    let mut candidates = folders.map(|folder| Path::new(folder).join(name));
    candidates.find(|path| !name.is_empty() && runnable(path).is_ok()).ok_or_else(|| {
        let message = format!("exec: {name:?}: executable file not found in $PATH");
        Refusal::config(message).with_exit_code(127)
    })
}

/// Whether this process may execute the file.
fn runnable(path: &Path) -> io::Result<()> {
    if fs::metadata(path)?.is_dir() {
        return Err(Errno::ISDIR.into());
    }
    Ok(rustix::fs::accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS)?)
}

fn refused(name: &str, path: &Path, error: &io::Error) -> Refusal {
    let said = words(error);
    let message = match Errno::from_io_error(error) {
        Some(Errno::NOENT | Errno::NOTDIR) => {
            format!("exec: {name:?}: stat {}: {said}", path.display())
        }
        _ => format!("exec: {name:?}: {said}"), // it is there, and what stat says is beside the point
    };
    of_errno(message, error)
}

/// The refusal of a program that was found and could not be executed after all.
pub(super) fn exec_failed(path: &Path, error: &io::Error) -> Refusal {
    of_errno(format!("exec {}: {}", path.display(), words(error)), error)
}

fn of_errno(message: String, error: &io::Error) -> Refusal {
    match Errno::from_io_error(error) {
        Some(Errno::NOENT) => Refusal::config(message).with_exit_code(127),
        Some(
            Errno::ACCESS
            | Errno::PERM
            | Errno::ISDIR
            | Errno::NOTDIR
            | Errno::NOEXEC
            | Errno::LOOP
            | Errno::NAMETOOLONG
            | Errno::LIBBAD
            | Errno::TXTBSY,
        ) => Refusal::config(message).with_exit_code(126),
        Some(Errno::TOOBIG) => Refusal::config(message),
        _ => Refusal::of_system(message, error), // not the program's fault
    }
}

/// What the system said, as C does: without the number, in small letters.
fn words(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[track_caller]
    fn check(name: &str, search: &str, exit_code: i32, said: &str) {
        let refusal = find(name, search).unwrap_err();
        assert_eq!(refusal.exit_code, Some(exit_code), "{refusal:?}");
        assert!(refusal.message.contains(said), "{refusal:?}");
    }

    #[test]
    fn a_program_is_found_by_path_or_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("prog");
        fs::write(&program, "#!/bin/sh\n").unwrap();
        let (name, search) = (program.to_str().unwrap(), folder.path().to_str().unwrap());
        check(name, "", 126, "permission denied");
        // As Docker does: what cannot be run is not found by its name.
        check("prog", search, 127, "executable file not found in $PATH");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o711)).unwrap();
        assert_eq!(find(name, "").unwrap(), program);
        assert_eq!(find("prog", &format!("/nowhere:{search}")).unwrap(), program);
    }

    #[test]
    fn what_cannot_be_run_is_refused_as_a_shell_would() {
        check("nope", "/nowhere:/bin", 127, "exec: \"nope\": executable file not found in $PATH");
        check("", "/bin", 127, "not found");
        check("/nope", "", 127, "exec: \"/nope\": stat /nope: no such file or directory");
        check("/etc/passwd/x", "", 126, "not a directory");
        check("/etc", "", 126, "exec: \"/etc\": is a directory");
        check("/etc/passwd", "", 126, "exec: \"/etc/passwd\": permission denied");
    }

    #[test]
    fn a_failed_execve_says_whose_fault_it_is() {
        use crate::files::exit::Fault;
        let of = |errno: Errno| exec_failed(Path::new("/x"), &errno.into());
        assert_eq!(of(Errno::NOENT).exit_code, Some(127));
        assert_eq!(of(Errno::NOEXEC).exit_code, Some(126));
        assert_eq!((of(Errno::TOOBIG).fault, of(Errno::TOOBIG).exit_code), (Fault::Config, None));
        assert_eq!(of(Errno::NOMEM).fault, Fault::Capacity);
        assert_eq!(of(Errno::IO).fault, Fault::Engine);
        assert_eq!(of(Errno::NOENT).message, "exec /x: no such file or directory");
    }
}
