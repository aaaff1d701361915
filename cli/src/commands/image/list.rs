//! `gofer image list`.

use clap::Args;
use gofer_client::model::Page;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Done;

/// List the images.
///
/// Example: gofer image list
#[derive(Debug, Args)]
pub(crate) struct List {}

impl List {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        let items = context.client()?.images().await?;
        let total = items.len() as u64;
        context.out.list(&Page { items, next: None, total })?;
        Ok(Exit::Ok)
    }
}
