//! Deployments.

use gofer_client::model::{Deployed, Deployment, DeploymentState, DeploymentStatus};

use super::table::Cell;
use super::{Noun, words};
use crate::failure::Failure;
use crate::look::{Look, Tone, duration};
use crate::out::Out;

impl Noun for Deployment {
    const SCHEMA: &'static str = "deployment";
    const HEADER: &'static [&'static str] =
        &["ID", "From", "To", "State", "Status", "By", "Started", "Took"];
    const HEADER_WIDE: &'static [&'static str] = &["Strategy", "Reason"];

    fn row(&self, look: &Look) -> Vec<Cell> {
        let from = self.from_version.map(|version| format!("v{version}"));
        let took = self.ended_at.map(|end| duration(end.ms_since(self.started_at)));
        let mut row = vec![
            Cell::id(self.id),
            Cell::plain(from.unwrap_or_else(|| look.absent("-"))),
            Cell::plain(format!("v{}", self.to_version)),
            state(self.state, look),
            status(self.status, look),
            Cell::plain(&self.initiator.name),
            Cell::plain(look.time(self.started_at)),
            Cell::plain(took.unwrap_or_else(|| look.absent("Still running"))),
        ];
        if look.wide {
            row.push(Cell::plain(words::word(self.strategy.word(), look)));
            row.push(Cell::plain(&self.reason));
        }
        row
    }

    fn name(&self) -> String {
        self.id.to_string()
    }
}

fn state(state: DeploymentState, look: &Look) -> Cell {
    let tone = match state {
        DeploymentState::Running | DeploymentState::Unknown => Tone::Busy,
        DeploymentState::Complete => Tone::Good,
    };
    Cell::new(words::word(state.word(), look), tone)
}

fn status(status: Option<DeploymentStatus>, look: &Look) -> Cell {
    let Some(status) = status else { return Cell::plain(look.absent("-")) };
    let tone = match status {
        DeploymentStatus::Successful => Tone::Good,
        DeploymentStatus::Failed => Tone::Bad,
        DeploymentStatus::Unknown => Tone::Busy,
    };
    Cell::new(words::word(status.word(), look), tone)
}

/// `v1 → v2`, or `v2` where nothing was live.
pub(crate) fn step(deployment: &Deployment) -> String {
    match deployment.from_version {
        Some(from) => format!("v{from} → v{}", deployment.to_version),
        None => format!("v{}", deployment.to_version),
    }
}

pub(crate) fn text(deployment: &Deployment, look: &Look) -> String {
    let (state, status) = (state(deployment.state, look), status(deployment.status, look));
    let mut text = format!(
        "Deployment #{} of {} :: {} :: {}\n\n  {}\n  by {} {}\n",
        deployment.id,
        look.paint(Tone::Id, &deployment.pipeline_id),
        look.paint(state.tone, &state.text),
        look.paint(status.tone, &status.text),
        step(deployment),
        deployment.initiator.name,
        look.time(deployment.started_at),
    );
    for reason in [&deployment.initiator.reason, &deployment.reason] {
        if !reason.is_empty() {
            text.push_str(&format!("  {reason}\n"));
        }
    }
    text
}

/// Prints what came of deploying.
pub(crate) fn print(out: &mut Out, deployed: &Deployed, dry_run: bool) -> Result<(), Failure> {
    let deployment = &deployed.deployment;
    let id = &deployment.pipeline_id;
    let text = match (deployed.changed, dry_run) {
        (false, _) => format!("{id} v{} is live already", deployment.to_version),
        (true, true) => format!("would deploy {id} {}; nothing was deployed", step(deployment)),
        (true, false) => format!("{id} v{} live ({})", deployment.to_version, step(deployment)),
    };
    out.made(deployment, &text, &[])
}
