//! What a crash leaves, a prefix of the log, and the cursor that makes it whole again.

use std::fs;

use crate::common::*;
use gofer_core::log::{Cursor, Frame, LogState, Stream};
use gofer_logs::{End, LogError, LogPath, LogReader, LogWriter};
use proptest::prelude::*;

/// Opens what is there, reads on at the engine, and wants the whole. Returns how many frames were
/// still there.
#[track_caller]
fn check_made_whole(path: &LogPath, frames: &[Frame]) -> usize {
    let mut writer = LogWriter::open(path).unwrap();
    assert!(!writer.is_sealed());
    let n_kept = usize::try_from(writer.progress().frames).unwrap();
    assert_eq!(read_all(path), model(&frames[..n_kept]));
    let rest = engine(frames, writer.resume_cursor().unwrap());
    assert_eq!(rest, &frames[n_kept..], "lost or repeated after {n_kept} frames");
    for batch in rest.chunks(100) {
        writer.append(batch).unwrap();
    }
    drop(writer);
    assert_eq!(read_all(path), model(frames));
    // The index is what it would have been without the crash.
    let index = fs::read(index_of(path)).unwrap();
    let whole = folder();
    let whole_path = log_in(&whole);
    write(&whole_path, frames);
    assert_eq!(index, fs::read(index_of(&whole_path)).unwrap());
    assert_eq!(fs::read(path.data()).unwrap(), fs::read(whole_path.data()).unwrap());
    n_kept
}

fn whole_frames(frames: &[Frame], file_len: usize) -> usize {
    let mut n_bytes = HEADER_BYTES;
    frames
        .iter()
        .take_while(|frame| {
            n_bytes += FRAME_HEAD_BYTES + frame.data.len();
            n_bytes <= file_len
        })
        .count()
}

#[test]
fn a_log_cut_at_any_byte_keeps_its_whole_frames_and_is_made_whole() {
    let frames = plain_frames(620);
    let folder = folder();
    let path = log_in(&folder);
    write(&path, &frames);
    let data = fs::read(path.data()).unwrap();
    let index = fs::read(index_of(&path)).unwrap();
    assert_eq!(index.len(), HEADER_BYTES + 2 * RECORD_BYTES);
    // Every byte around the header and the last record; a prime step in between, with every byte of
    // a frame's head met somewhere.
    let dense = (0..120).chain(data.len() - 700..=data.len());
    for n in dense.chain((120..data.len() - 700).step_by(23)) {
        put(&path, Some(&data[..n]), Some(&index));
        assert_eq!(check_made_whole(&path, &frames), whole_frames(&frames, n), "data cut at {n}");
    }
    for n in 0..=index.len() {
        put(&path, Some(&data), Some(&index[..n]));
        assert_eq!(check_made_whole(&path, &frames), frames.len(), "index cut at {n}");
    }
    put(&path, Some(&data), None);
    assert_eq!(check_made_whole(&path, &frames), frames.len());
    put(&path, None, Some(&index));
    assert_eq!(check_made_whole(&path, &frames), 0);
}

#[test]
fn records_do_not_outlive_the_frames_they_belong_to() {
    let folder = folder();
    let path = log_in(&folder);
    write(&path, &plain_frames(600));
    let index = fs::read(index_of(&path)).unwrap();
    // The data is lost, the index is not, and the engine has other frames now. A record left over
    // would point into the middle of one of them.
    put(&path, Some(&[]), Some(&index));
    let other: Vec<Frame> =
        (0..200).map(|n| frame(Stream::Stdout, n, "somewhat longer ".repeat(30) + "\n")).collect();
    write(&path, &other);
    assert_eq!(LogWriter::open(&path).unwrap().progress().frames, 200);
    assert_eq!(read_all(&path), model(&other));
}

#[test]
fn a_seal_cut_at_any_byte_leaves_an_open_log() {
    let frames = plain_frames(300);
    let folder = folder();
    let path = log_in(&folder);
    let mut writer = write(&path, &frames);
    let n_frames_end = fs::metadata(path.data()).unwrap().len();
    writer.seal(End::Truncated("the disk was full".to_owned())).unwrap();
    drop(writer);
    let data = fs::read(path.data()).unwrap();
    let index = fs::read(index_of(&path)).unwrap();
    for n in usize::try_from(n_frames_end).unwrap()..data.len() {
        put(&path, Some(&data[..n]), Some(&index));
        assert_eq!(check_made_whole(&path, &frames), frames.len());
    }
}

#[test]
fn sealed_stays_sealed() {
    let reason = "é".repeat(1_000);
    for (end, state) in
        [(End::Whole, LogState::Sealed), (End::Truncated(reason.clone()), LogState::Truncated)]
    {
        let frames = plain_frames(700);
        let folder = folder();
        let path = log_in(&folder);
        let mut writer = write(&path, &frames);
        let summary = writer.seal(end.clone()).unwrap();
        assert_eq!((summary.state, summary.lines), (state, n_lines(&model(&frames))));
        let progress = writer.progress();
        drop(writer);
        let bytes = fs::read(path.data()).unwrap();
        for index in [None, Some(&b"rubbish"[..])] {
            put(&path, Some(&bytes), index);
            let mut writer = LogWriter::open(&path).unwrap();
            assert!(writer.is_sealed());
            assert_eq!(writer.progress(), progress);
            assert!(matches!(writer.append(&frames), Err(LogError::Sealed { .. })));
            assert_eq!(writer.seal(End::Truncated("later".to_owned())).unwrap(), summary);
            assert_eq!(fs::read(path.data()).unwrap(), bytes);
            match (writer.end().unwrap(), &end) {
                (End::Whole, End::Whole) => {}
                (End::Truncated(kept), End::Truncated(_)) => assert_eq!(*kept, reason[..1024]),
                (got, want) => panic!("got {got:?}, want {want:?}"),
            }
            let reader = LogReader::open(&path).unwrap().unwrap();
            assert_eq!(reader.end(), writer.end());
            assert_eq!(reader.progress(), progress);
        }
        assert_eq!(read_all(&path), model(&frames));
    }
}

