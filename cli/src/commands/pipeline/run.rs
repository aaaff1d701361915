//! `gofer pipeline run`.

use clap::Args;

use crate::commands::run::StartArgs;
use crate::context::Context;
use crate::failure::Done;

/// Start a run; the same as `gofer run start`.
///
/// Example: gofer pipeline run simple -v NAME=World --follow
#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    start: StartArgs,
}

impl Run {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        self.start.run(context).await
    }
}
