//! Runs a program with faults as `gofer up` does: it still writes its message, and says so by its
//! exit code.

mod message;

use std::path::PathBuf;
use std::process::{Command, Stdio};

use gofer_proto::sdk::v1::Program;
use prost::Message as _;

/// The program of `tests/fixtures/faulty.rs`, which cargo builds beside the tests.
fn faulty() -> PathBuf {
    let test = std::env::current_exe().unwrap_or_default();
    let folder = test.ancestors().nth(2).map(|debug| debug.join("examples"));
    folder.unwrap_or_default().join("gofer-sdk-faulty")
}

#[test]
fn a_faulty_program_exits_2_and_still_writes_its_message() {
    let (code, program) = message::run(faulty());
    assert_eq!(code, Some(2));
    assert_eq!(program.pipelines.len(), 4, "the pipelines are there all the same");
    insta::assert_snapshot!(message::shown(&Program { pipelines: Vec::new(), ..program }));
}

#[test]
fn a_faulty_program_names_its_faults_though_standard_output_is_no_terminal() {
    let output = Command::new(faulty()).stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("error[G0110]: task `no_image` has no image\n  --> "), "{said}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_message_that_cannot_be_written_is_no_success() {
    let full = std::fs::File::create("/dev/full").unwrap();
    let output = Command::new(faulty()).stdin(Stdio::null()).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(70));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("could not be written to standard output: No space"), "{said}");
}

#[test]
fn an_encoded_message_opens_with_its_kind() {
    let output = Command::new(faulty()).output().unwrap();
    assert!(output.stdout.starts_with(b"\x0a\x11gofer.pipeline.v1"));
    assert!(Program::decode(output.stdout.as_slice()).is_ok());
}
