//! `gofer deployment get`.

use clap::Args;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Done;
use crate::refs::Typed;
use crate::show::deployment;

/// Show one deployment.
///
/// Example: gofer deployment get simple 2
#[derive(Debug, Args)]
pub(crate) struct Get {
    /// The pipeline, [NAMESPACE:]PIPELINE
    pipeline: String,
    /// Number of the deployment
    id: u64,
}

impl Get {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        let pipeline = Typed::parse(&[self.pipeline])?.pipeline(context)?;
        let found = context.client()?.deployment(&pipeline, self.id).await?;
        context.out.one(&found, |look| deployment::text(&found, look))?;
        Ok(Exit::Ok)
    }
}
