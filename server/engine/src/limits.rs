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
/// Free bytes on the disk below which no archive of an image is taken in: it must not be an upload that
/// makes runs wait.
pub(crate) const UPLOAD_RESERVE_BYTES: u64 = 4 * DISK_RESERVE_BYTES;
/// When a caller may try again on a full disk, in milliseconds.
pub(crate) const FULL_RETRY_MS: u64 = 5_000;
/// Bytes that one step of a follower of a whole run takes from all its logs together: below what
/// clients take as one message.
pub(crate) const MERGED_BYTES_MAX: usize = 1024 * 1024;
/// What each log may give in such a step however many there are: less would read a file in crumbs.
pub(crate) const MERGED_SHARE_BYTES_MIN: usize = 8 * 1024;
/// How often a container that was told to stop is looked at, and how soon an inspection that the
/// engine refused is tried again.
pub(crate) const STOPPING_LOOK_EVERY: Duration = Duration::from_secs(1);
/// Wait before an admitted run that could not be read is tried again.
pub(crate) const READ_AGAIN_AFTER: Duration = Duration::from_millis(500);
/// Wait before a log that a pump still holds is opened again: the pump was told to end.
pub(crate) const LOG_AGAIN_AFTER: Duration = Duration::from_millis(100);
/// Wait before the next call to an engine that just came back: keeps a flapping one from being
/// hammered.
pub(crate) const ENGINE_BACK_PAUSE: Duration = Duration::from_millis(20);
/// Owners of a run that end under a caller's hands, one after another, before it gives up: each
/// end means that the run moved on, so a second look nearly always suffices.
pub(crate) const LOOKS_MAX: u32 = 8;
/// When a caller whose run moved on that often may try again, in milliseconds.
pub(crate) const LOOKS_RETRY_MS: u64 = 100;
/// When a caller may try again who met a server that stops, or an engine or a store that cannot
/// answer now, in milliseconds: a restart takes about that long.
pub(crate) const RETRY_MS: u64 = 1_000;
