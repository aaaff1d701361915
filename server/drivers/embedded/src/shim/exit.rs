//! Writes `exit.json`: whole or not at all, and also when the disk is full.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::time::Duration;

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use crate::files::AttemptDir;
use crate::files::exit::ExitFile;

/// More than any exit file takes.
const ROOM_BYTES: u64 = 16 * 1024;
/// A disk that takes no write is tried for so long. Meanwhile the lock says "running".
const N_TRIES: u32 = 120;
const TRY_AGAIN: Duration = Duration::from_millis(500);

/// Room for the exit file, taken from the disk while there is some.
#[derive(Debug)]
pub(super) struct Reserved {
    file: File,
    aside: PathBuf,
    target: PathBuf,
}

impl Reserved {
    pub(super) fn new(dir: &AttemptDir) -> io::Result<Self> {
        let aside = dir.path().join("exit.json.new");
        let file = File::create(&aside)?;
        match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, ROOM_BYTES) {
            // A file system that cannot set room aside may be out of it when the time comes.
            Ok(()) | Err(Errno::OPNOTSUPP) => {}
            Err(errno) => return Err(errno.into()),
        }
        Ok(Self { file, aside, target: dir.exit() })
    }

    /// Puts the exit file into place. It is not synced yet.
    pub(super) fn write(self, exit: &ExitFile) -> io::Result<File> {
        let text = serde_json::to_vec(exit)?;
        let mut last = self.try_write(&text);
        for _ in 0..N_TRIES {
            if last.is_ok() {
                break;
            }
            std::thread::sleep(TRY_AGAIN);
            last = self.try_write(&text);
        }
        last.map(|()| self.file)
    }

    fn try_write(&self, text: &[u8]) -> io::Result<()> {
        self.file.write_all_at(text, 0)?;
        self.file.set_len(u64::try_from(text.len()).unwrap_or(u64::MAX))?;
        fs::rename(&self.aside, &self.target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::exit::Outcome;
    use crate::look;

    #[test]
    fn the_exit_file_appears_whole() {
        let folder = tempfile::tempdir().unwrap();
        let dir = AttemptDir::new(folder.path());
        let reserved = Reserved::new(&dir).unwrap();
        assert!(look::read::<ExitFile>(&dir.exit()).unwrap().is_none());
        let exit = ExitFile {
            v: 1,
            outcome: Outcome::Exited { code: 3 },
            oom_kills: 0,
            started_ms: Some(1),
            ended_ms: 2,
            cpu_us: None,
            memory_peak_bytes: Some(4096),
        };
        reserved.write(&exit).unwrap();
        assert_eq!(look::read::<ExitFile>(&dir.exit()).unwrap(), Some(exit));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
