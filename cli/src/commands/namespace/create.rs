//! `gofer namespace create`.

use clap::Args;
use gofer_client::NewNamespace;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Done;

/// Make a namespace.
///
/// Example: gofer namespace create team_a "Team A"
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Its id: 3 to 32 letters, digits and underscores
    id: String,
    /// Name for people; without it the id serves
    name: Option<String>,
    /// What it is for
    #[arg(short, long, default_value = "", hide_default_value = true)]
    description: String,
}

impl Create {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        let Self { id, name, description } = self;
        let new = NewNamespace { id, name: name.unwrap_or_default(), description };
        let namespace = context.client()?.create_namespace(new).await?;
        let id = &namespace.id;
        let hint = format!("work in it:  gofer namespace set {id}");
        context.out.made(&namespace, &format!("namespace `{id}` created"), &[hint])?;
        Ok(Exit::Ok)
    }
}
