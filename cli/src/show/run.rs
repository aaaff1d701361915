//! Runs.

use gofer_client::model::{Run, RunState, RunStatus, TaskRun};

use super::table::{self, Cell};
use super::{Noun, dag, pipeline, words};
use crate::look::{Look, Tone, duration};

impl Noun for Run {
    const SCHEMA: &'static str = "run";
    const HEADER: &'static [&'static str] =
        &["ID", "Started", "Ended", "Duration", "State", "Status", "Started By"];
    const HEADER_WIDE: &'static [&'static str] = &["Version", "Reason", "Retry Of"];

    fn row(&self, look: &Look) -> Vec<Cell> {
        let mut row = vec![
            Cell::id(format!("{}/{}", self.pipeline_id, self.id)),
            Cell::plain(look.time_or(self.started_at, "Not yet")),
            Cell::plain(look.time_or(self.ended_at, "Still running")),
            Cell::plain(took(self, look)),
            words::run_state(self.state, look),
            words::run_status(self.status, look),
            Cell::plain(&self.initiator.name),
        ];
        if look.wide {
            let reason = self.reason.map(|reason| words::word(reason.word(), look));
            row.push(Cell::plain(format!("v{}", self.version)));
            row.push(Cell::plain(reason.unwrap_or_else(|| look.absent("-"))));
            row.push(Cell::plain(self.retry_of.map(|id| id.to_string()).unwrap_or_default()));
        }
        row
    }

    fn name(&self) -> String {
        self.path.clone()
    }
}

/// How long a run takes, or took; nothing before it began.
fn took(run: &Run, look: &Look) -> String {
    let ms = run.duration_ms.or_else(|| run.started_at.map(|start| look.now().ms_since(start)));
    ms.map_or_else(|| look.absent("0 s"), duration)
}

/// `Running for 3s`, `Lasted 3s`.
pub(crate) fn length(run: &Run, look: &Look) -> String {
    match run.state {
        RunState::Pending => {
            format!("Waiting for {}", duration(look.now().ms_since(run.created_at)))
        }
        RunState::Running | RunState::Unknown => format!("Running for {}", took(run, look)),
        RunState::Complete => format!("Lasted {}", took(run, look)),
    }
}

/// One line on how a run ended, or where it is.
pub(crate) fn outcome(run: &Run, look: &Look) -> String {
    let (sign, word, tone) = words::run_sign(run);
    let mut text = format!("{} run {}/{} ", look.paint(tone, sign), run.pipeline_id, run.id);
    text.push_str(&look.paint(tone, word));
    if let Some(ms) = run.duration_ms {
        text.push_str(&format!(" in {}", duration(ms)));
    }
    if let Some(reason) = run.reason.and(run.reason_text.as_ref()) {
        text.push_str(&format!(": {reason}"));
    }
    text
}

/// The task that a failed run failed by: the first that failed.
pub(crate) fn failed_task(run: &Run) -> Option<&TaskRun> {
    use gofer_client::model::TaskRunStatus;
    if run.status != Some(RunStatus::Failed) {
        return None;
    }
    let failed = run.task_runs.iter().filter(|task| task.status == Some(TaskRunStatus::Failed));
    failed.min_by_key(|task| task.ended_at)
}

