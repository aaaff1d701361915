//! Where a pipeline comes from: a Rust project, a program that is built already, or a file that holds
//! what one printed.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use gofer_client::program::is_program;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};

use crate::failure::Failure;

/// Most bytes that a program may print: the largest message that the server takes is far below.
const OUTPUT_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Tells a program not to show its faults: they are read from its message and shown with their lines.
const READER_SHOWS_FAULTS: &str = "GOFER_READER_SHOWS_FAULTS";
/// How a program says that it found faults, which are in its message.
const FAULTS_EXIT_CODE: i32 = 2;

/// Where a pipeline comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    kind: Kind,
    /// Arguments for the program.
    arguments: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// A folder with this Cargo.toml.
    Project {
        manifest: PathBuf,
    },
    /// A program.
    Program(PathBuf),
    /// What a program printed.
    Message(PathBuf),
    Stdin,
}

/// Whether the programs that are started stop with this process, or are stopped by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    /// Ctrl-C reaches them by itself.
    Shared,
    /// They are stopped together when the build is dropped.
    Own,
}

impl Source {
    pub(crate) fn find(path: &Path, arguments: Vec<String>) -> Result<Self, Failure> {
        if path == Path::new("-") {
            return Ok(Self { kind: Kind::Stdin, arguments });
        }
        let full =
            std::fs::canonicalize(path).map_err(|error| Failure::file("find", path, &error))?;
        let kind = if full.is_dir() { project(&full)? } else { file(&full)? };
        Ok(Self { kind, arguments })
    }

    /// The folder that the pipeline lies in.
    pub(crate) fn folder(&self) -> PathBuf {
        let path = match &self.kind {
            Kind::Project { manifest } => manifest.parent(),
            Kind::Program(path) | Kind::Message(path) => path.parent(),
            Kind::Stdin => None,
        };
        path.map_or_else(|| PathBuf::from("."), Path::to_path_buf)
    }

    /// The path to watch: the folder of a project, else the file itself. `None`: standard input.
    pub(crate) fn watched(&self) -> Option<PathBuf> {
        match &self.kind {
            Kind::Project { .. } => Some(self.folder()),
            Kind::Program(path) | Kind::Message(path) => Some(path.clone()),
            Kind::Stdin => None,
        }
    }

    /// The bytes that the program prints.
    pub(crate) async fn produce(&self, group: Group) -> Result<Vec<u8>, Failure> {
        match &self.kind {
            Kind::Project { manifest } => {
                let mut command = Command::new("cargo");
                command.args(["run", "--quiet", "--manifest-path"]).arg(manifest);
                if !self.arguments.is_empty() {
                    command.arg("--").args(&self.arguments);
                }
                run(command, &self.folder(), group, "cargo").await
            }
            Kind::Program(path) => {
                let mut command = Command::new(path);
                command.args(&self.arguments);
                run(command, &self.folder(), group, &path.display().to_string()).await
            }
            Kind::Message(path) => {
                std::fs::read(path).map_err(|error| Failure::file("read", path, &error))
            }
            Kind::Stdin => {
                let mut bytes = Vec::new();
                let mut stdin = tokio::io::stdin().take(OUTPUT_BYTES_MAX);
                match stdin.read_to_end(&mut bytes).await {
                    Ok(_) => Ok(bytes),
                    Err(error) => Err(Failure::internal("read standard input", &error)),
                }
            }
        }
    }
}

fn project(folder: &Path) -> Result<Kind, Failure> {
    let manifest = folder.join("Cargo.toml");
    if manifest.is_file() {
        return Ok(Kind::Project { manifest });
    }
    Err(Failure::not_found(format!("{} holds no Cargo.toml", folder.display()))
        .next("name the folder of a pipeline project, a program, or a file with what one printed"))
}

fn file(path: &Path) -> Result<Kind, Failure> {
    if path.file_name().is_some_and(|name| name == "Cargo.toml") {
        return Ok(Kind::Project { manifest: path.to_path_buf() });
    }
    let read = |path: &Path| -> std::io::Result<Vec<u8>> {
        use std::io::Read;
        let mut head = Vec::new();
        std::fs::File::open(path)?.take(64).read_to_end(&mut head)?;
        Ok(head)
    };
    let head = read(path).map_err(|error| Failure::file("read", path, &error))?;
    if is_program(&head) {
        return Ok(Kind::Message(path.to_path_buf()));
    }
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).map(|meta| meta.permissions().mode()).unwrap_or(0);
    if mode & 0o111 != 0 {
        return Ok(Kind::Program(path.to_path_buf()));
    }
    Err(Failure::invalid(format!(
        "{} is neither a program nor the pipeline message of one",
        path.display()
    ))
    .next("name the folder of a pipeline project"))
}

