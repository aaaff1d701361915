//! `gofer namespace list`.

use clap::Args;

use crate::commands::paging::Paging;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Done;

/// List the namespaces.
///
/// Example: gofer namespace list
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    paging: Paging,
}

impl List {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        let client = context.client()?;
        let page = self.paging.fetch(async |page| client.namespaces(&page).await).await?;
        context.out.list(&page)?;
        Ok(Exit::Ok)
    }
}
