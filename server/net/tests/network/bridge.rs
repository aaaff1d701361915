//! The bridge on a host of its own: what stands after it was set up, set up again, mended, taken
//! down; and what becomes of containers that are connected to it.

use std::net::Ipv4Addr;

use crate::ground::{
    Answer, Elsewhere, call, container, eventually, on_a_host, outside, settings, sh, snapshot,
};
use gofer_net::{Bridge, Pool, WayOut, attach, bridge_name, enter_new, loopback_up};

#[test]
fn the_bridge_stands_and_says_what_it_changed() {
    on_a_host(|| {
        let bridge = Bridge::set_up(&settings("a")).unwrap();
        assert_eq!(bridge.way_out(), &WayOut::Open);
        assert!(bridge.notices().iter().any(|n| n.contains("ip_forward was 0")), "{bridge:?}");
        let links = sh("ip -d addr");
        assert!(links.contains(&format!("inet {}/20", bridge.gateway())), "{links}");
        assert!(links.contains("alias gofer a"), "{links}");
        assert!(!links.contains("fe80"), "{links}");
        assert!(!links.contains("-try") && !links.contains("-out:"), "{links}");
        let second = Bridge::set_up(&settings("a")).unwrap();
        assert_eq!(second.notices(), &[] as &[String]);
    });
}

#[test]
fn a_second_set_up_changes_nothing_and_cuts_nobody_off() {
    on_a_host(|| {
        let outside = outside();
        let bridge = Bridge::set_up(&settings("a")).unwrap();
        let mut pool = bridge.pool();
        let task = container(&bridge, pool.take().unwrap());
        let _listener = outside.listen(Ipv4Addr::new(198, 51, 100, 2), 80);
        let before = snapshot();
        for _ in 0..3 {
            let again = Bridge::set_up(&settings("a")).unwrap();
            assert_eq!((again.name(), again.range()), (bridge.name(), bridge.range()));
        }
        assert_eq!(snapshot(), before);
        assert_eq!(task.call(Ipv4Addr::new(198, 51, 100, 2), 80), Answer::Open);
    });
}

/// Each line is a state that a server which died half-way, or somebody else, can leave behind.
#[test]
fn what_a_crash_left_is_put_right() {
    let name = bridge_name("a");
    let harms = [
        format!("ip link add {name} type bridge"),
        format!("ip link add {name} type bridge; ip link set {name} alias 'gofer a'"),
        format!("ip link add {name} type bridge; ip addr add 10.213.0.1/20 dev {name}"),
        format!("ip link add {name} type bridge; ip addr add 192.0.2.7/24 dev {name}"),
        format!("nft add table inet {name}"),
        format!("nft 'table inet {name} {{ chain input {{ accept; }}; chain old {{ drop; }}; }}'"),
        format!(
            "ip link add {name}-try type veth peer name x; ip link add {name}-out type veth peer name y"
        ),
    ];
    for harm in harms {
        let (clean, after_crash) = (
            on_a_host(stand),
            on_a_host(|| {
                sh(&harm);
                stand()
            }),
        );
        let (n_clean, n_after) = (clean.lines().count(), after_crash.lines().count());
        assert_eq!(n_clean, n_after, "{harm}: {clean}\n{after_crash}");
    }

    /// Sets up and tells what stands, without what is another one each time.
    fn stand() -> String {
        let bridge = Bridge::set_up(&settings("a")).unwrap();
        assert_eq!(bridge.way_out(), &WayOut::Open);
        let stands = sh("nft -s list ruleset; ip -o addr");
        let mut pool = bridge.pool();
        let _listener = std::net::TcpListener::bind((bridge.gateway(), 7000)).unwrap();
        assert_eq!(
            container(&bridge, pool.take().unwrap()).call(bridge.gateway(), 7000),
            Answer::Open
        );
        stands
    }
}

