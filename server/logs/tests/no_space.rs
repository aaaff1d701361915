//! A full disk, played by the largest size of a file: the kernel writes a part and refuses the rest,
//! as a full disk does. The limit counts for a whole process, and a write past it sends a signal that
//! kills; so the test runs itself again as a child, with the signal ignored by the shell in between.
//! A program of its own, because a child that is about to start holds the locks of all open logs.

#[cfg(test)]
#[path = "logs/common.rs"]
#[expect(dead_code, reason = "the other program needs more of it")]
mod common;

#[cfg(test)]
mod tests {
    use std::process::Command;

    use crate::common::*;
    use gofer_core::log::LogState;
    use gofer_logs::{End, LogWriter};
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    const CHILD: &str = "GOFER_LOGS_NO_SPACE_CHILD";

    #[test]
    fn a_full_disk_loses_nothing_that_is_appended_again() {
        if std::env::var_os(CHILD).is_some() {
            return fill_the_disk();
        }
        let child = Command::new("sh")
            .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "tests::a_full_disk_loses_nothing_that_is_appended_again"])
            .env(CHILD, "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success(), "{said}{}", String::from_utf8_lossy(&child.stderr));
        assert!(said.contains("1 passed"), "{said}");
    }

    fn limit_file_size(n_bytes: Option<u64>) {
        let maximum = getrlimit(Resource::Fsize).maximum;
        setrlimit(Resource::Fsize, Rlimit { current: n_bytes.or(maximum), maximum }).unwrap();
    }

    fn fill_the_disk() {
        let frames = plain_frames(2_000);
        let (first, second) = frames.split_at(700);
        let n_second: usize = second.iter().map(|frame| frame.data.len() + FRAME_HEAD_BYTES).sum();
        // Full at several places in the middle of the batch. A failure at the index alone: see the writer's own tests.
        for n_room in (0..n_second).step_by(1_000).chain([n_second - 1]) {
            let folder = folder();
            let path = log_in(&folder);
            let mut writer = write(&path, first);
            let before = writer.progress();
            limit_file_size(Some(before.file_len + n_room as u64));
            for _ in 0..2 {
                let error = writer.append(second).unwrap_err();
                assert!(error.is_no_space(), "{error}");
                assert_eq!(writer.progress(), before);
                assert_eq!(std::fs::metadata(path.data()).unwrap().len(), before.file_len);
                assert_eq!(read_all(&path), model(first));
            }
            limit_file_size(None);
            writer.append(second).unwrap();
            drop(writer);
            assert_eq!(read_all(&path), model(&frames));
        }
        the_seal_has_no_room();
    }

    fn the_seal_has_no_room() {
        let folder = folder();
        let path = log_in(&folder);
        let mut writer = write(&path, &plain_frames(10));
        limit_file_size(Some(writer.progress().file_len + 5));
        assert!(writer.seal(End::Whole).unwrap_err().is_no_space());
        assert!(!writer.is_sealed());
        limit_file_size(None);
        assert_eq!(writer.seal(End::Whole).unwrap().state, LogState::Sealed);
        drop(writer);
        assert!(LogWriter::open(&path).unwrap().is_sealed());
    }
}
