//! `gofer logs`, and what it shares with `run logs` and `taskrun logs`.

use std::collections::HashMap;
use std::pin::pin;

use clap::Args;
use gofer_client::model::{
    LogEnd, LogEndReason, LogFrame, LogPage, LogState, LogStream, Run, RunLogFrame, RunRef,
    TaskRunRef,
};
use gofer_client::watch::{FollowLog, FollowRunLogs, LogUpdate, RunLogUpdate};
use gofer_client::{Client, LogStart, ReadLog};

use crate::args::Format;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::jsonl;
use crate::logs::{Printer, Style};
use crate::refs::Typed;
use crate::wait;

/// Print the logs of a run, or of one task of it.
///
/// Before each line stand the task and two marks: `+` for a later attempt than the first, `!` for
/// standard error.
///
/// Example: gofer logs simple/@latest/build -f
#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// PIPELINE RUN [TASK], or [NAMESPACE:]PIPELINE/RUN[/TASK]
    #[arg(required = true, num_args = 1..=3, value_name = "REF")]
    reference: Vec<String>,
    #[command(flatten)]
    logs: LogArgs,
}

/// Flags of every command that prints logs.
#[derive(Debug, Clone, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag that users type")]
pub(crate) struct LogArgs {
    /// Go on until the log is whole
    #[arg(short, long)]
    follow: bool,
    /// Only so many of the last lines
    #[arg(long, value_name = "N")]
    tail: Option<u64>,
    /// Only this attempt
    #[arg(long, value_name = "N")]
    attempt: Option<u32>,
    /// Only stdout or stderr
    #[arg(long, value_parser = stream)]
    stream: Option<LogStream>,
    /// Print the time of each line before it
    #[arg(long)]
    timestamps: bool,
    /// Do not print the task and the marks before each line
    #[arg(long)]
    no_prefix: bool,
    /// With `-f`, exit with the outcome of the run
    #[arg(long, requires = "follow")]
    exit_status: bool,
}

fn stream(word: &str) -> Result<LogStream, String> {
    LogStream::parse(word).ok_or_else(|| "write stdout or stderr".to_owned())
}

impl Style {
    /// Merged logs with a prefix.
    pub(crate) fn plain(format: Format) -> Self {
        Self { format, prefix: true, timestamps: false, stream: None, attempt: None }
    }
}

impl Logs {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        let typed = Typed::parse(&self.reference)?;
        if typed.has_task() {
            let reference = typed.task_run(context).await?;
            return task_logs(context, &reference, &self.logs).await;
        }
        let reference = typed.run(context).await?;
        run_logs(context, &reference, vec![], &self.logs).await
    }
}

impl LogArgs {
    fn style(&self, format: Format, prefix: bool) -> Style {
        Style {
            format,
            prefix: prefix && !self.no_prefix,
            timestamps: self.timestamps,
            stream: self.stream,
            attempt: self.attempt,
        }
    }
}

/// Prints the merged logs of a run.
pub(super) async fn run_logs(
    context: &mut Context,
    reference: &RunRef,
    tasks: Vec<String>,
    args: &LogArgs,
) -> Done {
    let machine = jsonl::is_wanted(&context.out)?;
    if context.out.format == Format::Raw {
        return Err(Failure::invalid("`-o raw` is the exact bytes of one task")
            .next(format!("name it: gofer logs {reference}/TASK -o raw")));
    }
    let client = context.client()?;
    let run = client.run(reference).await?;
    first_line(context, &client, machine).await?;
    let mut until = Until::of(&client, &run, &tasks, args).await?;
    let mut printer =
        Printer::new(reference.clone(), &run.task_runs, args.style(context.out.format, true));
    let what = FollowRunLogs { run: reference.clone(), tasks, tail: args.tail, allow_gaps: false };
    let mut logs = client.follow_run_logs(what);
    let mut interrupt = pin!(wait::interrupted());
    let end = loop {
        if until.is_reached() {
            break "NOW";
        }
        let update = tokio::select! {
            update = logs.next() => update.transpose()?,
            () = &mut interrupt => break "INTERRUPTED",
        };
        match update {
            Some(RunLogUpdate::Frames(frames)) => {
                until.came(&frames);
                printer.print(&mut context.out, &frames)?;
            }
            Some(RunLogUpdate::Gap(gap)) => printer.gap(&mut context.out, &gap)?,
            Some(RunLogUpdate::Lost(why)) => wait::lost(context, &why),
            Some(RunLogUpdate::End(end)) => {
                say_end(context, &end);
                break end.reason.word();
            }
            None => break LogEndReason::Sealed.word(),
        }
    };
    finish(context, &mut printer, machine, end)?;
    match end {
        "INTERRUPTED" => Err(Failure::interrupted().already_shown()),
        _ if args.exit_status => Ok(Exit::of_run(&client.run(reference).await?)),
        _ => Ok(Exit::Ok), // the logs are printed, however the run ends
    }
}

