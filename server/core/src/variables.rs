//! The variables of a task run: who may set what, and who wins. The merged list is stored and shown
//! with placeholders unresolved; resolved values exist only on their way to the driver.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::ids::{AttemptNumber, RunKey, TaskId};
use crate::pipeline::{code, limits, quote, shorten, unfit};
use crate::problem::{Kind, Problem, Violation};

/// Who set a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum VariableSource {
    /// The task in the pipeline config; the strongest.
    PipelineConfig,
    /// Whoever started the run: a user or an extension.
    Run,
    /// Gofer itself; the weakest.
    System,
}

/// A variable of a task run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variable {
    /// Its name.
    pub key: String,
    /// Its value; placeholders are not resolved.
    pub value: String,
    /// Who set it.
    pub source: VariableSource,
}

/// The variables of a task run, sorted by name. Where several set the same name, the task's own
/// wins over the run's, and the run's over Gofer's.
#[must_use]
pub fn merge(
    task: &BTreeMap<String, String>,
    run: &BTreeMap<String, String>,
    system: &BTreeMap<String, String>,
) -> Vec<Variable> {
    let weakest_first = [
        (VariableSource::System, system),
        (VariableSource::Run, run),
        (VariableSource::PipelineConfig, task),
    ];
    let mut merged = BTreeMap::new();
    for (source, variables) in weakest_first {
        merged.extend(variables.iter().map(|(key, value)| (key, (value, source))));
    }
    let variable = |(key, (value, source)): (&String, (&String, VariableSource))| Variable {
        key: key.clone(),
        value: value.clone(),
        source,
    };
    merged.into_iter().map(variable).collect()
}

/// What Gofer tells a container about itself.
#[derive(Debug, Clone, Copy)]
pub struct SystemFacts<'a> {
    /// The run.
    pub run: &'a RunKey,
    /// The task.
    pub task: &'a TaskId,
    /// The task's image, as the author wrote it.
    pub image: &'a str,
    /// The attempt's number, from 1.
    pub attempt: AttemptNumber,
    /// The address at which a container reaches this server.
    pub host: &'a str,
}

/// Gofer's own variables.
#[must_use]
pub fn system_variables(facts: &SystemFacts<'_>) -> BTreeMap<String, String> {
    let pipeline = &facts.run.pipeline;
    let variables = [
        ("GOFER_NAMESPACE_ID", pipeline.namespace.to_string()),
        ("GOFER_PIPELINE_ID", pipeline.pipeline.to_string()),
        ("GOFER_RUN_ID", facts.run.run.to_string()),
        ("GOFER_TASK_ID", facts.task.to_string()),
        ("GOFER_TASK_IMAGE", facts.image.to_owned()),
        ("GOFER_ATTEMPT", facts.attempt.to_string()),
        ("GOFER_HOST", facts.host.to_owned()),
    ];
    variables.map(|(key, value)| (key.to_owned(), value)).into()
}

