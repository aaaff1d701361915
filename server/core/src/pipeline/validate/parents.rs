//! Rules between tasks: whose id is whose, who waits for whom, and in what circles.

use std::collections::{BTreeMap, BTreeSet};

use super::fault::{Fault, Faults, code};
use super::place_of;
use crate::ids::TaskId;
use crate::pipeline::config::{Dependency, Need};
use crate::pipeline::draft::{Draft, DraftDependency, DraftTask, Place};
use crate::pipeline::graph::find_cycles;
use crate::pipeline::limits::CYCLES_MAX;
use crate::pipeline::text::{arrows, quote, shorten};
use crate::problem::nearest;

/// The tasks of a draft by id, whether the ids are good or not.
pub(super) struct TaskNames<'a> {
    draft: &'a Draft,
    /// The first task of each id, as a number from 0.
    first: BTreeMap<&'a str, usize>,
}

impl<'a> TaskNames<'a> {
    pub(super) fn new(draft: &'a Draft) -> Self {
        let mut first = BTreeMap::new();
        for (at, task) in draft.tasks.iter().enumerate() {
            first.entry(task.id.as_str()).or_insert(at);
        }
        Self { draft, first }
    }

    /// What a message calls the task: `build`, or `#2` where its id does not tell it apart.
    pub(super) fn shown(&self, at: usize) -> String {
        match self.draft.tasks.get(at) {
            Some(task)
                if TaskId::parse(&task.id).is_ok()
                    && self.first.get(task.id.as_str()) == Some(&at) =>
            {
                task.id.clone()
            }
            Some(_) | None => format!("#{}", at + 1),
        }
    }

    /// Reports every task whose id an earlier one has.
    pub(super) fn report_doubles(&self, faults: &mut Faults) {
        for (at, task) in self.draft.tasks.iter().enumerate() {
            let Some(first) =
                self.first.get(task.id.as_str()).copied().filter(|first| *first != at)
            else {
                continue;
            };
            let place = self.draft.tasks.get(first).and_then(|task| task.place.as_ref());
            let id = quote(&task.id);
            let message = format!(
                "task #{} has the id {id}, which task #{}{} has already",
                at + 1,
                first + 1,
                in_brackets("", place)
            );
            let field = format!("tasks[#{}].id", at + 1);
            let related = format!("task #{} has the id {id}", first + 1);
            let fault = Fault::new(code::TASK_TWICE, &field, &message).at(task.place.as_ref());
            faults.add(fault.related(&related, place));
        }
    }

    /// Checks the parents of a task; the good ones come back.
    pub(super) fn check_parents(
        &self,
        at: usize,
        task: &DraftTask,
        faults: &mut Faults,
    ) -> Vec<Dependency> {
        let shown = self.shown(at);
        let name = named(&shown);
        let mut seen = BTreeSet::new();
        let mut good = Vec::new();
        for dependency in &task.depends_on {
            let place = place_of(dependency.place.as_ref(), task.place.as_ref());
            let field = format!("tasks[{shown}].depends_on[{}]", shorten(&dependency.parent));
            let need = parse_need(&dependency.need);
            if need.is_none() {
                faults.add(bad_need(&field, &name, dependency).at(place));
            }
            let wrong = if !seen.insert(dependency.parent.as_str()) {
                Some((
                    code::PARENT_TWICE,
                    format!("{name} waits for {} twice", quote(&dependency.parent)),
                ))
            } else if dependency.parent == task.id {
                Some((code::PARENT_SELF, format!("{name} waits for itself")))
            } else if !self.first.contains_key(dependency.parent.as_str()) {
                let parent = quote(&dependency.parent);
                let message = format!("{name} waits for {parent}, which does not exist");
                Some((code::PARENT_UNKNOWN, message))
            } else {
                None
            };
            if let Some((code, message)) = wrong {
                let fault = Fault::new(code, &field, &message).at(place);
                let may_help = code == code::PARENT_UNKNOWN && faults.has_few();
                let help = may_help.then(|| self.did_you_mean(task, &dependency.parent)).flatten();
                faults.add(fault.maybe_help(help));
            } else if let (Ok(parent), Some(need)) = (TaskId::parse(&dependency.parent), need) {
                // A parent whose id is malformed has a fault of its own.
                good.push(Dependency { parent, need });
            }
        }
        good
    }

