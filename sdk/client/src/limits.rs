//! The numbers of this crate, each with its reason.

use std::time::Duration;

/// Most bytes of one message that is read: a page of long log lines fits, a runaway does not.
pub(crate) const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes of one piece of an archive that is sent: a quarter of what the server takes.
pub(crate) const PIECE_BYTES: usize = 1024 * 1024;
/// How often an idle connection is asked whether the other side is there. A watch may be silent for
/// hours; without this a server behind a dead network would never be missed.
pub(crate) const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(15);
/// How long the other side may take to answer that question.
pub(crate) const KEEP_ALIVE_WAIT: Duration = Duration::from_secs(10);
/// First wait before a watch connects again: a restart of the server takes about as long.
pub(crate) const RECONNECT_FIRST: Duration = Duration::from_millis(100);
/// Longest wait before a watch connects again: a person is looking.
pub(crate) const RECONNECT_MAX: Duration = Duration::from_secs(5);
