//! What the tests of the shim stand on: an image of busybox, attempts, and a server's end of the
//! conversation with a shim that is a real process.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use gofer_core::ids::{AttemptKey, RunUid, TaskId};
use tempfile::TempDir;

use crate::cgroup::Cgroup;
use crate::files::exit::{ExitFile, Outcome, ShimFile};
use crate::files::frame::{Content, Decoded, Stream, decode};
use crate::files::spec::{EnvMessage, Network, SpecFile};
use crate::files::{AttemptDir, lock};
use crate::look;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// An image and room for attempts of it.
pub(super) struct Bench {
    folder: Arc<TempDir>,
}

/// Where Debian's package busybox-static puts it.
const BUSYBOX: &str = "/bin/busybox";

impl Bench {
    /// An image with busybox, a user `job` (1000) and nothing more.
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let layer = folder.path().join("layer");
        fs::create_dir_all(layer.join("bin")).unwrap();
        fs::create_dir_all(layer.join("etc")).unwrap();
        fs::create_dir_all(layer.join("root")).unwrap();
        // A link where it can be one: a file that was just written is refused as a program ("text file
        // busy") while another test's child still holds the descriptor.
        let program = layer.join("bin/busybox");
        if fs::hard_link(BUSYBOX, &program).is_err() {
            fs::copy(BUSYBOX, &program).expect("busybox-static is installed");
        }
        let listed = Command::new(BUSYBOX).arg("--list").output().unwrap();
        for name in String::from_utf8(listed.stdout).unwrap().lines() {
            if name != "busybox" {
                std::os::unix::fs::symlink("busybox", layer.join("bin").join(name)).unwrap();
            }
        }
        let passwd = "root:x:0:0::/root:/bin/sh\njob:x:1000:1000::/home/job:/bin/sh\n";
        fs::write(layer.join("etc/passwd"), passwd).unwrap();
        fs::write(layer.join("etc/group"), "root:x:0:\njob:x:1000:\nmore:x:50:job\n").unwrap();
        Self { folder: Arc::new(folder) }
    }

    /// The image's one layer.
    pub(super) fn layer(&self) -> PathBuf {
        self.folder.path().join("layer")
    }

    /// An attempt that runs `script` in a shell, not started.
    pub(super) fn script(&self, script: &str) -> Attempt {
        self.attempt(&["/bin/sh", "-c", script])
    }

    /// An attempt that runs a program, not started.
    pub(super) fn attempt(&self, argv: &[&str]) -> Attempt {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("gofer-test-{}-{number}", std::process::id());
        let dir = AttemptDir::new(self.folder.path().join(name));
        fs::create_dir(dir.path()).unwrap();
        let uid = RunUid::parse("01j9zzzzzzzzzzzzzzzzzzzzzz").unwrap();
        let spec = SpecFile {
            v: 1,
            instance: uid.clone(),
            key: AttemptKey { uid, task: TaskId::parse("task").unwrap(), attempt: 1 },
            boot_id: "b".to_owned(),
            spec_hash: "v1:x".to_owned(),
            image_id: "sha256:1".to_owned(),
            layers: vec![self.layer()],
            argv: argv.iter().map(|&argument| argument.to_owned()).collect(),
            workdir: "/".to_owned(),
            user: None,
            hostname: "box".to_owned(),
            cpu_milli: None,
            memory_bytes: None,
            pids_max: 512,
            network: Network::None,
            labels: BTreeMap::new(),
        };
        let env = BTreeMap::from([("PATH".to_owned(), "/bin".to_owned())]);
        Attempt { dir, spec, env, _folder: Arc::clone(&self.folder) }
    }
}

/// An attempt, started or not. Dropping it leaves nothing behind.
pub(super) struct Attempt {
    pub(super) dir: AttemptDir,
    pub(super) spec: SpecFile,
    pub(super) env: BTreeMap<String, String>,
    /// Gone with the last attempt in it.
    _folder: Arc<TempDir>,
}

impl Attempt {
    /// Sends a shim out and gives it the environment.
    pub(super) fn start(&self) -> Shim {
        let mut shim = self.send();
        let mut line = serde_json::to_vec(&EnvMessage { env: self.env.clone() }).unwrap();
        line.push(b'\n');
        // One that has left already hears nothing.
        if shim.socket.get_mut().write_all(&line).is_ok() {
            shim.socket.get_mut().shutdown(Shutdown::Write).unwrap_or_default();
        }
        shim
    }

