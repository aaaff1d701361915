//! Live runs. [`owner`] holds the one task that may change a run; [`attempt`] carries out its
//! orders against the driver and brings the facts back; [`timers`] wakes it.

mod attempt;
mod collect;
mod live;
mod owner;
mod start;
mod timers;

pub(crate) use attempt::Looks;
pub(crate) use live::RunHandle;
pub use live::{LiveAttempt, RunWatch};
pub(crate) use owner::{Input, Owner};
