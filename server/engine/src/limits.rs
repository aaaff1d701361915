//! Every bound of the engine, with its reason. Channels are private to their owners and bounded;
//! whoever sends into a full one waits, so pressure goes back to where it comes from.

use std::time::Duration;

/// Jobs that may wait for the store's thread: as many as one group commit takes, twice, so that
/// the next group fills while one is being synced.
pub(crate) const WRITER_QUEUE_MAX: usize = 1024;
/// Jobs in one commit. More would make the first one wait for the last one's work.
pub(crate) const GROUP_JOBS_MAX: usize = 512;
/// Read connections: enough for list calls beside watchers on a small machine; each holds a page cache.
pub(crate) const READERS_MAX: usize = 4;
/// Inputs that may wait for the owner of one run: a thousand tasks may all report at once.
pub(crate) const RUN_INBOX_MAX: usize = 1024;
/// Inputs that one commit of a run takes together.
pub(crate) const RUN_INPUTS_PER_COMMIT_MAX: usize = 64;
/// Messages that may wait for the dispatcher.
pub(crate) const DISPATCH_INBOX_MAX: usize = 1024;
/// Frames that a log pump takes at once before it writes.
pub(crate) const PUMP_FRAMES_MAX: usize = 1024;
/// Bytes that one read for a follower gives at most.
pub(crate) const FOLLOW_BYTES_MAX: usize = 256 * 1024;

/// First and longest wait between calls to an engine that does not answer.
pub(crate) const ENGINE_BACKOFF_MIN: Duration = Duration::from_millis(100);
/// See [`ENGINE_BACKOFF_MIN`].
pub(crate) const ENGINE_BACKOFF_MAX: Duration = Duration::from_secs(5);
/// A running container is looked at this often even when no event tells of it: events are hints,
/// and one may be lost.
pub(crate) const INSPECT_EVERY: Duration = Duration::from_secs(20);
/// Wait between tries to write when the disk is full.
pub(crate) const FULL_BACKOFF: Duration = Duration::from_millis(500);
/// Wait before a deletion that was held up is gone on with.
pub(crate) const DELETE_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// Tries to store the rest of a log on a full disk before it is marked as truncated.
pub(crate) const LOG_TRIES_MAX: u32 = 20;
/// After the exit, a followed log that gives nothing for this long is read to its end instead.
pub(crate) const FOLLOW_IDLE_MAX: Duration = Duration::from_secs(10);
/// The longest that a timer sleeps before it looks at the clock again: clocks may be set.
pub(crate) const TIMER_NAP_MAX: Duration = Duration::from_secs(60);
/// How often the engine's containers are compared with what the store knows.
pub(crate) const RECONCILE_EVERY: Duration = Duration::from_secs(60);
/// A reader of an ended attempt's log waits this long for the log to be whole.
pub(crate) const SEAL_WAIT_MAX: Duration = Duration::from_secs(10);
/// How often old history is pruned.
pub(crate) const PRUNE_EVERY: Duration = Duration::from_secs(3 * 60 * 60);
/// Free bytes on the disk below which no new run is accepted: a run's states and the last lines of
/// its logs must still fit.
pub(crate) const DISK_RESERVE_BYTES: u64 = 16 * 1024 * 1024;
/// When a caller may try again on a full disk, in milliseconds.
pub(crate) const FULL_RETRY_MS: u64 = 5_000;
/// Bytes that one step of a follower of a whole run takes from all its logs together: below what
/// clients take as one message.
pub(crate) const MERGED_BYTES_MAX: usize = 1024 * 1024;
/// What each log may give in such a step however many there are: less would read a file in crumbs.
pub(crate) const MERGED_SHARE_BYTES_MIN: usize = 8 * 1024;
