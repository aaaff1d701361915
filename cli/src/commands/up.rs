//! `gofer up`.

use std::path::PathBuf;

use clap::Args;
use gofer_client::model::{OriginKind, RunRef};
use gofer_client::{Cancel, Mode, StartRun};
use serde::Serialize;
use tokio::time::Instant;

use crate::args::Format;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::follow;
use crate::jsonl;
use crate::logs::Style;
use crate::look::Tone;
use crate::up::{AfterDeploy, Group, Halted, Options, Published, Source, build, publish, watch};
use crate::wait::{self, WaitArgs, Waited};

/// Build a pipeline program, register what it declares, and make it live.
///
/// PATH is a Rust project, a program that is built already, or a file that holds what one printed. Faults
/// are shown with their place, all of them, before anything is sent.
///
/// Example: gofer up ./my_pipeline --watch --run
#[derive(Debug, Args)]
#[command(mut_args(|arg| wait::only_with("run", arg)))]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag that users type")]
pub(crate) struct Up {
    /// Where the pipeline is; `-` reads what a program printed from standard input
    #[arg(default_value = ".", value_name = "PATH")]
    path: PathBuf,
    /// Do it again whenever a source file changes, until Ctrl-C
    #[arg(short, long, conflicts_with = "dry_run")]
    watch: bool,
    /// Only register the version; nothing goes live
    #[arg(long)]
    no_deploy: bool,
    /// As in earlier releases: `--deploy=false` is `--no-deploy`
    #[arg(short = 'd', long, hide = true, default_value_t = true, action = clap::ArgAction::Set,
          num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    deploy: bool,
    /// Start a run after the deployment, and follow it
    #[arg(long, conflicts_with_all = ["no_deploy", "dry_run"])]
    run: bool,
    /// Only check, and say what would happen
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    waiting: WaitArgs,
    /// Arguments for the program
    #[arg(last = true, value_name = "ARGS")]
    arguments: Vec<String>,
}

/// What `up` did, as a document.
#[derive(Debug, Serialize)]
struct Report {
    pipelines: Vec<Published>,
    timings_ms: Timings,
}

/// How long the parts took.
#[derive(Debug, Serialize)]
struct Timings {
    build: u64,
    publish: u64,
}

impl Up {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        if self.run {
            jsonl::is_wanted(&context.out)?; // a format that is refused publishes nothing
        }
        let source = Source::find(&self.path, self.arguments.clone())?;
        let options = Options {
            namespace: context.settings.namespace.clone(),
            kind: if self.watch { OriginKind::Watch } else { OriginKind::Up },
            deploy: self.deploy && !self.no_deploy,
            mode: if self.dry_run { Mode::DryRun } else { Mode::Commit },
            folder: source.folder(),
        };
        if self.watch {
            let mut after = StartRuns { wanted: self.run, waiting: self.waiting, last: None };
            return watch(context, &source, &options, &mut after).await;
        }
        let begun = Instant::now();
        let program = build(context, &source, Group::Shared).await?;
        let built = Instant::now();
        let (pipelines, failure) = match publish(context, &program, &options).await {
            Ok(pipelines) => (pipelines, None),
            Err(Halted { published, failure }) => (published, Some(failure)),
        };
        let timings_ms =
            Timings { build: ms(built.duration_since(begun)), publish: ms(built.elapsed()) };
        let report = Report { pipelines, timings_ms };
        if let Some(failure) = failure {
            // What was published stays so, and whoever reads this has to know.
            if !report.pipelines.is_empty() {
                print(context, &report, options.mode)?;
            }
            return Err(failure);
        }
        print(context, &report, options.mode)?;
        if !self.run {
            return Ok(Exit::Ok);
        }
        let Some(first) = report.pipelines.first() else { return Ok(Exit::Ok) };
        let run = start(context, first).await?;
        let style = Style::plain(context.out.format);
        let waited = follow::run(context, &run, style, &self.waiting).await?;
        wait::end(context, &run, waited, &self.waiting).await
    }
}

