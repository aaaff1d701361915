//! What a container may not.

use std::fs;

use rustix::fs::{CWD, FileType, Mode};

use super::bench::{Attempt, Bench};
use crate::files::spec::Network;

/// The status lines that tell of rights.
const STATUS: &str = "grep -E '^(Cap|NoNewPrivs|Seccomp)' /proc/self/status";

fn rights(capabilities: &str) -> String {
    format!(
        "CapInh:\t0000000000000000\nCapPrm:\t{capabilities}\nCapEff:\t{capabilities}\n\
         CapBnd:\t{capabilities}\nCapAmb:\t0000000000000000\n\
         NoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t2\n"
    )
}

#[test]
fn root_has_eleven_capabilities_and_another_user_none() {
    let bench = Bench::new();
    assert_eq!(bench.script(STATUS).run().stdout, rights("00000000800405fb"));
    let mut attempt = bench.script(&format!("{STATUS}; id; touch /x || echo no"));
    attempt.spec.user = Some("job".to_owned());
    let ended = attempt.run();
    let id = "uid=1000(job) gid=1000(job) groups=50(more),1000(job)\n";
    assert_eq!(ended.stdout, format!("{}{id}no\n", rights("0000000000000000")));
}

#[test]
fn system_calls_that_lead_out_are_refused() {
    let script = "
        for command in 'unshare -m true' 'unshare -U true' 'mknod /tmp/d b 8 0' \
            'mount -t tmpfs none /bin' 'mount -o remount,rw /proc/sys' 'umount /proc' \
            'hostname other' 'chroot /proc/1/root /bin/nothing' 'swapon /x'; do
            $command 2>/dev/null && echo \"$command went through\"
        done; echo done";
    let attempt = Bench::new().script(&format!("mkdir -p /tmp; {script}"));
    assert_eq!(attempt.run().stdout, "done\n");
}

#[test]
fn the_host_is_not_to_be_seen() {
    let script = "
        cat /proc/keys /proc/timer_list /proc/kcore 2>/dev/null | wc -c
        ls /sys/firmware /proc/acpi 2>/dev/null | grep -v : | grep -c .
        touch /proc/sys/kernel/hostname; echo 1 > /proc/sys/kernel/panic
        touch /sys/x
        cut -d: -f3 /proc/self/cgroup | sort -u
        echo /proc/[0-9]* ; ls /proc/self/fd | wc -l
        hostname; ls /sys/class/net; cat /sys/class/net/lo/flags
        find / -xdev -type b; ls /dev | tr '\\n' ' '";
    let ended = Bench::new().script(script).run();
    let out = ended.stdout.clone();
    let lines: Vec<&str> = out.lines().map(str::trim).collect();
    // ls opens the folder, hence the fourth descriptor.
    let expected = ["0", "0", "/", "/proc/1", "4", "box", "lo", "0x9"];
    assert_eq!(lines.get(..8).unwrap(), expected, "{ended:?}");
    let devices = lines.get(8).unwrap();
    assert!(devices.split(' ').count() <= 16 && !devices.contains("vd"), "{devices}");
    assert_eq!(ended.stderr.matches("Read-only file system").count(), 3, "{ended:?}");
}

#[test]
fn namespaces_are_not_those_of_the_host() {
    let script = "for n in pid mnt uts ipc net cgroup; do readlink /proc/self/ns/$n; done";
    let bench = Bench::new();
    let of_host = |name: &str| fs::read_link(format!("/proc/self/ns/{name}")).unwrap();
    let check = |attempt: &Attempt, shared: &[&str]| {
        let stdout = attempt.run().stdout;
        for (name, seen) in ["pid", "mnt", "uts", "ipc", "net", "cgroup"].iter().zip(stdout.lines())
        {
            let is_shared = of_host(name).to_str() == Some(seen);
            assert_eq!(is_shared, shared.contains(name), "{name} {seen}");
        }
        assert_eq!(stdout.lines().count(), 6);
    };
    let mut attempt = bench.script(script);
    check(&attempt, &[]);
    attempt = bench.script(script);
    attempt.spec.network = Network::Host;
    check(&attempt, &["net"]);
}

/// The C library, asked for a user inside an image, reads that image's `nsswitch.conf` and runs the
/// library that it names, with the engine's rights. Here whoever opens the file or such a library
/// waits for ever: they are pipes that nobody writes to.
#[test]
fn no_code_of_the_image_runs_before_its_program() {
    let bench = Bench::new();
    let pipe = |path: &str| {
        let path = bench.layer().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o755), 0).unwrap();
    };
    fs::write(bench.layer().join("etc/nsswitch.conf"), "passwd: evil\ngroup: evil\n").unwrap();
    for folder in [
        "lib",
        "lib64",
        "usr/lib",
        "usr/lib64",
        "lib/x86_64-linux-gnu",
        "usr/lib/x86_64-linux-gnu",
        "lib/aarch64-linux-gnu",
        "usr/lib/aarch64-linux-gnu",
    ] {
        pipe(&format!("{folder}/libnss_evil.so.2"));
    }
    for home in [None, Some("")] {
        for user in [None, Some("job"), Some("4711")] {
            let mut attempt = bench.script("echo $HOME");
            attempt.spec.user = user.map(str::to_owned);
            attempt.env.extend(home.map(|home| ("HOME".to_owned(), home.to_owned())));
            let expected = match user {
                None => "/root\n",
                Some("job") => "/home/job\n",
                Some(_) => "/\n",
            };
            assert_eq!(attempt.run().stdout, expected);
        }
    }
}

#[test]
fn an_image_whose_dev_is_a_link_touches_nothing_of_the_host() {
    let bench = Bench::new();
    let host = tempfile::tempdir().unwrap();
    fs::write(host.path().join("ptmx"), "mine").unwrap();
    // The link leads to a folder in the image, and past it to one of the same name on the host.
    fs::create_dir_all(bench.layer().join(host.path().strip_prefix("/").unwrap())).unwrap();
    std::os::unix::fs::symlink(host.path(), bench.layer().join("dev")).unwrap();
    let ended = bench.script("echo ran").run();
    assert!(ended.refusal().1.contains("/dev is not a folder"), "{ended:?}");
    let left: Vec<_> =
        fs::read_dir(host.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["ptmx"]);
}
