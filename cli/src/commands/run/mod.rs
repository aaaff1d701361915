//! `gofer run`.

mod cancel;
mod cancel_all;
mod get;
mod list;
mod logs;
mod retry;
mod start;
mod wait;
pub(super) mod watch;

pub(super) use start::StartArgs;

use clap::Subcommand;

use crate::context::Context;
use crate::failure::Done;

/// Runs: start, watch, wait, read logs, cancel, retry
#[derive(Debug, Subcommand)]
pub(crate) enum Run {
    List(list::List),
    Get(get::Get),
    Start(start::Start),
    Watch(watch::Watch),
    Wait(wait::Wait),
    Logs(logs::Logs),
    Cancel(cancel::Cancel),
    CancelAll(cancel_all::CancelAll),
    Retry(retry::Retry),
}

impl Run {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        match self {
            Self::List(command) => command.run(context).await,
            Self::Get(command) => command.run(context).await,
            Self::Start(command) => command.run(context).await,
            Self::Watch(command) => command.run(context).await,
            Self::Wait(command) => command.run(context).await,
            Self::Logs(command) => command.run(context).await,
            Self::Cancel(command) => command.run(context).await,
            Self::CancelAll(command) => command.run(context).await,
            Self::Retry(command) => command.run(context).await,
        }
    }
}
