//! `gofer demo` and `gofer doctor` as a newcomer has them: from nothing, on each engine, and nothing is
//! left after the clean-up.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use anyhow::{Result, ensure};
use gofer_tests::harness::gofer_binary;

/// `gofer` as somebody calls it who has set up nothing.
fn gofer(home: &Path, args: &[&str]) -> Result<Output> {
    let mut command = Command::new(gofer_binary()?);
    command.args(args).stdin(Stdio::null()).env("HOME", home);
    for variable in ["GOFER_DATA_DIR", "GOFER_CLI_HOST", "GOFER_CONFIG_PATH"] {
        command.env_remove(variable);
    }
    Ok(command.output()?)
}

fn shows_everything_and_cleans_up(engine: &str) -> Result<()> {
    let home = tempfile::tempdir()?;
    let dir = home.path().join("demo");
    let dir_word = dir.display().to_string();
    let shown = gofer(home.path(), &["demo", "--dir", &dir_word, "--engine", engine])?;
    let cleaned = gofer(home.path(), &["demo", "--dir", &dir_word, "--clean"])?;
    let (data, talk) = (String::from_utf8(shown.stdout)?, String::from_utf8(shown.stderr)?);
    ensure!(shown.status.success(), "{talk}\n{data}");
    ensure!(talk.contains(&format!("containers run on {engine} ")), "{talk}");
    // A log line of each branch, and of the second attempt; the skipped task has none.
    for line in ["12 passed", "released", "telling the team about the licence"] {
        ensure!(data.contains(line), "{line:?} is missing in {data}");
    }
    ensure!(!data.contains("never printed"), "{data}");
    ensure!(data.contains("gofer demo --clean"), "{data}");
    let talk = String::from_utf8(cleaned.stderr)?;
    ensure!(cleaned.status.success(), "{talk}");
    ensure!(!dir.exists(), "{dir:?} is left");
    Ok(())
}

#[test]
fn a_newcomer_sees_a_run_without_docker() -> Result<()> {
    shows_everything_and_cleans_up("embedded")
}

#[test]
fn a_newcomer_sees_a_run_on_docker() -> Result<()> {
    shows_everything_and_cleans_up("docker")
}

#[test]
fn without_an_engine_the_doctor_says_what_to_do() -> Result<()> {
    let home = tempfile::tempdir()?;
    let mut command = Command::new(gofer_binary()?);
    command.args(["doctor", "--engine", "docker", "--data-dir"]).arg(home.path());
    let nowhere = format!("unix://{}/none.sock", home.path().display());
    let asked = command.env("DOCKER_HOST", nowhere).stdin(Stdio::null()).output()?;
    let text = String::from_utf8(asked.stdout)?;
    ensure!(asked.status.code() == Some(5), "{text}");
    ensure!(text.contains("✗ Docker") && text.contains("next: "), "{text}");
    ensure!(text.contains("A server does not work here yet."), "{text}");
    Ok(())
}