    /// Sends a shim out and says nothing to it.
    pub(super) fn send(&self) -> Shim {
        let spec = serde_json::to_vec(&self.spec).unwrap();
        // Another shim may be reading it, and a server writes it once, before any shim.
        if fs::read(self.dir.spec()).ok().as_ref() != Some(&spec) {
            fs::write(self.dir.spec(), spec).unwrap();
        }
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(PATIENCE)).unwrap();
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.dir.path().join("shim.log"))
            .unwrap();
        let child = Command::new(program())
            .arg(self.dir.path())
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Shim { child: Reaped(child), socket: BufReader::new(ours) }
    }

    /// Runs it to its end.
    pub(super) fn run(&self) -> Ended {
        let mut shim = self.start();
        let words = shim.words();
        let status = shim.child.wait().unwrap();
        assert!(status.success(), "the shim failed: {}", self.shim_log());
        let ended = self.ended();
        let started = !matches!(ended.exit.outcome, Outcome::Refused { .. });
        let expected: &[&str] = if started { &["started", "exit"] } else { &["exit"] };
        assert_eq!(words, expected, "{:?}", ended.exit);
        self.assert_nothing_is_left();
        ended
    }

    /// How it ended, and what it wrote.
    pub(super) fn ended(&self) -> Ended {
        let exit: Option<ExitFile> = look::read(&self.dir.exit()).unwrap();
        let exit = exit.unwrap_or_else(|| panic!("no exit file; shim: {}", self.shim_log()));
        Ended { exit, stdout: self.output(Stream::Stdout), stderr: self.output(Stream::Stderr) }
    }

    pub(super) fn output(&self, wanted: Stream) -> String {
        let bytes = fs::read(self.dir.log()).unwrap_or_default();
        let (mut rest, mut output) = (bytes.as_slice(), Vec::new());
        while let Decoded::Frame(frame, n_bytes) = decode(rest) {
            match frame.content {
                Content::Data(data) if frame.stream == wanted => output.extend_from_slice(data),
                Content::Data(_) => {}
                Content::Gap(n_missing) => panic!("{n_missing} bytes are missing"),
            }
            rest = &rest[n_bytes..];
        }
        String::from_utf8(output).unwrap()
    }

    /// Waits until stdout holds `text`.
    pub(super) fn wait_for(&self, text: &str) {
        wait_until(|| self.output(Stream::Stdout).contains(text), text);
    }

    pub(super) fn processes(&self) -> ShimFile {
        look::read(&self.dir.shim()).unwrap().expect("shim.json is there")
    }

    pub(super) fn cgroup(&self) -> Cgroup {
        Cgroup::of(self.dir.path().file_name().unwrap().to_str().unwrap())
    }

    /// The value of a file of one of its control groups; none where it has no such group.
    pub(super) fn limit(&self, controller: &str, file: &str) -> Option<String> {
        let group = self.cgroup().path().trim_start_matches('/').to_owned();
        let in_v1 = Path::new("/sys/fs/cgroup").join(controller).join(&group).join(file);
        let in_v2 = Path::new("/sys/fs/cgroup").join(&group).join(file);
        let text = fs::read_to_string(in_v1).or_else(|_| fs::read_to_string(in_v2)).ok()?;
        Some(text.trim().to_owned())
    }

    pub(super) fn is_busy(&self) -> bool {
        lock::is_busy(&self.dir.lock()).unwrap()
    }

    pub(super) fn shim_log(&self) -> String {
        fs::read_to_string(self.dir.path().join("shim.log")).unwrap_or_default()
    }

    pub(super) fn assert_nothing_is_left(&self) {
        assert!(!self.is_busy(), "the lock is held");
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        assert!(!mounts.contains(self.dir.path().to_str().unwrap()), "a mount is left: {mounts}");
        let group = self.cgroup().path().trim_start_matches('/').to_owned();
        let hierarchies =
            fs::read_dir("/sys/fs/cgroup").unwrap().flatten().map(|entry| entry.path());
        for hierarchy in hierarchies.chain([PathBuf::from("/sys/fs/cgroup")]) {
            assert!(!hierarchy.join(&group).exists(), "{} is left", hierarchy.display());
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        // After a failed test something may run still; it must not outlive the test.
        self.cgroup().kill_all().unwrap_or_default();
        self.cgroup().remove().unwrap_or_default();
    }
}

/// A shim that was sent out.
pub(super) struct Shim {
    pub(super) child: Reaped,
    socket: BufReader<UnixStream>,
}

/// A shim's process, which a test that fails takes along.
pub(super) struct Reaped(Child);

impl Reaped {
    pub(super) fn wait(&mut self) -> std::io::Result<ExitStatus> {
        self.0.wait()
    }

    pub(super) fn kill(&mut self) -> std::io::Result<()> {
        self.0.kill()
    }
}

impl Drop for Reaped {
    fn drop(&mut self) {
        self.0.kill().unwrap_or_default();
        self.0.wait().map(drop).unwrap_or_default();
    }
}

impl Shim {
    /// Waits until the task's program runs.
    pub(super) fn wait_started(&mut self) {
        assert_eq!(self.word().as_deref(), Some("started"));
    }

    /// All that it says, until it is gone.
    pub(super) fn words(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.word()).collect()
    }

    fn word(&mut self) -> Option<String> {
        let mut line = String::new();
        // A socket with words in it that nobody read ends in a reset and not in an end.
        match self.socket.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(line.trim_end().to_owned()),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
            Err(error) => panic!("the shim says nothing: {error}"),
        }
    }

    /// What a server's death looks like to the shim; the test still has to reap it.
    pub(super) fn forget(self) -> Reaped {
        drop(self.socket);
        self.child
    }
}

/// How an attempt ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) exit: ExitFile,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Ended {
    #[track_caller]
    pub(super) fn assert_exited(&self, code: i32) {
        assert_eq!(self.exit.outcome, Outcome::Exited { code }, "{self:?}");
    }

    /// The words of a refusal.
    #[track_caller]
    pub(super) fn refusal(&self) -> (crate::files::exit::Fault, &str, Option<i32>) {
        match &self.exit.outcome {
            Outcome::Refused { fault, message, exit_code } => (*fault, message, *exit_code),
            Outcome::Exited { .. } | Outcome::Signalled { .. } => panic!("it ran: {self:?}"),
        }
    }
}

#[track_caller]
pub(super) fn wait_until(is_so: impl Fn() -> bool, what: &str) {
    for _ in 0..PATIENCE.as_millis() / 5 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("it did not come to this: {what}");
}

/// The example `shim`, which cargo builds for the tests of this crate.
fn program() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let program = tests.parent().and_then(Path::parent).unwrap().join("examples/shim");
    assert!(program.exists(), "cargo build -p gofer-driver-embedded --example shim makes it");
    program
}
