//! Pages, from every kind of start, against the model of all lines.

use crate::common::*;
use gofer_core::log::{Frame, LogState, Stream};
use gofer_logs::{
    End, FRAME_BYTES_MAX, LineFrame, LogError, LogReader, LogWriter, PageLimits, Progress, Start,
    Stop,
};
use proptest::prelude::*;

/// The number of model frames before line `line` begins.
fn begin_of_line(model: &[LineFrame], line: u64) -> usize {
    model.iter().position(|frame| frame.line >= line && !frame.continues).unwrap_or(model.len())
}

fn cost(frames: &[LineFrame]) -> usize {
    frames.iter().map(|frame| frame.frame.data.len() + FRAME_HEAD_BYTES).sum()
}

/// Holds one page against the model and returns how many frames it has.
#[track_caller]
fn check(
    reader: &LogReader,
    model: &[LineFrame],
    (from, begin): (Start, usize),
    limits: PageLimits,
) -> usize {
    let page = reader.page(from, limits).unwrap();
    let end = begin + page.frames.len();
    assert_eq!(page.frames, &model[begin..end], "from {from:?}");
    assert_eq!(page.next.line(), n_lines(&model[..end]));
    let n_lines_in = n_lines(&page.frames);
    assert!(n_lines_in <= limits.lines_max.max(1));
    assert!(page.frames.len() <= 1 || cost(&page.frames) <= limits.bytes_max);
    let next = model.get(end);
    match page.stop {
        Stop::LogEnd => assert!(next.is_none()),
        Stop::LineStart => {
            assert!(!next.unwrap().continues);
            // One line more would have been too much.
            let more = begin_of_line(model, next.unwrap().line + 1);
            let fits = cost(&model[begin..more]) <= limits.bytes_max;
            assert!(n_lines_in == limits.lines_max.max(1) || !fits, "the page ends too early");
        }
        Stop::InsideLine => {
            assert!(next.unwrap().continues);
            assert!(page.frames.iter().skip(1).all(|frame| frame.continues));
            assert!(cost(&model[begin..=end]) > limits.bytes_max);
        }
        Stop::Damage => panic!("nothing is damaged"),
    }
    let back = reader.position(&page.next.to_bytes()).unwrap();
    assert_eq!(back, page.next);
    page.frames.len()
}

fn check_all(path: &gofer_logs::LogPath, frames: &[Frame], limits: PageLimits) {
    let model = model(frames);
    let reader = LogReader::open(path).unwrap().unwrap();
    let total = n_lines(&model);
    assert_eq!(reader.progress().lines, total);
    for line in (0..=total + 3).step_by(1 + model.len() / 25) {
        let begin = begin_of_line(&model, line);
        check(&reader, &model, (Start::Line(line), begin), limits);
        let begin = begin_of_line(&model, total.saturating_sub(line));
        check(&reader, &model, (Start::Tail(line), begin), limits);
    }
    for frame in frames.iter().step_by(1 + frames.len() / 10) {
        for time_ns in [frame.time_ns - 1, frame.time_ns, frame.time_ns + 1, i64::MAX, i64::MIN] {
            let begin = frames.iter().position(|f| f.time_ns >= time_ns).unwrap_or(frames.len());
            check(&reader, &model, (Start::Time(time_ns), begin), limits);
        }
    }
    // Page by page, both ways to go on.
    let (mut from, mut begin) = (Start::Line(0), 0);
    let mut position = reader.origin();
    // Small pages of a large log would take all day; a few of them say enough.
    let mut n_pages_left = 40;
    while begin < model.len() && n_pages_left > 0 {
        n_pages_left -= 1;
        let n_frames = check(&reader, &model, (from, begin), limits);
        assert!(n_frames > 0);
        position = model[begin..begin + n_frames].iter().fold(position, |at, f| at.after(f));
        begin += n_frames;
        let page = reader.page(from, limits).unwrap();
        assert_eq!(page.next, position);
        from = match page.stop {
            Stop::LineStart => Start::Line(page.next.line()),
            Stop::InsideLine | Stop::LogEnd | Stop::Damage => Start::At(page.next),
        };
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pages_from_every_start_are_what_the_model_says(
        frames in frames(1_000),
        cuts in prop::collection::vec(0_usize..1_000, 0..12),
        lines_max in prop_oneof![0_u64..5, Just(300), Just(u64::MAX)],
        bytes_max in prop_oneof![0_usize..200, Just(70_000), Just(1 << 22)],
    ) {
        let folder = folder();
        let path = log_in(&folder);
        let mut writer = LogWriter::open(&path).unwrap();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|n| n.min(frames.len())).collect();
        cuts.extend([0, frames.len()]);
        cuts.sort_unstable();
        for pair in cuts.windows(2) {
            let progress = writer.append(&frames[pair[0]..pair[1]]).unwrap();
            prop_assert_eq!(progress.frames, pair[1] as u64);
        }
        let limits = PageLimits { lines_max, bytes_max };
        check_all(&path, &frames, limits);
        // Sealed, and without its index, it reads the same.
        writer.seal(End::Whole).unwrap();
        std::fs::remove_file(index_of(&path)).unwrap();
        check_all(&path, &frames, limits);
    }

    #[test]
    fn a_follower_reads_everything_once_and_nothing_past_the_progress(
        frames in frames(600),
        step in 1_usize..60,
        bytes_max in prop_oneof![Just(0_usize), 1_usize..50_000],
    ) {
        let folder = folder();
        let path = log_in(&folder);
        let mut writer = LogWriter::open(&path).unwrap();
        let mut reader = LogReader::open_live(&path, writer.progress()).unwrap().unwrap();
        let model = model(&frames);
        let (mut at, mut all, mut n_told) = (reader.origin(), Vec::new(), 0);
        let mut told = writer.progress();
        for batch in frames.chunks(step) {
            // The reader has been told of all batches but the newest.
            let next = writer.append(batch).unwrap();
            loop {
                let (read, next) = reader.read_from(at, bytes_max, told.file_len).unwrap();
                prop_assert!(read.len() <= 1 || cost(&read) <= bytes_max);
                at = next;
                if read.is_empty() { break; }
                all.extend(read);
            }
            prop_assert_eq!(&all, &model[..n_told]);
            prop_assert_eq!(at.file_offset(), told.file_len);
            reader.set_progress(told);
            for from in [Start::Tail(0), Start::Line(u64::MAX), Start::Time(i64::MAX)] {
                let page = reader.page(from, PageLimits::default()).unwrap();
                prop_assert_eq!(page.next, at);
            }
            (told, n_told) = (next, n_told + batch.len());
        }
    }
}

