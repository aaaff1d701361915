//! The life of one run.
//!
//! ```text
//!            Admitted            last task run complete
//!  PENDING ───────────> RUNNING ───────────────────────> COMPLETE  SUCCESSFUL | FAILED | CANCELLED
//!     └──────────────────── CancelRequested ──────────────────^
//!
//!  one task run:
//!                 parents fit           Started               Exited 0
//!  Waiting ──────────────────> Starting ───────> Running ──────────────> Complete SUCCESSFUL
//!     │                         ^    │              │ │ Exited n, OOM
//!     │ a parent does not fit   │    │ StartFailed  │ ├───────────────> Complete FAILED, or
//!     │                         │    v              │ │ Vanished         Backoff while a budget lasts
//!     │                       Backoff <─────────────┘ │
//!     │                                               │ cancel, time limit
//!     v                                               v
//!  Complete SKIPPED                               Stopping ──Exited, Vanished, StartFailed──> Complete
//! ```
//!
//! A store write is not an effect: the engine commits [`Step::next`] first and performs
//! [`Step::effects`] after. If it dies in between, [`Run::resume`] gives the effects again, so
//! every effect must be safe to perform twice. Requests may be rejected; facts are always
//! absorbed, late and doubled ones too. An outcome is set once.

mod dag;
mod effect;
mod event;
mod outcome;
mod resume;
mod settle;
mod state;
mod step;
mod stop;
#[cfg(test)]
mod tests;
mod waiting;

pub use dag::{Verdict, judge};
pub use effect::{Effect, Timer};
pub use event::{Actor, ActorKind, Event, Fact, Force, PullTimes, Request, Scope, StartFailure};
pub use outcome::{
    FailureClass, Reason, RunOutcome, RunStatus, TaskOutcome, TaskStatus, UnfitParent,
};
pub use state::{
    Attempt, CancelMark, Failure, Run, RunPolicy, RunSpec, RunState, StopCause, TaskRun, TaskState,
};
pub use step::{Rejected, Step};
pub use waiting::{ParentWait, WaitingReason};
