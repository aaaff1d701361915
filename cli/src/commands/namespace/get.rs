//! `gofer namespace get`.

use clap::Args;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Done;
use crate::show;

/// Show one namespace.
///
/// Example: gofer namespace get default
#[derive(Debug, Args)]
pub(crate) struct Get {
    /// Id of the namespace
    id: String,
}

impl Get {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        let namespace = context.client()?.namespace(&self.id).await?;
        context.out.one(&namespace, |look| show::namespace::text(&namespace, look))?;
        Ok(Exit::Ok)
    }
}