#[test]
fn a_second_writer_is_kept_out_until_the_first_is_gone() {
    let folder = folder();
    let path = log_in(&folder);
    let first = LogWriter::open(&path).unwrap();
    assert!(matches!(LogWriter::open(&path), Err(LogError::Busy { .. })));
    drop(first);
    LogWriter::open(&path).unwrap();
}

/// The newest second that the rule allows, found by trying every place.
fn newest_cursor(frames: &[Frame]) -> Cursor {
    let newest_ns = frames.iter().map(|frame| frame.time_ns).max();
    let last_of = |stream| frames.iter().rev().find(|frame| frame.stream == stream);
    let open_ns = [Stream::Stdout, Stream::Stderr]
        .into_iter()
        .filter_map(last_of)
        .filter(|frame| !frame.data.ends_with(b"\n"))
        .map(|frame| frame.time_ns)
        .min()
        .unwrap_or(i64::MAX);
    let mut best = Cursor { since_s: 0, skip: frames.len() as u64 };
    for n_before in 0..frames.len() {
        let (before, from) = frames.split_at(n_before);
        let earliest = from.iter().map(|frame| frame.time_ns).min().unwrap();
        let settled = newest_ns.unwrap() - 2 * SECOND_NS;
        let since_s = earliest.min(settled).min(open_ns).div_euclid(SECOND_NS);
        let fits = before.iter().all(|frame| frame.time_ns < since_s * SECOND_NS);
        if fits && since_s > best.since_s {
            best = Cursor { since_s, skip: from.len() as u64 };
        }
    }
    best
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_two_crashes_leave_is_made_whole(
        frames in frames(900),
        cuts in prop::array::uniform4(0.0_f64..1.0),
    ) {
        let folder = folder();
        let path = log_in(&folder);
        write(&path, &frames);
        let part = |file: &std::path::Path, share: f64| {
            let mut bytes = fs::read(file).unwrap();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a length")]
            bytes.truncate((bytes.len() as f64 * share * 1.3) as usize);
            bytes
        };
        for (data_share, index_share) in [(cuts[0], cuts[1]), (cuts[2], cuts[3])] {
            let data = part(path.data(), data_share);
            let index = part(&index_of(&path), index_share);
            put(&path, Some(&data), Some(&index));
            check_made_whole(&path, &frames);
        }
    }

    #[test]
    fn the_cursor_is_the_newest_that_is_safe(
        frames in frames(900),
        share in 0.0_f64..1.0,
    ) {
        let folder = folder();
        let path = log_in(&folder);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a length")]
        let n_stored = (frames.len() as f64 * share) as usize;
        let writer = write(&path, &frames[..n_stored]);
        let cursor = writer.resume_cursor().unwrap();
        prop_assert_eq!(cursor, newest_cursor(&frames[..n_stored]));
        // Also for a writer that has only just opened it.
        drop(writer);
        let writer = LogWriter::open(&path).unwrap();
        prop_assert_eq!(writer.resume_cursor().unwrap(), cursor);
        prop_assert_eq!(engine(&frames, cursor), frames[n_stored..].to_vec());
    }
}

#[test]
fn the_cursor_goes_back_to_a_line_that_is_open() {
    let folder = folder();
    let path = log_in(&folder);
    let at = |s: i64| (1_700_000_000 + s) * SECOND_NS;
    let mut frames = vec![
        frame(Stream::Stdout, at(0), "first\n"),
        frame(Stream::Stdout, at(10), "a piece of a line"),
        frame(Stream::Stdout, at(10), " and another"),
    ];
    // More than a gap of the index, all of it later and on the other stream.
    frames.extend((0..1_000).map(|n| frame(Stream::Stderr, at(11 + n), format!("{n}\n"))));
    let mut writer = write(&path, &frames);
    assert_eq!(
        writer.resume_cursor().unwrap(),
        Cursor { since_s: at(10) / SECOND_NS, skip: 1_002 }
    );
    writer.append(&[frame(Stream::Stdout, at(1_011), "\n")]).unwrap();
    assert_eq!(writer.resume_cursor().unwrap().since_s, at(1_009) / SECOND_NS);
}

#[test]
fn a_clock_that_was_set_back_costs_time_but_no_frame() {
    let folder = folder();
    let path = log_in(&folder);
    let mut frames = plain_frames(2_000);
    for frame in &mut frames[1_000..] {
        frame.time_ns -= 3_600 * SECOND_NS;
    }
    let mut writer = write(&path, &frames[..900]);
    assert!(writer.resume_cursor().unwrap().skip < 60);
    writer.append(&frames[900..1_900]).unwrap();
    let cursor = writer.resume_cursor().unwrap();
    assert_eq!(cursor, newest_cursor(&frames[..1_900]));
    assert_eq!(engine(&frames, cursor), &frames[1_900..]);
}
