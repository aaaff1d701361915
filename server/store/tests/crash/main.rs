//! What was answered is on disk: a server that is killed in the middle of its writing is followed
//! by one that finds all of it, and nothing half done.
//!
//! A binary of its own: a process that is being started holds its parent's files, and so the locks
//! of whatever stores other tests have open, until it has become the new program.

#[cfg(test)]
mod kill;
#[cfg(test)]
#[path = "../store/support.rs"]
#[expect(dead_code, reason = "made for the other binary, which uses all of it")]
mod support;
