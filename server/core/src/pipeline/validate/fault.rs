//! What is wrong with a draft, in the shape that every face shows: the CLI with the source line, the
//! API as a field violation, a pull request as an annotation. A code is a promise: it keeps its
//! meaning for ever and is never given to another rule.

use crate::pipeline::draft::Place;
use crate::pipeline::limits::FAULTS_MAX;
use crate::pipeline::text::{printable, quote};
use crate::problem::{Kind, Problem, Violation};

/// One broken rule of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Stable code of the rule; [`CODES`] lists them.
    pub code: &'static str,
    /// Path of the field, for example `tasks[build].image`. A task without a usable id goes by its
    /// number, from 1: `tasks[#2].id`.
    pub field: String,
    /// What is wrong, lower case, no full stop.
    pub message: String,
    /// What the author can do, where the message does not say it.
    pub help: Option<String>,
    /// Where in the author's program.
    pub place: Option<Place>,
    /// Other places that have to do with it.
    pub related: Vec<Related>,
}

/// A further place of a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Related {
    /// What is there.
    pub message: String,
    /// Where it is.
    pub place: Option<Place>,
}

impl Fault {
    pub(super) fn new(code: &'static str, field: &str, message: &str) -> Self {
        Self {
            code,
            field: printable(field),
            message: printable(message),
            help: None,
            place: None,
            related: Vec::new(),
        }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(printable(&help.into()));
        self
    }

    pub(super) fn maybe_help(self, help: Option<String>) -> Self {
        match help {
            Some(help) => self.help(help),
            None => self,
        }
    }

    pub(super) fn at(mut self, place: Option<&Place>) -> Self {
        self.place = place.cloned();
        self
    }

    pub(super) fn related(mut self, message: &str, place: Option<&Place>) -> Self {
        self.related.push(Related { message: printable(message), place: place.cloned() });
        self
    }
}

impl From<Fault> for Violation {
    fn from(fault: Fault) -> Self {
        let rule = match fault.help {
            Some(help) => format!("{}; {help}", fault.message),
            None => fault.message,
        };
        let source = fault.place.map(|place| printable(&place.to_string())).unwrap_or_default();
        Self { field: fault.field, code: fault.code.to_owned(), rule, source }
    }
}

/// All faults of the pipeline `id` as one problem of kind Invalid.
#[must_use]
pub fn faults_to_problem(id: &str, faults: Vec<Fault>) -> Problem {
    let pipeline = quote(id);
    let message = match faults.as_slice() {
        [fault] => format!("pipeline {pipeline} has a fault: {}", fault.message),
        faults => format!("pipeline {pipeline} has {} faults", faults.len()),
    };
    let mut problem = Problem::new(Kind::Invalid, "INVALID_PIPELINE", message);
    problem.violations = faults.into_iter().map(Violation::from).collect();
    problem
}

/// The faults found so far, in the order in which they were found.
#[derive(Default)]
pub(super) struct Faults {
    list: Vec<Fault>,
    n_more: usize,
}

impl Faults {
    pub(super) fn add(&mut self, fault: Fault) {
        if self.is_full() {
            self.count(1);
        } else {
            self.list.push(fault);
        }
    }

    /// Whether further faults are only counted, so that nobody need put them into words.
    pub(super) fn is_full(&self) -> bool {
        self.list.len() >= FAULTS_MAX
    }

