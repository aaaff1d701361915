//! `gofer demo step`: what the demo's tasks do inside their containers.

use std::time::Duration;

use clap::Args;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Done;

/// The time over each line, so that there is something to see.
const PAUSE: Duration = Duration::from_millis(250);

/// Write lines, one after the other, as a task of the demo.
#[derive(Debug, Args)]
pub(crate) struct Step {
    /// The lines
    #[arg(required = true)]
    lines: Vec<String>,
    /// Fail if this is the task's first attempt
    #[arg(long)]
    fail_first: bool,
    /// Fail after the last line
    #[arg(long)]
    fail: bool,
}

impl Step {
    pub(super) fn run(self, context: &mut Context) -> Done {
        for line in &self.lines {
            context.out.line(line)?;
            context.out.flush()?;
            std::thread::sleep(PAUSE);
            if self.fail_first && is_first_attempt() {
                context.out.say("the test server did not answer");
                return Ok(Exit::Rejected);
            }
        }
        Ok(if self.fail { Exit::Rejected } else { Exit::Ok })
    }
}

fn is_first_attempt() -> bool {
    std::env::var("GOFER_ATTEMPT").is_ok_and(|attempt| attempt == "1")
}
