//! `gofer image prune`.

use clap::Args;
use gofer_client::Mode;
use gofer_client::model::PrunedImages;
use serde::Serialize;

use crate::args::Format;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::look::{Tone, bytes};
use crate::out::Out;
use crate::show::words::count;

/// Remove images that have no name and that no container needs.
///
/// On Docker only those that this server has imported; `docker image prune` removes the rest.
///
/// Example: gofer image prune --dry-run
#[derive(Debug, Args)]
pub(crate) struct Prune {
    /// Only tell what would go
    #[arg(long)]
    dry_run: bool,
}

/// What was pruned, as a document.
#[derive(Debug, Serialize)]
struct Document<'a> {
    dry_run: bool,
    #[serde(flatten)]
    pruned: &'a PrunedImages,
}

impl Prune {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        let mode = if self.dry_run { Mode::DryRun } else { Mode::Commit };
        let pruned = context.client()?.prune_images(mode).await?;
        print(&mut context.out, &Document { dry_run: self.dry_run, pruned: &pruned })?;
        Ok(Exit::Ok)
    }
}

fn print(out: &mut Out, document: &Document<'_>) -> Result<(), Failure> {
    let pruned = document.pruned;
    if out.quiet || out.format == Format::Name {
        return pruned.image_ids.iter().try_for_each(|id| out.line(id));
    }
    if out.document("gofer.image_prune/v1", document)? {
        return Ok(());
    }
    let n_images = count(pruned.image_ids.len() as u64, "image");
    let freed = bytes(pruned.freed_bytes);
    if document.dry_run {
        pruned.image_ids.iter().try_for_each(|id| out.line(id))?;
        return out.line(&format!("would remove {n_images}, {freed}; nothing was removed"));
    }
    let sign = out.look.paint(Tone::Good, "✓");
    out.line(&format!("{sign} removed {n_images}, {freed} came free"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::look::Look;
    use crate::out::capture;

    fn printed(format: Format, dry_run: bool) -> String {
        let (mut out, data, _) = capture::out(Look::terminal(), format);
        let pruned = PrunedImages { image_ids: vec!["sha256:12".into()], freed_bytes: 2048 };
        print(&mut out, &Document { dry_run, pruned: &pruned }).unwrap();
        out.flush().unwrap();
        data.text()
    }

    #[test]
    fn a_prune_has_all_its_keys() {
        insta::assert_snapshot!(printed(Format::Json, true));
    }

    #[test]
    fn people_are_told_what_goes_and_what_would() {
        assert_eq!(printed(Format::Table, false), "✓ removed 1 image, 2.0 KiB came free\n");
        let would = "sha256:12\nwould remove 1 image, 2.0 KiB; nothing was removed\n";
        assert_eq!(printed(Format::Table, true), would);
        assert_eq!(printed(Format::Name, false), "sha256:12\n");
    }
}