/// The whole view; `tail` are the last lines of the failed task's log.
pub(crate) fn text(run: &Run, tail: &[String], look: &Look) -> String {
    let state = words::run_state(run.state, look);
    let mut text = format!(
        "Run {} for Pipeline {} :: {}",
        look.paint(Tone::Id, &format!("#{}", run.id)),
        look.paint(Tone::Id, &run.pipeline_id),
        look.paint(state.tone, &state.text),
    );
    if run.status.is_some() {
        let status = words::run_status(run.status, look);
        text.push_str(&format!(" :: {}", look.paint(status.tone, &status.text)));
    }
    text.push_str("\n\n");
    text.push_str(&format!(
        "  Initiated by {} ({}) {}, version v{}\n  {}\n",
        run.initiator.name,
        words::title(run.initiator.kind.word()),
        look.time(run.created_at),
        run.version,
        length(run, look),
    ));
    if !run.initiator.reason.is_empty() {
        text.push_str(&format!("  Reason given: {}\n", run.initiator.reason));
    }
    if let Some(old) = run.retry_of {
        text.push_str(&format!("  Tries run {old} again\n"));
    }
    if let Some(waiting) = &run.waiting {
        text.push_str(&format!("  It {}\n", dag::waiting_text(waiting, look)));
    }
    if let Some(cancel) = &run.cancel {
        let why =
            if cancel.reason.is_empty() { String::new() } else { format!(": {}", cancel.reason) };
        text.push_str(&format!(
            "  Cancelled by {} {}{why}\n",
            cancel.by,
            look.time(cancel.requested_at)
        ));
    }
    text.push_str("\n🗒 Task Runs\n");
    text.push_str(&task_runs(run, look));
    text.push_str(&trouble(run, tail, look));
    text
}

fn task_runs(run: &Run, look: &Look) -> String {
    if run.task_runs.is_empty() {
        return "  • None\n".to_owned();
    }
    let rows: Vec<Vec<Cell>> = run
        .task_runs
        .iter()
        .map(|task| {
            vec![
                Cell::id(format!("  • {}", task.task_id)),
                Cell::plain(look.time_or(task.started_at, "Not Started")),
                Cell::plain(super::task_run::length(task, look)),
                words::task_state(task.state, look),
                words::task_status(task.status, look),
                Cell::plain(task.attempts.len().to_string()),
                Cell::plain(details(task, look)),
            ]
        })
        .collect();
    let header = ["  ID", "Started", "How Long", "State", "Status", "Attempts", "Details"];
    table::render(&header, &rows, look)
}

/// What a task run waits for, or why it did not end well, else what it was to wait for.
fn details(task: &TaskRun, look: &Look) -> String {
    if let Some(waiting) = &task.waiting {
        return dag::waiting_text(waiting, look);
    }
    if let Some(text) = task.reason.and(task.reason_text.clone()) {
        return text;
    }
    let parents = task.depends_on.iter();
    let sentences = parents.map(|parent| pipeline::dependency(&parent.task_id, parent.need));
    sentences.collect::<Vec<_>>().join(", ")
}

/// Why a run did not end well, what to do, and what the failed task wrote last.
fn trouble(run: &Run, tail: &[String], look: &Look) -> String {
    let Some(reason) = run.reason else { return String::new() };
    let mut text = format!("\n{} {}", look.paint(Tone::Bad, "✗"), words::title(reason.word()));
    if let Some(sentence) = &run.reason_text {
        text.push_str(&format!(": {sentence}"));
    }
    text.push('\n');
    if let Some(next) = &run.next_step {
        text.push_str(&format!("  {}: {next}\n", look.paint(Tone::Head, "next")));
    }
    if let Some(task) = failed_task(run).filter(|_| !tail.is_empty()) {
        text.push_str(&format!("\nLast lines of {}\n", look.paint(Tone::Id, &task.task_id)));
        for line in tail {
            text.push_str(&format!("  │ {line}\n"));
        }
        text.push_str(&format!(
            "\nThe whole log: gofer logs {}/{}/{}\n",
            run.pipeline_id, run.id, task.task_id
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::samples;

    #[test]
    fn a_failed_run_shows_its_cause_where_one_looks() {
        let tail = ["compiling".to_owned(), "error: no".to_owned()];
        insta::assert_snapshot!(text(&samples::failed_run(), &tail, &Look::terminal()));
    }

    #[test]
    fn into_a_pipe_a_row_has_full_times_and_no_words_for_nothing() {
        let row = table::of(&[samples::run()], &Look::pipe());
        assert_eq!(row, "simple/3\t2025-11-25T00:50:30.000Z\t\t4.0 s\tRUNNING\t\tann\n");
    }
}
