//! `gofer pipeline rollback`.

use clap::Args;
use gofer_client::{Mode, Rollback as Request};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Done;
use crate::refs::Typed;
use crate::show::deployment;

/// Make the version live that was live before.
///
/// Example: gofer pipeline rollback simple --reason "too slow"
#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// The pipeline, [NAMESPACE:]PIPELINE
    pipeline: String,
    /// Go back only if this version is live now
    #[arg(long, value_name = "N")]
    base: Option<u64>,
    /// Why, for those who read the history
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
    /// Only check, and say what would happen
    #[arg(long)]
    dry_run: bool,
}

impl Rollback {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        let pipeline = Typed::parse(&[self.pipeline])?.pipeline(context)?;
        let deployed = context
            .client()?
            .rollback(Request {
                pipeline,
                base_version: self.base,
                reason: self.reason,
                mode: if self.dry_run { Mode::DryRun } else { Mode::Commit },
            })
            .await?;
        deployment::print(&mut context.out, &deployed, self.dry_run)?;
        Ok(Exit::Ok)
    }
}
