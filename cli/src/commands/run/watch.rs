//! `gofer run watch`.

mod lines;
mod live;

use clap::Args;
use gofer_client::model::RunRef;

use crate::context::Context;
use crate::failure::{Done, Failure};
use crate::refs::Typed;
use crate::wait::{self, WaitArgs, Waited};

/// Watch a run until it is complete.
///
/// On a terminal a few moving lines show the tasks and what they write; into a pipe each change of state
/// is one line. The exit code is the outcome of the run.
///
/// Example: gofer run watch simple @latest
#[derive(Debug, Args)]
pub(crate) struct Watch {
    /// The run: PIPELINE RUN, or [NAMESPACE:]PIPELINE/RUN
    #[arg(required = true, num_args = 1..=2, value_name = "REF")]
    run: Vec<String>,
    /// How many of the last log lines to show
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(0..=5))]
    last_lines: u8,
    #[command(flatten)]
    waiting: WaitArgs,
}

impl Watch {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        let reference = Typed::parse(&self.run)?.run(context).await?;
        let last_lines = usize::from(self.last_lines);
        let waited = show(context, &reference, last_lines, &self.waiting).await?;
        wait::end(context, &reference, waited, &self.waiting).await
    }
}

/// Shows a run until it is complete: moving lines on a terminal, else one line for each change.
pub(crate) async fn show(
    context: &mut Context,
    run: &RunRef,
    last_lines: usize,
    waiting: &WaitArgs,
) -> Result<Waited, Failure> {
    if context.is_live() {
        live::watch(context, run, last_lines, waiting).await
    } else {
        lines::watch(context, run, waiting).await
    }
}
