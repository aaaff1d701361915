//! Versions of pipelines.

use gofer_client::model::{ConfigState, Origin, PipelineConfig};

use super::table::Cell;
use super::{Noun, pipeline, words};
use crate::look::{Look, Tone, duration};

/// Digits of a hash or a commit that people look at.
const HASH_SHOWN: usize = 8;

impl Noun for PipelineConfig {
    const SCHEMA: &'static str = "pipeline_config";
    const HEADER: &'static [&'static str] =
        &["Version", "State", "Origin", "Registered", "By", "Deprecated"];
    const HEADER_WIDE: &'static [&'static str] = &["Hash"];

    fn row(&self, look: &Look) -> Vec<Cell> {
        let mut row = vec![
            Cell::id(self.version),
            state(self.state, look),
            Cell::plain(origin(&self.origin, look)),
            Cell::plain(look.time(self.registered_at)),
            Cell::plain(self.origin.author.clone().unwrap_or_else(|| look.absent("-"))),
            Cell::plain(look.time_or(self.deprecated_at, "-")),
        ];
        if look.wide {
            row.push(Cell::plain(&self.content_hash));
        }
        row
    }

    fn name(&self) -> String {
        self.version.to_string()
    }
}

fn state(state: ConfigState, look: &Look) -> Cell {
    let tone = match state {
        ConfigState::Live => Tone::Good,
        ConfigState::Unreleased | ConfigState::Unknown => Tone::Busy,
        ConfigState::Deprecated => Tone::Plain,
    };
    Cell::new(words::word(state.word(), look), tone)
}

fn origin(origin: &Origin, look: &Look) -> String {
    let mut text = words::word(origin.kind.word(), look);
    if let Some(commit) = &origin.git_commit {
        text.push(' ');
        text.extend(commit.chars().take(HASH_SHOWN));
        if origin.git_dirty == Some(true) {
            text.push('+');
        }
    }
    text
}

pub(crate) fn text(config: &PipelineConfig, look: &Look) -> String {
    let state = state(config.state, look);
    let mut text = format!(
        "{} v{} :: {}\n",
        look.paint(Tone::Id, &config.pipeline_id),
        config.version,
        look.paint(state.tone, &state.text)
    );
    let Some(spec) = &config.config else { return text };
    if !spec.description.is_empty() {
        text.push_str(&format!("\n  {}\n", spec.description));
    }
    let parallelism = match spec.parallelism {
        None | Some(0) => "Unlimited".to_owned(),
        Some(n) => n.to_string(),
    };
    text.push_str(&format!("\n  Name         {}\n  Parallelism  {parallelism}\n", spec.name));
    if let Some(ms) = spec.timeout_ms {
        text.push_str(&format!("  Timeout      {}\n", duration(ms)));
    }
    text.push_str(&format!("  Origin       {}\n", origin(&config.origin, look)));
    text.push_str(&format!("  Hash         {}\n", config.content_hash));
    text.push_str("\n🗒 Tasks\n");
    text.push_str(&pipeline::tasks(&spec.tasks, look));
    text.push_str(&format!("\nRegistered {}", look.time(config.registered_at)));
    if let Some(time) = config.deprecated_at {
        text.push_str(&format!(" | Deprecated {}", look.time(time)));
    }
    text
}
