//! `gofer pipeline list`.

use clap::Args;

use crate::commands::paging::Paging;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Done;

/// List the pipelines of the namespace.
///
/// Example: gofer pipeline list
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    paging: Paging,
}

impl List {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        let client = context.client()?;
        let namespace = context.settings.namespace.clone();
        let page =
            self.paging.fetch(async |page| client.pipelines(&namespace, &page).await).await?;
        context.out.list(&page)?;
        Ok(Exit::Ok)
    }
}
