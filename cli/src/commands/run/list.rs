//! `gofer run list`.

use clap::Args;
use gofer_client::RunQuery;
use gofer_client::model::{RunState, RunStatus};

use crate::commands::paging::Paging;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Done;
use crate::refs::Typed;
use crate::values;

/// List runs, newest first.
///
/// Without a pipeline: those of all pipelines of the namespace.
///
/// Example: gofer run list simple --status failed --since 2d
#[derive(Debug, Args)]
pub(crate) struct List {
    /// The pipeline, [NAMESPACE:]PIPELINE
    pipeline: Option<String>,
    /// Only runs that ended so: successful, failed or cancelled; repeatable
    #[arg(long, value_parser = status)]
    status: Vec<RunStatus>,
    /// Only runs in this state: pending, running or complete; repeatable
    #[arg(long, value_parser = state)]
    state: Vec<RunState>,
    /// Only runs accepted since: 2h, 3d, or an RFC 3339 time
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    #[command(flatten)]
    paging: Paging,
}

fn status(word: &str) -> Result<RunStatus, String> {
    RunStatus::parse(word).ok_or_else(|| "write successful, failed or cancelled".to_owned())
}

fn state(word: &str) -> Result<RunState, String> {
    RunState::parse(word).ok_or_else(|| "write pending, running or complete".to_owned())
}

impl List {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        let typed = self.pipeline.map(|word| Typed::parse(&[word])).transpose()?;
        let pipeline = typed.map(|typed| typed.pipeline(context)).transpose()?;
        let now = context.out.look.now();
        let since = self.since.map(|text| values::since(&text, now)).transpose()?;
        let (namespace, pipeline) = match pipeline {
            Some(reference) => (reference.namespace, Some(reference.pipeline)),
            None => (context.settings.namespace.clone(), None),
        };
        let query = RunQuery {
            namespace,
            pipeline,
            states: self.state,
            statuses: self.status,
            since,
            ..RunQuery::default()
        };
        let client = context.client()?;
        let page = self
            .paging
            .fetch(async |page| client.runs(&RunQuery { page, ..query.clone() }).await)
            .await?;
        context.out.list(&page)?;
        Ok(Exit::Ok)
    }
}
