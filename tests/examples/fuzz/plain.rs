//! Parsers that are plain functions: what a pipeline program prints, drafts, placeholders,
//! variables, ids.

use anyhow::Result;
use gofer_client::program::ProgramError;
use gofer_core::ids::{NamespaceId, PipelineId, RunUid, TaskId};
use gofer_core::pipeline::{
    Draft, DraftDependency, DraftPair, DraftRegistryAuth, DraftRetries, DraftTask, PipelineConfig,
    content_hash, validate,
};
use gofer_core::placeholder::{self, PlaceholderFault};
use gofer_core::variables;
use prost::Message as _;

use crate::hunt::{kind, kind_of_all};
use crate::samples::{self, words};
use crate::{Target, Verdict};

/// The message that a pipeline program prints.
pub(crate) fn program() -> Result<Target> {
    Ok(Target {
        samples: vec![samples::program().encode_to_vec(), b"hello\n".to_vec()],
        words: words(&["\x0a\x11gofer.pipeline.v1", "\x3a", "\x12", "\x1a\x00"]),
        feed: Box::new(|input| {
            Ok(match gofer_client::program::decode(input) {
                Ok(program) => {
                    kind(&format!("{} {}", program.pipelines.len(), program.diagnostics.len()))
                }
                Err(ProgramError::Stray { .. }) => kind("stray"),
                Err(ProgramError::OtherKind { .. }) => kind("another"),
                Err(error) => kind(&error.to_string()),
            })
        }),
    })
}

/// A draft whose fields are the input's lines, checked as the server checks it.
pub(crate) fn draft() -> Result<Target> {
    let sample = "simple\nA name\n\n2\n60000\n\
        task build\nimage ubuntu:24.04\nenv KEY=secret{{key}}\ncommand echo\ncommand hi\nretries 3 100 2.0\n\
        task test\nimage alpine\nafter build success\nscript #!/bin/sh\ntimeout 1000\ncpu 500\nmemory 10000000\n\
        user 1000:1000\nworkdir /srv\npull always\nlabel a=b\nauth me secret{{password}}\nentrypoint sh";
    Ok(Target {
        samples: words(&[
            sample,
            "abc",
            "abc\n\n\n\n\ntask one\nimage x\nafter two\ntask two\nimage x\nafter one any",
        ]),
        words: words(&[
            "\ntask build",
            "\nimage ",
            "\nafter build",
            "\nafter test failure",
            "\nenv A=",
            "\nscript ",
            "\nretries 99 1 1e308",
            "secret{{",
            "}}",
            "run_object{{k}}",
            "\0",
            "\u{202e}",
            "é",
            "NaN",
            "inf",
        ]),
        feed: Box::new(|input| check_draft(&draft_of(&String::from_utf8_lossy(input)))),
    })
}

fn check_draft(draft: &Draft) -> Verdict {
    match validate(draft) {
        Ok(config) => {
            let json = serde_json::to_string(&config).map_err(|error| error.to_string())?;
            let read: PipelineConfig = serde_json::from_str(&json)
                .map_err(|error| format!("an accepted config cannot be read back: {error}"))?;
            if read != config || content_hash(&read) != content_hash(&config) {
                return Err("an accepted config is another one when it is read back".to_owned());
            }
            Ok(kind(&format!("accepted {}", config.tasks.len())))
        }
        Err(faults) if faults.is_empty() => Err("refused without a fault".to_owned()),
        Err(faults) => Ok(kind_of_all(faults.iter().map(|fault| fault.code))),
    }
}

fn draft_of(text: &str) -> Draft {
    let mut lines = text.split('\n');
    let mut line = || lines.next().unwrap_or_default().to_owned();
    let mut draft = Draft { id: line(), name: line(), description: line(), ..Draft::default() };
    draft.parallelism = line().parse().unwrap_or(0);
    draft.timeout_ms = line().parse().ok();
    for line in lines {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        if word == "task" {
            draft.tasks.push(DraftTask { id: rest.to_owned(), ..DraftTask::default() });
        } else if let Some(task) = draft.tasks.last_mut() {
            fill(task, word, rest);
        }
    }
    draft
}

