//! `gofer taskrun`.

mod cancel;
mod get;
mod list;
mod logs;

use clap::Subcommand;

use crate::context::Context;
use crate::failure::Done;

/// Task runs: one task of one run, and its attempts
#[derive(Debug, Subcommand)]
pub(crate) enum Taskrun {
    List(list::List),
    Get(get::Get),
    Logs(logs::Logs),
    Cancel(cancel::Cancel),
}

impl Taskrun {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        match self {
            Self::List(command) => command.run(context).await,
            Self::Get(command) => command.run(context).await,
            Self::Logs(command) => command.run(context).await,
            Self::Cancel(command) => command.run(context).await,
        }
    }
}
