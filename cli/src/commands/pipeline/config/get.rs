//! `gofer pipeline config get`.

use clap::Args;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Done;
use crate::refs::Typed;
use crate::show::config;

/// Show one version of a pipeline.
///
/// Example: gofer pipeline config get simple 2
#[derive(Debug, Args)]
pub(crate) struct Get {
    /// The pipeline, [NAMESPACE:]PIPELINE
    pipeline: String,
    /// The version; without it the live one
    version: Option<u64>,
}

impl Get {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        let pipeline = Typed::parse(&[self.pipeline])?.pipeline(context)?;
        let found = context.client()?.pipeline_config(&pipeline, self.version).await?;
        context.out.one(&found, |look| config::text(&found, look))?;
        Ok(Exit::Ok)
    }
}
