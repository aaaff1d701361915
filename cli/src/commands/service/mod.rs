//! `gofer service`.

mod ingress;
mod init_config;
mod start;

pub(super) use start::engine;

use clap::Subcommand;

use crate::context::Context;
use crate::failure::Done;

/// Run and operate the server
#[derive(Debug, Subcommand)]
pub(crate) enum Service {
    Start(start::Start),
    InitConfig(init_config::InitConfig),
    Ingress(ingress::Ingress),
    #[command(name = "toggle-event-ingress")]
    Toggle(ingress::Toggle),
}

impl Service {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        match self {
            Self::Start(command) => command.run(context).await,
            Self::InitConfig(command) => command.run(context),
            Self::Ingress(command) => command.run(context).await,
            Self::Toggle(command) => command.run(context).await,
        }
    }
}
