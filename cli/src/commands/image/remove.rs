//! `gofer image remove`.

use clap::Args;
use serde::Serialize;

use crate::args::Format;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Done;
use crate::look::Tone;

/// Take names from images; an image goes with its last name.
///
/// By `sha256:…` all names of an image. An image that a container needs goes with the next prune after it.
///
/// Example: gofer image remove app:1 app:2
///
/// Exit codes: 3 no such image, 5 a container needs it. The names before the one at fault are gone.
#[derive(Debug, Args)]
pub(crate) struct Remove {
    /// Names of images, or ids
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
}

/// What was removed, as a document.
#[derive(Debug, Serialize)]
struct Removed<'a> {
    removed: &'a [String],
}

impl Remove {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        let client = context.client()?;
        for name in &self.names {
            client.remove_image(name).await?;
        }
        let out = &mut context.out;
        let bare = out.quiet || out.format == Format::Name;
        if !bare && out.document("gofer.image_removal/v1", &Removed { removed: &self.names })? {
            return Ok(Exit::Ok);
        }
        for name in &self.names {
            let sign = out.look.paint(Tone::Good, "✓");
            out.line(&if bare { name.clone() } else { format!("{sign} image `{name}` removed") })?;
        }
        Ok(Exit::Ok)
    }
}
