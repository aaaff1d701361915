//! The frames of `log`: what a container wrote, in the order in which the shim read it. The shim
//! writes them, the server's reader cuts them into lines; both stand on this file alone.
//!
//! ```text
//!  byte 0       1       2 3      4 .. 8     8 .. 16      16 .. 20     20 .. 24   24 ..
//!       stream  flags   0        length     time         checksum     0          data
//!       1 out   1 gap            of data    ns, UTC      CRC-32C of bytes 0 .. 16 and the data
//! ```
//!
//! All numbers are little-endian. A gap's data is one number of eight bytes: how many bytes of its
//! stream are missing at this place. A shim may die while it writes, so the last frame may be short
//! or bad: while the lock is held that means "not yet", and afterwards "this is the end".

/// Bytes of a frame before its data.
pub(crate) const HEAD_LEN: usize = 24;
/// The most data in one frame: what one read of a pipe gives.
pub(crate) const DATA_MAX: usize = 64 * 1024;

const FLAG_GAP: u8 = 1;

/// Which stream a frame is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    const fn code(self) -> u8 {
        match self {
            Self::Stdout => 1,
            Self::Stderr => 2,
        }
    }

    const fn of_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Stdout),
            2 => Some(Self::Stderr),
            // No other number is a stream.
            _ => None,
        }
    }
}

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content<'a> {
    /// Bytes as the container wrote them.
    Data(&'a [u8]),
    /// So many bytes are missing here: there was no room to keep them.
    Gap(u64),
}

/// One frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    /// Of which stream.
    pub(crate) stream: Stream,
    /// When the shim read it, nanoseconds since the epoch; never less than in the frame before.
    pub(crate) time_ns: u64,
    /// What it holds.
    pub(crate) content: Content<'a>,
}

/// What stands at the start of some bytes of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decoded<'a> {
    /// A whole frame, and how many bytes it takes.
    Frame(Frame<'a>, usize),
    /// The beginning of a frame; as far as can be told it is this many bytes long.
    Short(usize),
    /// No frame.
    Bad,
}

/// The head of a frame of `data`, which is to be written right after it.
pub(crate) fn head(stream: Stream, time_ns: u64, data: &[u8]) -> [u8; HEAD_LEN] {
    encode(stream, 0, time_ns, data)
}

/// A whole frame that says how many bytes of `stream` are missing.
pub(crate) fn gap(stream: Stream, time_ns: u64, n_bytes: u64) -> [u8; HEAD_LEN + 8] {
    let data = n_bytes.to_le_bytes();
    let mut frame = [0; HEAD_LEN + 8];
    let (head, tail) = frame.split_at_mut(HEAD_LEN);
    head.copy_from_slice(&encode(stream, FLAG_GAP, time_ns, &data));
    tail.copy_from_slice(&data);
    frame
}

fn encode(stream: Stream, flags: u8, time_ns: u64, data: &[u8]) -> [u8; HEAD_LEN] {
    let n_bytes = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let mut covered = [0; 16];
    let (kind, numbers) = covered.split_at_mut(4);
    kind.copy_from_slice(&[stream.code(), flags, 0, 0]);
    let (length, time) = numbers.split_at_mut(4);
    length.copy_from_slice(&n_bytes.to_le_bytes());
    time.copy_from_slice(&time_ns.to_le_bytes());

    let mut head = [0; HEAD_LEN];
    let (front, back) = head.split_at_mut(16);
    front.copy_from_slice(&covered);
    let (checksum, _zero) = back.split_at_mut(4);
    checksum.copy_from_slice(&checksum_of(&covered, data).to_le_bytes());
    head
}

/// Reads the frame at the start of `bytes`.
pub(crate) fn decode(bytes: &[u8]) -> Decoded<'_> {
    let Some((head, rest)) = bytes.split_first_chunk::<HEAD_LEN>() else {
        return Decoded::Short(HEAD_LEN);
    };
    let [stream, flags, 0, 0, l0, l1, l2, l3, rest_of_head @ ..] = head else {
        return Decoded::Bad;
    };
    let [t0, t1, t2, t3, t4, t5, t6, t7, c0, c1, c2, c3, 0, 0, 0, 0] = rest_of_head else {
        return Decoded::Bad;
    };
    let length = u32::from_le_bytes([*l0, *l1, *l2, *l3]);
    let (Some(stream), Ok(length)) = (Stream::of_code(*stream), usize::try_from(length)) else {
        return Decoded::Bad;
    };
    if length > DATA_MAX || *flags & !FLAG_GAP != 0 {
        return Decoded::Bad;
    }
    let Some(data) = rest.get(..length) else {
        return Decoded::Short(HEAD_LEN + length);
    };
    let (covered, _) = head.split_at(16);
    if checksum_of(covered, data) != u32::from_le_bytes([*c0, *c1, *c2, *c3]) {
        return Decoded::Bad;
    }
    let content = match (*flags, <[u8; 8]>::try_from(data)) {
        (FLAG_GAP, Ok(count)) => Content::Gap(u64::from_le_bytes(count)),
        (FLAG_GAP, Err(_)) => return Decoded::Bad,
        // Without the flag all data is the container's, eight bytes too.
        _ => Content::Data(data),
    };
    let time_ns = u64::from_le_bytes([*t0, *t1, *t2, *t3, *t4, *t5, *t6, *t7]);
    Decoded::Frame(Frame { stream, time_ns, content }, HEAD_LEN + length)
}

