//! The folder of all logs, and merging.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::common::*;
use gofer_core::ids::RunUid;
use gofer_core::log::Stream;
use gofer_logs::{End, LogDir, LogReader, LogWriter, PageLimits, Start, Tag, merge_by_time};

#[test]
fn logs_are_found_counted_and_removed_by_run() {
    let folder = folder();
    let dir = LogDir::new(folder.path().join("not/there/yet"));
    let runs: Vec<RunUid> = ["01arz3ndektsv4rrffq69g5fav", "01arz3ndektsv4rrffq69g5gav"]
        .map(|text| RunUid::parse(text).unwrap())
        .into();
    for uid in &runs {
        for attempt in 1..3 {
            write(&dir.attempt(uid, 4, attempt), &plain_frames(300));
        }
    }
    let file = folder.path().join("not/there/yet/av").join(runs[0].as_str()).join("4.2.log");
    assert!(file.is_file());
    for (made, mode) in [
        (folder.path().join("not"), 0o700),
        (file.parent().unwrap().to_owned(), 0o700),
        (file.with_extension("idx"), 0o600),
        (file, 0o600),
    ] {
        let found = fs::metadata(&made).unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode, "{} is open to others", made.display());
    }

    let path = dir.attempt(&runs[0], 4, 2);
    let reader = LogReader::open(&path).unwrap().unwrap();
    let n_bytes = dir.size(&runs[0]).unwrap();
    assert_eq!(path.size().unwrap() * 2, n_bytes);
    assert_eq!(path.remove().unwrap() * 2, n_bytes);
    assert_eq!(path.remove().unwrap(), 0);
    assert!(LogReader::open(&path).unwrap().is_none());
    // Who has it open reads on.
    let page = reader.page(Start::Line(0), PageLimits::default()).unwrap();
    assert_eq!(page.frames, model(&plain_frames(300)));
    // A log that goes while it is written can still be closed.
    let mut writer = LogWriter::open(&path).unwrap();
    assert_eq!(dir.remove_run(&runs[0]).unwrap() * 2, n_bytes + 2 * HEADER_BYTES as u64 * 2);
    writer.seal(End::Whole).unwrap();
    assert_eq!(dir.remove_run(&runs[0]).unwrap(), 0);
    assert_eq!(dir.size(&runs[0]).unwrap(), 0);
    assert_eq!(dir.size(&runs[1]).unwrap(), n_bytes);
}

#[test]
fn merging_goes_by_time_then_task_then_attempt_and_keeps_each_order() {
    let tag = |task_position, attempt| Tag { task_position, attempt };
    let batch = |times: &[i64], text: &str| {
        let name = |n: usize| format!("{text}{n}");
        let frames: Vec<_> = times
            .iter()
            .enumerate()
            .map(|(n, time)| frame(Stream::Stdout, *time, name(n)))
            .collect();
        model(&frames)
    };
    let batches = vec![
        (tag(1, 1), batch(&[5, 9], "b")),
        (tag(0, 2), batch(&[5, 5, 3, 9], "a")),
        (tag(0, 1), batch(&[1, 5], "c")),
        (tag(2, 1), Vec::new()),
    ];
    let order = |batches| {
        let merged = merge_by_time(batches);
        let names = merged.iter().map(|(_, frame)| String::from_utf8_lossy(&frame.frame.data));
        names.collect::<Vec<_>>().join(" ")
    };
    let want = "c0 c1 a0 a1 a2 b0 a3 b1";
    assert_eq!(order(batches.clone()), want);
    assert_eq!(order(batches.into_iter().rev().collect()), want);
}
