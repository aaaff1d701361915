//! Whoever dies: server, shim or both, whenever.

use std::time::Duration;

use rustix::process::Signal;

use super::bench::{Bench, wait_until};
use crate::files::exit::{ExitFile, Outcome};
use crate::{look, process};

#[test]
fn a_server_that_dies_disturbs_nothing() {
    let attempt = Bench::new().script("for i in 1 2 3 4 5; do echo $i; sleep 0.1; done; exit 9");
    let mut shim = attempt.start();
    shim.wait_started();
    let mut child = shim.forget();
    assert!(child.wait().unwrap().success());
    let ended = attempt.ended();
    ended.assert_exited(9);
    assert_eq!(ended.stdout, "1\n2\n3\n4\n5\n");
    attempt.assert_nothing_is_left();
}

#[test]
fn a_server_that_dies_before_it_said_the_environment_leaves_an_attempt_that_may_start() {
    let attempt = Bench::new().script("echo ran");
    for _ in 0..2 {
        let mut child = attempt.send().forget();
        assert!(child.wait().unwrap().success());
        assert!(!attempt.dir.started().exists() && !attempt.is_busy());
    }
    attempt.run().assert_exited(0);
}

#[test]
fn a_shim_that_is_killed_takes_its_container_along_and_frees_the_lock() {
    let bench = Bench::new();
    for user in [None, Some("job")] {
        let mut attempt = bench.script("echo on; sleep 600");
        attempt.spec.user = user.map(str::to_owned);
        let mut shim = attempt.start();
        attempt.wait_for("on");
        assert!(attempt.is_busy());
        let container = attempt.processes().container;
        shim.child.kill().unwrap();
        shim.child.wait().unwrap();
        let is_gone =
            || process::start_ticks(container.pid).unwrap() != Some(container.start_ticks);
        wait_until(is_gone, "the container is dead");
        assert!(!attempt.is_busy());
        assert!(attempt.dir.started().exists());
        assert_eq!(look::read::<ExitFile>(&attempt.dir.exit()).unwrap(), None);
        // It ran once, so it never runs again.
        let mut late = attempt.start();
        assert_eq!(late.words(), Vec::<String>::new());
        assert!(late.child.wait().unwrap().success());
        assert_eq!(attempt.output(crate::files::frame::Stream::Stdout), "on\n");
        attempt.cgroup().kill_all().unwrap();
        attempt.cgroup().remove().unwrap();
        attempt.assert_nothing_is_left();
    }
}

#[test]
fn a_shim_that_is_killed_at_any_time_leaves_no_process_behind() {
    let bench = Bench::new();
    for delay_ms in (0..60).step_by(3) {
        let attempt = bench.script("sleep 600");
        let mut shim = attempt.start();
        std::thread::sleep(Duration::from_millis(delay_ms));
        shim.child.kill().unwrap();
        shim.child.wait().unwrap();
        wait_until(|| !attempt.is_busy(), "the lock is free");
        let in_group = || {
            let processes = ["pids", ""].map(|of| attempt.limit(of, "cgroup.procs"));
            processes.into_iter().flatten().any(|processes| !processes.is_empty())
        };
        wait_until(|| !in_group(), "nothing runs");
        attempt.cgroup().remove().unwrap();
        attempt.assert_nothing_is_left();
    }
}

#[test]
fn of_many_shims_for_one_attempt_one_makes_a_container() {
    let bench = Bench::new();
    let attempt = bench.script("echo ran; sleep 0.3");
    let mut shims: Vec<_> = (0..20).map(|_| attempt.start()).collect();
    let words: Vec<Vec<String>> = shims.iter_mut().map(|shim| shim.words()).collect();
    for shim in &mut shims {
        assert!(shim.child.wait().unwrap().success(), "{}", attempt.shim_log());
    }
    assert_eq!(words.iter().filter(|words| !words.is_empty()).count(), 1, "{words:?}");
    let ended = attempt.ended();
    ended.assert_exited(0);
    assert_eq!(ended.stdout, "ran\n");
    attempt.assert_nothing_is_left();
}

#[test]
fn a_container_that_dies_while_nobody_listens_is_written_down() {
    let attempt = Bench::new().script("echo on; sleep 600");
    let mut shim = attempt.start();
    shim.wait_started();
    attempt.wait_for("on");
    let container = attempt.processes().container;
    let mut child = shim.forget();
    process::signal(container, Signal::KILL).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(attempt.ended().exit.outcome, Outcome::Signalled { signal: 9 });
}