#[test]
fn mending_puts_back_what_others_took_away() {
    on_a_host(|| {
        let mut bridge = Bridge::set_up(&settings("a")).unwrap();
        let before = snapshot();
        let name = bridge.name().to_owned();
        assert!(!bridge.mend().unwrap(), "a whole bridge was mended");
        for harm in [
            String::from("nft flush ruleset"),
            format!(
                "nft flush table inet {name}; nft delete table inet {name}; nft add table inet {name}"
            ),
            format!("ip addr flush dev {name}"),
            format!("ip link set {name} down"),
            String::from("echo 0 > /proc/sys/net/ipv4/ip_forward"),
        ] {
            sh(&harm);
            assert!(bridge.mend().unwrap(), "{harm}");
            assert_eq!(snapshot(), before, "{harm}");
            assert!(!bridge.mend().unwrap(), "{harm}: mended twice");
        }
    });
}

#[test]
fn tearing_down_leaves_nothing() {
    on_a_host(|| {
        let _outside = outside();
        sh(
            "iptables -P FORWARD DROP; iptables -N DOCKER-USER; iptables -A DOCKER-USER -j RETURN; \
            iptables -A FORWARD -j DOCKER-USER",
        );
        let before = snapshot();
        let bridge = Bridge::set_up(&settings("a")).unwrap();
        let mut pool = bridge.pool();
        let _live = container(&bridge, pool.take().unwrap());
        assert_ne!(snapshot(), before);
        Bridge::tear_down("a").unwrap();
        assert_eq!(snapshot(), before);
        Bridge::tear_down("a").unwrap();
        assert_eq!(snapshot(), before);
    });
}

#[test]
fn two_servers_on_one_machine_do_not_meet() {
    on_a_host(|| {
        let one = Bridge::set_up(&settings("a")).unwrap();
        let alone = snapshot();
        let other = Bridge::set_up(&settings("b")).unwrap();
        assert_ne!(one.name(), other.name());
        assert!(!one.range().overlaps(other.range()));
        let (mut pool_a, mut pool_b) = (one.pool(), other.pool());
        let task_a = container(&one, pool_a.take().unwrap());
        let address_b = pool_b.take().unwrap();
        let task_b = container(&other, address_b);
        let _listener = task_b.listen(address_b, 80);
        assert_eq!(task_a.call(address_b, 80), Answer::Nothing);
        let _server = std::net::TcpListener::bind((other.gateway(), 7000)).unwrap();
        assert_eq!(task_b.call(other.gateway(), 7000), Answer::Open);
        assert_eq!(task_a.call(other.gateway(), 7000), Answer::Refused);
        drop(task_a);
        let links = || sh("ip -o link");
        eventually("the link goes", || !links().contains(&format!("{}-2", one.name())));
        Bridge::tear_down("b").unwrap();
        assert_eq!(snapshot(), alone);
    });
}

