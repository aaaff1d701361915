//! Damaged files and forged positions: an error or the truth, never a panic and never other bytes.

use std::fs;

use crate::common::*;
use gofer_core::log::Stream;
use gofer_logs::{
    End, LineFrame, LogDir, LogError, LogPath, LogReader, LogWriter, PageLimits, Position, Start,
    Stop,
};
use proptest::prelude::*;

const LIMITS: PageLimits = PageLimits { lines_max: 20, bytes_max: 4_096 };

/// Reads pages from everywhere. Every frame that comes must be one of the model's.
fn check_truth(path: &LogPath, model: &[LineFrame]) {
    let Ok(Some(reader)) = LogReader::open(path) else { return };
    let lines = (0..model.len() as u64 + 2).step_by(17);
    let starts = lines.flat_map(|n| [Start::Line(n), Start::Tail(n)]);
    for from in starts.chain([Start::Time(0), Start::Time(1_700_000_020 * SECOND_NS)]) {
        let Ok(page) = reader.page(from, LIMITS) else { continue };
        check_are_of(&page.frames, model);
        if let Ok((frames, _)) = reader.read_from(page.next, 4_096, reader.progress().file_len) {
            check_are_of(&frames, model);
        }
    }
}

#[track_caller]
fn check_are_of(frames: &[LineFrame], model: &[LineFrame]) {
    let Some(first) = frames.first() else { return };
    let begin = model.iter().position(|frame| frame == first).expect("a frame nobody wrote");
    assert_eq!(frames, &model[begin..begin + frames.len()]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_as_files_are_an_error_or_an_empty_log(
        data in prop::collection::vec(any::<u8>(), 0..300),
        index in prop::collection::vec(any::<u8>(), 0..300),
        has_header in any::<bool>(),
    ) {
        let folder = folder();
        let path = log_in(&folder);
        drop(LogWriter::open(&path).unwrap());
        let (mut data_bytes, mut index_bytes) = (Vec::new(), Vec::new());
        if has_header {
            data_bytes = fs::read(path.data()).unwrap();
            index_bytes = fs::read(index_of(&path)).unwrap();
        }
        data_bytes.extend(data);
        index_bytes.extend(index);
        put(&path, Some(&data_bytes), Some(&index_bytes));
        check_truth(&path, &[]);
        if let Ok(mut writer) = LogWriter::open(&path) {
            prop_assert_eq!(writer.progress().frames, 0);
            writer.append(&plain_frames(3)).unwrap();
            drop(writer);
            prop_assert_eq!(read_all(&path), model(&plain_frames(3)));
        }
    }

    #[test]
    fn flipped_bytes_in_the_data_never_come_out(
        places in prop::collection::vec((0.0_f64..1.0, 1_u8..), 1..4),
        sealed in any::<bool>(),
    ) {
        let frames = plain_frames(600);
        let folder = folder();
        let path = log_in(&folder);
        let mut writer = write(&path, &frames);
        if sealed {
            writer.seal(End::Whole).unwrap();
        }
        drop(writer);
        let mut data = fs::read(path.data()).unwrap();
        flip(&mut data, &places);
        fs::write(path.data(), &data).unwrap();
        check_truth(&path, &model(&frames));
        fs::remove_file(index_of(&path)).unwrap();
        check_truth(&path, &model(&frames));
        if let Ok(writer) = LogWriter::open(&path) {
            writer.resume_cursor().ok();
            check_truth(&path, &model(&frames));
        }
    }

    #[test]
    fn flipped_bytes_in_the_index_change_nothing(
        places in prop::collection::vec((0.0_f64..1.0, 1_u8..), 1..4),
        n_cut in 0_usize..100,
    ) {
        let frames = plain_frames(1_500);
        let folder = folder();
        let path = log_in(&folder);
        write(&path, &frames);
        let mut index = fs::read(index_of(&path)).unwrap();
        flip(&mut index, &places);
        index.truncate(index.len() - n_cut);
        fs::write(index_of(&path), &index).unwrap();
        let model = model(&frames);
        let reader = LogReader::open(&path).unwrap().unwrap();
        for line in (0..n_lines(&model)).step_by(97) {
            let begin = model.iter().position(|f| f.line == line && !f.continues).unwrap();
            let page = reader.page(Start::Line(line), LIMITS).unwrap();
            prop_assert_eq!(&page.frames, &model[begin..begin + page.frames.len()]);
            prop_assert!(!page.frames.is_empty());
        }
        let writer = LogWriter::open(&path).unwrap();
        prop_assert_eq!(engine(&frames, writer.resume_cursor().unwrap()), vec![]);
        prop_assert_eq!(read_all(&path), model);
    }

    #[test]
    fn random_bytes_are_no_position(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let folder = folder();
        let path = log_in(&folder);
        write(&path, &plain_frames(10));
        let reader = LogReader::open(&path).unwrap().unwrap();
        check_bad_position(&reader.position(&bytes));
    }
}

fn flip(bytes: &mut [u8], places: &[(f64, u8)]) {
    for (share, mask) in places {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a length"
        )]
        let at = (bytes.len() as f64 * share) as usize;
        bytes[at] ^= mask;
    }
}

#[track_caller]
fn check_bad_position(got: &Result<Position, LogError>) {
    assert!(matches!(got, Err(LogError::BadPosition { .. })), "{got:?}");
}

