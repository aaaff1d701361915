//! `gofer pipeline delete`.

use clap::Args;
use gofer_client::Mode;

use crate::context::Context;
use crate::failure::Done;
use crate::prompt;
use crate::refs::Typed;
use crate::show::report::{self, Deletion};

/// Delete a pipeline with its versions, runs and logs.
///
/// Active runs are cancelled first. Asks to type the id back.
///
/// Example: gofer pipeline delete simple --dry-run
#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// The pipeline, [NAMESPACE:]PIPELINE
    pipeline: String,
    /// Only count what would go
    #[arg(long)]
    dry_run: bool,
}

impl Delete {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        let reference = Typed::parse(&[self.pipeline])?.pipeline(context)?;
        let what = format!("pipeline `{reference}`");
        let client = context.client()?;
        let mode = if self.dry_run { Mode::DryRun } else { Mode::Commit };
        if mode == Mode::Commit {
            prompt::type_back(context, &what, &reference.pipeline)?;
        }
        let report = client.delete_pipeline(&reference, mode).await?;
        let path = reference.to_string();
        let deletion = Deletion { path: &path, dry_run: self.dry_run, report: &report };
        report::print(&mut context.out, &what, &deletion)
    }
}
