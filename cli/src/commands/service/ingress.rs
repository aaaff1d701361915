//! `gofer service ingress` and the seed's `toggle-event-ingress`.

use clap::{Args, ValueEnum};
use gofer_client::model::Ingress as Door;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Done;

/// Let new runs in, shut them out, or show which it is.
///
/// With ingress off the whole server refuses new runs; runs that were accepted go on.
///
/// Example: gofer service ingress off
#[derive(Debug, Args)]
pub(crate) struct Ingress {
    /// What to do
    #[arg(value_enum, default_value_t = Wish::Show)]
    wish: Wish,
}

/// Turn the ingress of new runs the other way.
///
/// Example: gofer service toggle-event-ingress
#[derive(Debug, Args)]
pub(crate) struct Toggle {}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Wish {
    /// Accept new runs
    On,
    /// Refuse new runs
    Off,
    /// Say which it is
    Show,
}

impl Ingress {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        let client = context.client()?;
        let door = match self.wish {
            Wish::On => client.set_ingress(true).await?,
            Wish::Off => client.set_ingress(false).await?,
            Wish::Show => client.ingress().await?,
        };
        show(context, &door)
    }
}

impl Toggle {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        let client = context.client()?;
        let now = client.ingress().await?.enabled;
        let door = client.set_ingress(!now).await?;
        show(context, &door)
    }
}

fn show(context: &mut Context, door: &Door) -> Done {
    if !context.out.document("gofer.ingress/v1", door)? {
        let text = if door.enabled { "new runs are accepted" } else { "new runs are refused" };
        context.out.line(text)?;
    }
    Ok(Exit::Ok)
}