#[test]
fn servers_that_start_at_once_get_ranges_of_their_own() {
    on_a_host(|| {
        let host = std::fs::File::open("/proc/thread-self/ns/net").unwrap();
        let start = |n: usize| {
            nix::sched::setns(&host, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
            Bridge::set_up(&settings(&format!("server {n}"))).unwrap().range()
        };
        let ranges: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..12).map(|n| scope.spawn(move || start(n))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        for (n, range) in ranges.iter().enumerate() {
            assert!(ranges.iter().skip(n + 1).all(|other| !other.overlaps(*range)), "{ranges:?}");
        }
    });
}

#[test]
fn a_range_gives_way_to_a_route_and_a_foreign_link_is_left_alone() {
    on_a_host(|| {
        let first = Bridge::set_up(&settings("a")).unwrap().range();
        Bridge::tear_down("a").unwrap();
        sh(&format!("ip link add d0 type bridge; ip link set d0 up; ip route add {first} dev d0"));
        let moved = Bridge::set_up(&settings("a")).unwrap();
        assert!(!moved.range().overlaps(first));
        sh(&format!("ip route add {} dev d0 metric 5", moved.range()));
        let again = Bridge::set_up(&settings("a")).unwrap();
        assert!(again.notices().iter().any(|n| n.contains("moved from")), "{again:?}");
        let fault = Bridge::set_up(&gofer_net::Settings { range: Some(first), ..settings("a") });
        assert!(fault.unwrap_err().to_string().contains("this machine has a route to"));

        sh(&format!("ip link add {} type veth peer name x0", bridge_name("b")));
        let fault = Bridge::set_up(&settings("b")).unwrap_err().to_string();
        assert!(fault.contains("it is no bridge"), "{fault}");
        assert!(Bridge::tear_down("b").is_err());
        sh(&format!("ip link show {}", bridge_name("b")));
        sh(&format!(
            "ip link add {0} type bridge; ip link set {0} alias 'gofer x'",
            bridge_name("c")
        ));
        let fault = Bridge::set_up(&settings("c")).unwrap_err().to_string();
        assert!(fault.contains("belongs to `gofer x`"), "{fault}");
    });
}

#[test]
fn a_packet_is_no_longer_than_what_goes_out() {
    on_a_host(|| {
        let _outside = outside();
        sh("ip link set host0 mtu 1400");
        let bridge = Bridge::set_up(&settings("a")).unwrap();
        let task = container(&bridge, bridge.pool().take().unwrap());
        assert!(sh(&format!("ip link show {}", bridge.name())).contains("mtu 1400"));
        assert!(task.sh("ip link show eth0").contains("mtu 1400"));
    });
}

#[test]
fn a_container_has_its_address_its_way_out_and_its_loopback() {
    on_a_host(|| {
        let bridge = Bridge::set_up(&settings("a")).unwrap();
        let address = bridge.pool().take().unwrap();
        let task = container(&bridge, address);
        let links = task.sh("ip -o addr; ip route");
        assert!(
            links.contains(&format!("inet {address}/20 brd {}", bridge.range().broadcast())),
            "{links}"
        );
        assert!(links.contains("inet 127.0.0.1/8") && links.contains("inet6 ::1/128"), "{links}");
        assert!(links.contains(&format!("default via {} dev eth0", bridge.gateway())), "{links}");
        assert!(!links.contains("fe80"), "{links}");
        let port = sh(&format!("ip -d link show {}", bridge.attachment(address).link));
        assert!(port.contains("isolated on"), "{port}");
    });
}

#[test]
fn a_container_without_a_network_has_its_loopback_only() {
    on_a_host(|| {
        let task = Elsewhere::new();
        loopback_up(task.fd()).unwrap();
        let links = task.sh("ip -o addr");
        assert!(links.contains("127.0.0.1/8") && links.contains("::1/128"), "{links}");
        assert_eq!(links.lines().filter(|line| line.contains("inet ")).count(), 1, "{links}");
        let _listener = task.listen(Ipv4Addr::LOCALHOST, 80);
        assert_eq!(task.call(Ipv4Addr::LOCALHOST, 80), Answer::Open);
    });
}

/// A packet that is lost costs a second, since that is when it is sent again; a call waits for less.
/// Each container is the only one, which is when a bridge without a port of its own stops running.
#[test]
fn the_first_packet_of_a_container_is_not_lost() {
    on_a_host(|| {
        let bridge = Bridge::set_up(&settings("a")).unwrap();
        let _listener = std::net::TcpListener::bind((bridge.gateway(), 7000)).unwrap();
        let mut pool = bridge.pool();
        for n in 0..30 {
            let address = pool.take().unwrap();
            let task = container(&bridge, address);
            assert_eq!(task.call(bridge.gateway(), 7000), Answer::Open, "container {n}");
            drop(task);
            let link = bridge.attachment(address).link;
            eventually("the link goes", || !sh("ip -o link").contains(&format!("{link}@")));
        }
    });
}

#[test]
fn a_thread_moves_into_a_network_of_its_own() {
    on_a_host(|| {
        let bridge = Bridge::set_up(&settings("a")).unwrap();
        let _listener = std::net::TcpListener::bind((bridge.gateway(), 7000)).unwrap();
        let attachment = bridge.attachment(bridge.pool().take().unwrap());
        let before = sh("ip -j link");
        // Threads of this one begin where it is.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                enter_new(Some(&attachment)).unwrap();
                assert_eq!(call(bridge.gateway(), 7000), Answer::Open);
                assert_eq!(sh("ip -o link").lines().count(), 2);
            });
        });
        eventually("the link goes", || sh("ip -j link") == before);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                enter_new(None).unwrap();
                assert_eq!(call(bridge.gateway(), 7000), Answer::Nothing);
                assert!(sh("ip -o addr").contains("127.0.0.1/8"));
            });
            scope.spawn(|| {
                let mut wrong = attachment.clone();
                wrong.gateway = Ipv4Addr::new(192, 0, 2, 1);
                enter_new(Some(&wrong)).unwrap_err();
            });
        });
        assert_eq!(sh("ip -j link"), before);
    });
}