/// Checks the variables with which a run is to start and gives them by name.
///
/// # Errors
/// An Invalid problem with a violation for every broken rule of names, values and sizes.
pub fn check_run_variables(
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<BTreeMap<String, String>, Problem> {
    let pairs: Vec<(String, String)> = variables.into_iter().collect();
    let broken = broken_rules(pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    if broken.is_empty() {
        return Ok(pairs.into_iter().collect());
    }
    let n_faults = broken.len();
    let faults = if n_faults == 1 { "fault" } else { "faults" };
    let message = format!("the variables of the run have {n_faults} {faults}");
    let mut problem = Problem::new(Kind::Invalid, "INVALID_INPUT", message);
    problem.violations = broken
        .into_iter()
        .take(limits::FAULTS_MAX)
        .map(|broken| Violation {
            field: broken.field("variables"),
            code: broken.code.to_owned(),
            rule: broken.message,
            source: String::new(),
        })
        .collect();
    Err(problem)
}

/// A broken rule about a list of variables.
pub(crate) struct BrokenRule {
    /// Stable code of the rule.
    pub(crate) code: &'static str,
    /// Which of the variables, from 0, with its shown name; none where it is about all.
    pub(crate) variable: Option<(usize, String)>,
    /// The rule as a sentence.
    pub(crate) message: String,
}

impl BrokenRule {
    /// The path of the field in the list `of`.
    pub(crate) fn field(&self, of: &str) -> String {
        self.variable.as_ref().map_or_else(|| of.to_owned(), |(_, name)| format!("{of}[{name}]"))
    }
}

/// The broken rules about names, values, sizes and doubles in a list of variables: all of them, or
/// one more than a check reports.
pub(crate) fn broken_rules<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<BrokenRule> {
    let mut broken = Vec::new();
    let mut seen = BTreeSet::new();
    let mut n_bytes_all = 0_usize;
    for (at, (key, value)) in pairs.enumerate() {
        let n_bytes = environment_bytes(key, value);
        n_bytes_all = n_bytes_all.saturating_add(n_bytes);
        let mut report = |code, message| {
            if broken.len() <= limits::FAULTS_MAX {
                broken.push(BrokenRule { code, variable: Some((at, shorten(key))), message });
            }
        };
        if let Err(rule) = check_variable_name(key) {
            report(code::VARIABLE_NAME, rule);
        }
        if !seen.insert(key) {
            report(code::VARIABLE_TWICE, format!("variable {} is set twice", quote(key)));
        }
        if value.contains('\0') {
            let message = format!("the value of variable {} holds a NUL byte", quote(key));
            report(code::VARIABLE_VALUE, message);
        }
        if n_bytes > limits::ARGUMENT_BYTES_MAX {
            let message = format!(
                "variable {} takes {n_bytes} bytes; at most 128 KiB are allowed",
                quote(key)
            );
            report(code::VARIABLE_SIZE, message);
        }
    }
    if n_bytes_all > limits::ARGUMENTS_BYTES_MAX {
        let message =
            format!("all variables together take {n_bytes_all} bytes; at most 1 MiB is allowed");
        broken.push(BrokenRule { code: code::VARIABLE_SIZE, variable: None, message });
    }
    broken
}

/// The bytes that a variable takes in an environment: `KEY=value` and a NUL.
fn environment_bytes(key: &str, value: &str) -> usize {
    key.len().saturating_add(value.len()).saturating_add(2)
}

/// Says whether `name` may name a variable: `[A-Za-z_][A-Za-z0-9_]*`, case-sensitive.
///
/// # Errors
/// The broken rule as a sentence, with every offending character.
pub fn check_variable_name(name: &str) -> Result<(), String> {
    let Some(first) = name.chars().next() else {
        return Err("a variable has no name".to_owned());
    };
    if first.is_ascii_digit() {
        return Err(format!("the name of variable {} begins with the digit {first}", quote(name)));
    }
    match unfit(name, |c| c.is_ascii_alphanumeric() || c == '_') {
        None => Ok(()),
        Some(odd) => Err(format!(
            "the name of variable {} holds {odd}; only letters, digits and underscores are allowed",
            quote(name)
        )),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ids::{NamespaceId, PipelineId, PipelineKey};

    #[track_caller]
    fn check(pairs: &[(&str, &str)], want: &[&str]) {
        let pairs = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let problem = check_run_variables(pairs).err();
        let got: Vec<String> = problem
            .into_iter()
            .flat_map(|problem| problem.violations)
            .map(|v| format!("{} {}: {}", v.code, v.field, v.rule))
            .collect();
        assert_eq!(got.len(), want.len(), "{got:#?}");
        for (got, want) in got.iter().zip(want) {
            assert!(got.contains(want), "{got:?} lacks {want:?}");
        }
    }

    #[test]
    fn names_are_those_of_the_shell() {
        check(&[("A", ""), ("_a9", "x"), ("a", "y=z")], &[]);
        check(&[("", "x")], &["has no name"]);
        check(
            &[("9a", "x")],
            &["variables[9a]: the name of variable `9a` begins with the digit 9"],
        );
        check(&[("a-b", "x"), ("ä", "x"), ("a=b", "x")], &["'-'", "'ä'", "'='"]);
    }

    #[test]
    fn doubles_nul_bytes_and_sizes_are_all_reported() {
        let limit = "x".repeat(limits::ARGUMENT_BYTES_MAX - 4);
        let over = "x".repeat(limits::ARGUMENT_BYTES_MAX - 3);
        check(&[("AB", &limit)], &[]);
        check(&[("AB", &over)], &["takes 131073 bytes; at most 128 KiB"]);
        check(&[("A", "x"), ("A", "x\0")], &["`A` is set twice", "NUL byte"]);
        let names: Vec<String> = (0..9).map(|n| format!("A{n}")).collect();
        let many: Vec<(&str, &str)> =
            names.iter().map(|name| (name.as_str(), limit.as_str())).collect();
        check(&many, &["variables: all variables together take 1179648 bytes; at most 1 MiB"]);
    }

    #[test]
    fn gofer_says_where_a_container_is() {
        let pipeline = PipelineKey {
            namespace: NamespaceId::parse("default").unwrap(),
            pipeline: PipelineId::parse("simple").unwrap(),
        };
        let run = RunKey { pipeline, run: 7 };
        let task = TaskId::parse("build").unwrap();
        let facts =
            SystemFacts { run: &run, task: &task, image: "alpine:3", attempt: 2, host: "h:1" };
        let got: Vec<String> = system_variables(&facts)
            .into_iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let want = [
            "GOFER_ATTEMPT=2",
            "GOFER_HOST=h:1",
            "GOFER_NAMESPACE_ID=default",
            "GOFER_PIPELINE_ID=simple",
            "GOFER_RUN_ID=7",
            "GOFER_TASK_ID=build",
            "GOFER_TASK_IMAGE=alpine:3",
        ];
        assert_eq!(got, want);
    }

    fn variables() -> impl Strategy<Value = BTreeMap<String, String>> {
        prop::collection::btree_map("[a-cA]", "[xyz]{0,2}", 0..4)
    }

    proptest! {
        #[test]
        fn the_strongest_source_wins(task in variables(), run in variables(), system in variables()) {
            let merged = merge(&task, &run, &system);
            let keys: Vec<&String> = merged.iter().map(|variable| &variable.key).collect();
            let all: BTreeSet<&String> = task.keys().chain(run.keys()).chain(system.keys()).collect();
            prop_assert_eq!(keys, all.into_iter().collect::<Vec<_>>());
            for variable in &merged {
                let key = &variable.key;
                let want = task.get(key).map(|value| (value, VariableSource::PipelineConfig));
                let want = want.or_else(|| run.get(key).map(|value| (value, VariableSource::Run)));
                let want = want.or_else(|| system.get(key).map(|value| (value, VariableSource::System)));
                prop_assert_eq!(Some((&variable.value, variable.source)), want);
            }
        }
    }
}