fn checksum_of(covered: &[u8], data: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(covered), data)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A frame as a test makes it: none for a gap's data.
    type Made = (bool, u64, Result<Vec<u8>, u64>);

    fn made() -> impl Strategy<Value = Made> {
        let content = prop_oneof![
            4 => prop::collection::vec(any::<u8>(), 0..300).prop_map(Ok),
            1 => Just(Ok(vec![7; DATA_MAX])),
            1 => any::<u64>().prop_map(Err),
        ];
        (any::<bool>(), any::<u64>(), content)
    }

    fn write(log: &mut Vec<u8>, (is_err, time_ns, content): &Made) {
        let stream = if *is_err { Stream::Stderr } else { Stream::Stdout };
        match content {
            Ok(data) => {
                log.extend_from_slice(&head(stream, *time_ns, data));
                log.extend_from_slice(data);
            }
            Err(n_bytes) => log.extend_from_slice(&gap(stream, *time_ns, *n_bytes)),
        }
    }

    /// Reads whole frames from the front of `pending`, as a reader does after each read of the file.
    fn read(pending: &mut Vec<u8>, out: &mut Vec<Made>) {
        loop {
            let (frame, n_bytes) = match decode(pending) {
                Decoded::Frame(frame, n_bytes) => (frame, n_bytes),
                Decoded::Short(least) => {
                    assert!(least > pending.len(), "a frame that is there was called short");
                    return;
                }
                Decoded::Bad => panic!("no frame at {:?}", pending.get(..HEAD_LEN)),
            };
            let content = match frame.content {
                Content::Data(data) => Ok(data.to_vec()),
                Content::Gap(n_missing) => Err(n_missing),
            };
            out.push((frame.stream == Stream::Stderr, frame.time_ns, content));
            pending.drain(..n_bytes);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn frames_come_back_however_the_bytes_are_split(
            frames in prop::collection::vec(made(), 1..8),
            cuts in prop::collection::vec(1_usize..70_000, 1..40),
        ) {
            let mut log = Vec::new();
            frames.iter().for_each(|frame| write(&mut log, frame));
            let (mut rest, mut pending, mut back) = (log.as_slice(), Vec::new(), Vec::new());
            for cut in cuts.iter().cycle() {
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                pending.extend_from_slice(now);
                read(&mut pending, &mut back);
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert!(pending.is_empty());
            prop_assert_eq!(back, frames);
        }

        #[test]
        fn one_wrong_bit_is_seen(frame in made(), at in any::<prop::sample::Index>(), bit in 0_u8..8) {
            let mut log = Vec::new();
            write(&mut log, &frame);
            let at = at.index(log.len());
            log[at] ^= 1_u8 << bit;
            // A longer length reads as a frame that is not all there; nothing reads as a frame.
            prop_assert!(!matches!(decode(&log), Decoded::Frame(..)), "byte {} bit {}", at, bit);
        }
    }

    #[test]
    fn a_log_torn_at_any_byte_of_its_last_frame_gives_all_frames_before_it() {
        let kept: Made = (false, 1, Ok(b"kept\n".to_vec()));
        let torn: Made = (true, 2, Ok(b"torn\n".to_vec()));
        let mut log = Vec::new();
        write(&mut log, &kept);
        let n_kept = log.len();
        write(&mut log, &torn);
        for length in n_kept..log.len() {
            let (mut pending, mut back) = (log[..length].to_vec(), Vec::new());
            read(&mut pending, &mut back);
            assert_eq!(back, std::slice::from_ref(&kept), "torn at {length}");
        }
        // Room that was set aside and never written reads as zeros, which are no frame either.
        let mut zeros = log[..n_kept + 3].to_vec();
        zeros.resize(log.len(), 0);
        assert_eq!(decode(&zeros[n_kept..]), Decoded::Bad);
    }

    #[test]
    fn a_frame_that_is_too_long_is_none() {
        let data = vec![0; DATA_MAX + 1];
        let mut log = head(Stream::Stdout, 0, &data).to_vec();
        log.extend_from_slice(&data);
        assert_eq!(decode(&log), Decoded::Bad);
    }
}
