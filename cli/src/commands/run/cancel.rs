//! `gofer run cancel`.

use clap::Args;
use gofer_client::Cancel as How;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Done;
use crate::refs::Typed;

/// Cancel a run.
///
/// Its containers are told to stop and have time to; with `--force` they are killed at once.
///
/// Example: gofer run cancel simple @running
#[derive(Debug, Args)]
pub(crate) struct Cancel {
    /// The run: PIPELINE RUN, or [NAMESPACE:]PIPELINE/RUN
    #[arg(required = true, num_args = 1..=2, value_name = "REF")]
    run: Vec<String>,
    /// Kill containers at once
    #[arg(short, long)]
    force: bool,
    /// Why, for those who read the history
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
}

impl Cancel {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        let reference = Typed::parse(&self.run)?.run(context).await?;
        let how = How { force: self.force, reason: self.reason };
        let run = context.client()?.cancel_run(&reference, how).await?;
        let text = if run.is_complete() {
            format!("run {}/{} is cancelled", run.pipeline_id, run.id)
        } else {
            format!("run {}/{} is being cancelled", run.pipeline_id, run.id)
        };
        let hints = if run.is_complete() {
            vec![]
        } else {
            vec![format!("wait for it:  gofer run wait {} {}", run.pipeline_id, run.id)]
        };
        context.out.made(&run, &text, &hints)?;
        Ok(Exit::Ok)
    }
}
