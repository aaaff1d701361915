//! `gofer deployment`.

mod get;
mod list;

use clap::Subcommand;

use crate::context::Context;
use crate::failure::Done;

/// What went live, when, and by whom
#[derive(Debug, Subcommand)]
pub(crate) enum Deployment {
    List(list::List),
    Get(get::Get),
}

impl Deployment {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        match self {
            Self::List(command) => command.run(context).await,
            Self::Get(command) => command.run(context).await,
        }
    }
}
