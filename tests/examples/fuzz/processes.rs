//! The command line as a process: references and the settings file. No server answers, so that
//! what is parsed well ends as "cannot reach". A code of 101, a signal, or exit code 0 is a failure.

use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use gofer_tests::harness;
use tempfile::TempDir;

use crate::hunt::kind;
use crate::samples::words;
use crate::{Target, Verdict};

struct Gofer {
    binary: PathBuf,
    dir: TempDir,
}

impl Gofer {
    fn new() -> Result<Self> {
        // Examples lie beside the binary, one folder down.
        let here = std::env::current_exe()?;
        let binary = here.parent().and_then(|dir| dir.parent()).map(|dir| dir.join("gofer"));
        let binary = binary.filter(|path| path.exists()).map_or_else(harness::gofer_binary, Ok);
        let binary = binary.context("run `cargo build --release -p gofer` first")?;
        Ok(Self { binary, dir: tempfile::tempdir()? })
    }

    fn settings(&self) -> PathBuf {
        self.dir.path().join("cli.hcl")
    }

    fn run(&self, words: &[String]) -> Verdict {
        let output = Command::new(&self.binary)
            .args(words)
            .env("GOFER_CLI_HOST", "http://127.0.0.1:1")
            .env("GOFER_CLI_CONFIG", self.settings())
            .env("GOFER_DATA_DIR", self.dir.path())
            .stdin(Stdio::null())
            .output()
            .map_err(|error| error.to_string())?;
        let talk = String::from_utf8_lossy(&output.stderr).into_owned();
        if let Some(signal) = output.status.signal() {
            return Err(format!("ended by signal {signal}: {talk}"));
        }
        match output.status.code() {
            Some(101) => Err(format!("a panic: {talk}")),
            Some(0) => Ok(0),
            Some(_) if talk.trim().is_empty() => Err("failed without a word".to_owned()),
            Some(_) if talk.contains("panicked") => Err(talk),
            code => Ok(kind(&format!("{code:?} {talk}"))),
        }
    }
}

/// A line of the input is a word behind `gofer run get`.
pub(crate) fn references() -> Result<Target> {
    let gofer = Gofer::new()?;
    std::fs::write(gofer.settings(), "")?;
    Ok(Target {
        samples: words(&[
            "simple\n1",
            "simple/1",
            "default:simple/@latest~2",
            "simple\n@failed",
            "a:b/1/task",
        ]),
        words: words(&[
            "@latest",
            "@latest~",
            "@running",
            "@ok",
            ":",
            "/",
            "\n",
            "-",
            "--",
            "é",
            "18446744073709551616",
        ]),
        feed: Box::new(move |input| {
            let text = String::from_utf8_lossy(input).replace('\0', "0");
            let mut line = vec!["run".to_owned(), "get".to_owned(), "--".to_owned()];
            // A line of the system has its own limit.
            line.extend(text.split('\n').take(50).map(|word| word.chars().take(1000).collect()));
            gofer.run(&line)
        }),
    })
}

/// The input is the settings file.
pub(crate) fn settings() -> Result<Target> {
    let gofer = Gofer::new()?;
    let samples = [
        "namespace = \"default\"\nhost = \"https://127.0.0.1:8080\"\n# talk\nno_color = true\n",
        "ca_cert = <<EOT\n/x/y\nEOT\n",
        "a { b = [1, 2.5, {c = \"${d}\"}] }",
        "namespace = true ? \"a\" : foo(1)...",
        "host = \"%{ if x }a%{ endif }\"",
    ];
    Ok(Target {
        samples: words(&samples),
        words: words(&[
            "${", "%{", "}", "[", "{", "(", "((((((((", "[[[[[[[[", "<<EOT\n", "\"", "=", "/*",
            "!", "-", "for x in", "\u{feff}",
        ]),
        feed: Box::new(move |input| {
            std::fs::write(gofer.settings(), input).map_err(|error| error.to_string())?;
            gofer.run(&["run", "get", "simple", "1"].map(str::to_owned))
        }),
    })
}