    /// Counts a fault that was not put into words.
    pub(super) fn count(&mut self, n_faults: usize) {
        self.n_more += n_faults;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether a further fault deserves the cost of looking for near names.
    pub(super) fn has_few(&self) -> bool {
        const FEW: usize = 100;
        self.list.len() < FEW
    }

    /// The faults in the order of their places; those without a place come first, as found.
    pub(super) fn sorted(mut self) -> Vec<Fault> {
        self.list.sort_by(|a, b| a.place.cmp(&b.place));
        if self.n_more > 0 {
            let message = format!("there are at least {} more faults", self.n_more);
            self.list.push(Fault::new(code::MORE_FAULTS, "tasks", &message));
        }
        self.list
    }
}

/// Every code with its rule.
///
/// | code | rule |
/// |---|---|
/// | G0101 | an id is not 3 to 32 letters, digits and underscores |
/// | G0102 | two tasks have the same id |
/// | G0103 | a task waits for a task that does not exist |
/// | G0104 | a task waits for itself |
/// | G0105 | a task names the same parent twice |
/// | G0106 | what a task needs of its parent is none of any, success, failure |
/// | G0107 | tasks wait for each other in a cycle |
/// | G0108 | the pipeline has no tasks |
/// | G0109 | the pipeline has too many tasks |
/// | G0110 | a task has no image |
/// | G0111 | an image reference is malformed |
/// | G0112 | the pipeline's name is empty, too long or not printable |
/// | G0113 | a description is too long or not printable |
/// | G0114 | a variable's name is not `[A-Za-z_][A-Za-z0-9_]*` |
/// | G0115 | a variable is set twice |
/// | G0116 | a variable's value holds a NUL byte |
/// | G0117 | a variable, or all of a task together, is too large for a process |
/// | G0118 | there is no such placeholder |
/// | G0119 | a placeholder is not closed |
/// | G0120 | the key in a placeholder is malformed |
/// | G0121 | a time limit is 0 or longer than 30 days |
/// | G0122 | count, delay, factor or cap of retries is out of bounds |
/// | G0123 | the pull policy is none of if-not-present, always, never |
/// | G0124 | registry credentials are empty or malformed |
/// | G0125 | the CPU share is out of bounds |
/// | G0126 | the memory limit is out of bounds |
/// | G0127 | the user is malformed |
/// | G0128 | the working directory is no absolute path |
/// | G0129 | a script stands beside an entry point or a command |
/// | G0130 | a script is empty, too large or has a malformed first line |
/// | G0131 | entry point or command cannot be passed to a process |
/// | G0132 | a label is malformed, doubled or one too many |
/// | G0133 | an API token needs access control, which this server does not have yet |
/// | G0134 | the parallelism is out of bounds |
/// | G0135 | the whole pipeline is too large |
/// | G0136 | there are more faults than one check reports |
pub const CODES: &[(&str, &str)] = &[
    (code::ID, "an id is not 3 to 32 letters, digits and underscores"),
    (code::TASK_TWICE, "two tasks have the same id"),
    (code::PARENT_UNKNOWN, "a task waits for a task that does not exist"),
    (code::PARENT_SELF, "a task waits for itself"),
    (code::PARENT_TWICE, "a task names the same parent twice"),
    (code::NEED, "what a task needs of its parent is none of any, success, failure"),
    (code::CYCLE, "tasks wait for each other in a cycle"),
    (code::NO_TASKS, "the pipeline has no tasks"),
    (code::TASKS_MAX, "the pipeline has too many tasks"),
    (code::IMAGE_EMPTY, "a task has no image"),
    (code::IMAGE, "an image reference is malformed"),
    (code::NAME, "the pipeline's name is empty, too long or not printable"),
    (code::DESCRIPTION, "a description is too long or not printable"),
    (code::VARIABLE_NAME, "a variable's name is not `[A-Za-z_][A-Za-z0-9_]*`"),
    (code::VARIABLE_TWICE, "a variable is set twice"),
    (code::VARIABLE_VALUE, "a variable's value holds a NUL byte"),
    (code::VARIABLE_SIZE, "a variable, or all of a task together, is too large for a process"),
    (code::PLACEHOLDER_UNKNOWN, "there is no such placeholder"),
    (code::PLACEHOLDER_OPEN, "a placeholder is not closed"),
    (code::PLACEHOLDER_KEY, "the key in a placeholder is malformed"),
    (code::TIMEOUT, "a time limit is 0 or longer than 30 days"),
    (code::RETRIES, "count, delay, factor or cap of retries is out of bounds"),
    (code::PULL_POLICY, "the pull policy is none of if-not-present, always, never"),
    (code::REGISTRY_AUTH, "registry credentials are empty or malformed"),
    (code::CPU, "the CPU share is out of bounds"),
    (code::MEMORY, "the memory limit is out of bounds"),
    (code::USER, "the user is malformed"),
    (code::WORKDIR, "the working directory is no absolute path"),
    (code::SCRIPT_AND_COMMAND, "a script stands beside an entry point or a command"),
    (code::SCRIPT, "a script is empty, too large or has a malformed first line"),
    (code::ARGUMENT, "entry point or command cannot be passed to a process"),
    (code::LABEL, "a label is malformed, doubled or one too many"),
    (code::API_TOKEN, "an API token needs access control, which this server does not have yet"),
    (code::PARALLELISM, "the parallelism is out of bounds"),
    (code::DRAFT_SIZE, "the whole pipeline is too large"),
    (code::MORE_FAULTS, "there are more faults than one check reports"),
];

/// The codes by name.
pub mod code {
    /// An id is not 3 to 32 letters, digits and underscores.
    pub const ID: &str = "G0101";
    /// Two tasks have the same id.
    pub const TASK_TWICE: &str = "G0102";
    /// A task waits for a task that does not exist.
    pub const PARENT_UNKNOWN: &str = "G0103";
    /// A task waits for itself.
    pub const PARENT_SELF: &str = "G0104";
    /// A task names the same parent twice.
    pub const PARENT_TWICE: &str = "G0105";
    /// What a task needs of its parent is none of any, success, failure.
    pub const NEED: &str = "G0106";
    /// Tasks wait for each other in a cycle.
    pub const CYCLE: &str = "G0107";
    /// The pipeline has no tasks.
    pub const NO_TASKS: &str = "G0108";
    /// The pipeline has too many tasks.
    pub const TASKS_MAX: &str = "G0109";
    /// A task has no image.
    pub const IMAGE_EMPTY: &str = "G0110";
    /// An image reference is malformed.
    pub const IMAGE: &str = "G0111";
    /// The pipeline's name is empty, too long or not printable.
    pub const NAME: &str = "G0112";
    /// A description is too long or not printable.
    pub const DESCRIPTION: &str = "G0113";
    /// A variable's name is not `[A-Za-z_][A-Za-z0-9_]*`.
    pub const VARIABLE_NAME: &str = "G0114";
    /// A variable is set twice.
    pub const VARIABLE_TWICE: &str = "G0115";
    /// A variable's value holds a NUL byte.
    pub const VARIABLE_VALUE: &str = "G0116";
    /// A variable, or all of a task together, is too large for a process.
    pub const VARIABLE_SIZE: &str = "G0117";
    /// There is no such placeholder.
    pub const PLACEHOLDER_UNKNOWN: &str = "G0118";
    /// A placeholder is not closed.
    pub const PLACEHOLDER_OPEN: &str = "G0119";
    /// The key in a placeholder is malformed.
    pub const PLACEHOLDER_KEY: &str = "G0120";
    /// A time limit is 0 or longer than 30 days.
    pub const TIMEOUT: &str = "G0121";
    /// Count, delay, factor or cap of retries is out of bounds.
    pub const RETRIES: &str = "G0122";
    /// The pull policy is none of if-not-present, always, never.
    pub const PULL_POLICY: &str = "G0123";
    /// Registry credentials are empty or malformed.
    pub const REGISTRY_AUTH: &str = "G0124";
    /// The CPU share is out of bounds.
    pub const CPU: &str = "G0125";
    /// The memory limit is out of bounds.
    pub const MEMORY: &str = "G0126";
    /// The user is malformed.
    pub const USER: &str = "G0127";
    /// The working directory is no absolute path.
    pub const WORKDIR: &str = "G0128";
    /// A script stands beside an entry point or a command.
    pub const SCRIPT_AND_COMMAND: &str = "G0129";
    /// A script is empty, too large or has a malformed first line.
    pub const SCRIPT: &str = "G0130";
    /// Entry point or command cannot be passed to a process.
    pub const ARGUMENT: &str = "G0131";
    /// A label is malformed, doubled or one too many.
    pub const LABEL: &str = "G0132";
    /// An API token needs access control, which this server does not have yet.
    pub const API_TOKEN: &str = "G0133";
    /// The parallelism is out of bounds.
    pub const PARALLELISM: &str = "G0134";
    /// The whole pipeline is too large.
    pub const DRAFT_SIZE: &str = "G0135";
    /// There are more faults than one check reports.
    pub const MORE_FAULTS: &str = "G0136";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_in_the_text_is_the_table_in_the_program() {
        let text = include_str!("fault.rs");
        for (at, (code, rule)) in CODES.iter().enumerate() {
            assert_eq!(*code, format!("G01{:02}", at + 1), "codes are given in order");
            assert!(text.contains(&format!("/// | {code} | {rule} |")), "{code} is not documented");
        }
    }

