//! The checks that need no other knowledge than the program itself: ids, parents, cycles, images, and
//! the slips that the builders noted. They say early and with a source place what the server would
//! say too; its rules are not repeated beyond that, since they hold for every language.
//!
//! What must never happen: a panic or an endless search, whatever was built.

mod graph;

use std::collections::BTreeMap;

use gofer_proto::sdk::v1 as pb;

use crate::fault::{Fault, code};
use crate::pipeline::Pipeline;
use crate::place;
use crate::text::{characters, nearest, quote, shorten, unfit};
use graph::Graph;

/// Fewest and most characters of an id.
const ID_CHARS: std::ops::RangeInclusive<usize> = 3..=32;
/// Most cycles that are reported for a pipeline: a dense graph has more than anyone can read.
const CYCLES_MAX: usize = 10;
/// Most names in the walk of a cycle; the middle of a longer one is left out.
const WALK_NAMES_MAX: usize = 16;
/// Most unknown parents of a pipeline for which a near name is looked for, which takes time.
const SUGGESTIONS_MAX: usize = 100;

/// All faults of a program, in the order of their places.
pub(crate) fn faults(pipelines: &[Pipeline]) -> Vec<pb::Diagnostic> {
    let mut faults = between_pipelines(pipelines);
    for pipeline in pipelines {
        faults.extend(of_pipeline(pipeline));
    }
    let mut faults: Vec<pb::Diagnostic> = faults.into_iter().map(Fault::into_message).collect();
    // Stable: several faults of one place stay in the order in which they were found.
    faults.sort_by_cached_key(|fault| {
        fault.source.as_ref().map(|place| (place.file.clone(), place.line, place.column))
    });
    faults
}

/// How many tasks must be complete one after the other before each of the tasks can start.
pub(crate) fn ranks(tasks: &[pb::Task]) -> Vec<usize> {
    Graph::new(tasks).ranks()
}

fn between_pipelines(pipelines: &[Pipeline]) -> Vec<Fault> {
    let mut faults = Vec::new();
    if pipelines.is_empty() {
        faults.push(Fault::of_program(code::NO_PIPELINES, "the program declares no pipeline"));
    }
    let mut first: BTreeMap<&str, &Pipeline> = BTreeMap::new();
    for pipeline in pipelines {
        let id = pipeline.message.id.as_str();
        let Some(other) = first.get(id).copied() else {
            first.insert(id, pipeline);
            continue;
        };
        let subject = format!("pipeline {}", quote(id));
        let message = format!("two pipelines of the program have the id {}", quote(id));
        let fault = Fault::new(code::PIPELINE_TWICE, &subject, message, &place_of(pipeline));
        faults.push(fault.related("the first one is declared here", &place_of(other)));
    }
    faults
}

fn place_of(pipeline: &Pipeline) -> pb::Source {
    pipeline.message.source.clone().unwrap_or_default()
}

fn of_pipeline(pipeline: &Pipeline) -> Vec<Fault> {
    let subject = format!("pipeline {}", quote(&pipeline.message.id));
    let place = place_of(pipeline);
    let mut faults = Vec::new();
    if let Some(rule) = broken_id(&pipeline.message.id) {
        faults.push(Fault::new(code::ID, &subject, format!("pipeline id {rule}"), &place));
    }
    faults.extend(pipeline.slips.iter().map(|slip| slip.to_fault(&subject)));
    if pipeline.tasks.is_empty() {
        let message = format!("{subject} has no tasks");
        faults.push(Fault::new(code::NO_TASKS, &subject, message, &place));
    }
    let messages: Vec<&pb::Task> = pipeline.tasks.iter().map(|task| &task.message).collect();
    let tasks = Tasks::new(&messages);
    for (at, task) in pipeline.tasks.iter().enumerate() {
        let subject = tasks.subject(at, &task.message);
        faults.extend(tasks.check_own(at, &task.message, &subject));
        faults.extend(task.slips.iter().map(|slip| slip.to_fault(&subject)));
        faults.extend(tasks.check_parents(&task.message, &subject, faults.len()));
    }
    faults.extend(tasks.check_cycles());
    faults
}

