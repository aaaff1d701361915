//! Ground to try networks on: namespaces that a test makes for itself, so that the machine's own
//! network is never touched. Each test's "host" is one, its containers and its outside are others.
//! The programs `ip`, `nft` and `iptables` build what others would have built, and look.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::process::Command;
use std::time::Duration;

use gofer_net::{Bridge, Settings};
use nix::sched::{CloneFlags, setns, unshare};

/// Runs a test on a host of its own, with nothing in it but a loopback.
pub(crate) fn on_a_host<T: Send>(test: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET)
                .expect("the tests make network namespaces: run as root");
            sh("ip link set lo up");
            std::fs::write("/proc/sys/net/ipv4/ip_forward", "0").unwrap();
            test()
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Another namespace: a container, or the outside.
pub(crate) struct Elsewhere(File);

impl Elsewhere {
    pub(crate) fn new() -> Self {
        let made = std::thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            File::open("/proc/thread-self/ns/net").unwrap()
        });
        Self(made.join().unwrap())
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Does something in there.
    pub(crate) fn run<T: Send>(&self, deed: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                setns(&self.0, CloneFlags::CLONE_NEWNET).unwrap();
                deed()
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    pub(crate) fn sh(&self, command: &str) -> String {
        self.run(|| sh(command))
    }

    pub(crate) fn listen(&self, address: Ipv4Addr, port: u16) -> TcpListener {
        self.run(|| TcpListener::bind((address, port)).unwrap())
    }

    pub(crate) fn call(&self, address: Ipv4Addr, port: u16) -> Answer {
        self.run(|| call(address, port))
    }
}

/// Runs a command in the thread's namespace; it must succeed.
pub(crate) fn sh(command: &str) -> String {
    let (ok, output) = try_sh(command);
    assert!(ok, "{command}: {output}");
    output
}

/// Runs a command; says if it succeeded and all that it printed.
pub(crate) fn try_sh(command: &str) -> (bool, String) {
    let output = Command::new("sh").args(["-c", command]).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

/// What became of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Open,
    Refused,
    /// Nothing came back, or only that there is no way.
    Nothing,
}

/// Connects by TCP.
pub(crate) fn call(address: Ipv4Addr, port: u16) -> Answer {
    let to = SocketAddrV4::new(address, port).into();
    match TcpStream::connect_timeout(&to, Duration::from_millis(400)) {
        Ok(_) => Answer::Open,
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Answer::Refused,
        Err(_) => Answer::Nothing,
    }
}

/// A listener that tells each caller the address it calls from.
pub(crate) fn tell_callers_their_address(listener: TcpListener) {
    std::thread::spawn(move || {
        while let Ok((mut stream, from)) = listener.accept() {
            stream.write_all(from.ip().to_string().as_bytes()).unwrap();
        }
    });
}

/// What such a listener says.
pub(crate) fn own_address_seen_by(address: Ipv4Addr, port: u16) -> String {
    let to = SocketAddrV4::new(address, port).into();
    let mut stream = TcpStream::connect_timeout(&to, Duration::from_secs(2)).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

pub(crate) fn settings(instance: &str) -> Settings {
    Settings { instance: instance.to_owned(), api_port: Some(7000), range: None }
}

/// A new namespace connected to the bridge.
pub(crate) fn container(bridge: &Bridge, address: Ipv4Addr) -> Elsewhere {
    let netns = Elsewhere::new();
    gofer_net::attach(netns.fd(), &bridge.attachment(address)).unwrap();
    netns
}

/// An outside, 198.51.100.2, that the host reaches as 198.51.100.1 and by its default route. It
/// knows no way to the containers.
pub(crate) fn outside() -> Elsewhere {
    let outside = Elsewhere::new();
    outside.sh("ip link set lo up; ip link add up0 type veth peer name host0");
    let host = File::open("/proc/thread-self/ns/net").unwrap();
    let path = path_of(host.as_fd());
    outside.sh(&format!("ip link set host0 netns {path} && ip addr add 198.51.100.2/24 dev up0 && ip link set up0 up"));
    sh(
        "ip addr add 198.51.100.1/24 dev host0; ip link set host0 up; ip route add default via 198.51.100.2",
    );
    eventually("the outside is there", || sh("ip -o link show host0").contains("state UP"));
    outside
}

/// A name of the namespace for programs.
pub(crate) fn path_of(netns: BorrowedFd<'_>) -> String {
    format!("/proc/{}/fd/{}", std::process::id(), netns.as_raw_fd())
}

/// All that a bridge could leave behind: rules without their counters, links, addresses, routes.
/// Routes are sorted, since the kernel tells them in the order in which they came.
pub(crate) fn snapshot() -> String {
    let seen = sh("nft -s list ruleset; ip -j link; ip -j addr");
    let routes = sh("ip route show table all; ip -6 route show table all");
    let mut routes: Vec<_> = routes.lines().collect();
    routes.sort_unstable();
    format!("{seen}\n{}", routes.join("\n"))
}

/// Waits until `holds`, which must not take longer than ten seconds.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{what}: not after ten seconds");
}
