//! `gofer event get`.

use clap::Args;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Done;
use crate::show;

/// Show one event.
///
/// Example: gofer event get 42
#[derive(Debug, Args)]
pub(crate) struct Get {
    /// Number of the event
    id: u64,
}

impl Get {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        let event = context.client()?.event(self.id).await?;
        context.out.one(&event, |look| show::event::line(&event, look))?;
        Ok(Exit::Ok)
    }
}
