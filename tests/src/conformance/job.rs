//! What a case runs: a command of busybox for real engines, and the same as a script for the fake.

use std::time::Duration;

use crate::fake::{Program, Refusal};

/// A command and what it does.
#[derive(Debug, Clone)]
pub struct Job {
    /// For a real engine.
    pub command: Vec<String>,
    /// For the fake.
    pub program: Program,
}

impl Job {
    fn new(command: &[&str], program: Program) -> Self {
        Self { command: command.iter().map(|word| (*word).to_owned()).collect(), program }
    }

    fn shell(script: &str, program: Program) -> Self {
        Self::new(&["sh", "-c", script], program)
    }

    /// Says `started`, then ends with this code.
    #[must_use]
    pub fn exits(code: i32) -> Self {
        let program = Program::exit(code).out("started\n");
        Self::shell(&format!("echo started; exit {code}"), program)
    }

    /// Runs on; as process 1 without a handler it does not hear SIGTERM.
    #[must_use]
    pub fn sleeps() -> Self {
        Self::new(&["sleep", "1000"], Program::forever().ignoring_term())
    }

    /// Says `ready`, runs on, and ends with this code on SIGTERM.
    #[must_use]
    pub fn handles_term(code: i32) -> Self {
        let script = format!("trap 'exit {code}' TERM; echo ready; while :; do sleep 0.05; done");
        Self::shell(&script, Program::forever().on_term(code).out("ready\n"))
    }

    /// Takes memory until it is killed.
    #[must_use]
    pub fn takes_all_memory() -> Self {
        Self::new(&["tail", "/dev/zero"], Program::out_of_memory())
    }

    /// Writes all 256 bytes, NUL and broken UTF-8 among them, and ends without a line end.
    #[must_use]
    pub fn writes_bytes() -> (Self, Vec<u8>) {
        let mut bytes: Vec<u8> = (0..=255).collect();
        bytes.extend_from_slice(b"\r\n\n\xff\xfe\x80 no end");
        let escaped: String = bytes.iter().map(|byte| format!("\\0{byte:03o}")).collect();
        let job = Self::shell(&format!("printf '%b' '{escaped}'"), Program::exit(0).out(&bytes));
        (job, bytes)
    }

    /// Writes lines to both streams.
    #[must_use]
    pub fn writes_both_streams() -> Self {
        let script = "echo out 1; echo err 1 >&2; echo out 2; printf 'err 2' >&2";
        let program = Program::exit(0).out("out 1\n").err("err 1\n").out("out 2\n").err("err 2");
        Self::shell(script, program)
    }

    /// Writes one line of a mebibyte, and one short line.
    #[must_use]
    pub fn writes_a_long_line() -> (Self, Vec<u8>) {
        let mut bytes = vec![b'x'; 1 << 20];
        bytes.extend_from_slice(b"\nend\n");
        let script = "head -c 1048576 /dev/zero | tr '\\000' x; echo; echo end";
        (Self::shell(script, Program::exit(0).out(&bytes)), bytes)
    }

    /// Writes `n` lines to both streams in bursts, over more than two seconds.
    #[must_use]
    pub fn writes_in_bursts(n: u32) -> Self {
        let script = format!(
            "for burst in 1 2 3; do for i in $(seq {n}); do echo $burst $i; done; \
             echo burst $burst >&2; sleep 1.1; done"
        );
        let program = (1..=3).fold(Program::exit(0), |program, burst| {
            let lines = (1..=n).fold(program, |program, i| program.out(format!("{burst} {i}\n")));
            lines.err(format!("burst {burst}\n")).wait(Duration::from_millis(1_100))
        });
        Self::shell(&script, program)
    }

    /// Writes this many lines as fast as it can, without a last line end.
    #[must_use]
    pub fn writes_lines(n: u32) -> Self {
        let program = (1..n).fold(Program::exit(0), |program, i| program.out(format!("{i}\n")));
        let script = format!("seq {}; printf {n}", n - 1);
        Self::shell(&script, program.out(n.to_string()))
    }

    /// Says nothing.
    #[must_use]
    pub fn is_silent() -> Self {
        Self::new(&["true"], Program::exit(0))
    }

    /// Says who and where it is, and one variable.
    #[must_use]
    pub fn describes_itself() -> Self {
        let program = Program::exit(0).out("1000:1000\n/tmp\na b=c\n");
        Self::shell("echo $(id -u):$(id -g); pwd; echo \"$GOFER_WORDS\"", program)
    }

    /// No such command.
    #[must_use]
    pub fn is_missing() -> Self {
        Self::new(&["no-such-command"], Program::refused(Refusal::CommandNotFound))
    }

    /// A file that is no program.
    #[must_use]
    pub fn is_not_executable() -> Self {
        Self::new(&["/etc/passwd"], Program::refused(Refusal::NotExecutable))
    }

    /// For a user that is not there.
    #[must_use]
    pub fn of_an_unknown_user() -> Self {
        Self::new(&["true", "user"], Program::refused(Refusal::UnknownUser))
    }

    /// For a working directory that is a file.
    #[must_use]
    pub fn in_a_bad_workdir() -> Self {
        Self::new(&["true", "workdir"], Program::refused(Refusal::BadWorkdir))
    }
}
