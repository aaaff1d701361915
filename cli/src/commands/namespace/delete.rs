//! `gofer namespace delete`.

use clap::Args;
use gofer_client::Mode;

use crate::context::Context;
use crate::failure::Done;
use crate::prompt;
use crate::show::report::{self, Deletion};

/// Delete a namespace with its pipelines, runs and logs.
///
/// Active runs are cancelled first. Asks to type the id back.
///
/// Example: gofer namespace delete team_a --dry-run
#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// Id of the namespace
    id: String,
    /// Only count what would go
    #[arg(long)]
    dry_run: bool,
}

impl Delete {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        let what = format!("namespace `{}`", self.id);
        let client = context.client()?;
        let mode = if self.dry_run { Mode::DryRun } else { Mode::Commit };
        if mode == Mode::Commit {
            prompt::type_back(context, &what, &self.id)?;
        }
        let report = client.delete_namespace(&self.id, mode).await?;
        let deletion = Deletion { path: &self.id, dry_run: self.dry_run, report: &report };
        report::print(&mut context.out, &what, &deletion)
    }
}
