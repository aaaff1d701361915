//! `gofer taskrun logs`.

use clap::Args;

use crate::commands::logs::{LogArgs, task_logs};
use crate::context::Context;
use crate::failure::Done;
use crate::refs::Typed;

/// Print the log of one task run; `-o raw` prints its exact bytes.
///
/// Example: gofer taskrun logs simple @latest build -f
#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// The task run: PIPELINE RUN TASK, or [NAMESPACE:]PIPELINE/RUN/TASK
    #[arg(required = true, num_args = 1..=3, value_name = "REF")]
    task_run: Vec<String>,
    #[command(flatten)]
    logs: LogArgs,
}

impl Logs {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        let reference = Typed::parse(&self.task_run)?.task_run(context).await?;
        task_logs(context, &reference, &self.logs).await
    }
}