/// The rule of ids that `id` breaks, in the server's words; whose id it is stands before it.
fn broken_id(id: &str) -> Option<String> {
    let shown = quote(id);
    if let Some(odd) = unfit(id, |c| c.is_ascii_alphanumeric() || c == '_') {
        return Some(format!(
            "{shown} holds {odd}; only letters, digits and underscores are allowed"
        ));
    }
    let n_chars = id.len();
    (!ID_CHARS.contains(&n_chars)).then(|| {
        let (least, most) = (ID_CHARS.start(), ID_CHARS.end());
        format!("{shown} has {}; {least} to {most} are allowed", characters(n_chars))
    })
}

/// The tasks of one pipeline, by number and by id.
struct Tasks<'a> {
    tasks: &'a [&'a pb::Task],
    graph: Graph<'a>,
}

impl<'a> Tasks<'a> {
    fn new(tasks: &'a [&'a pb::Task]) -> Self {
        Self { tasks, graph: Graph::new(tasks.iter().copied()) }
    }

    /// What a fault calls the task: its id, or its number where the id does not tell it apart.
    fn subject(&self, at: usize, task: &pb::Task) -> String {
        if self.graph.find(&task.id) == Some(at) && broken_id(&task.id).is_none() {
            format!("task `{}`", task.id)
        } else {
            format!("task #{}", at + 1)
        }
    }

    /// Checks what concerns the task alone, and that no earlier one has its id.
    fn check_own(&self, at: usize, task: &pb::Task, subject: &str) -> Vec<Fault> {
        let mut faults = Vec::new();
        let place = source(task);
        if let Some(rule) = broken_id(&task.id) {
            faults.push(Fault::new(code::ID, subject, format!("{subject}: its id {rule}"), place));
        }
        let first = self.graph.find(&task.id).filter(|first| *first != at);
        if let Some(first) = first.and_then(|first| self.tasks.get(first)) {
            let message = format!("{subject} has the id {}, as an earlier one", quote(&task.id));
            let fault = Fault::new(code::TASK_TWICE, subject, message, place);
            faults.push(fault.related("the earlier one is declared here", source(first)));
        }
        if task.image.is_empty() {
            let message = format!("{subject} has no image");
            faults.push(Fault::new(code::IMAGE_EMPTY, subject, message, place));
        }
        faults
    }

    fn check_parents(&self, task: &pb::Task, subject: &str, n_faults: usize) -> Vec<Fault> {
        let mut seen: BTreeMap<&str, &pb::Source> = BTreeMap::new();
        let mut faults = Vec::new();
        for edge in &task.depends_on {
            let place = edge.source.as_ref().unwrap_or_else(|| source(task));
            let parent = quote(&edge.parent);
            if let Some(first) = seen.get(edge.parent.as_str()) {
                let message = format!("{subject} waits for {parent} twice");
                let fault = Fault::new(code::PARENT_TWICE, subject, message, place);
                faults.push(fault.related("it does so here already", first));
                continue;
            }
            seen.insert(&edge.parent, place);
            if edge.parent == task.id {
                let message = format!("{subject} waits for itself");
                faults.push(Fault::new(code::PARENT_SELF, subject, message, place));
            } else if self.graph.find(&edge.parent).is_none() {
                let message = format!("{subject} waits for {parent}, which does not exist");
                let fault = Fault::new(code::PARENT_UNKNOWN, subject, message, place);
                let may_search = n_faults + faults.len() < SUGGESTIONS_MAX;
                let near = may_search.then(|| self.near(task, &edge.parent)).flatten();
                faults.push(near.into_iter().fold(fault, Fault::help));
            }
        }
        faults
    }

    /// The question whether an existing task was meant.
    fn near(&self, task: &pb::Task, parent: &str) -> Option<String> {
        let others = self.tasks.iter().map(|task| task.id.as_str()).filter(|id| *id != task.id);
        let near = nearest(parent, others.filter(|id| !id.is_empty()))?;
        let found = self.graph.find(near).and_then(|at| self.tasks.get(at))?;
        Some(format!("did you mean {} (defined at {})?", quote(near), place::shown(source(found))))
    }

    fn check_cycles(&self) -> Vec<Fault> {
        let cycles = self.graph.cycles(CYCLES_MAX);
        cycles.iter().filter_map(|cycle| self.cycle_fault(cycle)).collect()
    }

    /// The fault of one cycle, with the place of each step; it stands at the first.
    fn cycle_fault(&self, cycle: &[usize]) -> Option<Fault> {
        let tasks: Vec<&pb::Task> =
            cycle.iter().filter_map(|at| self.tasks.get(*at).copied()).collect();
        let first = tasks.first().copied()?;
        let names = tasks.iter().chain([&first]).map(|task| shorten(&task.id)).collect();
        let message = format!("cycle: {}", walk(names));
        let parents = tasks.iter().skip(1).chain([&first]);
        let mut steps = tasks.iter().zip(parents).map(|(task, parent)| {
            let edge = task.depends_on.iter().find(|edge| edge.parent == parent.id);
            let place = edge.and_then(|edge| edge.source.as_ref()).unwrap_or_else(|| source(task));
            (format!("{} waits for {}", quote(&task.id), quote(&parent.id)), place)
        });
        let (sentence, place) = steps.next()?;
        let subject = format!("task {}", quote(&first.id));
        let fault = Fault::new(code::CYCLE, &subject, message, place).related(sentence, place);
        let more = steps.take(WALK_NAMES_MAX);
        Some(more.fold(fault, |fault, (sentence, place)| fault.related(sentence, place)))
    }
}

