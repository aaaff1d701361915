//! `gofer namespace update`.

use clap::Args;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Done, Failure};

/// Change the name or the description of a namespace.
///
/// Example: gofer namespace update team_a --name "Team A" --description "All of team A"
#[derive(Debug, Args)]
pub(crate) struct Update {
    /// Id of the namespace
    id: String,
    /// New name
    // No short form: `-n` is the namespace to work in.
    #[arg(long)]
    name: Option<String>,
    /// New description; an empty one takes it away
    #[arg(short, long)]
    description: Option<String>,
}

impl Update {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        if self.name.is_none() && self.description.is_none() {
            return Err(
                Failure::invalid("nothing to change").next("give --name, --description or both")
            );
        }
        let client = context.client()?;
        let namespace = client.update_namespace(&self.id, self.name, self.description).await?;
        context.out.made(&namespace, &format!("namespace `{}` updated", namespace.id), &[])?;
        Ok(Exit::Ok)
    }
}
