//! Pipelines.

use gofer_client::model::{
    Need, Pipeline, PipelineConfig, PipelineState, Run, RunStatus, TaskSpec,
};
use serde::Serialize;

use super::table::{self, Cell};
use super::{Noun, words};
use crate::look::{Look, Tone};

impl Noun for Pipeline {
    const SCHEMA: &'static str = "pipeline";
    const HEADER: &'static [&'static str] =
        &["ID", "State", "Health", "Live", "Created", "Last Run"];
    const HEADER_WIDE: &'static [&'static str] = &["Name", "Newest", "Updated"];

    fn row(&self, look: &Look) -> Vec<Cell> {
        let live = match self.live_version {
            Some(version) => format!("v{version}"),
            None => look.absent("Not yet"),
        };
        let last = self.last_run.as_ref().map(|run| run.created_at);
        let mut row = vec![
            Cell::id(&self.id),
            state(self.state, look),
            last_health(self, look),
            Cell::plain(live),
            Cell::plain(look.time(self.created_at)),
            Cell::plain(look.time_or(last, "Never")),
        ];
        if look.wide {
            row.push(Cell::plain(&self.name));
            row.push(Cell::plain(format!("v{}", self.newest_version)));
            row.push(Cell::plain(look.time(self.updated_at)));
        }
        row
    }

    fn name(&self) -> String {
        self.path.clone()
    }
}

/// A pipeline with its config and its newest runs.
#[derive(Debug, Serialize)]
pub(crate) struct Detailed {
    #[serde(flatten)]
    pub(crate) pipeline: Pipeline,
    pub(crate) config: Option<PipelineConfig>,
    pub(crate) recent_runs: Vec<Run>,
}

impl Noun for Detailed {
    const SCHEMA: &'static str = Pipeline::SCHEMA;
    const HEADER: &'static [&'static str] = Pipeline::HEADER;

    fn row(&self, look: &Look) -> Vec<Cell> {
        self.pipeline.row(look)
    }

    fn name(&self) -> String {
        self.pipeline.name()
    }
}

fn state(state: PipelineState, look: &Look) -> Cell {
    let tone = match state {
        PipelineState::Active => Tone::Good,
        PipelineState::Disabled | PipelineState::Unknown => Tone::Busy,
    };
    Cell::new(words::word(state.word(), look), tone)
}

/// The health that the last run alone tells.
fn last_health(pipeline: &Pipeline, look: &Look) -> Cell {
    let status = pipeline.last_run.as_ref().map(|run| run.status);
    match status.flatten() {
        Some(RunStatus::Failed) => Cell::new(words::word("POOR", look), Tone::Bad),
        Some(RunStatus::Successful | RunStatus::Cancelled) => {
            Cell::new(words::word("GOOD", look), Tone::Good)
        }
        Some(RunStatus::Unknown) | None => Cell::plain(look.absent("-")),
    }
}

/// Health over the recent runs that ended. A cancel is nobody's fault.
fn health(runs: &[Run]) -> &'static str {
    let ended = runs.iter().filter_map(|run| run.status);
    let (bad, fine): (Vec<RunStatus>, Vec<RunStatus>) =
        ended.partition(|status| *status == RunStatus::Failed);
    match (bad.is_empty(), fine.is_empty()) {
        (true, true) => "Unknown",
        (true, false) => "Good ☀",
        (false, false) => "Unstable ☁",
        (false, true) => "Poor ☔",
    }
}

pub(crate) fn text(detailed: &Detailed, look: &Look) -> String {
    let pipeline = &detailed.pipeline;
    let state = state(pipeline.state, look);
    let mut text = format!(
        "[{}] {} :: {}\n",
        look.paint(Tone::Id, &pipeline.id),
        pipeline.name,
        look.paint(state.tone, &state.text),
    );
    if !pipeline.description.is_empty() {
        text.push_str(&format!("\n  {}\n", pipeline.description));
    }
    let last = detailed.recent_runs.first().map(|run| look.time(run.created_at));
    text.push_str(&format!(
        "\n  Live {} | Created {} | Last Run {} | Health {}\n",
        pipeline.live_version.map_or_else(|| "Not yet".to_owned(), |version| format!("v{version}")),
        look.time(pipeline.created_at),
        last.unwrap_or_else(|| "Never".to_owned()),
        health(&detailed.recent_runs),
    ));
    let config = detailed.config.as_ref();
    if let Some(spec) = config.and_then(|config| config.config.as_ref()) {
        text.push_str("\n🗒 Tasks\n");
        text.push_str(&tasks(&spec.tasks, look));
    }
    text.push_str("\n📦 Recent Runs\n");
    text.push_str(&recent(&detailed.recent_runs, look));
    text
}

fn recent(runs: &[Run], look: &Look) -> String {
    if runs.is_empty() {
        return "  • None\n".to_owned();
    }
    let rows: Vec<Vec<Cell>> = runs
        .iter()
        .map(|run| {
            vec![
                Cell::id(format!("  • {}", run.id)),
                Cell::plain(format!("{} by {}", look.time(run.created_at), run.initiator.name)),
                Cell::plain(super::run::length(run, look)),
                words::run_state(run.state, look),
                words::run_status(run.status, look),
            ]
        })
        .collect();
    table::render(&["  ID", "When", "How Long", "State", "Status"], &rows, look)
}

/// Tasks by number of parents, each with its sentences.
pub(crate) fn tasks(tasks: &[TaskSpec], look: &Look) -> String {
    let mut sorted: Vec<&TaskSpec> = tasks.iter().collect();
    sorted.sort_by_key(|task| task.depends_on.len());
    let mut text = String::new();
    for task in sorted {
        text.push_str(&format!("  • {}", look.paint(Tone::Id, &task.id)));
        if !task.description.is_empty() {
            text.push_str(&format!(" {}", task.description));
        }
        text.push('\n');
        for parent in &task.depends_on {
            text.push_str(&format!("      {}\n", dependency(&parent.parent, parent.status)));
        }
    }
    text
}

/// What a child waits for, as a sentence.
pub(crate) fn dependency(parent: &str, need: Need) -> String {
    match need {
        Need::Any | Need::Unknown => format!("after {parent} finished"),
        Need::Success => format!("only after {parent} finished successfully"),
        Need::Failure => format!("only after {parent} failed with an error"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::samples;

    #[test]
    fn what_a_pipeline_is_stands_before_what_it_did() {
        let mut detailed = Detailed {
            pipeline: samples::pipeline(),
            config: Some(samples::config()),
            recent_runs: vec![samples::failed_run()],
        };
        insta::assert_snapshot!(text(&detailed, &Look::terminal()));
        detailed.recent_runs.clear();
        // Into a pipe too: nobody can tell a blank from a fault.
        assert!(text(&detailed, &Look::pipe()).contains("| Last Run Never | Health Unknown\n"));
    }
}
