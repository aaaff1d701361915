//! `gofer event`.

mod get;
mod list;

use clap::Subcommand;

use crate::context::Context;
use crate::failure::Done;

/// Events: what happened, numbered
#[derive(Debug, Subcommand)]
pub(crate) enum Event {
    List(list::List),
    Get(get::Get),
}

impl Event {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        match self {
            Self::List(command) => command.run(context).await,
            Self::Get(command) => command.run(context).await,
        }
    }
}
