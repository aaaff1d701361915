//! The logs of attempts, as files: exact bytes in, exact bytes out, and any page of them in constant
//! time. The engine owns one [`LogWriter`] for each running attempt; the API opens [`LogReader`]s
//! for pages and followers. Everything is synchronous.
//!
//! What must never happen: a byte changed, lost or repeated; a reader that sees half a frame; a
//! path made of user text; a panic, an endless read or a wrong answer because of a damaged file.
//!
//! ```text
//! <root>/<last 2 of uid>/<uid>/<task position>.<attempt>.log   data, append-only
//!   header   magic 8 | version u32 | log id u64 | check u32
//!   frame*   kind u8 (1 stdout, 2 stderr) | length u32 | time_ns i64 | check u32 | bytes
//!   seal?    kind u8 (3)                  | length u32 | 0           | check u32 | state u8 | lines,
//!            frames, bytes u64 | reason | length of the whole seal u32, which ends the file
//! <root>/<last 2 of uid>/<uid>/<task position>.<attempt>.idx   index, can always be made again
//!   header   magic 8 | version u32 | log id u64 | check u32
//!   record*  where a frame begins, and lines, frames, bytes, open lines and latest time before it;
//!            earliest time since the record before; check u32: at most 256 lines or 256 KiB apart
//! ```
//! Integers are little-endian. Every check covers the log's id and the place in the file, so a
//! piece of a log that a task prints into its own log is never taken for a frame of it.
//!
//! # Decisions
//!
//! - A line belongs to one stream. A frame begins a line if the frame before it on its stream ended
//!   with a newline, or if there is none; lines are numbered from 0 by their beginnings. Records
//!   carry the numbers of the open lines, not only flags: a frame that continues a line behind the
//!   record must know which one. Only a frame's last byte is looked at; a frame with newlines in
//!   the middle is one line, because a driver hands out at most one line in a frame.
//! - An append is in both files or in neither. So the index of a log with a writer is never behind
//!   by more than the gap, and after a full disk the same frames can be appended again.
//! - Recovery scans from the last good index record, cuts off what is not a whole frame, and makes
//!   the index again where it is missing, torn or ahead. A log whose machine lost power may have lost
//!   pages of the file before that record; reading them says [`LogError::Corrupt`].
//! - The place to go on at the engine ([`LogWriter::resume_cursor`]) stays two seconds behind the
//!   newest stored time. A frame of the other stream that is not stored yet may carry an earlier
//!   time than one that is; the engine, asked for later times only, would leave it out for ever. It
//!   also stays no later than a line that is open, which a driver may have to see again to end it.
//! - A [`Position`] leaves the process as the log's id and a file offset, nothing else; what belongs
//!   to it is looked up again and so cannot be forged. See [`LogReader::position`].
//! - A page that ends because of its size ends before a line's beginning where it can, so that
//!   paging by line number loses nothing. Only a single line larger than a page ends inside it.
//! - The seal repeats the counts and is found from the end of the file. So a sealed log opens without
//!   its index, tells its size past any damage, and is never cut.
//! - Version 1 is not compressed. Compressed blocks of a sealed log come as another version.

mod check;
mod error;
mod files;
mod format;
mod index;
mod limits;
mod merge;
mod page;
mod path;
mod place;
mod progress;
mod reader;
mod recover;
mod resume;
mod scan;
mod writer;

pub use error::LogError;
pub use limits::{FRAME_BYTES_MAX, READ_BYTES_MAX, REASON_BYTES_MAX};
pub use merge::{Tag, merge_by_time};
pub use page::{Page, PageLimits, Start, Stop};
pub use path::{LogDir, LogPath};
pub use place::{LineFrame, Position};
pub use progress::{End, Progress};
pub use reader::LogReader;
pub use writer::LogWriter;