#[test]
fn an_attach_that_fails_leaves_no_link() {
    on_a_host(|| {
        let bridge = Bridge::set_up(&settings("a")).unwrap();
        let mut pool = bridge.pool();
        let right = bridge.attachment(pool.take().unwrap());
        let before = sh("ip -j link");
        let task = Elsewhere::new();

        let mut wrong = right.clone();
        wrong.bridge = String::from("none0");
        let fault = attach(task.fd(), &wrong).unwrap_err().to_string();
        assert!(fault.contains("could not find the bridge none0"), "{fault}");

        // The way out is refused: the gateway is no neighbour. By then all else is done.
        let mut wrong = right.clone();
        wrong.gateway = Ipv4Addr::new(192, 0, 2, 1);
        let fault = attach(task.fd(), &wrong).unwrap_err().to_string();
        assert!(fault.contains("could not lead out the packets of"), "{fault}");
        assert_eq!(sh("ip -j link"), before);
        assert!(!task.sh("ip -o link").contains("eth0"));

        // No bridge: it takes no port, but isolation is refused.
        sh("ip link add d0 type veth peer name d1; ip link set d0 up");
        let with_dummy = sh("ip -j link");
        let mut wrong = right.clone();
        wrong.bridge = String::from("d0");
        attach(task.fd(), &wrong).unwrap_err();
        assert_eq!(sh("ip -j link"), with_dummy);

        // A second container with the first one's address must not take the first one's link away.
        attach(task.fd(), &right).unwrap();
        let one = sh("ip -j link");
        let second = Elsewhere::new();
        let fault = attach(second.fd(), &right).unwrap_err().to_string();
        assert!(fault.contains("an earlier container with this address"), "{fault}");
        assert_eq!(sh("ip -j link"), one);
        assert!(!second.sh("ip -o link").contains("eth0"));
    });
}

#[test]
fn two_hundred_containers_leave_no_link() {
    on_a_host(|| {
        let bridge = Bridge::set_up(&settings("a")).unwrap();
        let before = sh("ip -j link");
        let mut pool: Pool = bridge.pool();
        let mut took = Vec::new();
        let mut live = Vec::new();
        for _ in 0..200 {
            let netns = Elsewhere::new();
            let attachment = bridge.attachment(pool.take().unwrap());
            took.push(timed(|| attach(netns.fd(), &attachment).unwrap()));
            live.push(netns);
        }
        took.sort();
        println!("attach: p50 {:?}, p95 {:?}, max {:?}", took[100], took[190], took[199]);
        let n_links = sh(&format!("ip -o link show master {}", bridge.name())).lines().count();
        assert_eq!(n_links, 201);
        let _listener = std::net::TcpListener::bind((bridge.gateway(), 7000)).unwrap();
        assert_eq!(live[199].call(bridge.gateway(), 7000), Answer::Open);
        assert_eq!(call(bridge.gateway(), 7000), Answer::Open);
        drop(live);
        eventually("all links go", || sh("ip -j link") == before);
    });
}

#[expect(clippy::disallowed_methods, reason = "a figure for people; no test depends on it")]
fn timed(deed: impl FnOnce()) -> std::time::Duration {
    let start = std::time::Instant::now();
    deed();
    start.elapsed()
}
