//! The traits behind which the world sits. A port exists where at least two implementations and
//! one suite that holds them to the same behaviour exist.

pub mod driver;
pub mod images;
mod spec_hash;

use std::fmt;

use crate::time::Timestamp;

/// Tells the time. The server's reads the machine's clock, the simulation's is a number.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Now.
    fn now(&self) -> Timestamp;
}
