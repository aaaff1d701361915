//! Every number that bounds a pull, with its reason.

use std::time::Duration;

/// How long a registry may take to accept a connection.
pub(super) const CONNECT_LIMIT: Duration = Duration::from_secs(15);

/// How long a registry may say nothing in the middle of an answer. One that fetches a layer from
/// storage of its own first has been seen to need half of it.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(60);

/// How long it may take to sign in, or to bring a manifest: some kilobytes.
pub(super) const DOCUMENT_LIMIT: Duration = Duration::from_secs(60);

/// Most bytes of a manifest or a config; the store reads no larger ones.
pub(super) const DOCUMENT_BYTES_MAX: u64 = 8 << 20;

/// Layers that are fetched at once. More do not fill the line any better, and registries count them.
pub(super) const LAYERS_AT_ONCE: usize = 3;

/// Pieces of a layer, of some 16 KiB, that wait for the disk. When they are full the registry waits.
pub(super) const PIECES_WAITING_MAX: usize = 16;

/// Cuts of one transfer in a row that bring less than [`CUT_PROGRESS_BYTES`]; then the pull fails,
/// and what came stays for the next one.
pub(super) const CUTS_MAX: u32 = 5;

/// What a transfer must have brought for its cut to be forgiven.
pub(super) const CUT_PROGRESS_BYTES: u64 = 1 << 20;

/// Pause after the first cut; it doubles with each.
pub(super) const CUT_PAUSE: Duration = Duration::from_millis(200);

/// Times that the store is asked what is missing: once for the config, once for the layers, once to
/// see that nothing is, and some more for what was pruned meanwhile.
pub(super) const ROUNDS_MAX: u32 = 6;

/// Progress is told again after so many bytes.
pub(super) const TELL_EVERY_BYTES: u64 = 64 << 10;

/// Characters of a registry's own words that a fault shows.
pub(super) const SAID_CHARS_MAX: usize = 300;

/// Least characters of a secret that is blotted out of a fault. A shorter one is no secret, and the
/// fault would be full of holes.
pub(super) const SECRET_CHARS_MIN: usize = 4;
