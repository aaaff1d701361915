//! `gofer pipeline get`.

use clap::Args;
use gofer_client::model::PageRequest;
use gofer_client::{ErrorKind, RunQuery};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Done;
use crate::refs::Typed;
use crate::show::pipeline::{Detailed, text};

/// Runs that are shown, and from which the health is judged.
const RECENT_RUNS: u32 = 5;

/// Show one pipeline: its recent runs, its tasks and their order.
///
/// Example: gofer pipeline get simple
#[derive(Debug, Args)]
pub(crate) struct Get {
    /// The pipeline, [NAMESPACE:]PIPELINE
    pipeline: String,
    /// Show the tasks of this version instead of the live one
    #[arg(long, value_name = "N")]
    version: Option<u64>,
}

impl Get {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        let reference = Typed::parse(&[self.pipeline])?.pipeline(context)?;
        let client = context.client()?;
        let query = RunQuery {
            namespace: reference.namespace.clone(),
            pipeline: Some(reference.pipeline.clone()),
            page: PageRequest { limit: Some(RECENT_RUNS), cursor: None },
            ..RunQuery::default()
        };
        let pipeline = client.pipeline(&reference).await?;
        // Without a live version the newest one tells what the pipeline is.
        let version = self.version.or(pipeline.live_version).unwrap_or(pipeline.newest_version);
        let (config, runs) =
            tokio::join!(client.pipeline_config(&reference, Some(version)), client.runs(&query));
        let config = match config {
            Ok(config) => Some(config),
            // The version may have been deleted since; the pipeline is still worth showing.
            Err(error) if error.kind == ErrorKind::NotFound && self.version.is_none() => None,
            Err(error) => return Err(error.into()),
        };
        let detailed = Detailed { pipeline, config, recent_runs: runs?.items };
        context.out.one(&detailed, |look| text(&detailed, look))?;
        Ok(Exit::Ok)
    }
}
