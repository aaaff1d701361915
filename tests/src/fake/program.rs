//! What a container of the fake engine does: a script that is played against the clock. Tests say
//! which program an image or a command stands for.

use std::time::Duration;

use bytes::Bytes;
use gofer_core::log::Stream;

/// Most bytes of one log frame, as Docker cuts them.
const FRAME_BYTES_MAX: usize = 16 * 1024;

/// A program: lines and pauses, then an end.
#[derive(Debug, Clone)]
pub struct Program {
    pub(super) steps: Vec<Step>,
    pub(super) end: End,
    pub(super) on_term: OnTerm,
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    Write(Stream, Bytes),
    Wait(Duration),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    Exit(i32),
    OutOfMemory,
    Never,
    Refused(Refusal),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnTerm {
    Exit(i32),
    Ignore,
}

/// Why an engine does not start a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such command.
    CommandNotFound,
    /// It may not be executed.
    NotExecutable,
    /// There is no such user.
    UnknownUser,
    /// The working directory cannot be one.
    BadWorkdir,
    /// The engine's disk is full.
    NoSpace,
}

impl Program {
    /// Ends at once with this code.
    #[must_use]
    pub fn exit(code: i32) -> Self {
        Self { steps: Vec::new(), end: End::Exit(code), on_term: OnTerm::Exit(143) }
    }

    /// Runs until it is stopped; ends with 143 on SIGTERM.
    #[must_use]
    pub fn forever() -> Self {
        Self { end: End::Never, ..Self::exit(0) }
    }

    /// Is killed for want of memory.
    #[must_use]
    pub fn out_of_memory() -> Self {
        Self { end: End::OutOfMemory, ..Self::exit(137) }
    }

    /// Is never started.
    #[must_use]
    pub fn refused(why: Refusal) -> Self {
        Self { end: End::Refused(why), ..Self::exit(0) }
    }

    /// Then waits this long.
    #[must_use]
    pub fn wait(mut self, time: Duration) -> Self {
        self.steps.push(Step::Wait(time));
        self
    }

    /// Then writes to stdout; one frame for each line or 16 KiB.
    #[must_use]
    pub fn out(self, data: impl AsRef<[u8]>) -> Self {
        self.write(Stream::Stdout, data.as_ref())
    }

    /// Then writes to stderr.
    #[must_use]
    pub fn err(self, data: impl AsRef<[u8]>) -> Self {
        self.write(Stream::Stderr, data.as_ref())
    }

    /// On SIGTERM ends with this code.
    #[must_use]
    pub fn on_term(mut self, code: i32) -> Self {
        self.on_term = OnTerm::Exit(code);
        self
    }

    /// Does nothing on SIGTERM, as a process with number 1 and no handler.
    #[must_use]
    pub fn ignoring_term(mut self) -> Self {
        self.on_term = OnTerm::Ignore;
        self
    }

    fn write(mut self, stream: Stream, data: &[u8]) -> Self {
        for line in data.split_inclusive(|byte| *byte == b'\n') {
            for frame in line.chunks(FRAME_BYTES_MAX) {
                self.steps.push(Step::Write(stream, Bytes::copy_from_slice(frame)));
            }
        }
        self
    }
}