fn fill(task: &mut DraftTask, word: &str, rest: &str) {
    let own = || rest.to_owned();
    let (first, second) = rest.split_once([' ', '=']).unwrap_or((rest, ""));
    let pair =
        || DraftPair { key: first.to_owned(), value: second.to_owned(), ..DraftPair::default() };
    match word {
        "image" => task.image = own(),
        "description" => task.description = own(),
        "pull" => task.pull_policy = own(),
        "env" => task.variables.push(pair()),
        "label" => task.labels.push(pair()),
        "command" => task.command.push(own()),
        "entrypoint" => task.entrypoint.push(own()),
        "script" => task.script = Some(own()),
        "timeout" => task.timeout_ms = rest.parse().ok(),
        "cpu" => task.cpu_milli = rest.parse().ok(),
        "memory" => task.memory_bytes = rest.parse().ok(),
        "user" => task.user = own(),
        "workdir" => task.workdir = own(),
        "token" => task.inject_api_token = true,
        "auth" => {
            task.registry_auth = Some(DraftRegistryAuth {
                username: first.to_owned(),
                password: second.to_owned(),
                place: None,
            });
        }
        "after" => task.depends_on.push(DraftDependency {
            parent: first.to_owned(),
            need: second.to_owned(),
            place: None,
        }),
        "retries" => {
            let mut numbers = rest.split(' ');
            task.retries = Some(DraftRetries {
                count: numbers.next().and_then(|number| number.parse().ok()),
                delay_ms: numbers.next().and_then(|number| number.parse().ok()),
                factor: numbers.next().and_then(|number| number.parse().ok()),
                cap_ms: numbers.next().and_then(|number| number.parse().ok()),
                place: None,
            });
        }
        // `_`: the mutations make many a word that stands for nothing.
        _ => {}
    }
}

/// Values with placeholders.
pub(crate) fn placeholder() -> Result<Target> {
    let samples = [
        "plain",
        "a secret{{key}} b",
        "pipeline_secret{{a}}global_secret{{b}}",
        "run_object{{a.b/c-d}} pipeline_object{{x}}",
        "secret{{",
        "}}secret{{secret{{a}}}}",
    ];
    Ok(Target {
        samples: words(&samples),
        words: words(&[
            "secret{{",
            "}}",
            "{{",
            "global_",
            "pipeline_",
            "é",
            "\0",
            "run_object{{a}}",
        ]),
        feed: Box::new(|input| {
            let value = String::from_utf8_lossy(input);
            match placeholder::parse(&value) {
                Ok(pieces) if placeholder::render(&pieces) != value => {
                    Err(format!("the pieces render as {:?}", placeholder::render(&pieces)))
                }
                Ok(pieces) => Ok(kind(&format!("{} pieces", "p".repeat(pieces.len().min(20))))),
                Err(faults) if faults.is_empty() => Err("refused without a fault".to_owned()),
                Err(faults) => Ok(kind_of_all(faults.iter().map(|fault| match fault {
                    PlaceholderFault::Unknown { .. } => 1,
                    PlaceholderFault::Unterminated { .. } => 2,
                    PlaceholderFault::BadKey { .. } => 3,
                }))),
            }
        }),
    })
}

/// Variables with which a run is to start: a line for each.
pub(crate) fn variables() -> Result<Target> {
    Ok(Target {
        samples: words(&["KEY=value", "A=1\nB=2\nA=3", "GOFER_HOST=x\n=\n_a=secret{{k}}"]),
        words: words(&["=", "\n", "GOFER_", "\0", "secret{{k}}", "é", "A=", "__"]),
        feed: Box::new(|input| {
            let text = String::from_utf8_lossy(input);
            let pairs: Vec<(String, String)> = text
                .split('\n')
                .map(|line| line.split_once('=').unwrap_or((line, "")))
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect();
            match variables::check_run_variables(pairs.clone()) {
                Ok(kept) if kept.len() > pairs.len() => {
                    Err("more came out than went in".to_owned())
                }
                Ok(kept) => Ok(kind(&"v".repeat(kept.len().min(20)))),
                Err(problem) if problem.violations.is_empty() => {
                    Err("refused without a violation".to_owned())
                }
                Err(problem) => {
                    Ok(kind_of_all(problem.violations.iter().map(|broken| &broken.code)))
                }
            }
        }),
    })
}

/// Names of things, and keys.
pub(crate) fn ids() -> Result<Target> {
    let samples = [
        "default",
        "ab",
        "a_very_long_name_of_a_thing_that_is_too_long",
        "01hzx0000000000000000000ab",
    ];
    Ok(Target {
        samples: words(&samples),
        words: words(&["_", "é", "\0", "/", "..", "A", "0"]),
        feed: Box::new(|input| {
            let text = String::from_utf8_lossy(input);
            let answers = [
                NamespaceId::parse(&text).map(|id| id.to_string()),
                PipelineId::parse(&text).map(|id| id.to_string()),
                TaskId::parse(&text).map(|id| id.to_string()),
                RunUid::parse(&text).map(|id| id.to_string()),
            ];
            let checks = [placeholder::check_key(&text), variables::check_variable_name(&text)];
            for shown in answers.iter().flatten() {
                if *shown != text {
                    return Err(format!("accepted, and shown as {shown:?}"));
                }
            }
            let faults = answers.iter().map(|answer| format!("{answer:?}"));
            let checked = checks.iter().map(|check| format!("{check:?}"));
            Ok(faults.chain(checked).fold(2, |sum, text| sum.rotate_left(7) ^ kind(&text)))
        }),
    })
}
