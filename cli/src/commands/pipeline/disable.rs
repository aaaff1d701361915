//! `gofer pipeline disable`.

use clap::Args;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Done;
use crate::refs::Typed;

/// Make a pipeline refuse new runs; those that are going on go on.
///
/// Example: gofer pipeline disable simple
#[derive(Debug, Args)]
pub(crate) struct Disable {
    /// The pipeline, [NAMESPACE:]PIPELINE
    pipeline: String,
}

impl Disable {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        let reference = Typed::parse(&[self.pipeline])?.pipeline(context)?;
        let pipeline = context.client()?.disable_pipeline(&reference).await?;
        context.out.made(
            &pipeline,
            &format!("pipeline `{}` takes no new runs", pipeline.id),
            &[],
        )?;
        Ok(Exit::Ok)
    }
}
