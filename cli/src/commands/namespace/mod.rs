//! `gofer namespace`.

mod create;
mod delete;
mod get;
mod list;
mod set;
mod update;

use clap::Subcommand;

use crate::context::Context;
use crate::failure::Done;

/// Namespaces keep the pipelines of one team apart from those of another
#[derive(Debug, Subcommand)]
pub(crate) enum Namespace {
    List(list::List),
    Get(get::Get),
    Create(create::Create),
    Update(update::Update),
    Delete(delete::Delete),
    Set(set::Set),
}

impl Namespace {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        match self {
            Self::List(command) => command.run(context).await,
            Self::Get(command) => command.run(context).await,
            Self::Create(command) => command.run(context).await,
            Self::Update(command) => command.run(context).await,
            Self::Delete(command) => command.run(context).await,
            Self::Set(command) => command.run(context).await,
        }
    }
}
