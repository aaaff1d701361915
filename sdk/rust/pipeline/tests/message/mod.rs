//! Runs a pipeline program as `gofer up` does, and shows the message that it writes. Part of the tests
//! of the SDK and of those of its examples.

#![expect(clippy::expect_used, reason = "a program that cannot be run or read ends the test")]

use std::path::Path;
use std::process::{Command, Stdio};

use gofer_proto::sdk::v1::Program;
use prost::Message as _;

/// The exit code of the program, and its standard output decoded.
pub(crate) fn run(path: impl AsRef<Path>) -> (Option<i32>, Program) {
    let path = path.as_ref();
    let output = Command::new(path)
        .stdin(Stdio::null())
        .env("GOFER_READER_SHOWS_FAULTS", "1")
        .output()
        .unwrap_or_else(|error| unreachable!("{} does not start: {error}", path.display()));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "standard error of {}", path.display());
    let program =
        Program::decode(output.stdout.as_slice()).expect("standard output is the message");
    assert_eq!(program.encode_to_vec(), output.stdout, "there are bytes that are not understood");
    (output.status.code(), program)
}

/// The message as text: every field that is set, and places as `file:line`, since formatting a program
/// changes its columns. Fields that are not set are left out, so that a new one changes nothing.
pub(crate) fn shown(program: &Program) -> String {
    let text = format!("{program:#?}");
    compact(&text.lines().collect::<Vec<_>>()).join("\n")
}

fn compact(lines: &[&str]) -> Vec<String> {
    const UNSET: [&str; 4] = [": None,", ": \"\",", ": [],", ": false,"];
    let mut shown = Vec::new();
    let mut lines = lines.iter().copied();
    while let Some(line) = lines.next() {
        if UNSET.iter().any(|end| line.ends_with(end)) {
            continue;
        }
        let Some(field) = line.strip_suffix("Some(") else {
            shown.push(line.to_owned());
            continue;
        };
        // What stands in the brackets goes on the line of the field, if it is one value or a place.
        let close = format!("{}),", indent(line));
        let inside: Vec<&str> = lines.by_ref().take_while(|line| *line != close).collect();
        match inside.as_slice() {
            [value] => shown.push(format!("{field}{}", value.trim())),
            [kind, ..] if kind.trim() == "Source {" => {
                shown.push(format!("{field}{},", place(&inside)));
            }
            several => {
                shown.push(line.to_owned());
                shown.extend(compact(several));
                shown.push(close);
            }
        }
    }
    shown
}

/// A place as `file:line`.
fn place(lines: &[&str]) -> String {
    let value = |name: &str| {
        let found = lines.iter().find_map(|line| line.trim().strip_prefix(name));
        found.unwrap_or("?").trim_matches(['"', ',']).to_owned()
    };
    format!("{}:{}", value("file: "), value("line: "))
}

fn indent(line: &str) -> &str {
    line.split(|c: char| c != ' ').next().unwrap_or_default()
}