#[test]
fn a_reader_follows_a_writer_in_another_thread() {
    use std::sync::{Arc, Mutex};
    let folder = folder();
    let path = log_in(&folder);
    let mut writer = LogWriter::open(&path).unwrap();
    let shared = Arc::new(Mutex::new(writer.progress()));
    let frames = plain_frames(20_000);
    let want = model(&frames);
    let told = Arc::clone(&shared);
    let thread = std::thread::spawn(move || {
        for batch in frames.chunks(7) {
            *told.lock().unwrap() = writer.append(batch).unwrap();
        }
        writer.seal(End::Whole).unwrap();
        *told.lock().unwrap() = writer.progress();
    });
    let mut reader = LogReader::open_live(&path, *shared.lock().unwrap()).unwrap().unwrap();
    let (mut at, mut all) = (reader.origin(), Vec::new());
    loop {
        let progress: Progress = *shared.lock().unwrap();
        let (frames, next) = reader.read_from(at, 4_096, progress.file_len).unwrap();
        at = next;
        all.extend(frames);
        reader.set_progress(progress);
        let page = reader.page(Start::Tail(3), PageLimits::default()).unwrap();
        assert_eq!(page.stop, Stop::LogEnd);
        if progress.state == LogState::Sealed && at.file_offset() == progress.file_len {
            break;
        }
    }
    thread.join().unwrap();
    assert_eq!(all, want);
}

#[test]
fn a_log_that_is_not_there_is_none_and_an_empty_one_is_empty() {
    let folder = folder();
    let path = log_in(&folder);
    assert!(LogReader::open(&path).unwrap().is_none());
    let mut writer = LogWriter::open(&path).unwrap();
    for seal in [false, true] {
        if seal {
            writer.seal(End::Whole).unwrap();
        }
        let reader = LogReader::open(&path).unwrap().unwrap();
        for from in [Start::Line(0), Start::Line(7), Start::Tail(5), Start::Time(0)] {
            let page = reader.page(from, PageLimits::default()).unwrap();
            assert_eq!((page.frames.len(), page.stop), (0, Stop::LogEnd));
            assert_eq!(page.next, reader.origin());
        }
        assert_eq!(reader.progress(), writer.progress());
    }
    assert_eq!(writer.resume_cursor().unwrap(), gofer_core::log::Cursor::default());
}

