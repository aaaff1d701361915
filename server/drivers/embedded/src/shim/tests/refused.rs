//! Starts that are refused: whose fault, in which words, and that nothing is left of them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::bench::{Attempt, Bench};
use crate::files::exit::Fault;

#[track_caller]
fn check(attempt: &Attempt, fault: Fault, exit_code: Option<i32>, said: &str) {
    let ended = attempt.run();
    let (found, message, code) = ended.refusal();
    assert_eq!((found, code), (fault, exit_code), "{message}");
    assert!(message.contains(said), "{message}");
    assert_eq!(ended.exit.started_ms, None);
}

#[test]
fn a_command_that_cannot_be_run_gets_the_shells_exit_code() {
    let bench = Bench::new();
    let write = |name: &str, text: &str, mode: u32| {
        let path = bench.layer().join("bin").join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    write("plain", "#!/bin/sh\n", 0o644);
    write("no_interpreter", "#!/nowhere/sh\n", 0o755);
    write("no_program", "\u{7f}ELF but no more", 0o755);
    write("roots_own", "#!/bin/sh\n", 0o700);
    let config = |argv: &[&str], code: i32, said: &str| {
        check(&bench.attempt(argv), Fault::Config, Some(code), said);
    };
    config(&["nope"], 127, "exec: \"nope\": executable file not found in $PATH");
    config(&["/nope"], 127, "exec: \"/nope\": stat /nope: no such file or directory");
    config(&["plain"], 127, "executable file not found in $PATH");
    config(&["/bin/plain"], 126, "exec: \"/bin/plain\": permission denied");
    config(&["/bin"], 126, "exec: \"/bin\": is a directory");
    config(&["no_interpreter"], 127, "exec /bin/no_interpreter: no such file or directory");
    config(&["no_program"], 126, "exec /bin/no_program: exec format error");
    let mut not_roots = bench.attempt(&["/bin/roots_own"]);
    not_roots.spec.user = Some("job".to_owned());
    check(&not_roots, Fault::Config, Some(126), "permission denied");
    let too_long = "x".repeat(100_000);
    let all: Vec<&str> = std::iter::repeat_n(too_long.as_str(), 100).collect();
    check(&bench.attempt(&[&["true"], all.as_slice()].concat()), Fault::Config, None, "too long");
}

#[test]
fn settings_that_the_image_cannot_honour_are_refused() {
    let bench = Bench::new();
    let refused = |change: fn(&mut Attempt), said: &str| {
        let mut attempt = bench.script("echo ran");
        change(&mut attempt);
        check(&attempt, Fault::Config, None, said);
    };
    refused(|of| of.spec.user = Some("nobody-knows-me".to_owned()), "unable to find user");
    refused(|of| of.spec.user = Some("job:nope".to_owned()), "unable to find group nope");
    refused(|of| of.spec.workdir = "/etc/passwd".to_owned(), "cannot mkdir: /etc/passwd");
    refused(|of| of.spec.workdir = "relative".to_owned(), "not an absolute path");
    refused(|of| of.spec.memory_bytes = Some(1 << 20), "6 MiB");
    refused(|of| of.spec.argv.clear(), "no command is given");
    refused(|of| of.spec.argv.push("a\0b".to_owned()), "zero byte");
    refused(|of| drop(of.env.insert("A=B".to_owned(), String::new())), "no name of a variable");
}

#[test]
fn an_engine_that_cannot_is_not_the_tasks_fault() {
    let bench = Bench::new();
    let mut attempt = bench.script("echo ran");
    attempt.spec.layers = vec![bench.layer().join("none")];
    check(&attempt, Fault::Engine, None, "could not open the folder");
}
