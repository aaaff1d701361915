//! A watched run on a terminal: what is over scrolls by, what moves stays in at most eight lines that
//! are painted again only when they differ.

use std::collections::VecDeque;
use std::pin::pin;
use std::time::Duration;

use gofer_client::model::{Run, RunLogFrame, RunRef, TaskRunState};
use gofer_client::watch::{FollowRunLogs, RunLogUpdate, RunUpdate};
use unicode_width::UnicodeWidthChar;

use crate::context::Context;
use crate::failure::Failure;
use crate::follow::Told;
use crate::logs::visible;
use crate::look::{Look, Tone};
use crate::out::Out;
use crate::show::{self, dag};
use crate::wait::{self, WaitArgs, Waited};

/// Most moving lines: more would scroll away on a small terminal.
const MOVING_MAX: usize = 8;
/// How often the moving lines are looked at. Fast logs would flicker otherwise, and durations grow.
const LOOK_AT_EVERY: Duration = Duration::from_millis(100);

/// The moving lines at the bottom of the terminal.
#[derive(Debug, Default)]
struct Screen {
    painted: Vec<String>,
}

impl Screen {
    /// Lets `over` scroll by, and paints `moving` below it, if anything differs.
    fn paint(
        &mut self,
        out: &mut Out,
        over: &[String],
        moving: Vec<String>,
    ) -> Result<(), Failure> {
        if over.is_empty() && moving == self.painted {
            return Ok(());
        }
        let mut text = String::new();
        if !self.painted.is_empty() {
            // Up to the first moving line, and clear from there.
            text.push_str(&format!("\u{1b}[{}A\r\u{1b}[J", self.painted.len()));
        }
        for line in over.iter().chain(&moving) {
            text.push_str(line);
            text.push('\n');
        }
        self.painted = moving;
        out.bytes(text.as_bytes())?;
        out.flush()
    }
}