#[test]
fn a_line_longer_than_a_page_ends_pages_inside_it() {
    let folder = folder();
    let path = log_in(&folder);
    let mut frames = vec![frame(Stream::Stdout, 1, "before\n")];
    // 1 MiB as an engine hands it out, and once in one piece.
    frames.extend((0..64).map(|n| frame(Stream::Stdout, 2 + n, vec![0xff; 16 << 10])));
    frames.push(frame(Stream::Stderr, 90, "between\n"));
    frames.push(frame(Stream::Stdout, 91, "\n"));
    frames.push(frame(Stream::Stdout, 92, vec![b'\r'; 1 << 20]));
    frames.push(frame(Stream::Stdout, 93, "\nno newline"));
    write(&path, &frames);
    for bytes_max in [0, 100_000, 600_000, 3 << 20] {
        check_all(&path, &frames, PageLimits { lines_max: 100, bytes_max });
    }
    let reader = LogReader::open(&path).unwrap().unwrap();
    let page =
        reader.page(Start::Line(1), PageLimits { lines_max: 9, bytes_max: 100_000 }).unwrap();
    assert_eq!((page.stop, page.frames.len()), (Stop::InsideLine, 6));
}

#[test]
fn every_byte_comes_back_exactly() {
    let folder = folder();
    let path = log_in(&folder);
    let mut frames: Vec<Frame> =
        (0..=255).map(|byte| frame(Stream::Stdout, 0, vec![byte, 0, byte])).collect();
    frames.push(frame(Stream::Stderr, -5, "GOFERLOG\n"));
    frames.push(frame(Stream::Stderr, i64::MIN, "\r\n"));
    frames.push(frame(Stream::Stderr, i64::MAX, ""));
    drop(write(&path, &frames));
    // A log that holds a log holds it as bytes.
    let itself = std::fs::read(path.data()).unwrap();
    frames.push(frame(Stream::Stderr, 7, itself));
    let mut writer = LogWriter::open(&path).unwrap();
    writer.append(&frames[frames.len() - 1..]).unwrap();
    assert_eq!(read_all(&path), model(&frames));
}

#[test]
fn a_frame_that_is_too_long_is_refused_with_its_batch() {
    let folder = folder();
    let path = log_in(&folder);
    let mut writer = LogWriter::open(&path).unwrap();
    let before = writer.progress();
    let long = frame(Stream::Stdout, 1, vec![b'x'; FRAME_BYTES_MAX + 1]);
    let refused = writer.append(&[frame(Stream::Stdout, 0, "a\n"), long]);
    assert!(matches!(refused, Err(LogError::FrameTooLong { n_bytes, .. }) if n_bytes > 2 << 20));
    assert_eq!(writer.progress(), before);
    let longest = frame(Stream::Stdout, 1, vec![b'x'; FRAME_BYTES_MAX]);
    writer.append(std::slice::from_ref(&longest)).unwrap();
    drop(writer);
    assert_eq!(read_all(&path), model(&[longest]));
}

#[test]
fn a_page_of_a_million_lines_reads_a_bounded_number_of_bytes() {
    const N_LINES: u64 = 1_000_000;
    // A gap, the index records of a binary search, a chunk and the headers.
    const BYTES_MAX: u64 = (256 + 64 + 64 + 8) << 10;
    let folder = folder();
    let path = log_in(&folder);
    let mut writer = LogWriter::open(&path).unwrap();
    let time_of = |line: u64| i64::try_from(line).unwrap() * 10_000;
    let mut batch = Vec::new();
    for line in 0..N_LINES {
        batch.push(frame(Stream::Stdout, time_of(line), format!("{line}\n")));
        if batch.len() == 4_096 {
            writer.append(&batch).unwrap();
            batch.clear();
        }
    }
    writer.append(&batch).unwrap();
    drop(writer);
    // Opening is bounded too, for both.
    let writer = LogWriter::open(&path).unwrap();
    let cursor = writer.resume_cursor().unwrap();
    assert_eq!((cursor.since_s, cursor.skip), (7, 300_000));
    for line in [0, 1, 255, 256, 257, 500_000, 777_777, N_LINES - 1, N_LINES, N_LINES + 9] {
        for from in [
            Start::Line(line),
            Start::Tail(N_LINES - line.min(N_LINES)),
            Start::Time(time_of(line)),
        ] {
            let reader = LogReader::open(&path).unwrap().unwrap();
            assert_eq!(reader.progress().lines, N_LINES);
            let n_before = reader.bytes_read();
            assert!(n_before <= BYTES_MAX, "opening read {n_before} bytes");
            let page = reader.page(from, PageLimits { lines_max: 10, bytes_max: 1 << 20 }).unwrap();
            let n_bytes = reader.bytes_read() - n_before;
            assert!(n_bytes <= BYTES_MAX, "{from:?} read {n_bytes} bytes");
            let want: Vec<u64> = (line..N_LINES).take(10).collect();
            let got: Vec<u64> = page.frames.iter().map(|frame| frame.line).collect();
            assert_eq!(got, want, "{from:?}");
            let back = reader.position(&page.next.to_bytes()).unwrap();
            assert_eq!(back, page.next);
        }
    }
}
