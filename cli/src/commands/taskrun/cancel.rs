//! `gofer taskrun cancel`.

use clap::Args;
use gofer_client::Cancel as How;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Done;
use crate::refs::Typed;

/// Cancel one task run; the others go on.
///
/// Example: gofer taskrun cancel simple @running build
#[derive(Debug, Args)]
pub(crate) struct Cancel {
    /// The task run: PIPELINE RUN TASK, or [NAMESPACE:]PIPELINE/RUN/TASK
    #[arg(required = true, num_args = 1..=3, value_name = "REF")]
    task_run: Vec<String>,
    /// Kill the container at once
    #[arg(short, long)]
    force: bool,
    /// Why, for those who read the history
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
}

impl Cancel {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        let reference = Typed::parse(&self.task_run)?.task_run(context).await?;
        let how = How { force: self.force, reason: self.reason };
        let task_run = context.client()?.cancel_task_run(&reference, how).await?;
        let text = format!("task run {reference} is being cancelled");
        context.out.made(&task_run, &text, &[])?;
        Ok(Exit::Ok)
    }
}
