//! From a draft to a config, or to all faults at once. The server, `gofer check` and `gofer up` use
//! this and nothing else. What must never happen: a panic or an endless search on a hostile draft,
//! an accepted draft that cannot run, a refused one without a fault that says why.
//!
//! ```text
//!  draft ── too large? ── pipeline's own fields ── each task (task.rs, process.rs, syntax.rs)
//!                                                      └─ between tasks (parents.rs, graph)
//! ```

mod fault;
mod parents;
mod process;
mod syntax;
mod task;
#[cfg(test)]
mod tests;

pub use fault::{CODES, Fault, Related, code, faults_to_problem};

use fault::Faults;

use super::config::PipelineConfig;
use super::draft::{Draft, Place};
use super::limits::{
    DESCRIPTION_BYTES_MAX, DRAFT_BYTES_MAX, NAME_CHARS_MAX, PARALLELISM_MAX, TASKS_MAX,
    TIMEOUT_MS_MAX,
};
use super::text::is_hidden;
use crate::ids::PipelineId;
use crate::problem::Problem;

/// Holds the name of an image, in the request's `field`, to the rules that a task's image is held to.
///
/// # Errors
/// Invalid, with the broken rule and, where that is known, what to write instead.
pub fn check_image_name(field: &str, name: &str) -> Result<(), Problem> {
    if name.is_empty() {
        return Err(Problem::invalid_field(field, "", "write the name of an image"));
    }
    syntax::broken_image(name).map_or(Ok(()), |broken| {
        // The rule speaks of a task; here is none.
        let rule = broken.rule.replacen("its image", "the image", 1);
        let problem = Problem::invalid_field(field, name, rule);
        Err(problem.with_next(broken.help.unwrap_or_default()))
    })
}

/// Turns a draft into a config.
///
/// # Errors
/// Every fault of the draft, in the order of their source places; those without a place come first,
/// in the order of the draft. Never empty. A draft beyond [`DRAFT_BYTES_MAX`] gets that one fault;
/// beyond [`FAULTS_MAX`](super::limits::FAULTS_MAX) faults the last one counts the rest.
pub fn validate(draft: &Draft) -> Result<PipelineConfig, Vec<Fault>> {
    let mut faults = Faults::default();
    let n_bytes = draft.n_bytes();
    if n_bytes > DRAFT_BYTES_MAX {
        let message = format!("the pipeline has {n_bytes} bytes; at most 4 MiB are allowed");
        faults.add(Fault::new(code::DRAFT_SIZE, "tasks", &message).at(draft.place.as_ref()));
        return Err(faults.sorted());
    }
    let id = pipeline_fields(draft, &mut faults);
    let names = parents::TaskNames::new(draft);
    names.report_doubles(&mut faults);
    let tasks: Option<Vec<_>> = draft
        .tasks
        .iter()
        .enumerate()
        .map(|(at, task)| task::check(at, task, &names, &mut faults))
        // All tasks are checked before the first refused one ends the collecting.
        .collect::<Vec<_>>()
        .into_iter()
        .collect();
    if draft.tasks.len() <= TASKS_MAX {
        names.report_cycles(&mut faults);
    }
    match (id, tasks) {
        (Some(id), Some(tasks)) if faults.is_empty() => Ok(PipelineConfig {
            id,
            name: draft.name.clone(),
            description: draft.description.clone(),
            // Checked above; the fallback leaves it to the server's limit.
            parallelism: u32::try_from(draft.parallelism).unwrap_or(0),
            timeout_ms: draft.timeout_ms,
            tasks,
        }),
        _ => Err(faults.sorted()), // every None above came with a fault
    }
}

/// Checks the fields of the pipeline itself.
fn pipeline_fields(draft: &Draft, faults: &mut Faults) -> Option<PipelineId> {
    let place = draft.place.as_ref();
    let mut report = |code, field: &str, message: &str| {
        faults.add(Fault::new(code, field, message).at(place));
    };
    let id = PipelineId::parse(&draft.id)
        .map_err(|problem| report(code::ID, "id", &problem.message))
        .ok();
    if let Some(rule) = broken_name(&draft.name) {
        report(code::NAME, "name", &rule);
    }
    if let Some(rule) = broken_description(&draft.description) {
        report(code::DESCRIPTION, "description", &format!("the pipeline's description {rule}"));
    }
    if draft.parallelism > u64::from(PARALLELISM_MAX) {
        let message =
            format!("parallelism is {}; at most {PARALLELISM_MAX} is allowed", draft.parallelism);
        report(code::PARALLELISM, "parallelism", &message);
    }
    if let Some(rule) = broken_timeout(draft.timeout_ms) {
        report(code::TIMEOUT, "timeout", &format!("the pipeline's time limit {rule}"));
    }
    if draft.tasks.is_empty() {
        report(code::NO_TASKS, "tasks", "the pipeline has no tasks");
    }
    if draft.tasks.len() > TASKS_MAX {
        let message = format!(
            "the pipeline has {} tasks; at most {TASKS_MAX} are allowed",
            draft.tasks.len()
        );
        report(code::TASKS_MAX, "tasks", &message);
    }
    id
}

/// The rule that a pipeline's name breaks.
fn broken_name(name: &str) -> Option<String> {
    if name.trim().is_empty() {
        return Some("the pipeline's name is empty".to_owned());
    }
    let n_chars = name.chars().count();
    if n_chars > NAME_CHARS_MAX {
        return Some(format!(
            "the pipeline's name has {n_chars} characters; at most {NAME_CHARS_MAX} are allowed"
        ));
    }
    let hidden = name.chars().find(|c| is_hidden(*c))?;
    Some(format!("the pipeline's name holds the control character {hidden:?}"))
}

/// The rule that a description breaks; what is described stands before it.
fn broken_description(text: &str) -> Option<String> {
    if text.len() > DESCRIPTION_BYTES_MAX {
        return Some(format!("has {} bytes; at most 16 KiB are allowed", text.len()));
    }
    let hidden = text.chars().find(|c| is_hidden(*c) && !matches!(c, '\n' | '\r' | '\t'))?;
    Some(format!("holds the control character {hidden:?}"))
}

/// The rule that a time limit breaks; what is limited stands before it.
fn broken_timeout(timeout_ms: Option<u64>) -> Option<String> {
    match timeout_ms? {
        0 => Some("is 0; leave it out for no limit".to_owned()),
        ms if ms > TIMEOUT_MS_MAX => Some(format!("is {ms} ms; at most 30 days are allowed")),
        _ => None, // every other number is a time limit
    }
}

/// The place of a part, or of the whole where the part has none.
fn place_of<'a>(part: Option<&'a Place>, whole: Option<&'a Place>) -> Option<&'a Place> {
    part.or(whole)
}
