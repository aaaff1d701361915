//! Puts back line ends that the engine's `local` log loses. The engine cuts a line above 16 KiB
//! into full pieces and a rest, and versions such as 20.10 then forget the line end behind the
//! rest. A rest without line end that is followed by more of the same stream must have had one: an
//! unfinished line stands only at a stream's end. So the missing line end is given, as a frame of
//! its own, when the next frame of that stream shows that it was there.
//!
//! It carries the time of the cut line, as all pieces of one line do, so that a cursor counts it
//! together with them. A reading that is resumed knows nothing of what came before it, so it is begun
//! no later than a line that is still open. What cannot be known is whether a *last* line above 16 KiB was finished; on
//! such engines it is given as unfinished.

use bytes::Bytes;
use gofer_core::log::{Frame, Stream};

/// The size of a full piece: the engine's copy buffer.
const PIECE_BYTES: usize = 16 * 1024;

#[derive(Debug, Default)]
pub(crate) struct Mend {
    stdout: Line,
    stderr: Line,
}

/// Where a stream stands in its present line.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// At the beginning of one, or in one that was never cut.
    #[default]
    Whole,
    /// Behind a full piece.
    Cut,
    /// Behind the rest of a cut line, which came without line end at this time.
    Open(i64),
}

impl Mend {
    /// The frames to give for this one, in order. Empty frames, the rests of lines that were cut
    /// just before their end, are left out.
    pub(crate) fn mend(&mut self, frame: Frame) -> impl Iterator<Item = Frame> + use<> {
        let line = match frame.stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        let lost = match *line {
            Line::Open(time_ns) => {
                Some(Frame { stream: frame.stream, time_ns, data: Bytes::from_static(b"\n") })
            }
            Line::Whole | Line::Cut => None,
        };
        *line = match (*line, frame.data.ends_with(b"\n"), frame.data.len() == PIECE_BYTES) {
            (Line::Whole | Line::Cut | Line::Open(_), true, _) => Line::Whole,
            (Line::Whole | Line::Cut | Line::Open(_), false, true) => Line::Cut,
            (Line::Cut, false, false) => Line::Open(frame.time_ns),
            (Line::Whole | Line::Open(_), false, false) => Line::Whole,
        };
        [lost, Some(frame).filter(|frame| !frame.data.is_empty())].into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(stream: Stream, time_ns: i64, n_bytes: usize, end: &str) -> Frame {
        let data = Bytes::from(format!("{}{end}", "x".repeat(n_bytes)));
        Frame { stream, time_ns, data }
    }

    /// Gives the frames' times and lengths, line ends as 0.
    fn mended(frames: Vec<Frame>) -> Vec<(i64, usize)> {
        let mut mend = Mend::default();
        let all = frames.into_iter().flat_map(|frame| mend.mend(frame).collect::<Vec<_>>());
        all.map(|frame| (frame.time_ns, if frame.data == "\n" { 0 } else { frame.data.len() }))
            .collect()
    }

    #[test]
    fn a_lost_line_end_is_put_back_when_the_stream_goes_on() {
        let out = |time_ns, n_bytes, end| frame(Stream::Stdout, time_ns, n_bytes, end);
        let cut = || vec![out(1, PIECE_BYTES, ""), out(1, PIECE_BYTES, ""), out(1, 5, "")];
        let mut more = cut();
        more.extend([frame(Stream::Stderr, 2, 3, "\n"), out(3, 3, "\n")]);
        let (full, want_err) = ((1, PIECE_BYTES), (2, 4));
        assert_eq!(mended(more), [full, full, (1, 5), want_err, (1, 0), (3, 4)]);
        assert_eq!(mended(cut()), [full, full, (1, 5)], "an unfinished line stays so");
        let exact = vec![out(1, PIECE_BYTES, ""), out(1, 0, ""), out(2, 3, "\n")];
        assert_eq!(mended(exact), [full, (1, 0), (2, 4)]);
    }

    #[test]
    fn what_an_engine_without_that_fault_gives_is_left_alone() {
        let out = |time_ns, n_bytes, end| frame(Stream::Stdout, time_ns, n_bytes, end);
        let frames = vec![out(1, PIECE_BYTES, ""), out(1, 5, "\n"), out(2, 3, "\n"), out(3, 2, "")];
        assert_eq!(mended(frames), [(1, PIECE_BYTES), (1, 6), (2, 4), (3, 2)]);
        assert_eq!(mended(vec![out(1, 3, ""), out(2, 3, "\n")]), [(1, 3), (2, 4)]);
    }
}
