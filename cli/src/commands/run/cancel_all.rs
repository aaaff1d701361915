//! `gofer run cancel-all`.

use clap::Args;
use gofer_client::Cancel as How;
use serde::Serialize;

use crate::args::Format;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Done;
use crate::look::Tone;
use crate::refs::Typed;
use crate::show::words::count;

/// Cancel all runs of a pipeline that are not complete.
///
/// Example: gofer run cancel-all simple --reason "wrong image"
#[derive(Debug, Args)]
pub(crate) struct CancelAll {
    /// The pipeline, [NAMESPACE:]PIPELINE
    pipeline: String,
    /// Kill containers at once
    #[arg(short, long)]
    force: bool,
    /// Why, for those who read the history
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
}

/// The runs that are cancelled, as a document.
#[derive(Debug, Serialize)]
struct Cancelled {
    /// Their references, ascending.
    runs: Vec<String>,
}

impl CancelAll {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        let pipeline = Typed::parse(&[self.pipeline])?.pipeline(context)?;
        let how = How { force: self.force, reason: self.reason };
        let runs = context.client()?.cancel_all_runs(&pipeline, how).await?;
        let cancelled = Cancelled { runs: runs.iter().map(ToString::to_string).collect() };
        let out = &mut context.out;
        if out.quiet || out.format == Format::Name {
            cancelled.runs.iter().try_for_each(|run| out.line(run))?;
        } else if !out.document("gofer.cancelled_runs/v1", &cancelled)? {
            let n = count(cancelled.runs.len() as u64, "run");
            let sign = out.look.paint(Tone::Good, "✓");
            out.line(&format!("{sign} {n} of {} cancelled", pipeline.pipeline))?;
            cancelled.runs.iter().try_for_each(|run| out.line(&format!("  {run}")))?;
        }
        Ok(Exit::Ok)
    }
}
