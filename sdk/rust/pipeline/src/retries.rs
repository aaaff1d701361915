//! What happens after a task has failed by its own doing. A call notes what it cannot use and leaves
//! the value out; the task that takes the retries reports it.

use gofer_proto::sdk::v1 as pb;

use crate::fault::{Slip, code};
use crate::place::here;
use crate::units;

/// How often, and after which waits, a failed attempt of a task is made again.
///
/// Only failures of the task itself count: an exit code other than 0, its own time limit, too little
/// memory. What the server or its container engine fails at is repeated anyway.
///
/// ```
/// use gofer_sdk::{Retries, Task};
///
/// // Waits 1 s, 2 s and 4 s.
/// Task::new("fetch", "alpine:3").retries(Retries::new(3).delay("1s").factor(2.0).cap("1m"));
/// // Three more attempts, with the server's default waits.
/// Task::new("fetch", "alpine:3").retries(3);
/// ```
#[derive(Debug, Clone)]
pub struct Retries {
    pub(crate) message: pb::Retries,
    pub(crate) slips: Vec<Slip>,
    /// A number of attempts below 0, to be reported at the call that takes the retries.
    pub(crate) negative: Option<i32>,
}

impl Retries {
    /// `count` further attempts after the first, with the server's default waits.
    #[must_use]
    pub fn new(count: u32) -> Self {
        let message = pb::Retries { count, ..pb::Retries::default() };
        Self { message, slips: Vec::new(), negative: None }
    }

    /// The wait before the first retry: a duration such as `"500ms"` or `"1m30s"`, with the units
    /// ms, s, m, h, d. A text that is no duration is a fault.
    #[must_use]
    #[track_caller]
    pub fn delay(mut self, delay: impl AsRef<str>) -> Self {
        self.message.delay_ms = self.duration("delay of the retries", delay.as_ref(), here());
        self
    }

    /// What the wait is multiplied by after each retry, a number of at least 1; anything else is a
    /// fault.
    #[must_use]
    #[track_caller]
    pub fn factor(mut self, factor: f64) -> Self {
        if factor.is_finite() && factor >= 1.0 {
            self.message.factor = Some(factor);
        } else {
            self.slips.push(Slip {
                code: code::RETRIES,
                rule: format!("the factor of the retries is {factor}"),
                help: "use 1 for equal waits, 2 to double them",
                place: here(),
            });
        }
        self
    }

    /// The longest wait between two attempts: a duration as for [`delay`](Self::delay).
    #[must_use]
    #[track_caller]
    pub fn cap(mut self, cap: impl AsRef<str>) -> Self {
        self.message.cap_ms = self.duration("cap of the retries", cap.as_ref(), here());
        self
    }

    fn duration(&mut self, what: &str, text: &str, place: pb::Source) -> Option<u64> {
        match units::duration_ms(text) {
            Ok(ms) => Some(ms),
            Err(bad) => {
                self.slips.push(Slip::of(code::RETRIES, what, &bad, place));
                None
            }
        }
    }
}

impl From<u32> for Retries {
    fn from(count: u32) -> Self {
        Self::new(count)
    }
}

/// Takes a plain number such as `3`, which Rust reads as an `i32`. A negative one is a fault.
impl From<i32> for Retries {
    fn from(count: i32) -> Self {
        match u32::try_from(count) {
            Ok(count) => Self::new(count),
            Err(_) => Self { negative: Some(count), ..Self::new(0) },
        }
    }
}