fn ms(length: std::time::Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

fn print(context: &mut Context, report: &Report, mode: Mode) -> Result<(), Failure> {
    let out = &mut context.out;
    if out.quiet || out.format == Format::Name {
        return report.pipelines.iter().try_for_each(|one| out.line(&one.pipeline));
    }
    if out.document("gofer.up/v1", report)? {
        return Ok(());
    }
    let took = report.timings_ms.build.saturating_add(report.timings_ms.publish);
    for one in &report.pipelines {
        let sentence = out.look.paint(Tone::Good, &one.sentence(mode));
        out.line(&format!("{sentence} ({}.{:02}s)", took / 1000, took % 1000 / 10))?;
        out.flush()?;
        let id = &one.reference.pipeline;
        if one.live {
            out.say(&format!("  run it:   gofer run start {id} --follow"));
        } else if mode == Mode::Commit {
            out.say(&format!("  deploy:   gofer pipeline deploy {id} {}", one.version));
        }
        out.say(&format!("  show it:  gofer pipeline get {id}"));
    }
    Ok(())
}

async fn start(context: &mut Context, published: &Published) -> Result<RunRef, Failure> {
    let started = context
        .client()?
        .start_run(StartRun {
            pipeline: published.reference.clone(),
            version: Some(published.version),
            variables: vec![],
            idempotency_key: None,
            reason: "gofer up --run".to_owned(),
            mode: Mode::Commit,
        })
        .await?;
    Ok(started.run.reference())
}

/// Starts a run after each deployment of a watch, and cancels it when the next change overtakes it.
struct StartRuns {
    wanted: bool,
    waiting: WaitArgs,
    /// The run that goes on, as far as this watch knows.
    last: Option<RunRef>,
}

impl AfterDeploy for StartRuns {
    async fn begin(
        &mut self,
        context: &mut Context,
        published: &[Published],
    ) -> Result<(), Failure> {
        // One that nobody follows any more, because following it failed.
        self.overtaken(context).await;
        if let Some(first) = published.iter().find(|one| one.went_live && self.wanted) {
            self.last = Some(start(context, first).await?);
        }
        Ok(())
    }

    async fn follow(&mut self, context: &mut Context) -> Done {
        let Some(run) = self.last.clone() else { return Ok(Exit::Ok) };
        let style = Style::plain(context.out.format);
        let waited = follow::run(context, &run, style, &self.waiting).await?;
        self.last = None;
        match waited {
            Waited::Complete(run) => Ok(Exit::of_run(&run)),
            Waited::TooLong => wait::end(context, &run, Waited::TooLong, &self.waiting).await,
            Waited::Interrupted if self.waiting.cancel_on_interrupt => {
                match wait::end(context, &run, Waited::Interrupted, &self.waiting).await {
                    Err(failure) if failure.detail().exit != Exit::Interrupted => Err(failure),
                    Ok(_) | Err(_) => Ok(Exit::Interrupted),
                }
            }
            Waited::Interrupted => Ok(Exit::Interrupted),
        }
    }

    async fn overtaken(&mut self, context: &mut Context) {
        let Some(run) = self.last.take() else { return };
        let Ok(client) = context.client() else { return };
        let cancel = Cancel { force: false, reason: "a newer version was saved".to_owned() };
        match client.cancel_run(&run, cancel).await {
            Ok(_) => context.out.say(&format!("run {run} is cancelled: a newer version was saved")),
            // It ended by itself, most likely.
            Err(error) => context.out.say(&format!("run {run} was not cancelled: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use gofer_client::model::PipelineRef;

    use super::*;
    use crate::look::Look;
    use crate::out::capture;

    #[test]
    fn an_up_has_all_its_keys() {
        let published = Published {
            pipeline: "default:simple".into(),
            version: 2,
            changed: true,
            created_pipeline: false,
            live: true,
            deployment: None,
            reference: PipelineRef::new("default", "simple"),
            went_live: true,
        };
        assert_eq!(published.sentence(Mode::Commit), "✓ simple v2 live");
        let same = Published { changed: false, went_live: false, ..published.clone() };
        assert_eq!(same.sentence(Mode::Commit), "= simple same as v2");
        let timings_ms = Timings { build: 200, publish: 40 };
        let report = Report { pipelines: vec![published], timings_ms };
        let (mut out, data, _) = capture::out(Look::pipe(), Format::Json);
        out.document("gofer.up/v1", &report).unwrap();
        insta::assert_snapshot!(data.text());
    }
}