/// Where a task is declared. Every task has a place, since its constructor gives it one.
fn source(task: &pb::Task) -> &pb::Source {
    static NOWHERE: pb::Source =
        pb::Source { file: String::new(), line: 0, column: None, end_line: None };
    task.source.as_ref().unwrap_or(&NOWHERE)
}

/// The names joined by arrows. Of a long walk both ends are shown.
fn walk(mut names: Vec<String>) -> String {
    if names.len() > WALK_NAMES_MAX {
        let last = names.pop();
        let n_hidden = names.len() - (WALK_NAMES_MAX - 2);
        names.truncate(WALK_NAMES_MAX - 2);
        names.push(format!("… {n_hidden} more …"));
        names.extend(last);
    }
    names.join(" → ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_3_to_32_letters_digits_and_underscores() {
        let holds = |id: &str, words: &str| broken_id(id).unwrap().contains(words);
        assert_eq!(broken_id("A_9"), None);
        assert_eq!(broken_id(&"x".repeat(32)), None);
        assert!(holds("x", "`x` has 1 character; 3 to 32"));
        assert!(holds("a-b c", "the characters '-', ' '; only"));
        assert!(holds("", "has 0 characters"));
        assert!(holds("ab", "has 2 characters"));
        assert!(holds(&"x".repeat(33), "has 33 characters"));
        assert!(holds("a-b", "'-'"));
        assert!(holds("täsk", "'ä'"));
        assert!(holds("a\x1bb", "`a\\u{1b}b` holds the character '\\u{1b}'"));
    }

    #[test]
    fn a_long_walk_keeps_its_ends() {
        let names = |n: usize| (0..n).map(|at| at.to_string()).collect();
        assert_eq!(walk(names(3)), "0 → 1 → 2");
        let long = walk(names(20));
        assert!(long.ends_with(" → 13 → … 5 more … → 19"), "{long}");
    }
}