#[test]
fn a_position_of_another_log_past_the_end_or_inside_a_frame_is_refused() {
    let folder = folder();
    let path = log_in(&folder);
    let mut writer = write(&path, &plain_frames(300));
    let short = writer.progress();
    let reader = LogReader::open(&path).unwrap().unwrap();
    let other_path = LogDir::new(folder.path().to_owned()).attempt(&uid(), 0, 2);
    write(&other_path, &plain_frames(600));
    let other = LogReader::open(&other_path).unwrap().unwrap();
    let at = other.page(Start::Line(9), LIMITS).unwrap().next;
    check_bad_position(&reader.position(&at.to_bytes()));
    assert!(matches!(reader.page(Start::At(at), LIMITS), Err(LogError::BadPosition { .. })));
    assert!(matches!(reader.read_from(at, 100, short.file_len), Err(LogError::BadPosition { .. })));

    writer.append(&plain_frames(5)).unwrap();
    let longer = LogReader::open_live(&path, writer.progress()).unwrap().unwrap();
    let end = longer.page(Start::Tail(0), LIMITS).unwrap().next;
    assert_eq!(longer.position(&end.to_bytes()).unwrap(), end);
    check_bad_position(&reader.position(&end.to_bytes()));

    // The place of every frame is a position; no other place is, however well it is forged. A frame
    // that was not read there shifts the place.
    let model = model(&plain_frames(300));
    let mut at = reader.origin();
    for line_frame in &model[..50] {
        let mut shifted = line_frame.clone();
        shifted.frame.data = shifted.frame.data.slice(..shifted.frame.data.len() - 1);
        check_bad_position(&reader.position(&at.after(&shifted).to_bytes()));
        at = at.after(line_frame);
        assert_eq!(reader.position(&at.to_bytes()).unwrap(), at);
    }
}

#[test]
fn what_is_not_damaged_can_be_read_before_and_behind_the_damage() {
    let frames = plain_frames(2_000);
    let model = model(&frames);
    let folder = folder();
    let path = log_in(&folder);
    let mut writer = write(&path, &frames);
    writer.seal(End::Whole).unwrap();
    let progress = writer.progress();
    drop(writer);
    let mut data = fs::read(path.data()).unwrap();
    let damaged = data.len() / 2;
    data[damaged] ^= 1;
    fs::write(path.data(), &data).unwrap();

    let reader = LogReader::open(&path).unwrap().unwrap();
    assert_eq!(reader.progress(), progress);
    let page = reader.page(Start::Line(0), PageLimits::default()).unwrap();
    assert_eq!(page.stop, Stop::Damage);
    assert_eq!(page.frames, &model[..page.frames.len()]);
    let n_damaged = page.frames.len();
    let error = reader.page(Start::At(page.next), LIMITS).unwrap_err();
    let LogError::Corrupt { path: file, offset, .. } = &error else { panic!("{error}") };
    assert_eq!((file.as_path(), *offset), (path.data(), page.next.file_offset()));
    assert!(error.to_string().contains("damaged at byte"), "{error}");
    // From the next record on all is well.
    let behind = model[n_damaged].line + 300;
    let begin = model.iter().position(|frame| frame.line == behind).unwrap();
    let page = reader.page(Start::Line(behind), PageLimits::default()).unwrap();
    assert_eq!(page.frames, &model[begin..]);
    // Opening it for writing cuts nothing off a sealed log, even without its index.
    fs::remove_file(index_of(&path)).unwrap();
    let writer = LogWriter::open(&path).unwrap();
    assert!(writer.is_sealed());
    assert_eq!(writer.progress(), progress);
    assert_eq!(fs::read(path.data()).unwrap(), data);
}

#[test]
fn a_frame_in_another_frame_s_place_or_log_is_damage() {
    let frames = [frame(Stream::Stdout, 1, "one\n"), frame(Stream::Stdout, 1, "two\n")];
    let folder = folder();
    let path = log_in(&folder);
    write(&path, &frames);
    let data = fs::read(path.data()).unwrap();
    let (header, pieces) = data.split_at(HEADER_BYTES);
    let (one, two) = pieces.split_at(pieces.len() / 2);
    fs::write(path.data(), [header, two, one].concat()).unwrap();
    assert_eq!(read_all(&path), []);
    let other_path = LogDir::new(folder.path().to_owned()).attempt(&uid(), 0, 2);
    write(&other_path, &frames);
    let other = fs::read(other_path.data()).unwrap();
    fs::write(path.data(), [header, &other[HEADER_BYTES..]].concat()).unwrap();
    assert_eq!(read_all(&path), []);
}

#[test]
fn a_log_of_another_version_is_left_alone() {
    let folder = folder();
    let path = log_in(&folder);
    write(&path, &[frame(Stream::Stdout, 1, "x\n")]);
    let mut data = fs::read(path.data()).unwrap();
    data[8] = 2;
    fs::write(path.data(), &data).unwrap();
    let error = LogWriter::open(&path).unwrap_err();
    assert!(matches!(error, LogError::Version { found: 2, known: 1, .. }), "{error}");
    assert!(matches!(LogReader::open(&path), Err(LogError::Version { .. })));
    fs::write(path.data(), b"this is somebody's text file").unwrap();
    assert!(matches!(LogWriter::open(&path), Err(LogError::Corrupt { offset: 0, .. })));
    assert_eq!(fs::read(path.data()).unwrap(), b"this is somebody's text file");
}
