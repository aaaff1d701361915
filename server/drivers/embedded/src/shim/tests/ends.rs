//! How containers end, and that all they wrote is there.

use super::bench::Bench;
use crate::files::exit::Outcome;
use crate::process;
use rustix::process::Signal;

#[test]
fn exit_codes_are_exact_and_streams_come_apart() {
    let bench = Bench::new();
    for code in [0, 1, 7, 125, 126, 127, 128, 137, 255] {
        let ended = bench.script(&format!("echo out; echo err >&2; exit {code}")).run();
        ended.assert_exited(code);
        assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("out\n", "err\n"));
        assert_eq!(ended.exit.oom_kills, 0);
        assert!(ended.exit.started_ms.unwrap() <= ended.exit.ended_ms);
    }
}

#[test]
fn a_signal_from_outside_is_told_from_an_exit() {
    let bench = Bench::new();
    let attempt = bench.script("echo on; sleep 600");
    let mut shim = attempt.start();
    shim.wait_started();
    attempt.wait_for("on");
    process::signal(attempt.processes().container, Signal::KILL).unwrap();
    assert_eq!(shim.words(), ["exit"]);
    assert!(shim.child.wait().unwrap().success());
    assert_eq!(attempt.ended().exit.outcome, Outcome::Signalled { signal: 9 });
    attempt.assert_nothing_is_left();
}

#[test]
fn a_handled_term_runs_the_handler_and_an_unhandled_one_does_nothing() {
    let bench = Bench::new();
    let handles =
        bench.script("trap 'echo bye; exit 3' TERM; echo on; while :; do sleep 0.05; done");
    let mut shim = handles.start();
    handles.wait_for("on");
    process::signal(handles.processes().container, Signal::TERM).unwrap();
    assert_eq!(shim.words(), ["started", "exit"]);
    shim.child.wait().unwrap();
    let ended = handles.ended();
    ended.assert_exited(3);
    assert_eq!(ended.stdout, "on\nbye\n");

    // The kernel's rule for the first process of a container.
    let ignores = bench.attempt(&["/bin/sh", "-c", "echo on; sleep 1; echo off"]);
    let mut shim = ignores.start();
    ignores.wait_for("on");
    process::signal(ignores.processes().container, Signal::TERM).unwrap();
    shim.words();
    shim.child.wait().unwrap();
    assert_eq!(ignores.ended().stdout, "on\noff\n");
}

#[test]
fn want_of_memory_is_counted_whoever_dies_of_it() {
    let bench = Bench::new();
    let eats = "x=x; while :; do x=$x$x; done";
    for (script, outcome) in [
        (eats.to_owned(), Outcome::Signalled { signal: 9 }),
        (format!("sh -c '{eats}'; exit 3"), Outcome::Exited { code: 3 }),
    ] {
        let mut attempt = bench.script(&script);
        attempt.spec.memory_bytes = Some(16 << 20);
        let ended = attempt.run();
        assert_eq!(ended.exit.outcome, outcome, "{ended:?}");
        assert!(ended.exit.oom_kills > 0, "{ended:?}");
        let peak = ended.exit.memory_peak_bytes.unwrap_or(16 << 20);
        assert!((8 << 20..=16 << 20).contains(&peak), "{ended:?}");
    }
}

#[test]
fn a_program_that_writes_into_a_closed_pipe_ends() {
    let bench = Bench::new();
    let ended = bench.script("yes | head -n 2").run();
    ended.assert_exited(0);
    assert_eq!(ended.stdout, "y\ny\n");
    let ended = bench.attempt(&["grep", "^Sig[IB]", "/proc/self/status"]).run();
    let (blocked, ignored) = ended.stdout.trim().split_once('\n').unwrap();
    assert_eq!(blocked, "SigBlk:\t0000000000000000");
    // Signals 32 and 33 are the C library's own; it has every process that it spawns ignore them.
    let ignored = ignored.strip_prefix("SigIgn:\t").unwrap();
    assert_eq!(u64::from_str_radix(ignored, 16).unwrap() & !0x1_8000_0000, 0);
}

#[test]
fn a_grandchild_that_keeps_stdout_does_not_keep_the_container() {
    let ended = Bench::new().script("sleep 600 & setsid sleep 600 & echo done; exit 4").run();
    ended.assert_exited(4);
    assert_eq!(ended.stdout, "done\n");
    assert!(ended.exit.ended_ms - ended.exit.started_ms.unwrap() < 10_000);
}

#[test]
fn a_long_output_is_whole_and_in_order() {
    let ended = Bench::new().script("seq 200000; seq 5 >&2").run();
    ended.assert_exited(0);
    let expected: String = (1..=200_000).map(|number| format!("{number}\n")).collect();
    assert!(ended.stdout == expected, "{} bytes came", ended.stdout.len());
    assert_eq!(ended.stderr, "1\n2\n3\n4\n5\n");
}

#[test]
fn processor_time_is_counted() {
    let ended = Bench::new().script("i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done").run();
    ended.assert_exited(0);
    assert!(ended.exit.cpu_us.is_some_and(|cpu_us| cpu_us > 10_000), "{ended:?}");
}
