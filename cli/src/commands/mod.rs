//! Every command of `gofer`: one file each, whose doc comment is its help. A group has a file that only
//! lists what is in it. To add one: a file in its group, a line in that group's list, and the reviewed
//! snapshot of the help.

mod deployment;
mod event;
mod help;
mod logs;
mod namespace;
mod paging;
mod pipeline;
mod run;
mod service;
mod status;
mod taskrun;
mod up;
mod version;

use clap::Subcommand;

use crate::context::Context;
use crate::failure::Done;

/// Every command of the top level.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Up(up::Up),
    Status(status::Status),
    Logs(logs::Logs),
    #[command(subcommand, alias = "pipelines")]
    Pipeline(pipeline::Pipeline),
    #[command(subcommand, alias = "runs")]
    Run(run::Run),
    #[command(subcommand, aliases = ["taskruns", "task-run", "task-runs"])]
    Taskrun(taskrun::Taskrun),
    #[command(subcommand, alias = "deployments")]
    Deployment(deployment::Deployment),
    #[command(subcommand, alias = "namespaces")]
    Namespace(namespace::Namespace),
    #[command(subcommand, alias = "events")]
    Event(event::Event),
    #[command(subcommand, alias = "services")]
    Service(service::Service),
    Version(version::Version),
    Help(help::Help),
}

impl Command {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        match self {
            Self::Up(command) => command.run(context).await,
            Self::Status(command) => command.run(context).await,
            Self::Logs(command) => command.run(context).await,
            Self::Pipeline(command) => command.run(context).await,
            Self::Run(command) => command.run(context).await,
            Self::Taskrun(command) => command.run(context).await,
            Self::Deployment(command) => command.run(context).await,
            Self::Namespace(command) => command.run(context).await,
            Self::Event(command) => command.run(context).await,
            Self::Service(command) => command.run(context).await,
            Self::Version(command) => command.run(context).await,
            Self::Help(command) => command.run(context),
        }
    }
}
