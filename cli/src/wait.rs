//! Waiting for runs. Every terminal state of a run ends the wait, and the outcome is the exit code unless
//! somebody says otherwise. The first Ctrl-C detaches: the run goes on.

use std::pin::pin;
use std::time::Duration;

use clap::Args;
use gofer_client::model::{Run, RunRef, RunStatus};
use gofer_client::watch::RunUpdate;
use gofer_client::{Cancel, ErrorKind};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::show;
use crate::values;

/// Flags of every command that waits.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct WaitArgs {
    /// Wait no longer than this, as in 90s or 1h30m; the run goes on, and the exit code is 124
    #[arg(long, value_name = "TIME", value_parser = values::length)]
    pub(crate) timeout: Option<Duration>,
    /// Exit with the outcome of the run: 0, 100 failed, 102 cancelled, 103 timed out (the default)
    #[arg(long, overrides_with = "no_exit_status", hide_short_help = true)]
    pub(crate) exit_status: bool,
    /// Exit with 0 however the run ends
    #[arg(long, overrides_with = "exit_status", hide_short_help = true)]
    pub(crate) no_exit_status: bool,
    /// On Ctrl-C, cancel the run too
    #[arg(long, hide_short_help = true)]
    pub(crate) cancel_on_interrupt: bool,
}

/// How a wait ended.
#[derive(Debug)]
pub(crate) enum Waited {
    Complete(Box<Run>),
    TooLong,
    Interrupted,
}

/// Lets a flag of [`WaitArgs`] stand only beside a flag that waits: alone it would do nothing.
pub(crate) fn only_with(waits: &'static str, arg: clap::Arg) -> clap::Arg {
    match arg.get_id().as_str() {
        "timeout" | "exit_status" | "no_exit_status" | "cancel_on_interrupt" => arg.requires(waits),
        _ => arg,
    }
}

impl Waited {
    /// What the last line of a stream says of it.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Complete(run) => run.status.map_or("UNKNOWN", RunStatus::word),
            Self::TooLong => "WAITED_TOO_LONG",
            Self::Interrupted => "INTERRUPTED",
        }
    }
}

impl WaitArgs {
    /// Sleeps until the time is over; for ever where there is no limit.
    pub(crate) async fn expire(&self) {
        match self.timeout {
            Some(limit) => tokio::time::sleep(limit).await,
            None => std::future::pending().await,
        }
    }
}

/// Comes back on Ctrl-C.
pub(crate) async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        // Without a handler the signal ends the process by itself.
        std::future::pending::<()>().await;
    }
}

/// Waits until a run is complete, and prints nothing.
pub(crate) async fn until_complete(
    context: &mut Context,
    run: &RunRef,
    args: &WaitArgs,
) -> Result<Waited, Failure> {
    let mut watch = context.client()?.watch_run(run.clone());
    let mut expired = pin!(args.expire());
    let mut interrupt = pin!(interrupted());
    loop {
        let update = tokio::select! {
            update = watch.next() => update,
            () = &mut expired => return Ok(Waited::TooLong),
            () = &mut interrupt => return Ok(Waited::Interrupted),
        };
        match update.transpose()? {
            Some(RunUpdate::Snapshot | RunUpdate::Changed(_)) => {}
            Some(RunUpdate::Lost(why)) => lost(context, &why),
            Some(RunUpdate::Complete) | None => return complete(watch.run()),
        }
    }
}

/// The run at the end of its watch.
pub(crate) fn complete(run: Option<&Run>) -> Result<Waited, Failure> {
    run.cloned()
        .map(|run| Waited::Complete(Box::new(run)))
        .ok_or_else(|| Failure::internal("watch the run", &"the server told nothing of it"))
}

/// Says that the connection is gone; the watch goes on by itself.
pub(crate) fn lost(context: &mut Context, why: &str) {
    context.out.say(&format!("connection lost ({why}); trying again"));
}

/// What a wait means for the process. `context` tells how to come back.
pub(crate) async fn end(
    context: &mut Context,
    run: &RunRef,
    waited: Waited,
    args: &WaitArgs,
) -> Done {
    match waited {
        Waited::Complete(_) if args.no_exit_status => Ok(Exit::Ok),
        Waited::Complete(run) => Ok(Exit::of_run(&run)),
        Waited::TooLong => {
            let limit = args.timeout.unwrap_or_default();
            let message = format!(
                "run {run} is not complete after {}; it goes on",
                crate::look::duration(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX))
            );
            let failure = Failure::new(Exit::WaitedTooLong, "WAITED_TOO_LONG", message);
            Err(failure.next(format!("wait again: gofer run wait {run}")))
        }
        Waited::Interrupted if args.cancel_on_interrupt => {
            let cancel = Cancel { force: false, reason: "Ctrl-C".to_owned() };
            match context.client()?.cancel_run(run, cancel).await {
                Ok(_) => context.out.say(&format!("\nrun {run} is cancelled")),
                Err(error) if error.kind == ErrorKind::Rejected => {}
                Err(error) => return Err(error.into()),
            }
            Err(Failure::interrupted().already_shown())
        }
        Waited::Interrupted => {
            context.out.say(&format!("\nrun {run} goes on"));
            context.out.say(&format!("  watch it again: gofer run watch {run}"));
            context.out.say(&format!("  cancel it:      gofer run cancel {run}"));
            Err(Failure::interrupted().already_shown())
        }
    }
}

/// Says how a run ended, with what to do next.
pub(crate) fn tell(context: &mut Context, run: &Run) -> Result<(), Failure> {
    context.out.flush()?;
    let look = context.out.look.clone();
    context.out.say(&show::run::outcome(run, &look));
    if let Some(next) = &run.next_step {
        context.out.say(&format!("  next: {next}"));
    }
    if let Some(task) = show::run::failed_task(run) {
        context.out.say(&format!("  its log: gofer logs {}", task.path));
    }
    Ok(())
}
