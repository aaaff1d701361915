//! `gofer pipeline config`.

mod delete;
mod get;
mod list;

use clap::Subcommand;

use crate::context::Context;
use crate::failure::Done;

/// Versions of a pipeline
#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    List(list::List),
    Get(get::Get),
    Delete(delete::Delete),
}

impl Config {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        match self {
            Self::List(command) => command.run(context).await,
            Self::Get(command) => command.run(context).await,
            Self::Delete(command) => command.run(context).await,
        }
    }
}
