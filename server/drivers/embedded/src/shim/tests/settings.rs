//! That what the spec asks for is what the program finds.

use std::fs;

use super::bench::Bench;
use crate::cgroup::{self, Kind};
use crate::files::spec::Network;

#[test]
fn the_environment_is_whole_and_no_file_ever_holds_it() {
    let bench = Bench::new();
    let mut attempt = bench.attempt(&["/bin/env"]);
    for (name, value) in
        [("SECRET", "hunter2-hunter2"), ("LINES", "a\nb=c"), ("WORDS", "ä ö"), ("EMPTY", "")]
    {
        attempt.env.insert(name.to_owned(), value.to_owned());
    }
    let ended = attempt.run();
    let expected = "EMPTY=\nHOME=/root\nHOSTNAME=box\nLINES=a\nb=c\nPATH=/bin\n\
        SECRET=hunter2-hunter2\nWORDS=ä ö\n";
    assert_eq!(ended.stdout, expected);
    let mut folders = vec![attempt.dir.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else if entry.file_type().unwrap().is_file() && entry.path() != attempt.dir.log() {
                let bytes = fs::read(entry.path()).unwrap();
                let holds = bytes.windows(7).any(|window| window == b"hunter2");
                assert!(!holds, "{}", entry.path().display());
            }
        }
    }
}

#[test]
fn user_and_working_directory_are_set() {
    let bench = Bench::new();
    let run = |user: Option<&str>, workdir: &str| {
        let mut attempt = bench.script("id -u; id -g; pwd; umask; ls -ld . | cut -c1-10");
        attempt.spec.user = user.map(str::to_owned);
        attempt.spec.workdir = workdir.to_owned();
        attempt.run().stdout
    };
    assert_eq!(run(None, "/"), "0\n0\n/\n0022\ndrwxr-xr-x\n");
    assert_eq!(run(Some("job"), "/new/../made/dir"), "1000\n1000\n/made/dir\n0022\ndrwxr-xr-x\n");
    assert_eq!(run(Some("7:8"), "/bin"), "7\n8\n/bin\n0022\ndrwxr-xr-x\n");
}

#[test]
fn names_are_known() {
    let bench = Bench::new();
    let etc = bench.layer().join("etc");
    std::os::unix::fs::symlink("../run/systemd/resolve/stub-resolv.conf", etc.join("resolv.conf"))
        .unwrap();
    let script = "hostname; cat /etc/hostname; grep -c localhost /etc/hosts; \
        grep box /etc/hosts; wc -c < /etc/resolv.conf; ping -c1 -W1 localhost >/dev/null 2>&1; \
        nc -l -p 77 -e true & sleep 0.1; nc localhost 77 && echo reached";
    let stdout = bench.script(script).run().stdout;
    assert_eq!(stdout, "box\nbox\n2\n127.0.1.1\tbox\n0\nreached\n");

    let mut attempt = bench.script("cat /etc/resolv.conf");
    attempt.spec.network = Network::Host;
    assert_eq!(attempt.run().stdout, fs::read_to_string("/etc/resolv.conf").unwrap());
    // The image itself is as it was.
    assert!(etc.join("resolv.conf").is_symlink() && !etc.join("hosts").exists());
}

#[test]
fn limits_are_set_and_hold() {
    let bench = Bench::new();
    let mut attempt = bench.script("echo on; read x; exit 0");
    attempt.spec.memory_bytes = Some(64 << 20);
    attempt.spec.cpu_milli = Some(500);
    attempt.spec.pids_max = 10;
    attempt.spec.argv = ["/bin/sh", "-c", "echo on; sleep 1"].map(str::to_owned).to_vec();
    let mut shim = attempt.start();
    attempt.wait_for("on");
    let limit = |controller, file| attempt.limit(controller, file);
    assert_eq!(limit("pids", "pids.max").as_deref(), Some("10"));
    match cgroup::kind() {
        Kind::V1 => {
            assert_eq!(limit("memory", "memory.limit_in_bytes").as_deref(), Some("67108864"));
            if cgroup::counts_swap() {
                let with_swap = limit("memory", "memory.memsw.limit_in_bytes");
                assert_eq!(with_swap.as_deref(), Some("67108864"));
            }
            assert_eq!(limit("cpu", "cpu.cfs_quota_us").as_deref(), Some("50000"));
            assert_eq!(limit("cpu", "cpu.cfs_period_us").as_deref(), Some("100000"));
        }
        Kind::V2 => {
            assert_eq!(limit("memory", "memory.max").as_deref(), Some("67108864"));
            if cgroup::counts_swap() {
                assert_eq!(limit("memory", "memory.swap.max").as_deref(), Some("0"));
            }
            assert_eq!(limit("cpu", "cpu.max").as_deref(), Some("50000 100000"));
        }
    }
    shim.words();
    shim.child.wait().unwrap();

    let mut bomb =
        bench.script("i=0; while [ $i -lt 30 ]; do sleep 5 & i=$((i+1)); done; echo all");
    bomb.spec.pids_max = 10;
    let ended = bomb.run();
    assert!(!ended.stdout.contains("all") && ended.stderr.contains("can't fork"), "{ended:?}");
}

#[test]
fn an_image_without_layers_or_with_many_is_mounted_as_told() {
    let bench = Bench::new();
    let mut attempt = bench.script("cat /who; ls /layers | wc -l");
    for number in 0..100 {
        let layer = bench.layer().with_file_name(format!("layer, with: odd name {number}"));
        fs::create_dir_all(layer.join("layers")).unwrap();
        fs::write(layer.join("who"), format!("{number}\n")).unwrap();
        fs::write(layer.join(format!("layers/{number}")), "").unwrap();
        attempt.spec.layers.push(layer);
    }
    assert_eq!(attempt.run().stdout, "99\n100\n");

    let mut none = bench.script("echo ran");
    none.spec.layers.clear();
    assert_eq!(none.run().refusal().2, Some(127));
}