pub(super) async fn watch(
    context: &mut Context,
    reference: &RunRef,
    last_lines: usize,
    args: &WaitArgs,
) -> Result<Waited, Failure> {
    let client = context.client()?;
    let mut watch = client.watch_run(reference.clone());
    let tail = Some(last_lines as u64);
    let what = FollowRunLogs { run: reference.clone(), tasks: vec![], tail, allow_gaps: true };
    let mut logs = client.follow_run_logs(what);
    let mut logging = last_lines > 0;
    let (mut screen, mut told) = (Screen::default(), Told::default());
    let mut over = Vec::new();
    let mut last = VecDeque::new();
    let mut tick = tokio::time::interval(LOOK_AT_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut expired = pin!(args.expire());
    let mut interrupt = pin!(wait::interrupted());
    let waited = loop {
        tokio::select! {
            update = watch.next() => match update.transpose()? {
                Some(RunUpdate::Snapshot | RunUpdate::Changed(_)) => {
                    ended(&mut told, watch.run(), &context.out.look, &mut over);
                }
                Some(RunUpdate::Lost(why)) => over.push(format!("connection lost ({why}); trying again")),
                Some(RunUpdate::Complete) | None => break wait::complete(watch.run())?,
            },
            update = logs.next(), if logging => match update.transpose()? {
                Some(RunLogUpdate::Frames(frames)) => {
                    keep(&mut last, frames, last_lines, context.out.look.width);
                }
                Some(RunLogUpdate::Gap(_) | RunLogUpdate::Lost(_)) => {} // only the last lines matter
                Some(RunLogUpdate::End(_)) | None => logging = false,
            },
            _ = tick.tick() => {
                let moving = moving(watch.run(), &last, &context.out.look);
                screen.paint(&mut context.out, &over, moving)?;
                over.clear();
            }
            () = &mut expired => break Waited::TooLong,
            () = &mut interrupt => break Waited::Interrupted,
        }
    };
    screen.paint(&mut context.out, &over, Vec::new())?;
    if let Waited::Complete(run) = &waited {
        wait::tell(context, run)?;
    }
    Ok(waited)
}

/// The lines of tasks that are over since the last time.
fn ended(told: &mut Told, run: Option<&Run>, look: &Look, over: &mut Vec<String>) {
    let Some(run) = run else { return };
    let width = dag::id_width(&run.task_runs);
    let complete = told.news(run).into_iter().filter(|task| task.state == TaskRunState::Complete);
    over.extend(complete.map(|task| fit(&dag::line(task, width, look), look.width)));
}

/// Keeps the last log lines, of each as much as may be seen: a line need not end.
fn keep(
    last: &mut VecDeque<(String, String)>,
    frames: Vec<RunLogFrame>,
    n_max: usize,
    width: usize,
) {
    // Colours and wide characters take more bytes than room.
    let n_bytes_max = width.saturating_mul(4);
    let start = |data: &[u8], n_bytes: usize| visible(data.get(..n_bytes).unwrap_or(data));
    for frame in frames {
        let data = frame.frame.data.strip_suffix(b"\n").unwrap_or(&frame.frame.data);
        match last.back_mut() {
            Some((task, line)) if frame.frame.continues && *task == frame.task_id => {
                line.push_str(&start(data, n_bytes_max.saturating_sub(line.len())));
            }
            Some(_) | None => last.push_back((frame.task_id, start(data, n_bytes_max))),
        }
        while last.len() > n_max {
            last.pop_front();
        }
    }
}

/// The lines that move: the run, its active tasks, how many wait, the last log lines.
fn moving(run: Option<&Run>, last: &VecDeque<(String, String)>, look: &Look) -> Vec<String> {
    let Some(run) = run else { return Vec::new() };
    let (sign, word, tone) = show::words::run_sign(run);
    let mut head = format!("{} run {}/{} ", look.paint(tone, sign), run.pipeline_id, run.id);
    head.push_str(&look.paint(tone, word));
    if let Some(start) = run.started_at {
        head.push_str(&format!(" {}", crate::look::growing(look.now().ms_since(start))));
    }
    if let Some(waiting) = &run.waiting {
        head.push_str(&format!("  {}", dag::waiting_text(waiting, look)));
    }
    let active: Vec<_> = run
        .task_runs
        .iter()
        .filter(|task| matches!(task.state, TaskRunState::Processing | TaskRunState::Running))
        .collect();
    let n_waiting = run.task_runs.iter().filter(|task| task.state == TaskRunState::Waiting).count();
    let width = dag::id_width(&run.task_runs);
    let room = MOVING_MAX - 2 - last.len().min(MOVING_MAX - 3);
    let mut lines = vec![head];
    lines.extend(active.iter().take(room).map(|task| dag::line(task, width, look)));
    let n_more = active.len().saturating_sub(room);
    let rest = match (n_more, n_waiting) {
        (0, 0) => None,
        (0, waiting) => Some(format!("○ {waiting} waiting")),
        (more, waiting) => Some(format!("● {more} more running, {waiting} waiting")),
    };
    lines.extend(rest.map(|text| look.paint(Tone::Dim, &text)));
    let logs = last
        .iter()
        .map(|(task, text)| format!("  {}", look.paint(Tone::Dim, &format!("{task} │ {text}"))));
    lines.extend(logs);
    lines.truncate(MOVING_MAX);
    lines.iter().map(|line| fit(line, look.width)).collect()
}

/// Cuts a line to the width of the terminal: one that wraps would break the painting. Colour codes take
/// no room.
fn fit(line: &str, width: usize) -> String {
    let mut text = String::with_capacity(line.len());
    let (mut used, mut in_code, mut cut) = (0, false, false);
    for c in line.chars() {
        if c == '\u{1b}' {
            in_code = true;
        }
        if in_code {
            text.push(c);
            in_code = c != 'm';
            continue;
        }
        used += if c == '\t' { 8 } else { c.width().unwrap_or(0) };
        if used >= width {
            cut = true;
        } else if !cut {
            text.push(c);
        }
    }
    if cut {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use gofer_client::model::{LogFrame, LogStream, TaskRun, TaskRunStatus, Time, Waiting};

    use super::*;
    use crate::args::Format;
    use crate::out::capture;
    use crate::show::samples;

    fn busy_run() -> Run {
        let now = Look::terminal().now().as_ms();
        let running = |id: &str| TaskRun {
            state: TaskRunState::Running,
            status: None,
            started_at: Some(Time::from_ms(now - 4_000)),
            ..samples::task(id, TaskRunStatus::Successful)
        };
        let waiting = TaskRun {
            state: TaskRunState::Waiting,
            status: None,
            ..samples::task("deploy", TaskRunStatus::Successful)
        };
        let pulling = TaskRun {
            state: TaskRunState::Processing,
            waiting: Some(Waiting::Pull {
                image: "rust:1.95".into(),
                current_bytes: Some(1_048_576),
                total_bytes: Some(4_194_304),
                layers_done: None,
                layers_total: None,
            }),
            ..running("check")
        };
        Run { task_runs: vec![running("build"), pulling, waiting], ..samples::run() }
    }

    #[test]
    fn the_moving_lines_show_what_is_active_and_what_it_writes() {
        let last = VecDeque::from([("build".to_owned(), "compiling".to_owned())]);
        let lines = moving(Some(&busy_run()), &last, &Look::terminal());
        insta::assert_snapshot!(lines.join("\n"), @r"
        ● run simple/3 running 4 s
        ● build   running 4 s
        ◌ check   processing  fetches rust:1.95, 1.0 MiB of 4.0 MiB
        ○ 1 waiting
          build │ compiling
        ");
    }

    #[test]
    fn a_thousand_tasks_still_move_in_eight_lines() {
        let mut run = busy_run();
        let task = run.task_runs.first().cloned();
        run.task_runs.extend(std::iter::repeat_n(task, 1_000).flatten());
        let last = VecDeque::from(vec![("build".to_owned(), "x".repeat(200)); 5]);
        let lines = moving(Some(&run), &last, &Look::terminal());
        assert_eq!(lines.len(), MOVING_MAX);
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{lines:#?}");
    }

    #[test]
    fn a_line_without_end_is_kept_as_far_as_it_is_seen() {
        let frame = |data: Vec<u8>, continues| RunLogFrame {
            task_id: "build".into(),
            attempt: 1,
            frame: LogFrame {
                stream: LogStream::Stdout,
                time_ns: 0,
                line: 0,
                continues,
                data: data.into(),
                offset: 0,
            },
        };
        let mut last = VecDeque::new();
        let long: Vec<RunLogFrame> =
            (0..1_000).map(|n| frame(vec![b'x'; 16 * 1024], n > 0)).collect();
        keep(&mut last, long, 3, 80);
        keep(&mut last, vec![frame(vec![0x1b; 1 << 20], false)], 3, 80);
        let lens: Vec<usize> = last.iter().map(|(_, line)| line.len()).collect();
        assert_eq!(lens.len(), 2);
        assert!(lens[0] >= 80 && lens.iter().all(|len| *len < 80 * 50), "{lens:?}");
    }

    #[test]
    fn nothing_is_painted_when_nothing_differs() {
        let (mut out, data, _) = capture::out(Look::terminal(), Format::Table);
        let mut screen = Screen::default();
        screen.paint(&mut out, &[], vec!["a".into(), "b".into()]).unwrap();
        screen.paint(&mut out, &[], vec!["a".into(), "b".into()]).unwrap();
        assert_eq!(data.text(), "a\nb\n");
        screen.paint(&mut out, &["over".into()], vec!["c".into()]).unwrap();
        assert_eq!(data.text(), "a\nb\n\u{1b}[2A\r\u{1b}[Jover\nc\n");
    }

    #[test]
    fn a_line_is_cut_to_the_terminal_and_keeps_its_colours() {
        assert_eq!(fit("abcdef", 5), "abcd…");
        assert_eq!(fit("abcd", 5), "abcd");
        assert_eq!(fit("\u{1b}[31mabcdef\u{1b}[0m", 5), "\u{1b}[31mabcd\u{1b}[0m…");
    }
}