/// A child that takes its own children with it.
struct Running {
    child: Child,
    group: Option<Pid>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            // It may have ended by itself, which is what is wanted.
            kill_process_group(group, Signal::KILL).ok();
        }
    }
}

async fn run(
    mut command: Command,
    folder: &Path,
    group: Group,
    name: &str,
) -> Result<Vec<u8>, Failure> {
    command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    command.env(READER_SHOWS_FAULTS, "1");
    if group == Group::Own {
        command.process_group(0);
    }
    let child = command.spawn().map_err(|error| {
        Failure::invalid(format!("cannot start `{name}`: {error}"))
            .next(format!("is {name} installed?"))
    })?;
    let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let mut running = Running { child, group: id.filter(|_| group == Group::Own) };
    let mut bytes = Vec::new();
    if let Some(stdout) = running.child.stdout.take() {
        let mut limited = stdout.take(OUTPUT_BYTES_MAX);
        let read = limited.read_to_end(&mut bytes).await;
        read.map_err(|error| Failure::internal("read what the program prints", &error))?;
    }
    let status = running
        .child
        .wait()
        .await
        .map_err(|error| Failure::internal("wait for the program", &error))?;
    running.group = None;
    match status.code() {
        Some(0) => Ok(bytes),
        Some(FAULTS_EXIT_CODE) if is_program(&bytes) => Ok(bytes),
        Some(code) => Err(Failure::new(
            crate::exit::Exit::Invalid,
            "BUILD_FAILED",
            format!("the program did not build, or did not end well (exit code {code})"),
        )),
        None => Err(Failure::invalid("the program was ended by a signal")),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::exit::Exit;

    fn script(folder: &Path, body: &str) -> PathBuf {
        let path = folder.join("program");
        std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    #[test]
    fn a_path_is_what_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        assert_eq!(Source::find(&root, vec![]).unwrap_err().detail().exit, Exit::NotFound);
        std::fs::write(root.join("Cargo.toml"), "").unwrap();
        let found = Source::find(&root, vec![]).unwrap();
        assert_eq!(found.kind, Kind::Project { manifest: root.join("Cargo.toml") });
        std::fs::write(root.join("m"), b"\x0a\x11gofer.pipeline.v1").unwrap();
        let found = Source::find(&root.join("m"), vec![]).unwrap();
        assert_eq!(found.kind, Kind::Message(root.join("m")));
        std::fs::write(root.join("text"), "hello").unwrap();
        let failure = Source::find(&root.join("text"), vec![]).unwrap_err();
        assert_eq!(failure.detail().exit, Exit::Invalid);
        let missing = Source::find(&root.join("nothing"), vec![]).unwrap_err();
        assert_eq!(missing.detail().exit, Exit::NotFound);
    }

    #[test]
    fn a_program_is_told_that_its_faults_are_shown_from_its_message() {
        let folder = tempfile::tempdir().unwrap();
        let path = script(folder.path(), "echo \"$GOFER_READER_SHOWS_FAULTS\"");
        let source = Source::find(&path, vec![]).unwrap();
        let bytes = runtime().block_on(source.produce(Group::Own)).unwrap();
        assert_eq!(bytes, b"1\n");
    }

    #[test]
    fn a_program_that_crashes_is_invalid_input() {
        let folder = tempfile::tempdir().unwrap();
        let path = script(folder.path(), "echo partial; exit 101");
        let source = Source::find(&path, vec![]).unwrap();
        let failure = runtime().block_on(source.produce(Group::Own)).unwrap_err();
        assert_eq!(failure.detail().exit, Exit::Invalid);
        assert!(failure.detail().message.contains("101"));
    }

    #[test]
    fn a_dropped_build_takes_its_children_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("alive");
        let body = format!("(sleep 1; touch {}) & wait", mark.display());
        let source = Source::find(&script(folder.path(), &body), vec![]).unwrap();
        runtime().block_on(async {
            let limit = std::time::Duration::from_millis(200);
            assert!(tokio::time::timeout(limit, source.produce(Group::Own)).await.is_err());
            tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
        });
        assert!(!mark.exists(), "a child outlived the build");
    }
}
