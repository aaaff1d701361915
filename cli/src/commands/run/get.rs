//! `gofer run get`.

use clap::Args;
use gofer_client::model::Run;
use gofer_client::{Client, LogStart, ReadLog};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Done;
use crate::logs::visible;
use crate::refs::Typed;
use crate::show;

/// Lines of the failed task's log that are shown.
const TAIL_LINES: u32 = 10;

/// Show one run: who started it, its task runs and, if it failed, why.
///
/// Example: gofer run get simple @latest
#[derive(Debug, Args)]
pub(crate) struct Get {
    /// The run: PIPELINE RUN, or [NAMESPACE:]PIPELINE/RUN
    #[arg(required = true, num_args = 1..=2, value_name = "REF")]
    run: Vec<String>,
}

impl Get {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        let reference = Typed::parse(&self.run)?.run(context).await?;
        let client = context.client()?;
        let run = client.run(&reference).await?;
        let tail = if context.out.format.is_machine() {
            Vec::new()
        } else {
            last_lines(&client, &run).await
        };
        context.out.one(&run, |look| show::run::text(&run, &tail, look))?;
        Ok(Exit::Ok)
    }
}

/// The last lines of the task that a run failed by. None where there is no log: the run is worth showing
/// all the same.
async fn last_lines(client: &Client, run: &Run) -> Vec<String> {
    let Some(task) = show::run::failed_task(run) else { return Vec::new() };
    let read = ReadLog {
        task_run: task.reference(),
        attempt: None,
        start: LogStart::Tail(u64::from(TAIL_LINES)),
        max_lines: Some(TAIL_LINES),
    };
    let Ok(page) = client.read_log(&read).await else { return Vec::new() };
    let mut lines: Vec<Vec<u8>> = Vec::new();
    for frame in page.frames {
        match lines.last_mut() {
            Some(line) if frame.continues => line.extend_from_slice(&frame.data),
            Some(_) | None => lines.push(frame.data.to_vec()),
        }
    }
    lines.iter().map(|line| visible(line.strip_suffix(b"\n").unwrap_or(line))).collect()
}
