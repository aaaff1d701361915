//! `gofer image pull`.

use clap::Args;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Done;
use crate::look::bytes;

/// Have the server ask a registry for an image.
///
/// With the login that `docker login` left for the server's user, where there is one. Ctrl-C ends the pull.
///
/// Example: gofer image pull ubuntu:24.04
///
/// Exit codes: 5 no such image, or the registry refuses; 9 the registry does not answer.
#[derive(Debug, Args)]
pub(crate) struct Pull {
    /// Name of the image, as a pipeline writes it
    name: String,
}

impl Pull {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        let client = context.client()?;
        let (name, out) = (&self.name, &mut context.out);
        let pulled = client
            .pull_image(name, |now| {
                let total = bytes(now.total_bytes);
                out.progress(&format!("pulling {name}  {} of {total}", bytes(now.current_bytes)));
            })
            .await;
        context.out.progress_ends();
        let pulled = pulled?;
        let size = bytes(pulled.image.size_bytes);
        context.out.made(&pulled, &format!("image `{}` pulled, {size}", self.name), &[])?;
        Ok(Exit::Ok)
    }
}
