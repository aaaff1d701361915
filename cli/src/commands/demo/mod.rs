//! `gofer demo`: everything at once, for somebody who has just built the binary.
//!
//! ```text
//!  server (a folder of its own) ─> a pipeline ─> one run, live ─> what to type next
//! ```
//!
//! It uses the calls and the screens of the other commands; only the pipeline and the server's folder
//! are its own. The image of its tasks is the one that every server makes from its own binary.

mod pipeline;
mod server;
mod step;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use gofer_client::model::{OriginKind, PipelineRef};
use gofer_client::{Cancel, Mode, StartRun, program};
use gofer_server::Scheduler;

use self::server::Home;
use super::run::watch;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::follow;
use crate::logs::Style;
use crate::up::{Options, publish};
use crate::wait::WaitArgs;

/// The last lines of the logs that are shown while the run moves.
const LAST_LINES: usize = 4;

/// Show what Gofer does: a server, a pipeline and a run of it, with nothing installed.
///
/// Starts a server in a folder of its own, registers a pipeline with parallel tasks, a retry, a branch that
/// fails and the task that handles it, and runs it before your eyes. The tasks run this very binary, so
/// nothing is pulled and no network is needed. The server goes on, so that you can look around; `gofer demo --clean` stops it and
/// removes all that it made.
///
/// Example: gofer demo
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Demo {
    /// Where the demo's server keeps its data [default: gofer-demo beside the data of a real server]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Container engine: docker, embedded, or auto [default: auto]
    #[arg(long, value_name = "ENGINE", value_parser = super::service::engine)]
    engine: Option<Scheduler>,
    /// Stop the demo's server and remove all that it made
    #[arg(long)]
    clean: bool,
    #[command(subcommand)]
    part: Option<Part>,
}

/// What the demo's own tasks call.
#[derive(Debug, Subcommand)]
enum Part {
    #[command(hide = true)]
    Step(step::Step),
}

impl Demo {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        if let Some(Part::Step(step)) = self.part {
            return step.run(context);
        }
        let home = Home::new(self.dir.unwrap_or_else(server::default_dir));
        if self.clean {
            return clean(context, &home).await;
        }
        home.start(context, self.engine).await?;
        say_which_engine(context).await?;
        let pipeline = register(context).await?;
        run_once(context, &pipeline).await?;
        what_next(context, &home)?;
        Ok(Exit::Ok)
    }
}

async fn say_which_engine(context: &mut Context) -> Result<(), Failure> {
    let Some(engine) = context.client()?.info().await?.engine else { return Ok(()) };
    let version = engine.version.unwrap_or_default();
    let why = if engine.reason.is_empty() { String::new() } else { format!(": {}", engine.reason) };
    context.out.say(&format!("containers run on {} {version}{why}", engine.kind));
    Ok(())
}

async fn register(context: &mut Context) -> Result<PipelineRef, Failure> {
    let message = pipeline::demo().plan().to_bytes();
    let program = program::decode(&message)
        .map_err(|error| Failure::internal("read the demo's own pipeline", &error))?;
    let options = Options {
        namespace: context.settings.namespace.clone(),
        kind: OriginKind::Api,
        deploy: true,
        mode: Mode::Commit,
        folder: PathBuf::from("/"),
    };
    let mut reference = PipelineRef::new(&options.namespace, pipeline::ID);
    for published in publish(context, &program, &options).await? {
        context.out.say(&published.sentence(options.mode));
        reference = published.reference;
    }
    Ok(reference)
}

/// Runs it and shows it; its outcome is not the demo's.
async fn run_once(context: &mut Context, pipeline: &PipelineRef) -> Result<(), Failure> {
    let start = StartRun {
        pipeline: pipeline.clone(),
        version: None,
        variables: Vec::new(),
        idempotency_key: None,
        reason: "gofer demo".to_owned(),
        mode: Mode::Commit,
    };
    let started = context.client()?.start_run(start).await?;
    let (run, waiting) = (started.run.reference(), WaitArgs::default());
    if context.is_live() {
        watch::show(context, &run, LAST_LINES, &waiting).await?;
    } else {
        let style = Style::plain(context.out.format);
        follow::run(context, &run, style, &waiting).await?;
    }
    Ok(())
}

fn what_next(context: &mut Context, home: &Home) -> Result<(), Failure> {
    let host = context.settings.host.clone();
    let (dir, id) = (home.dir().display(), pipeline::ID);
    context.out.line(&format!(
        "\n\
         That was one run: `flaky_test` failed once and was tried again, `licence_check` failed for good, so\n\
         `publish_docs` was skipped and `notify` was called. The server goes on. Look around:\n\n\
         \x20 export GOFER_CLI_HOST={host} GOFER_DATA_DIR={dir}\n\
         \x20 gofer run get {id} @latest      what happened, and why it failed\n\
         \x20 gofer run logs {id} @latest     what the tasks wrote\n\
         \x20 gofer run start {id} --follow   once more\n\
         \x20 gofer run list {id}\n\
         \x20 gofer demo --clean              stop the server and remove all of this"
    ))
}

/// Stops what runs, then the server, then removes its folder.
async fn clean(context: &mut Context, home: &Home) -> Done {
    if !home.exists() {
        context.out.say(&format!("there is no demo in {}", home.dir().display()));
        return Ok(Exit::Ok);
    }
    if home.is_answering(context).await {
        let pipeline = PipelineRef::new(&context.settings.namespace, pipeline::ID);
        let cancel = Cancel { force: true, reason: "gofer demo --clean".to_owned() };
        let client = context.client()?;
        for run in client.cancel_all_runs(&pipeline, cancel).await.unwrap_or_default() {
            let patience = WaitArgs { timeout: Some(server::PATIENCE), ..WaitArgs::default() };
            crate::wait::until_complete(context, &run, &patience).await?;
        }
    }
    home.remove().await?;
    context.out.say(&format!("stopped the demo's server and removed {}", home.dir().display()));
    Ok(Exit::Ok)
}
