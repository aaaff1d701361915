//! `gofer status`.

use clap::Args;
use gofer_client::model::{EngineState, PageRequest, Run, RunState, RunStatus, SystemInfo};
use gofer_client::{Client, RunQuery};
use serde::Serialize;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Done;
use crate::look::{Look, Tone};
use crate::show;

/// Runs of each sort that are shown.
const SHOWN_RUNS: u32 = 5;

/// Show the server, its container engine, and what runs, waits and failed last.
///
/// Example: gofer status
#[derive(Debug, Args)]
pub(crate) struct Status {}

/// The state of a server as a document.
#[derive(Debug, Serialize)]
struct Report {
    host: String,
    namespace: String,
    server: SystemInfo,
    running: Runs,
    waiting: Runs,
    last_failed: Option<Run>,
}

/// Some runs, and how many there are.
#[derive(Debug, Serialize)]
struct Runs {
    total: u64,
    newest: Vec<Run>,
}

impl Status {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        let client = context.client()?;
        let namespace = context.settings.namespace.clone();
        let query = |states: Vec<RunState>, statuses: Vec<RunStatus>, limit| RunQuery {
            namespace: namespace.clone(),
            states,
            statuses,
            page: PageRequest { limit: Some(limit), cursor: None },
            ..RunQuery::default()
        };
        let server = client.info().await?;
        let running = runs(&client, query(vec![RunState::Running], vec![], SHOWN_RUNS)).await?;
        let waiting = runs(&client, query(vec![RunState::Pending], vec![], SHOWN_RUNS)).await?;
        let failed = runs(&client, query(vec![], vec![RunStatus::Failed], 1)).await?;
        let report = Report {
            host: client.host().to_owned(),
            namespace,
            server,
            running,
            waiting,
            last_failed: failed.newest.into_iter().next(),
        };
        if !context.out.document("gofer.status/v1", &report)? {
            let text = text(&report, &context.out.look);
            context.out.bytes(text.as_bytes())?;
        }
        Ok(Exit::Ok)
    }
}

async fn runs(client: &Client, query: RunQuery) -> gofer_client::Result<Runs> {
    let page = client.runs(&query).await?;
    Ok(Runs { total: page.total, newest: page.items })
}

fn text(report: &Report, look: &Look) -> String {
    let server = &report.server;
    let mode = if server.dev_mode { ", development mode" } else { "" };
    let mut text = format!(
        "Server    {} v{}{mode}, up since {}\n",
        report.host,
        server.version,
        look.time(server.started_at)
    );
    let engine = match &server.engine {
        None => look.paint(Tone::Bad, "none"),
        Some(engine) => {
            let version = engine.version.as_deref().unwrap_or_default();
            let (word, tone) = match engine.state {
                EngineState::Up => ("up", Tone::Good),
                EngineState::Unknown => ("does not answer", Tone::Bad),
            };
            let since = look.time(engine.since);
            format!("{} {version} {}, since {since}", engine.kind, look.paint(tone, word))
        }
    };
    text.push_str(&format!("Engine    {engine}\n"));
    let ingress = if server.ingress_enabled { "accepted" } else { "refused" };
    text.push_str(&format!("New runs  {ingress}\n"));
    text.push_str(&format!("Running   {}\n", line(&report.running)));
    text.push_str(&format!("Waiting   {}\n", line(&report.waiting)));
    let failed = report.last_failed.as_ref();
    let failed = failed.map_or_else(|| "none".to_owned(), |run| show::run::outcome(run, look));
    text.push_str(&format!("Failed    {failed}\n"));
    text
}

fn line(runs: &Runs) -> String {
    if runs.total == 0 {
        return "none".to_owned();
    }
    let names: Vec<String> =
        runs.newest.iter().map(|run| format!("{}/{}", run.pipeline_id, run.id)).collect();
    let more = if runs.total > names.len() as u64 { ", …" } else { "" };
    format!("{}: {}{more}", runs.total, names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Format;
    use crate::out::capture;
    use crate::show::samples;

    fn report() -> Report {
        Report {
            host: "https://127.0.0.1:8080".into(),
            namespace: "default".into(),
            server: samples::info(),
            running: Runs { total: 1, newest: vec![samples::run()] },
            waiting: Runs { total: 0, newest: vec![] },
            last_failed: Some(samples::failed_run()),
        }
    }

    #[test]
    fn six_lines_say_how_things_are() {
        insta::assert_snapshot!(text(&report(), &Look::terminal()));
    }

    #[test]
    fn a_status_has_all_its_keys() {
        let mut report = report();
        report.running.newest.clear();
        report.last_failed = None;
        let (mut out, data, _) = capture::out(Look::pipe(), Format::Json);
        out.document("gofer.status/v1", &report).unwrap();
        insta::assert_snapshot!(data.text());
    }
}
