//! `gofer run logs`.

use clap::Args;

use crate::commands::logs::{LogArgs, run_logs};
use crate::context::Context;
use crate::failure::Done;
use crate::refs::Typed;

/// Print the logs of a run, merged in the order of time.
///
/// With `-f` until the run is complete, else what is there now. Exits with 0 once that is printed.
///
/// Example: gofer run logs simple @latest -f --task build
#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// The run: PIPELINE RUN, or [NAMESPACE:]PIPELINE/RUN
    #[arg(required = true, num_args = 1..=2, value_name = "REF")]
    run: Vec<String>,
    /// Only this task; repeatable
    #[arg(long, value_name = "ID")]
    task: Vec<String>,
    #[command(flatten)]
    logs: LogArgs,
}

impl Logs {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        let reference = Typed::parse(&self.run)?.run(context).await?;
        run_logs(context, &reference, self.task, &self.logs).await
    }
}
