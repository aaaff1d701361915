//! `gofer run start`.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use gofer_client::model::{Run, Waiting};
use gofer_client::{Mode, StartRun};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::follow;
use crate::jsonl;
use crate::logs::Style;
use crate::refs::Typed;
use crate::values;
use crate::wait::{self, WaitArgs, Waited};

/// Start a run of a pipeline.
///
/// Answers as soon as the run is stored. With `--wait` or `--follow` the exit code is the outcome of the
/// run: 0 successful, 100 failed, 102 cancelled, 103 timed out.
///
/// With `--follow` the task and two marks stand before each line of a log: `+` for a later attempt than the
/// first, `!` for standard error.
///
/// Example: gofer run start simple -v NAME=World --follow
#[derive(Debug, Args)]
pub(crate) struct Start {
    #[command(flatten)]
    start: StartArgs,
}

impl Start {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        self.start.run(context).await
    }
}

/// What starting a run takes.
#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("waits").args(["wait", "follow"])),
    mut_args(|arg| wait::only_with("waits", arg))
)]
pub(crate) struct StartArgs {
    /// The pipeline, [NAMESPACE:]PIPELINE
    pipeline: String,
    /// A variable for all tasks; @FILE and @- read the value; repeatable
    #[arg(short, long = "variable", value_name = "NAME=VALUE")]
    variables: Vec<String>,
    /// A file with a NAME=VALUE on each line; `-v` is stronger
    #[arg(long, value_name = "FILE")]
    variables_file: Option<PathBuf>,
    /// Run this version instead of the live one
    #[arg(long, value_name = "N")]
    version: Option<u64>,
    /// A second start with the same key answers with the run of the first
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Why, for those who read the history
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
    /// Only check, and say what would happen
    #[arg(long, conflicts_with_all = ["wait", "follow"])]
    dry_run: bool,
    /// Wait until the run is complete
    #[arg(long)]
    wait: bool,
    /// Print the logs and the states of the tasks until the run is complete
    #[arg(short, long, conflicts_with = "wait")]
    follow: bool,
    #[command(flatten)]
    waiting: WaitArgs,
}

impl StartArgs {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        if self.follow {
            jsonl::is_wanted(&context.out)?; // a format that is refused starts nothing
        }
        let pipeline = Typed::parse(&[self.pipeline])?.pipeline(context)?;
        let variables = values::variables(context, self.variables_file.as_ref(), &self.variables)?;
        let start = StartRun {
            pipeline,
            version: self.version,
            variables,
            idempotency_key: self.idempotency_key,
            reason: self.reason,
            mode: if self.dry_run { Mode::DryRun } else { Mode::Commit },
        };
        let started = context.client()?.start_run(start).await?;
        let run = started.run;
        if self.dry_run {
            let text =
                format!("would start {} v{}; nothing was started", run.pipeline_id, run.version);
            context.out.made(&run, &text, &[])?;
            return Ok(Exit::Ok);
        }
        let reference = run.reference();
        let waited = if self.follow {
            context.out.say(&sentence(&run, started.existing));
            let style = Style::plain(context.out.format);
            follow::run(context, &reference, style, &self.waiting).await?
        } else if self.wait {
            context.out.say(&sentence(&run, started.existing));
            let waited = wait::until_complete(context, &reference, &self.waiting).await?;
            ended(context, &waited)?;
            waited
        } else {
            let hints = hints(&run);
            context.out.made(&run, &sentence(&run, started.existing), &hints)?;
            return Ok(Exit::Ok);
        };
        wait::end(context, &reference, waited, &self.waiting).await
    }
}

/// Prints the run that was waited for.
pub(crate) fn ended(context: &mut Context, waited: &Waited) -> Result<(), Failure> {
    let Waited::Complete(run) = waited else { return Ok(()) };
    context.out.one(&**run, |look| crate::show::run::outcome(run, look))
}

fn sentence(run: &Run, existing: bool) -> String {
    let mut text = format!("run {}/{} ", run.pipeline_id, run.id);
    text.push_str(if existing { "is there already, " } else { "" });
    text.push_str(&run.state.word().to_lowercase());
    if let Some(Waiting::Slot { position, .. }) = run.waiting {
        text.push_str(&format!(" (place {position} in the queue)"));
    }
    text
}

fn hints(run: &Run) -> Vec<String> {
    vec![
        format!("watch it:  gofer run watch {} {}", run.pipeline_id, run.id),
        format!("its logs:  gofer run logs {} {} -f", run.pipeline_id, run.id),
    ]
}
