//! How large things may get, and why that much. Nothing else may hold a number of this kind.

/// Longest frame, in bytes. A frame must fit into one gRPC message (4 MiB by default) and is held in
/// memory whole. Engines hand out 16 KiB at a time; 2 MiB leaves room for a 1 MiB line in one piece.
pub const FRAME_BYTES_MAX: usize = 2 << 20;

/// Most bytes that one page or one read takes from the file, whatever the caller asks for (one frame
/// is always given).
pub const READ_BYTES_MAX: usize = 8 << 20;

/// Longest reason of a truncated log, in bytes. It is a sentence for people.
pub const REASON_BYTES_MAX: usize = 1024;

/// An index record is written after this many line starts…
pub(crate) const GAP_LINES_MAX: u64 = 256;

/// …or after this many bytes of the data file, whichever comes first. This much (and one frame) is
/// scanned to find a place: below a millisecond.
pub(crate) const GAP_BYTES_MAX: u64 = 256 << 10;

/// Bytes read at once while scanning.
pub(crate) const CHUNK_BYTES: usize = 64 << 10;

/// Index records read at once while walking back.
pub(crate) const WALK_RECORDS: u64 = 512;

/// The writer's buffer is given back when a batch made it larger than this, in bytes.
pub(crate) const BUFFER_BYTES_KEPT: usize = 1 << 20;

/// How far behind the newest time a frame may come in and still be asked for after a restart. The
/// engine stamps two streams in two places, so times are out of order by microseconds; two seconds
/// also cover a small correction of the clock and cost at most two seconds of log read again.
pub(crate) const DISORDER_NS_MAX: i64 = 2_000_000_000;