/// How far the logs of a run are read.
#[derive(Debug)]
enum Until {
    /// Until each is whole and the run is complete.
    Complete,
    /// Where they end now: the sizes of those that were not read so far.
    Now(HashMap<(String, u32), u64>),
    /// The last lines of all of them, which come as one batch.
    Tail,
}

impl Until {
    /// Without `-f` a run that goes on is read up to where its logs are now.
    async fn of(
        client: &Client,
        run: &Run,
        tasks: &[String],
        args: &LogArgs,
    ) -> Result<Self, Failure> {
        if args.follow || run.is_complete() {
            return Ok(Self::Complete);
        }
        let sizes = sizes(client, run, tasks).await?;
        Ok(match args.tail {
            Some(1..) if !sizes.is_empty() => Self::Tail,
            Some(_) => Self::Now(HashMap::new()),
            None => Self::Now(sizes),
        })
    }

    fn is_reached(&self) -> bool {
        match self {
            Self::Complete | Self::Tail => false,
            Self::Now(left) => left.is_empty(),
        }
    }

    /// Takes out the logs that were read up to their sizes.
    fn came(&mut self, frames: &[RunLogFrame]) {
        match self {
            Self::Complete => {}
            Self::Tail => *self = Self::Now(HashMap::new()),
            Self::Now(left) => {
                for one in frames {
                    let key = (one.task_id.clone(), one.attempt);
                    if left.get(&key).is_some_and(|size| end_of(&one.frame) >= *size) {
                        left.remove(&key);
                    }
                }
            }
        }
    }
}

/// Where in its log a frame ends.
fn end_of(frame: &LogFrame) -> u64 {
    frame.offset.saturating_add(frame.data.len() as u64)
}

/// Where the logs of a run that goes on end now. Those without a byte are left out.
async fn sizes(
    client: &Client,
    run: &Run,
    tasks: &[String],
) -> Result<HashMap<(String, u32), u64>, Failure> {
    let mut sizes = HashMap::new();
    let wanted = |id: &String| tasks.is_empty() || tasks.contains(id);
    for task in run.task_runs.iter().filter(|task| wanted(&task.task_id)) {
        for attempt in &task.attempts {
            let read = ReadLog {
                task_run: task.reference(),
                attempt: Some(attempt.number),
                start: LogStart::Tail(0),
                max_lines: Some(1),
            };
            let bytes = match client.read_log(&read).await {
                Ok(page) => page.total_bytes,
                // The logs of the other attempts are still there to be read.
                Err(error) if error.reason == "LOG_REMOVED" => 0,
                Err(error) => return Err(error.into()),
            };
            if bytes > 0 {
                sizes.insert((task.task_id.clone(), attempt.number), bytes);
            }
        }
    }
    Ok(sizes)
}

/// Prints the log of one task run.
pub(super) async fn task_logs(
    context: &mut Context,
    reference: &TaskRunRef,
    args: &LogArgs,
) -> Done {
    let machine = jsonl::is_wanted(&context.out)?;
    let client = context.client()?;
    first_line(context, &client, machine).await?;
    // One task needs no name before each line.
    let style = Style { attempt: None, ..args.style(context.out.format, false) };
    let mut printer = Printer::new(reference.run.clone(), &[], style);
    let end = if args.follow {
        follow_task(context, &client, reference, args, &mut printer).await?
    } else {
        read_task(context, &client, reference, args, &mut printer).await?
    };
    finish(context, &mut printer, machine, end)?;
    match end {
        "INTERRUPTED" => Err(Failure::interrupted().already_shown()),
        _ if args.exit_status => Ok(Exit::of_run(&client.run(&reference.run).await?)),
        _ => Ok(Exit::Ok), // the log is printed, however the task ended
    }
}

