//! `gofer taskrun list`.

use clap::Args;
use gofer_client::model::Page;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Done;
use crate::refs::Typed;

/// List the task runs of a run.
///
/// Example: gofer taskrun list simple @latest
#[derive(Debug, Args)]
pub(crate) struct List {
    /// The run: PIPELINE RUN, or [NAMESPACE:]PIPELINE/RUN
    #[arg(required = true, num_args = 1..=2, value_name = "REF")]
    run: Vec<String>,
}

impl List {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        let reference = Typed::parse(&self.run)?.run(context).await?;
        let items = context.client()?.task_runs(&reference).await?;
        let total = items.len() as u64;
        context.out.list(&Page { items, next: None, total })?;
        Ok(Exit::Ok)
    }
}
