//! `gofer pipeline config delete`.

use clap::Args;
use gofer_client::Mode;

use crate::context::Context;
use crate::failure::Done;
use crate::prompt;
use crate::refs::Typed;
use crate::show::report::{self, Deletion};

/// Delete one version of a pipeline that is not live.
///
/// Runs keep a copy of what they ran. Asks to type the version back.
///
/// Example: gofer pipeline config delete simple 1
#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// The pipeline, [NAMESPACE:]PIPELINE
    pipeline: String,
    /// The version
    version: u64,
    /// Only count what would go
    #[arg(long)]
    dry_run: bool,
}

impl Delete {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        let reference = Typed::parse(&[self.pipeline])?.pipeline(context)?;
        let what = format!("version {} of pipeline `{reference}`", self.version);
        let client = context.client()?;
        let mode = if self.dry_run { Mode::DryRun } else { Mode::Commit };
        if mode == Mode::Commit {
            prompt::type_back(context, &what, &self.version.to_string())?;
        }
        let report = client.delete_pipeline_config(&reference, self.version, mode).await?;
        let path = format!("{reference} {}", self.version);
        let deletion = Deletion { path: &path, dry_run: self.dry_run, report: &report };
        report::print(&mut context.out, &what, &deletion)
    }
}
