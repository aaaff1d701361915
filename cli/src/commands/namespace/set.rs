//! `gofer namespace set`.

use clap::Args;

use crate::config_file;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Done;

/// Make a namespace the default of this command line.
///
/// Written into the settings file, `~/.config/gofer.hcl` if there is none.
///
/// Example: gofer namespace set team_a
#[derive(Debug, Args)]
pub(crate) struct Set {
    /// Id of the namespace
    id: String,
}

impl Set {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        // A name with a typing error must not become the default.
        let namespace = context.client()?.namespace(&self.id).await?;
        let path = context.settings.file.clone();
        config_file::set_namespace(&path, &namespace.id)?;
        let text = format!("namespace `{}` is the default now", namespace.id);
        context.out.made(&namespace, &text, &[format!("written to {}", path.display())])?;
        Ok(Exit::Ok)
    }
}
