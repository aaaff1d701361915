//! `gofer pipeline config list`.

use clap::Args;

use crate::commands::paging::Paging;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Done;
use crate::refs::Typed;

/// List the versions of a pipeline, newest first.
///
/// Example: gofer pipeline config list simple
#[derive(Debug, Args)]
pub(crate) struct List {
    /// The pipeline, [NAMESPACE:]PIPELINE
    pipeline: String,
    #[command(flatten)]
    paging: Paging,
}

impl List {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        let pipeline = Typed::parse(&[self.pipeline])?.pipeline(context)?;
        let client = context.client()?;
        let page =
            self.paging.fetch(async |page| client.pipeline_configs(&pipeline, &page).await).await?;
        context.out.list(&page)?;
        Ok(Exit::Ok)
    }
}
