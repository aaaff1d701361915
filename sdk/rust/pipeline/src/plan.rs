//! A program's message with its checks done, and the text in which people read it. The text never
//! shows the values of variables or of registry credentials.

use std::fmt;

use gofer_proto::PROGRAM_KIND;
use gofer_proto::sdk::v1 as pb;
use prost::Message as _;

use crate::check;
use crate::fault;
use crate::pipeline::Pipeline;
use crate::text::{printable, shorten};

/// Version of the set of builder calls, the same in every language's SDK.
const SURFACE: &str = "1";

/// What a program declares, and what the SDK found wrong with it.
#[derive(Clone)]
pub struct Plan {
    program: pb::Program,
}

/// Shows ids and the number of faults only: registry credentials may hold a password.
impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<&str> = self.program.pipelines.iter().map(|p| p.id.as_str()).collect();
        f.debug_struct("Plan")
            .field("pipelines", &ids)
            .field("n_faults", &self.program.diagnostics.len())
            .finish_non_exhaustive()
    }
}

impl Plan {
    /// Checks the pipelines and makes the message of them.
    pub(crate) fn of(pipelines: Vec<Pipeline>) -> Self {
        let diagnostics = check::faults(&pipelines);
        let sdk = pb::Sdk {
            language: "rust".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            surface: SURFACE.to_owned(),
        };
        let program = pb::Program {
            kind: PROGRAM_KIND.to_owned(),
            sdk: Some(sdk),
            pipelines: pipelines.into_iter().map(message).collect(),
            diagnostics,
        };
        Self { program }
    }

    /// Whether the SDK found no fault. `gofer` and the server know more rules.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.program.diagnostics.is_empty()
    }

    /// The graph of each pipeline as lines of text: a task stands below those that it waits for. Made
    /// for people and for snapshots in tests; it ends with a line break and has no colours.
    #[must_use]
    pub fn text(&self) -> String {
        let texts: Vec<String> = self.program.pipelines.iter().map(pipeline_text).collect();
        texts.join("\n")
    }

    /// All faults with their places, a line or more for each, in the order of the program; empty if
    /// there are none.
    #[must_use]
    pub fn fault_text(&self) -> String {
        self.program.diagnostics.iter().map(fault::shown).collect()
    }

    /// The bytes that [`finish_all`](crate::finish_all) writes: an encoded `gofer.sdk.v1.Program`.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.program.encode_to_vec()
    }
}

fn message(pipeline: Pipeline) -> pb::Pipeline {
    let tasks = pipeline.tasks.into_iter().map(|task| task.message).collect();
    pb::Pipeline { tasks, ..pipeline.message }
}

fn pipeline_text(pipeline: &pb::Pipeline) -> String {
    let mut text = format!("{}  {}", shorten(&pipeline.id), shorten(&pipeline.name));
    text.truncate(text.trim_end().len());
    text.push('\n');
    let limits = [
        pipeline.parallelism.map(|n| format!("at most {n} runs at once")),
        pipeline.timeout_ms.map(|ms| format!("timeout {}", duration(ms))),
    ];
    let description = Some(printable(&pipeline.description)).filter(|text| !text.is_empty());
    for line in description.into_iter().chain(joined(limits)) {
        text += &format!("  {line}\n");
    }
    let ranks = check::ranks(&pipeline.tasks);
    let mut tasks: Vec<(usize, &pb::Task)> = ranks.into_iter().zip(&pipeline.tasks).collect();
    // Stable: tasks of equal rank stay in the order of their declaration.
    tasks.sort_by_key(|(rank, _)| *rank);
    let widths = tasks.iter().map(|(rank, task)| 2 * rank + shorten(&task.id).chars().count());
    let width = widths.max().unwrap_or(0);
    for (rank, task) in tasks {
        text += &task_text(rank, width, task);
    }
    text
}

fn task_text(rank: usize, width: usize, task: &pb::Task) -> String {
    let name = format!("{}{}", "  ".repeat(rank), shorten(&task.id));
    let image = if task.image.is_empty() { "(no image)".to_owned() } else { shorten(&task.image) };
    let mut text = format!("  {name:width$}  {image}");
    let needs: Vec<String> = task.depends_on.iter().map(need).collect();
    if !needs.is_empty() {
        text += &format!("  ← {}", needs.join(", "));
    }
    let limits = [
        task.timeout_ms.map(|ms| format!("timeout {}", duration(ms))),
        task.retries.as_ref().filter(|r| r.count > 0).map(|r| format!("retries {}", r.count)),
        task.cpu_milli.map(|milli| format!("cpu {milli}m")),
        task.memory_bytes.map(|bytes| format!("memory {}", size(bytes))),
    ];
    if let Some(limits) = joined(limits) {
        text += &format!("  ({limits})");
    }
    text.push('\n');
    text
}

/// What the task needs of one parent.
fn need(edge: &pb::DependsOn) -> String {
    let parent = shorten(&edge.parent);
    match edge.status() {
        pb::RequiredStatus::Any => parent,
        pb::RequiredStatus::Success => format!("{parent} ok"),
        pb::RequiredStatus::Failure => format!("{parent} failed"),
        pb::RequiredStatus::Unspecified => format!("{parent} ?"),
    }
}

fn joined<const N: usize>(parts: [Option<String>; N]) -> Option<String> {
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// A duration in the notation in which it is written.
fn duration(ms: u64) -> String {
    const UNITS: [(u64, &str); 5] =
        [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];
    let mut rest = ms;
    let mut text = String::new();
    for (unit, name) in UNITS {
        if rest >= unit {
            text += &format!("{}{name}", rest / unit);
            rest %= unit;
        }
    }
    text
}

/// A size in the largest unit of which it is a multiple.
fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 4] =
        [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let unit = UNITS.into_iter().find(|(unit, _)| bytes >= *unit && bytes.is_multiple_of(*unit));
    unit.map_or_else(|| format!("{bytes}B"), |(unit, name)| format!("{}{name}", bytes / unit))
}
