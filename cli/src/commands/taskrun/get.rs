//! `gofer taskrun get`.

use clap::Args;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Done;
use crate::refs::Typed;
use crate::show::task_run;

/// Show one task run: its attempts, image and variables.
///
/// Example: gofer taskrun get simple @latest build
#[derive(Debug, Args)]
pub(crate) struct Get {
    /// The task run: PIPELINE RUN TASK, or [NAMESPACE:]PIPELINE/RUN/TASK
    #[arg(required = true, num_args = 1..=3, value_name = "REF")]
    task_run: Vec<String>,
}

impl Get {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        let reference = Typed::parse(&self.task_run)?.task_run(context).await?;
        let found = context.client()?.task_run(&reference).await?;
        context.out.one(&found, |look| task_run::text(&found, look))?;
        Ok(Exit::Ok)
    }
}
