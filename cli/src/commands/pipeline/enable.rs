//! `gofer pipeline enable`.

use clap::Args;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Done;
use crate::refs::Typed;

/// Let a disabled pipeline take new runs again.
///
/// Example: gofer pipeline enable simple
#[derive(Debug, Args)]
pub(crate) struct Enable {
    /// The pipeline, [NAMESPACE:]PIPELINE
    pipeline: String,
}

impl Enable {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        let reference = Typed::parse(&[self.pipeline])?.pipeline(context)?;
        let pipeline = context.client()?.enable_pipeline(&reference).await?;
        context.out.made(&pipeline, &format!("pipeline `{}` takes new runs", pipeline.id), &[])?;
        Ok(Exit::Ok)
    }
}
