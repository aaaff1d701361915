//! Every number that bounds what the driver asks of a Docker engine, with its reason. Waits and
//! follows (event stream, followed logs) have no time limit: silence there is normal.

use std::time::Duration;

/// Unary calls in flight at once. Two cores saturate at about six container starts a second, so
/// more calls only queue inside the engine, where a time limit can hit them.
pub(crate) const CALLS_IN_FLIGHT_MAX: usize = 16;

/// Time limit of a call that only reads. Idle it takes 1 to 2 ms; an engine that starts eight
/// containers at once answered within 300 ms, a disk under full load within a few seconds.
pub(crate) const READ_LIMIT: Duration = Duration::from_secs(30);

/// Time limit of a call that acts. A start holds the container's lock until its file system and
/// network stand, and removal waits for the unmount: both take minutes on a drowning disk. Giving
/// up early is harmless, as every call may be repeated, but it costs the caller a back-off.
pub(crate) const ACT_LIMIT: Duration = Duration::from_secs(120);

/// How long a pull may say nothing before it counts as a hiccup. Extracting one very large layer
/// reports progress all along; the longest silence is a registry that does not answer.
pub(crate) const PULL_SILENCE_MAX: Duration = Duration::from_secs(600);

/// How long the engine may work on an archive, once it has it, without a word: it unpacks every
/// layer in that time.
pub(crate) const LOAD_SILENCE_MAX: Duration = Duration::from_secs(1100);

/// Pieces of an archive that wait for the engine to read them, and the bytes of each: enough to
/// keep a local socket busy.
pub(crate) const LOAD_PIECES_MAX: usize = 8;
pub(crate) const LOAD_PIECE_BYTES: usize = 256 * 1024;

/// The client library's own limit, on response heads only. A pull sends its head with the first
/// progress line, so this one must lie above [`PULL_SILENCE_MAX`]; our own limits hold the rest.
pub(crate) const RESPONSE_HEAD_LIMIT_S: u64 = 1200;

/// Times that a create is tried when the name is taken and yet nobody has it: the old container is
/// on its way out at that moment.
pub(crate) const CREATE_TRIES_MAX: u32 = 5;

/// Pause between those tries.
pub(crate) const CREATE_RETRY_PAUSE: Duration = Duration::from_millis(200);

/// Outages kept in memory, the oldest dropped first. An exit is judged within seconds after the
/// engine is back, so one would nearly do.
pub(crate) const OUTAGES_KEPT_MAX: usize = 16;

/// How much later than the engine's new life an exit may be recorded and still belong to the old
/// one: the engine ends what survived it while it starts.
pub(crate) const EPOCH_SLACK_MS: i64 = 5_000;

/// Docker refuses less memory than this for a container.
pub(crate) const MEMORY_BYTES_MIN: u64 = 6 * 1024 * 1024;

/// What a log may grow to before the engine would rotate it. Rotation loses lines, and the log is
/// the buffer between the task and our own files, so it is set beyond any disk.
pub(crate) const ENGINE_LOG_SIZE_MAX: &str = "1000000g";
