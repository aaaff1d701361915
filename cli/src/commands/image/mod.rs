//! `gofer image`.

mod build;
mod import;
mod list;
mod prune;
mod pull;
mod remove;
mod send;

use clap::Subcommand;
use gofer_client::model::{Image, Page};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Done;
use crate::look::bytes;
use crate::show::Noun as _;

/// Images that the server's container engine holds; runs pull what they need by themselves
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    List(list::List),
    Import(import::Import),
    Build(build::Build),
    Pull(pull::Pull),
    Remove(remove::Remove),
    Prune(prune::Prune),
}

impl Command {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        match self {
            Self::List(command) => command.run(context).await,
            Self::Import(command) => command.run(context).await,
            Self::Build(command) => command.run(context).await,
            Self::Pull(command) => command.run(context).await,
            Self::Remove(command) => command.run(context).await,
            Self::Prune(command) => command.run(context).await,
        }
    }
}

/// Tells of images that came in: of one with a sentence, of several with a list.
fn came_in(context: &mut Context, images: Vec<Image>, verb: &str) -> Done {
    if let [image] = images.as_slice() {
        let text = format!("image `{}` {verb}, {}", image.name(), bytes(image.size_bytes));
        context.out.made(image, &text, &[])?;
    } else {
        let total = images.len() as u64;
        context.out.list(&Page { items: images, next: None, total })?;
    }
    Ok(Exit::Ok)
}
