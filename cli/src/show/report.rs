//! What a deletion took, or would take.

use gofer_client::model::DeletionReport;
use serde::Serialize;

use super::words::count;
use crate::failure::{Done, Failure};
use crate::look::{Tone, bytes};
use crate::out::Out;

/// A deletion as a document.
#[derive(Debug, Serialize)]
pub(crate) struct Deletion<'a> {
    /// What was deleted, as it was named.
    #[serde(rename = "ref")]
    pub(crate) path: &'a str,
    pub(crate) dry_run: bool,
    #[serde(flatten)]
    pub(crate) report: &'a DeletionReport,
}

/// What goes, in one line.
pub(crate) fn text(report: &DeletionReport) -> String {
    let counted = [
        (report.pipelines, "pipeline"),
        (report.versions, "version"),
        (report.deployments, "deployment"),
        (report.runs, "run"),
    ];
    let mut parts: Vec<String> =
        counted.into_iter().filter(|(n, _)| *n > 0).map(|(n, one)| count(n, one)).collect();
    if report.active_runs > 0 {
        parts.push(format!("{} of them active", report.active_runs));
    }
    if report.log_bytes > 0 {
        parts.push(format!("{} of logs", bytes(report.log_bytes)));
    }
    if parts.is_empty() { "nothing else".to_owned() } else { parts.join(", ") }
}

/// Prints what came of a deletion. `what` names the thing, as in ``pipeline `simple` ``.
pub(crate) fn print(out: &mut Out, what: &str, deletion: &Deletion<'_>) -> Done {
    use crate::args::Format;
    if out.quiet || out.format == Format::Name {
        out.line(deletion.path)?;
    } else if !out.document("gofer.deletion/v1", deletion)? {
        let with = text(deletion.report);
        let line = if deletion.dry_run {
            format!("would delete {what} with {with}; nothing was deleted")
        } else {
            format!("{} deleted {what} with {with}", out.look.paint(Tone::Good, "✓"))
        };
        out.line(&line)?;
    }
    Ok::<_, Failure>(crate::exit::Exit::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_names_what_goes_and_leaves_out_what_is_none() {
        let report = DeletionReport {
            pipelines: 1,
            runs: 12,
            active_runs: 2,
            log_bytes: 2048,
            ..DeletionReport::default()
        };
        assert_eq!(text(&report), "1 pipeline, 12 runs, 2 of them active, 2.0 KiB of logs");
        assert_eq!(text(&DeletionReport::default()), "nothing else");
    }
}
