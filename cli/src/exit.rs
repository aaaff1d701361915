//! The exit codes, all of them. Scripts depend on each; none is ever used for two things. Never 1, and
//! never 101, which a Rust panic and a failing cargo both give.

use gofer_client::ErrorKind;
use gofer_client::model::{Reason, Run, RunStatus};

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    Ok,
    Invalid,
    NotFound,
    AlreadyExists,
    Rejected,
    Conflict,
    Denied,
    Full,
    Unavailable,
    Internal,
    RunFailed,
    RunCancelled,
    RunTimedOut,
    /// The command's own `--timeout` ran out; the run goes on.
    WaitedTooLong,
    Interrupted,
    /// Whoever read the output is gone. Says nothing.
    ClosedPipe,
}

impl Exit {
    pub(crate) const ALL: [Self; 16] = [
        Self::Ok,
        Self::Invalid,
        Self::NotFound,
        Self::AlreadyExists,
        Self::Rejected,
        Self::Conflict,
        Self::Denied,
        Self::Full,
        Self::Unavailable,
        Self::Internal,
        Self::RunFailed,
        Self::RunCancelled,
        Self::RunTimedOut,
        Self::WaitedTooLong,
        Self::Interrupted,
        Self::ClosedPipe,
    ];

    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Invalid => 2,
            Self::NotFound => 3,
            Self::AlreadyExists => 4,
            Self::Rejected => 5,
            Self::Conflict => 6,
            Self::Denied => 7,
            Self::Full => 8,
            Self::Unavailable => 9,
            Self::Internal => 70,
            Self::RunFailed => 100,
            Self::RunCancelled => 102,
            Self::RunTimedOut => 103,
            Self::WaitedTooLong => 124,
            Self::Interrupted => 130,
            Self::ClosedPipe => 141,
        }
    }

    /// What it means, for `gofer help exit-codes`.
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Self::Ok => "done; an awaited run was successful",
            Self::Invalid => "invalid input or usage, or the program does not compile: fix it",
            Self::NotFound => "no such thing: check the name",
            Self::AlreadyExists => "it is there already: take another name",
            Self::Rejected => "the state does not allow it: look at the state",
            Self::Conflict => "somebody else changed it meanwhile: read again and retry",
            Self::Denied => "not allowed: log in, or ask",
            Self::Full => "a limit or a disk is full: wait",
            Self::Unavailable => "no answer: is the server up, and its container engine?",
            Self::Internal => "a fault of Gofer itself: report the id",
            Self::RunFailed => "the awaited run failed: read its log",
            Self::RunCancelled => "the awaited run was cancelled",
            Self::RunTimedOut => "the awaited run took longer than its time limit",
            Self::WaitedTooLong => "--timeout ran out; the run goes on: wait again",
            Self::Interrupted => "Ctrl-C",
            Self::ClosedPipe => "whoever read the output is gone",
        }
    }

    pub(crate) fn of_kind(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Invalid => Self::Invalid,
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::AlreadyExists => Self::AlreadyExists,
            ErrorKind::Rejected => Self::Rejected,
            ErrorKind::Conflict => Self::Conflict,
            ErrorKind::Denied => Self::Denied,
            ErrorKind::Full => Self::Full,
            ErrorKind::Unavailable => Self::Unavailable,
            ErrorKind::Internal => Self::Internal,
        }
    }

    /// What a complete run means for whoever waited for it. A run that is not complete, or ended in a
    /// way that this client does not know, is never a success.
    pub(crate) fn of_run(run: &Run) -> Self {
        match run.status {
            Some(RunStatus::Successful) => Self::Ok,
            Some(RunStatus::Cancelled) => Self::RunCancelled,
            Some(RunStatus::Failed) if run.reason == Some(Reason::TimedOut) => Self::RunTimedOut,
            Some(RunStatus::Failed) => Self::RunFailed,
            Some(RunStatus::Unknown) | None => Self::Internal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::samples;

    #[test]
    fn each_row_has_its_code() {
        let codes: Vec<u8> = Exit::ALL.iter().map(|exit| exit.code()).collect();
        assert_eq!(codes, [0, 2, 3, 4, 5, 6, 7, 8, 9, 70, 100, 102, 103, 124, 130, 141]);
    }

    #[track_caller]
    fn kind(kind: ErrorKind, code: u8) {
        assert_eq!(Exit::of_kind(kind).code(), code);
    }

    #[test]
    fn invalid_is_2() {
        kind(ErrorKind::Invalid, 2);
    }

    #[test]
    fn not_found_is_3() {
        kind(ErrorKind::NotFound, 3);
    }

    #[test]
    fn already_exists_is_4() {
        kind(ErrorKind::AlreadyExists, 4);
    }

    #[test]
    fn rejected_is_5() {
        kind(ErrorKind::Rejected, 5);
    }

    #[test]
    fn conflict_is_6() {
        kind(ErrorKind::Conflict, 6);
    }

    #[test]
    fn denied_is_7() {
        kind(ErrorKind::Denied, 7);
    }

    #[test]
    fn full_is_8() {
        kind(ErrorKind::Full, 8);
    }

    #[test]
    fn unavailable_is_9() {
        kind(ErrorKind::Unavailable, 9);
    }

    #[test]
    fn internal_is_70() {
        kind(ErrorKind::Internal, 70);
    }

    #[track_caller]
    fn outcome(status: Option<RunStatus>, reason: Option<Reason>, code: u8) {
        let run = Run { status, reason, ..samples::run() };
        assert_eq!(Exit::of_run(&run).code(), code, "{status:?} {reason:?}");
    }

    #[test]
    fn a_successful_run_is_0() {
        outcome(Some(RunStatus::Successful), None, 0);
    }

    #[test]
    fn a_failed_run_is_100() {
        outcome(Some(RunStatus::Failed), Some(Reason::AbnormalExit), 100);
    }

    #[test]
    fn a_cancelled_run_is_102() {
        outcome(Some(RunStatus::Cancelled), Some(Reason::UserCancelled), 102);
    }

    #[test]
    fn a_run_that_timed_out_is_103() {
        outcome(Some(RunStatus::Failed), Some(Reason::TimedOut), 103);
    }

    #[test]
    fn a_run_without_a_known_outcome_is_never_a_success() {
        outcome(None, None, 70);
        outcome(Some(RunStatus::Unknown), None, 70);
    }
}