    #[test]
    fn faults_become_one_problem_with_all_violations() {
        let place = Place { file: "src/main.rs".into(), line: 9, column: 5 };
        let first =
            Fault::new(code::IMAGE_EMPTY, "tasks[build].image", "task `build` has no image");
        let second =
            Fault::new(code::PARENT_UNKNOWN, "tasks[a]", "no \x1b[2J").help("did you mean `b`?");
        let one = faults_to_problem("simple", vec![first.clone()]);
        assert_eq!(one.message, "pipeline `simple` has a fault: task `build` has no image");
        let problem = faults_to_problem("simple", vec![first, second.at(Some(&place))]);
        assert_eq!((problem.kind, problem.reason), (Kind::Invalid, "INVALID_PIPELINE"));
        assert_eq!(problem.message, "pipeline `simple` has 2 faults");
        let last = problem.violations.last().unwrap();
        assert_eq!(last.rule, "no \\u{1b}[2J; did you mean `b`?");
        assert_eq!(last.source, "src/main.rs:9:5");
    }

    #[test]
    fn no_check_reports_without_end() {
        let mut faults = Faults::default();
        for _ in 0..FAULTS_MAX + 5 {
            faults.add(Fault::new(code::ID, "id", "x"));
        }
        let faults = faults.sorted();
        assert_eq!(faults.len(), FAULTS_MAX + 1);
        assert_eq!(faults[FAULTS_MAX].message, "there are at least 5 more faults");
    }
}
