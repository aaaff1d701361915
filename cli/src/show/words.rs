//! Words of state: title case, a sign, and a colour that never stands alone.

use gofer_client::model::{Run, RunState, RunStatus, TaskRun, TaskRunState, TaskRunStatus};

use super::table::Cell;
use crate::look::{Look, Tone};

/// `ABNORMAL_EXIT` as `Abnormal Exit`.
pub(crate) fn title(word: &str) -> String {
    let mut text = String::with_capacity(word.len());
    for part in word.split('_').filter(|part| !part.is_empty()) {
        if !text.is_empty() {
            text.push(' ');
        }
        let mut letters = part.chars();
        text.extend(letters.next());
        text.extend(letters.flat_map(char::to_lowercase));
    }
    text
}

/// A word for people, or as it is for programs.
pub(crate) fn word(word: &str, look: &Look) -> String {
    if look.tty { title(word) } else { word.to_owned() }
}

pub(crate) fn run_state(state: RunState, look: &Look) -> Cell {
    let tone = match state {
        RunState::Pending | RunState::Running | RunState::Unknown => Tone::Busy,
        RunState::Complete => Tone::Good,
    };
    Cell::new(word(state.word(), look), tone)
}

pub(crate) fn run_status(status: Option<RunStatus>, look: &Look) -> Cell {
    let Some(status) = status else { return Cell::plain(look.absent("-")) };
    let tone = match status {
        RunStatus::Successful => Tone::Good,
        RunStatus::Failed => Tone::Bad,
        RunStatus::Cancelled => Tone::Plain,
        RunStatus::Unknown => Tone::Busy,
    };
    Cell::new(word(status.word(), look), tone)
}

pub(crate) fn task_state(state: TaskRunState, look: &Look) -> Cell {
    let tone = match state {
        TaskRunState::Waiting | TaskRunState::Processing | TaskRunState::Unknown => Tone::Busy,
        TaskRunState::Running => Tone::Busy,
        TaskRunState::Complete => Tone::Good,
    };
    Cell::new(word(state.word(), look), tone)
}

pub(crate) fn task_status(status: Option<TaskRunStatus>, look: &Look) -> Cell {
    let Some(status) = status else { return Cell::plain(look.absent("-")) };
    let tone = match status {
        TaskRunStatus::Successful => Tone::Good,
        TaskRunStatus::Failed => Tone::Bad,
        TaskRunStatus::Cancelled | TaskRunStatus::Skipped => Tone::Plain,
        TaskRunStatus::Unknown => Tone::Busy,
    };
    Cell::new(word(status.word(), look), tone)
}

/// The sign and the word of a task run as it is now.
pub(crate) fn task_sign(task_run: &TaskRun) -> (&'static str, &'static str, Tone) {
    match (task_run.state, task_run.status) {
        (TaskRunState::Complete, Some(TaskRunStatus::Successful)) => {
            ("✓", "successful", Tone::Good)
        }
        (TaskRunState::Complete, Some(TaskRunStatus::Failed)) => ("✗", "failed", Tone::Bad),
        (TaskRunState::Complete, Some(TaskRunStatus::Cancelled)) => ("■", "cancelled", Tone::Plain),
        (TaskRunState::Complete, Some(TaskRunStatus::Skipped)) => ("–", "skipped", Tone::Dim),
        (TaskRunState::Complete, Some(TaskRunStatus::Unknown) | None) => {
            ("?", "complete", Tone::Busy)
        }
        (TaskRunState::Waiting, _) => ("○", "waiting", Tone::Dim),
        (TaskRunState::Processing, _) => ("◌", "processing", Tone::Busy),
        (TaskRunState::Running, _) => ("●", "running", Tone::Busy),
        (TaskRunState::Unknown, _) => ("?", "unknown", Tone::Busy),
    }
}

/// The sign and the word of a run as it is now.
pub(crate) fn run_sign(run: &Run) -> (&'static str, &'static str, Tone) {
    match (run.state, run.status) {
        (RunState::Complete, Some(RunStatus::Successful)) => ("✓", "successful", Tone::Good),
        (RunState::Complete, Some(RunStatus::Failed)) => ("✗", "failed", Tone::Bad),
        (RunState::Complete, Some(RunStatus::Cancelled)) => ("■", "cancelled", Tone::Plain),
        (RunState::Complete, Some(RunStatus::Unknown) | None) => ("?", "complete", Tone::Busy),
        (RunState::Pending, _) => ("○", "pending", Tone::Busy),
        (RunState::Running, _) => ("●", "running", Tone::Busy),
        (RunState::Unknown, _) => ("?", "unknown", Tone::Busy),
    }
}

/// `1 run`, `2 runs`.
pub(crate) fn count(n: u64, one: &str) -> String {
    match n {
        1 => format!("1 {one}"),
        _ => format!("{n} {one}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_in_title_case_for_people_only() {
        assert_eq!(word("ABNORMAL_EXIT", &Look::terminal()), "Abnormal Exit");
        assert_eq!(word("ABNORMAL_EXIT", &Look::pipe()), "ABNORMAL_EXIT");
        assert_eq!(count(1, "run") + &count(0, "run"), "1 run0 runs");
    }
}