    /// The existing task that the author may have meant.
    fn did_you_mean(&self, task: &DraftTask, parent: &str) -> Option<String> {
        let others = self.first.keys().copied().filter(|id| *id != task.id && id.len() <= 64);
        let near =
            nearest(&parent.chars().take(64).collect::<String>(), others).into_iter().next()?;
        let place = self.first.get(near.as_str()).and_then(|at| self.draft.tasks.get(*at));
        let place = place.and_then(|task| task.place.as_ref());
        Some(format!("did you mean {}{}?", quote(&near), in_brackets("defined at ", place)))
    }

    /// Reports the cycles among the tasks, the first [`CYCLES_MAX`] of them.
    pub(super) fn report_cycles(&self, faults: &mut Faults) {
        let parents = |task: &DraftTask| {
            let ids = task.depends_on.iter().filter(|dependency| dependency.parent != task.id);
            ids.filter_map(|dependency| self.first.get(dependency.parent.as_str()).copied())
                .collect()
        };
        let edges: Vec<Vec<usize>> = self.draft.tasks.iter().map(parents).collect();
        let cycles = find_cycles(&edges, CYCLES_MAX + 1);
        let there_are_more = cycles.len() > CYCLES_MAX;
        for cycle in cycles.iter().take(CYCLES_MAX) {
            let fault = self.cycle_fault(cycle);
            faults.add(if there_are_more {
                fault.help("there are further cycles; break these first")
            } else {
                fault
            });
        }
    }

    /// The fault of one cycle, with the place of every step in it.
    fn cycle_fault(&self, cycle: &[usize]) -> Fault {
        let tasks: Vec<&DraftTask> =
            cycle.iter().filter_map(|at| self.draft.tasks.get(*at)).collect();
        let closed = tasks.iter().chain(tasks.first());
        let walk = arrows(&closed.map(|task| task.id.as_str()).collect::<Vec<_>>());
        let shown = cycle.first().map(|at| self.shown(*at)).unwrap_or_default();
        let mut fault = Fault::new(
            code::CYCLE,
            &format!("tasks[{shown}].depends_on"),
            &format!("cycle: {walk}"),
        );
        let parents = tasks.iter().skip(1).chain(tasks.first());
        for (at, (task, parent)) in tasks.iter().zip(parents).enumerate() {
            let edge = task.depends_on.iter().find(|dependency| dependency.parent == parent.id);
            let place = place_of(edge.and_then(|edge| edge.place.as_ref()), task.place.as_ref());
            if at == 0 {
                fault = fault.at(place);
            }
            if place.is_some() && at < CYCLES_MAX {
                let message = format!("{} waits for {}", quote(&task.id), quote(&parent.id));
                fault = fault.related(&message, place);
            }
        }
        fault
    }
}

/// How a message names the task that is shown so.
pub(super) fn named(shown: &str) -> String {
    if shown.starts_with('#') { format!("task {shown}") } else { format!("task `{shown}`") }
}

/// A place in brackets after a space; nothing where there is none.
fn in_brackets(before: &str, place: Option<&Place>) -> String {
    place.map(|place| format!(" ({before}{place})")).unwrap_or_default()
}

/// Reads what a task needs of a parent.
fn parse_need(text: &str) -> Option<Need> {
    [("any", Need::Any), ("success", Need::Success), ("failure", Need::Failure)]
        .into_iter()
        .find_map(|(word, need)| text.eq_ignore_ascii_case(word).then_some(need))
}

/// The fault of a need that is none.
fn bad_need(field: &str, name: &str, dependency: &DraftDependency) -> Fault {
    let parent = quote(&dependency.parent);
    let message = if dependency.need.is_empty() {
        format!("{name} does not say what it needs of {parent}")
    } else {
        format!("{name} needs {} of {parent}, which is no status", quote(&dependency.need))
    };
    Fault::new(code::NEED, field, &message).help("write `any`, `success` or `failure`")
}