async fn follow_task(
    context: &mut Context,
    client: &Client,
    reference: &TaskRunRef,
    args: &LogArgs,
    printer: &mut Printer,
) -> Result<&'static str, Failure> {
    let mut log = client.follow_log(FollowLog {
        task_run: reference.clone(),
        attempt: args.attempt,
        start: args.tail.map_or(LogStart::First, LogStart::Tail),
        allow_gaps: false,
    });
    let mut interrupt = pin!(wait::interrupted());
    loop {
        let update = tokio::select! {
            update = log.next() => update.transpose()?,
            () = &mut interrupt => return Ok("INTERRUPTED"),
        };
        match update {
            Some(LogUpdate::Frames { attempt, frames }) => {
                let frames: Vec<RunLogFrame> =
                    frames.into_iter().map(|frame| named(reference, attempt, frame)).collect();
                printer.print(&mut context.out, &frames)?;
            }
            Some(LogUpdate::Gap(gap)) => printer.gap(&mut context.out, &gap)?,
            Some(LogUpdate::Lost(why)) => wait::lost(context, &why),
            Some(LogUpdate::End(end)) => {
                say_end(context, &end);
                return Ok(end.reason.word());
            }
            None => return Ok(LogEndReason::Sealed.word()),
        }
    }
}

async fn read_task(
    context: &mut Context,
    client: &Client,
    reference: &TaskRunRef,
    args: &LogArgs,
    printer: &mut Printer,
) -> Result<&'static str, Failure> {
    let mut read = ReadLog {
        task_run: reference.clone(),
        attempt: args.attempt,
        start: args.tail.map_or(LogStart::First, LogStart::Tail),
        max_lines: None,
    };
    let mut size = None;
    loop {
        let page: LogPage = client.read_log(&read).await?;
        // What is there now; a log that grows as fast as it is read would never end.
        let size = *size.get_or_insert(page.total_bytes);
        let is_read = page.frames.last().is_none_or(|last| end_of(last) >= size);
        let attempt = page.attempt.unwrap_or(1);
        let frames: Vec<RunLogFrame> =
            page.frames.into_iter().map(|frame| named(reference, attempt, frame)).collect();
        printer.print(&mut context.out, &frames)?;
        // The pages that follow are of the same attempt.
        read.attempt = page.attempt;
        // By the cursor: the next line's number would pass over the rest of a line that fills a page.
        match page.cursor {
            Some(cursor) if !is_read => read.start = LogStart::Cursor(cursor),
            Some(_) | None => {
                say_state(context, page.state);
                return Ok(page.state.word());
            }
        }
    }
}

fn named(reference: &TaskRunRef, attempt: u32, frame: LogFrame) -> RunLogFrame {
    RunLogFrame { task_id: reference.task.clone(), attempt, frame }
}

async fn first_line(context: &mut Context, client: &Client, machine: bool) -> Result<(), Failure> {
    if !machine {
        return Ok(());
    }
    let server = client.info().await?.instance_id;
    jsonl::first(&mut context.out, "gofer.log/v1", &server, None)
}

fn finish(
    context: &mut Context,
    printer: &mut Printer,
    machine: bool,
    end: &str,
) -> Result<(), Failure> {
    printer.close(&mut context.out)?;
    if machine { jsonl::last(&mut context.out, end, None) } else { context.out.flush() }
}

fn say_end(context: &mut Context, end: &LogEnd) {
    match (&end.text, end.reason) {
        (Some(text), _) => context.out.say(text),
        (None, LogEndReason::None) => say_state(context, LogState::None),
        (None, LogEndReason::Removed) => say_state(context, LogState::Removed),
        (None, LogEndReason::Sealed | LogEndReason::ServerStopping | LogEndReason::Unknown) => {
            say_state(context, end.state.unwrap_or(LogState::Sealed));
        }
    }
}

fn say_state(context: &mut Context, state: LogState) {
    match state {
        LogState::None => context.out.say("there is no log: the task never started"),
        LogState::Truncated => context.out.say("the end of this log is missing"),
        LogState::Removed => context.out.say("this log was removed"),
        LogState::Open | LogState::Sealed | LogState::Unknown => {}
    }
}
