//! Task runs.

use gofer_client::model::{TaskRun, TaskRunState};

use super::table::{self, Cell};
use super::{Noun, dag, words};
use crate::look::{Look, Tone, duration};

impl Noun for TaskRun {
    const SCHEMA: &'static str = "task_run";
    const HEADER: &'static [&'static str] =
        &["ID", "Started", "Ended", "Duration", "State", "Status", "Attempts"];
    const HEADER_WIDE: &'static [&'static str] = &["Reason", "Image"];

    fn row(&self, look: &Look) -> Vec<Cell> {
        let took = dag::elapsed(self, look).map(duration);
        let mut row = vec![
            Cell::id(&self.task_id),
            Cell::plain(look.time_or(self.started_at, "Not Started")),
            Cell::plain(look.time_or(self.ended_at, "Not yet")),
            Cell::plain(took.unwrap_or_else(|| look.absent("0 s"))),
            words::task_state(self.state, look),
            words::task_status(self.status, look),
            Cell::plain(self.attempts.len().to_string()),
        ];
        if look.wide {
            let reason = self.reason.map(|reason| words::word(reason.word(), look));
            row.push(Cell::plain(reason.unwrap_or_else(|| look.absent("-"))));
            row.push(Cell::plain(&self.image));
        }
        row
    }

    fn name(&self) -> String {
        self.path.clone()
    }
}

/// `Waiting`, `Running for 3s`, `Lasted 3s`.
pub(crate) fn length(task_run: &TaskRun, look: &Look) -> String {
    let ms = dag::elapsed(task_run, look);
    match (task_run.state, ms) {
        (TaskRunState::Complete, Some(ms)) => format!("Lasted {}", duration(ms)),
        (TaskRunState::Complete, None) => "Never ran".to_owned(),
        (TaskRunState::Running, Some(ms)) => format!("Running for {}", duration(ms)),
        (
            TaskRunState::Waiting
            | TaskRunState::Processing
            | TaskRunState::Running
            | TaskRunState::Unknown,
            _,
        ) => "Waiting".to_owned(),
    }
}

pub(crate) fn text(task_run: &TaskRun, look: &Look) -> String {
    let state = words::task_state(task_run.state, look);
    let status = words::task_status(task_run.status, look);
    let mut text = format!(
        "Task Run {} :: {} :: {}\n\n",
        look.paint(Tone::Id, &task_run.task_id),
        look.paint(state.tone, &state.text),
        look.paint(status.tone, &status.text),
    );
    text.push_str(&format!("  ├ Pipeline  {}\n", task_run.pipeline_id));
    text.push_str(&format!("  ├ Run       {}\n", task_run.run_id));
    text.push_str(&format!("  ├ Image     {}\n", task_run.image));
    let exit = task_run.attempts.last().and_then(|attempt| attempt.exit);
    if let Some(code) = exit.and_then(|exit| exit.code).filter(|code| *code != 0) {
        text.push_str(&format!("  ├ Exit code {code}\n"));
    }
    let started = look.time_or(task_run.started_at, "Not Started");
    text.push_str(&format!("  └ Started   {started}, {}\n", length(task_run, look)));
    if let Some(waiting) = &task_run.waiting {
        text.push_str(&format!("\n  It {}\n", dag::waiting_text(waiting, look)));
    }
    if let Some(reason) = task_run.reason {
        let sentence = task_run.reason_text.as_deref().unwrap_or_default();
        text.push_str(&format!(
            "\nStatus Details\n  {}: {sentence}\n",
            words::title(reason.word())
        ));
        if let Some(next) = &task_run.next_step {
            text.push_str(&format!("  {}: {next}\n", look.paint(Tone::Head, "next")));
        }
    }
    text.push_str(&attempts(task_run, look));
    text.push_str(&variables(task_run, look));
    text.push_str(&format!(
        "\nThe log: gofer taskrun logs {} {} {}\n",
        task_run.pipeline_id, task_run.run_id, task_run.task_id
    ));
    text
}

fn attempts(task_run: &TaskRun, look: &Look) -> String {
    if task_run.attempts.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<Cell>> = task_run
        .attempts
        .iter()
        .map(|attempt| {
            let took = attempt
                .started_at
                .zip(attempt.ended_at)
                .map(|(start, end)| duration(end.ms_since(start)));
            let exit = attempt.exit.map(|exit| match (exit.code, exit.signal, exit.oom) {
                (_, _, true) => "out of memory".to_owned(),
                (Some(code), _, false) => code.to_string(),
                (None, Some(signal), false) => format!("signal {signal}"),
                (None, None, false) => "-".to_owned(),
            });
            vec![
                Cell::id(format!("  {}", attempt.number)),
                Cell::plain(look.time_or(attempt.started_at, "Not Started")),
                Cell::plain(took.unwrap_or_else(|| look.absent("-"))),
                Cell::plain(exit.unwrap_or_else(|| look.absent("-"))),
                Cell::plain(attempt.image_digest.clone().unwrap_or_else(|| look.absent("-"))),
                Cell::plain(attempt.failure_text.clone().unwrap_or_default()),
            ]
        })
        .collect();
    let header = ["  Attempt", "Started", "Took", "Exit", "Image Digest", "Failure"];
    format!("\nAttempts\n{}", table::render(&header, &rows, look))
}

fn variables(task_run: &TaskRun, look: &Look) -> String {
    if task_run.variables.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<Cell>> = task_run
        .variables
        .iter()
        .map(|variable| {
            vec![
                Cell::id(format!("  {}", variable.key)),
                Cell::plain(&variable.value),
                Cell::plain(words::word(variable.source.word(), look)),
            ]
        })
        .collect();
    format!("\nVariables\n{}", table::render(&["  Key", "Value", "Source"], &rows, look))
}
