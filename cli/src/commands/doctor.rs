//! `gofer doctor`.

use std::path::PathBuf;

use clap::Args;
use gofer_server::{Config, Finding, Health, Scheduler};
use serde::Serialize;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::look::{Look, Tone};

/// Say what this machine lacks for running a server, and what to do about it.
///
/// Looks at the data directory, the address and both container engines, with the settings that a server
/// started here would have. Starts nothing. The exit code is 5 where a server would not work.
///
/// Example: gofer doctor
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Examine another data directory
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Container engine that is to work: docker, embedded, or auto for either
    #[arg(long, value_name = "ENGINE", value_parser = super::service::engine)]
    engine: Option<Scheduler>,
}

/// The examination as a document.
#[derive(Debug, Serialize)]
struct Report {
    /// Whether a server would work.
    works: bool,
    findings: Vec<Line>,
}

#[derive(Debug, Serialize)]
struct Line {
    what: &'static str,
    health: &'static str,
    found: String,
    remedy: Option<String>,
}

impl Doctor {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        let mut config = Config::load().map_err(|error| Failure::invalid(error.to_string()))?;
        if let Some(dir) = self.data_dir {
            config.data_dir = dir;
        }
        if let Some(engine) = self.engine {
            config.scheduler = engine;
        }
        let findings = gofer_server::examine(&config).await;
        let works = findings.iter().all(|finding| finding.health != Health::Broken);
        let report = Report { works, findings: findings.into_iter().map(line).collect() };
        if !context.out.document("gofer.doctor/v1", &report)? {
            let text = text(&report, &context.out.look);
            context.out.bytes(text.as_bytes())?;
        }
        Ok(if works { Exit::Ok } else { Exit::Rejected })
    }
}

fn line(finding: Finding) -> Line {
    let health = match finding.health {
        Health::Fine => "FINE",
        Health::Lacking => "LACKING",
        Health::Broken => "BROKEN",
    };
    Line { what: finding.what, health, found: finding.found, remedy: finding.remedy }
}

fn text(report: &Report, look: &Look) -> String {
    let width = report.findings.iter().map(|line| line.what.len()).max().unwrap_or_default();
    let mut text = String::new();
    for line in &report.findings {
        let (sign, tone) = match line.health {
            "FINE" => ("✓", Tone::Good),
            "LACKING" => ("!", Tone::Busy),
            _broken => ("✗", Tone::Bad),
        };
        let sign = look.paint(tone, sign);
        text.push_str(&format!("{sign} {:width$}  {}\n", line.what, line.found));
        if let Some(remedy) = &line.remedy {
            text.push_str(&format!("  {:width$}  next: {remedy}\n", ""));
        }
    }
    text.push_str(match report.works {
        true => "A server works here.\n",
        false => "A server does not work here yet.\n",
    });
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_finding_is_a_line_and_each_remedy_another() {
        let report = Report {
            works: false,
            findings: vec![
                Line {
                    what: "address",
                    health: "FINE",
                    found: "127.0.0.1:8080 is free".into(),
                    remedy: None,
                },
                Line {
                    what: "Docker",
                    health: "BROKEN",
                    found: "it does not answer".into(),
                    remedy: Some("start it".into()),
                },
            ],
        };
        insta::assert_snapshot!(text(&report, &Look::pipe()), @r"
        ✓ address  127.0.0.1:8080 is free
        ✗ Docker   it does not answer
                   next: start it
        A server does not work here yet.
        ");
    }
}
