//! What runs in the container: entry point and command as given, or made from a script.

use super::fault::code;
use super::task::TaskCheck;
use crate::pipeline::limits::{ARGUMENT_BYTES_MAX, ARGUMENTS_BYTES_MAX};
use crate::pipeline::text::quote;

/// Checked entry point and command.
#[derive(Default)]
pub(super) struct Process {
    pub(super) entrypoint: Vec<String>,
    pub(super) command: Vec<String>,
}

/// Checks and makes entry point and command of a task.
pub(super) fn check(check: &mut TaskCheck<'_>) -> Process {
    let task = check.task;
    // An empty argument is one like any other, but no program has an empty name.
    if task.entrypoint.first().is_some_and(String::is_empty) {
        check.report(
            code::ARGUMENT,
            "entrypoint[0]",
            "the first element of its entrypoint is empty",
        );
    }
    arguments(check, "entrypoint", &task.entrypoint);
    arguments(check, "command", &task.command);
    let n_bytes: usize =
        task.entrypoint.iter().chain(&task.command).map(|text| text.len() + 1).sum();
    if n_bytes > ARGUMENTS_BYTES_MAX {
        let message =
            format!("entry point and command take {n_bytes} bytes; at most 1 MiB is allowed");
        check.report(code::ARGUMENT, "command", &message);
    }
    let Some(script) = &task.script else {
        return Process { entrypoint: task.entrypoint.clone(), command: task.command.clone() };
    };
    if !task.entrypoint.is_empty() || !task.command.is_empty() {
        let beside = if task.command.is_empty() { "an entry point" } else { "a command" };
        let message = format!("it has a script and {beside}; a script makes both itself");
        check.report(code::SCRIPT_AND_COMMAND, "script", &message);
    }
    from_script(script).unwrap_or_else(|rule| {
        check.report(code::SCRIPT, "script", &rule);
        Process::default()
    })
}

/// Checks a list of arguments.
fn arguments(check: &mut TaskCheck<'_>, field: &str, list: &[String]) {
    for (at, text) in list.iter().enumerate() {
        let rule = if text.contains('\0') {
            "holds a NUL byte".to_owned()
        } else if text.len() >= ARGUMENT_BYTES_MAX {
            format!("has {} bytes; fewer than 128 KiB are allowed", text.len())
        } else {
            continue;
        };
        let message = format!("element {at} of its {field} {rule}");
        check.report(code::ARGUMENT, &format!("{field}[{at}]"), &message);
    }
}

/// Entry point and command that run a script: its first line `#!/interpreter arguments` says what
/// runs it, else the shell does, which then stops at the first command that fails. The script goes
/// in as an argument, because there is no file of it in the container.
///
/// # Errors
/// The broken rule as a sentence.
fn from_script(script: &str) -> Result<Process, String> {
    if script.trim().is_empty() {
        return Err("its script is empty".to_owned());
    }
    if script.contains('\0') {
        return Err("its script holds a NUL byte".to_owned());
    }
    if script.len() >= ARGUMENT_BYTES_MAX {
        return Err(format!(
            "its script has {} bytes; fewer than 128 KiB are allowed",
            script.len()
        ));
    }
    let entrypoint = match script.strip_prefix("#!") {
        None => ["/bin/sh", "-e", "-c"].map(str::to_owned).to_vec(),
        Some(rest) => interpreter(rest.lines().next().unwrap_or_default())?,
    };
    Ok(Process { entrypoint, command: vec![script.to_owned()] })
}

/// The entry point of a script's first line, without its `#!`.
fn interpreter(line: &str) -> Result<Vec<String>, String> {
    let mut words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let Some(program) = words.first() else {
        return Err("the first line of its script names no interpreter after `#!`".to_owned());
    };
    if !program.starts_with('/') {
        return Err(format!(
            "the first line of its script names {}, which is no absolute path",
            quote(program)
        ));
    }
    words.push(evaluate_flag(&words).to_owned());
    Ok(words)
}

/// The flag by which an interpreter takes a program as its next argument. `-c` is the shells' and
/// Python's. For some others it means "check only": the script would not run and yet succeed.
fn evaluate_flag(words: &[String]) -> &'static str {
    let name = |word: &String| word.rsplit('/').next().unwrap_or_default().to_owned();
    let mut words = words.iter().filter(|word| !word.starts_with('-') && !word.contains('='));
    let program = words.next().map(name).unwrap_or_default();
    let program =
        if program == "env" { words.next().map(name).unwrap_or_default() } else { program };
    let family = program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    match family {
        "perl" | "ruby" | "node" | "nodejs" => "-e",
        "php" => "-r",
        _ => "-c", // shells, Python, and whatever else follows them
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(script: &str, want: Result<&[&str], &str>) {
        match (from_script(script), want) {
            (Ok(process), Ok(want)) => {
                assert_eq!(process.entrypoint, want, "{script:?}");
                assert_eq!(process.command, [script], "{script:?}");
            }
            (Err(got), Err(want)) => assert!(got.contains(want), "{got:?} lacks {want:?}"),
            (got, want) => panic!("{script:?}: got {:?}, want {want:?}", got.map(|p| p.entrypoint)),
        }
    }

    #[test]
    fn the_first_line_says_what_runs_a_script() {
        check("echo hi", Ok(&["/bin/sh", "-e", "-c"]));
        check("# comment\necho", Ok(&["/bin/sh", "-e", "-c"]));
        check("#!/bin/bash -eu\necho", Ok(&["/bin/bash", "-eu", "-c"]));
        check("#! /bin/sh\r\necho", Ok(&["/bin/sh", "-c"]));
        check("#!/usr/bin/env python3\nprint()", Ok(&["/usr/bin/env", "python3", "-c"]));
        check(
            "#!/usr/bin/env -S A=b python3.12 -u\n",
            Ok(&["/usr/bin/env", "-S", "A=b", "python3.12", "-u", "-c"]),
        );
    }

    #[test]
    fn an_interpreter_whose_c_only_checks_gets_its_own_flag() {
        check("#!/usr/bin/perl -w\ndie", Ok(&["/usr/bin/perl", "-w", "-e"]));
        check("#!/usr/bin/env ruby3.1\nx", Ok(&["/usr/bin/env", "ruby3.1", "-e"]));
        check("#!/usr/bin/env -S node\nx", Ok(&["/usr/bin/env", "-S", "node", "-e"]));
        check("#!/usr/bin/php\nx", Ok(&["/usr/bin/php", "-r"]));
    }

    #[test]
    fn a_script_that_cannot_run_is_refused() {
        check(" \n", Err("is empty"));
        check("echo \0", Err("NUL byte"));
        check("#!\necho", Err("names no interpreter"));
        check("#!bash\necho", Err("`bash`, which is no absolute path"));
        check(&"x".repeat(ARGUMENT_BYTES_MAX - 1), Ok(&["/bin/sh", "-e", "-c"]));
        check(&"x".repeat(ARGUMENT_BYTES_MAX), Err("fewer than 128 KiB"));
    }
}
