//! The typed client of Gofer, for its own command line and screen and for anyone's programs. It talks
//! gRPC to a server and hands out plain values: nobody above this crate needs tonic or a proto.
//!
//! ```text
//!  Client ── calls/    one request, one answer, a time limit on each
//!     │      watch/    streams that survive a server that goes away: no gap, no repeat
//!     └───── model/    plain values with the JSON that scripts parse
//!            program   what a pipeline program prints, decoded
//! ```
//!
//! Errors are one type, [`ClientError`], with one [`ErrorKind`] for each thing a user can do next.
#![warn(missing_docs)]

mod calls;
mod channel;
mod convert;
mod error;
mod limits;
pub mod model;
pub mod program;
mod target;
pub mod watch;

pub use calls::{
    Cancel, Client, Deploy, EventQuery, ImportImages, LogStart, Mode, NewNamespace, Piece, ReadLog,
    Rollback, RunQuery, StartRun,
};
pub use error::{ClientError, ErrorDetail, ErrorKind, Result, Violation};
pub use target::{Target, Timeouts};
