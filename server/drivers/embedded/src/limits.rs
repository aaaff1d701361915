//! Every number that bounds what the driver does, with its reason.

use std::time::Duration;

/// How long a start may take before the caller is told that it gave no answer; it goes on, and the
/// next call finds it. Idle it takes 15 ms; a drowning disk makes minutes of it.
pub(crate) const START_LIMIT: Duration = Duration::from_secs(120);

/// How long a removal waits for a container that it killed. The kernel may take seconds to give back
/// the memory of a large one.
pub(crate) const REMOVE_LIMIT: Duration = Duration::from_secs(60);

/// Times that a shim is sent out for one start. One leaves without a word where another driver's was
/// faster, or it was killed before it began.
pub(crate) const SHIM_TRIES_MAX: u32 = 5;

/// Pause between two looks at something that is under way in another process: a start, an end. It
/// costs some microseconds, and is rare.
pub(crate) const LOOK_PAUSE: Duration = Duration::from_millis(5);

/// Looks at a folder that is marked as started until a shim that came late must have left it.
pub(crate) const LATE_SHIM_LOOKS_MAX: u32 = 1_000;

/// How long a signal waits for a container that is just being started.
pub(crate) const SIGNAL_LIMIT: Duration = Duration::from_secs(10);

/// Bytes of a log that are read at once. It holds the largest frame several times.
pub(crate) const LOG_CHUNK_BYTES: usize = 512 << 10;

/// Who waits for something in a folder looks again after this long even where nobody woke him. With
/// two hundred containers that is a hundred looks a second, each of some microseconds.
pub(crate) const BELL_SILENCE: Duration = Duration::from_secs(4);

/// The same after a ring that brought nothing new: a shim that is killed closes its log a moment
/// before it gives the lock back.
pub(crate) const BELL_AFTER_RING: Duration = Duration::from_millis(50);

/// The same where the system has no wake-up left to give.
pub(crate) const BELL_CLOCK: Duration = Duration::from_millis(10);

/// Where in a log a new second began is remembered for this many seconds back, so that a reader with
/// a cursor need not go through all that came before.
pub(crate) const MARKS_MAX: usize = 64;

/// Least memory of a container: the kernel refuses to start a process in much less.
pub(crate) const MEMORY_BYTES_MIN: u64 = 6 << 20;

/// Least part of a processor, in thousandths: the kernel's least quota is a hundredth.
pub(crate) const CPU_MILLI_MIN: u32 = 10;

/// Folders that a crash left half made are cleared away at this age.
pub(crate) const STAGING_AGE_MAX: Duration = Duration::from_secs(600);

/// The end of a shim's own log that a fault shows.
pub(crate) const SHIM_LOG_SHOWN_BYTES: usize = 2_000;
