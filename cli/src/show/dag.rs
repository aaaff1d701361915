//! The lines of a run's graph: a sign and a word for each task, how long, and what it waits for.

use gofer_client::model::{TaskRun, TaskRunState, Waiting};
use unicode_width::UnicodeWidthStr;

use super::words::task_sign;
use crate::look::{Look, Tone, bytes, duration, growing};

/// Column of the words, at most; longer ids push them to the right.
const ID_WIDTH_MAX: usize = 32;

/// The width that ids are padded to.
pub(crate) fn id_width(task_runs: &[TaskRun]) -> usize {
    task_runs.iter().map(|task| task.task_id.width()).max().unwrap_or(0).min(ID_WIDTH_MAX)
}

/// One task as one line.
pub(crate) fn line(task_run: &TaskRun, id_width: usize, look: &Look) -> String {
    let (sign, word, tone) = task_sign(task_run);
    let pad = " ".repeat(id_width.saturating_sub(task_run.task_id.width()));
    let mut text =
        format!("{} {}{pad}  {}", look.paint(tone, sign), task_run.task_id, look.paint(tone, word));
    if let Some(ms) = elapsed(task_run, look) {
        let running = task_run.state == TaskRunState::Running;
        text.push_str(&format!(" {}", if running { growing(ms) } else { duration(ms) }));
    }
    if task_run.attempts.len() > 1 {
        text.push_str(&format!(" (attempt {})", task_run.attempts.len()));
    }
    if let Some(why) = why(task_run, look) {
        text.push_str(&look.paint(Tone::Dim, &format!("  {why}")));
    }
    text
}

/// An attempt that has begun, as one line.
pub(crate) fn begun(task_run: &TaskRun, attempt: u32, id_width: usize, look: &Look) -> String {
    let words = match attempt {
        1 => "running".to_owned(),
        _ => format!("running (attempt {attempt})"),
    };
    with_sign(task_run, ("●", Tone::Busy), &words, id_width, look)
}

/// A sign, the task and some words as one line.
pub(crate) fn with_sign(
    task_run: &TaskRun,
    (sign, tone): (&str, Tone),
    words: &str,
    id_width: usize,
    look: &Look,
) -> String {
    let pad = " ".repeat(id_width.saturating_sub(task_run.task_id.width()));
    format!("{} {}{pad}  {}", look.paint(tone, sign), task_run.task_id, look.paint(tone, words))
}

/// How long a task run takes, or took.
pub(crate) fn elapsed(task_run: &TaskRun, look: &Look) -> Option<u64> {
    task_run.duration_ms.or_else(|| {
        let running = task_run.state == TaskRunState::Running;
        task_run.started_at.filter(|_| running).map(|start| look.now().ms_since(start))
    })
}

/// What it waits for, or why it ended.
fn why(task_run: &TaskRun, look: &Look) -> Option<String> {
    match &task_run.waiting {
        Some(waiting) => Some(waiting_text(waiting, look)),
        None => task_run.reason.and(task_run.reason_text.clone()),
    }
}

/// What is waited for, in words.
pub(crate) fn waiting_text(waiting: &Waiting, look: &Look) -> String {
    match waiting {
        Waiting::Parents { parents } => {
            let names: Vec<&str> = parents.iter().map(|parent| parent.task_id.as_str()).collect();
            format!("waits for {}", names.join(", "))
        }
        Waiting::Slot { position, limit } => {
            format!("waits for a slot, place {position} in the queue ({limit} at once)")
        }
        Waiting::Pull { image, current_bytes, total_bytes, .. } => {
            match (current_bytes, total_bytes) {
                (Some(now), Some(all)) if *all > 0 => {
                    format!("fetches {image}, {} of {}", bytes(*now), bytes(*all))
                }
                (Some(now), _) => format!("fetches {image}, {} so far", bytes(*now)),
                (None, _) => format!("fetches {image}"),
            }
        }
        Waiting::Backoff { until, attempt } => match until.ms_since(look.now()) {
            0..1_000 => format!("attempt {attempt} follows"),
            ms => format!("attempt {attempt} follows in {}", growing(ms)),
        },
        Waiting::EngineUnknown { since } => {
            format!("the container engine has not answered since {}", look.time(*since))
        }
        Waiting::Stopping { forced: false, .. } => "is told to stop".to_owned(),
        Waiting::Stopping { forced: true, .. } => "is killed".to_owned(),
        Waiting::Create => "creates its container".to_owned(),
        Waiting::Unknown => "waits".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use gofer_client::model::Need;
    use gofer_client::model::{TaskRunStatus, Time, WaitingParent};

    use super::*;
    use crate::show::samples;

    #[test]
    fn each_task_says_how_it_is_and_why() {
        let look = Look::terminal();
        let now = look.now().as_ms();
        let parent = WaitingParent {
            task_id: "build".into(),
            state: TaskRunState::Running,
            status: None,
            need: Need::Success,
        };
        let tasks = [
            TaskRun {
                duration_ms: Some(1_200),
                ..samples::task("fetch", TaskRunStatus::Successful)
            },
            TaskRun {
                state: TaskRunState::Running,
                status: None,
                started_at: Some(Time::from_ms(now - 65_000)),
                ..samples::task("build", TaskRunStatus::Successful)
            },
            TaskRun {
                state: TaskRunState::Waiting,
                status: None,
                waiting: Some(Waiting::Parents { parents: vec![parent] }),
                ..samples::task("deploy", TaskRunStatus::Successful)
            },
            TaskRun {
                reason: Some(gofer_client::model::Reason::AbnormalExit),
                reason_text: Some("exit code 3".into()),
                ..samples::task("lint", TaskRunStatus::Failed)
            },
        ];
        let width = id_width(&tasks);
        let lines: Vec<String> = tasks.iter().map(|task| line(task, width, &look)).collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        ✓ fetch   successful 1.2 s
        ● build   running 1 m 5 s
        ○ deploy  waiting  waits for build
        ✗ lint    failed  exit code 3
        ");
    }
}
