//! `gofer run retry`.

use clap::Args;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Done;
use crate::refs::Typed;

/// Start a new run with the version and variables of an old one.
///
/// Example: gofer run retry simple @failed
#[derive(Debug, Args)]
pub(crate) struct Retry {
    /// The run: PIPELINE RUN, or [NAMESPACE:]PIPELINE/RUN
    #[arg(required = true, num_args = 1..=2, value_name = "REF")]
    run: Vec<String>,
    /// Why, for those who read the history
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
}

impl Retry {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        let reference = Typed::parse(&self.run)?.run(context).await?;
        let run = context.client()?.retry_run(&reference, &self.reason).await?;
        let text = format!("run {}/{} tries run {} again", run.pipeline_id, run.id, reference.run);
        let hint = format!("watch it:  gofer run watch {} {}", run.pipeline_id, run.id);
        context.out.made(&run, &text, &[hint])?;
        Ok(Exit::Ok)
    }
}
