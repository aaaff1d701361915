//! `gofer pipeline`.

mod config;
mod delete;
mod deploy;
mod disable;
mod enable;
mod get;
mod list;
mod rollback;
mod run;

use clap::Subcommand;

use crate::context::Context;
use crate::failure::Done;

/// Pipelines: list, run, switch, deploy, remove
#[derive(Debug, Subcommand)]
pub(crate) enum Pipeline {
    List(list::List),
    Get(get::Get),
    Run(run::Run),
    Enable(enable::Enable),
    Disable(disable::Disable),
    Deploy(deploy::Deploy),
    Rollback(rollback::Rollback),
    #[command(subcommand, alias = "configs")]
    Config(config::Config),
    Delete(delete::Delete),
}

impl Pipeline {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        match self {
            Self::List(command) => command.run(context).await,
            Self::Get(command) => command.run(context).await,
            Self::Run(command) => command.run(context).await,
            Self::Enable(command) => command.run(context).await,
            Self::Disable(command) => command.run(context).await,
            Self::Deploy(command) => command.run(context).await,
            Self::Rollback(command) => command.run(context).await,
            Self::Config(command) => command.run(context).await,
            Self::Delete(command) => command.run(context).await,
        }
    }
}
