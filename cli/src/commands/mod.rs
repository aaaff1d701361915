//! Every command of `gofer`: one file each, whose doc comment is its help. A group has a file that only
//! lists what is in it. To add one: a file in its group, a line in that group's list, and the reviewed
//! snapshot of the help.

mod demo;
mod deployment;
mod doctor;
mod event;
mod help;
mod image;
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

use crate::args::Format;
use crate::context::Context;
use crate::failure::Done;
use crate::out::no_bytes;

/// Every command of the top level.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Up(up::Up),
    Demo(demo::Demo),
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
    #[command(subcommand, alias = "images")]
    Image(image::Command),
    #[command(subcommand, alias = "services")]
    Service(service::Service),
    Doctor(doctor::Doctor),
    Version(version::Version),
    Help(help::Help),
}

impl Command {
    /// Whether `-o raw` means something: elsewhere it is refused before anything is done.
    fn prints_bytes(&self) -> bool {
        matches!(
            self,
            Self::Logs(_) | Self::Run(run::Run::Logs(_)) | Self::Taskrun(taskrun::Taskrun::Logs(_))
        )
    }

    pub(crate) async fn run(self, context: &mut Context) -> Done {
        if context.out.format == Format::Raw && !self.prints_bytes() {
            return Err(no_bytes());
        }
        match self {
            Self::Up(command) => command.run(context).await,
            Self::Demo(command) => command.run(context).await,
            Self::Status(command) => command.run(context).await,
            Self::Logs(command) => command.run(context).await,
            Self::Pipeline(command) => command.run(context).await,
            Self::Run(command) => command.run(context).await,
            Self::Taskrun(command) => command.run(context).await,
            Self::Deployment(command) => command.run(context).await,
            Self::Namespace(command) => command.run(context).await,
            Self::Event(command) => command.run(context).await,
            Self::Image(command) => command.run(context).await,
            Self::Service(command) => command.run(context).await,
            Self::Doctor(command) => command.run(context).await,
            Self::Version(command) => command.run(context).await,
            Self::Help(command) => command.run(context),
        }
    }
}
