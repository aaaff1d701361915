//! Who reaches whom: containers, the host, each other, the outside; alone and beside the firewalls
//! of others.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::time::Duration;

use crate::ground::{
    Answer, Elsewhere, container, on_a_host, outside, own_address_seen_by, path_of, settings, sh,
    tell_callers_their_address, try_sh,
};
use gofer_net::{Bridge, WayOut};

const OUTSIDE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);
const HOST: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);

/// What Docker builds where it turned forwarding on itself.
const DOCKER: &str = "iptables -P FORWARD DROP; iptables -N DOCKER-USER; \
                      iptables -A DOCKER-USER -j RETURN; iptables -A FORWARD -j DOCKER-USER";

#[test]
fn a_container_reaches_the_servers_port_and_name_servers_and_nothing_else_of_the_host() {
    on_a_host(|| {
        let _outside = outside();
        let bridge = Bridge::set_up(&settings("a")).unwrap();
        let gateway = bridge.gateway();
        let mut pool = bridge.pool();
        let tasks = [pool.take().unwrap(), pool.take().unwrap()].map(|a| container(&bridge, a));
        let _listeners: Vec<_> = [53, 7000, 7001, 22]
            .map(|port| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap())
            .into();
        for task in &tasks {
            assert_eq!(task.call(gateway, 7000), Answer::Open);
            assert_eq!(task.call(gateway, 53), Answer::Open);
            assert_eq!(task.call(gateway, 7001), Answer::Refused);
            assert_eq!(task.call(gateway, 22), Answer::Refused);
            // The host's other addresses are the host as well.
            assert_eq!(task.call(HOST, 7000), Answer::Refused);
            assert_eq!(task.call(HOST, 22), Answer::Refused);
            assert_eq!(task.call(HOST, 53), Answer::Open);
        }
        assert!(asks(&tasks[0], gateway, 53));
        assert!(!asks(&tasks[0], gateway, 7000));
        let closed = gofer_net::Settings { api_port: None, ..settings("a") };
        Bridge::set_up(&closed).unwrap();
        assert_eq!(tasks[0].call(gateway, 7000), Answer::Refused);
    });
}

/// Does a UDP datagram from `task` come to the host's port?
fn asks(task: &Elsewhere, to: Ipv4Addr, port: u16) -> bool {
    let listener = UdpSocket::bind((to, port)).unwrap();
    listener.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    task.run(|| UdpSocket::bind("0.0.0.0:0").unwrap().send_to(b"?", (to, port)).unwrap());
    listener.recv_from(&mut [0; 8]).is_ok()
}

#[test]
fn two_containers_do_not_reach_each_other_by_any_way() {
    on_a_host(|| {
        let bridge = Bridge::set_up(&settings("a")).unwrap();
        let mut pool = bridge.pool();
        let (address_a, address_b) = (pool.take().unwrap(), pool.take().unwrap());
        let (a, b) = (container(&bridge, address_a), container(&bridge, address_b));
        let _listener = b.listen(address_b, 80);
        assert_eq!(a.call(address_b, 80), Answer::Nothing);
        // By the gateway, with the neighbours' hardware addresses known.
        let gateway = bridge.gateway();
        a.sh(&format!("ip route add {address_b}/32 via {gateway}"));
        b.sh(&format!("ip route add {address_a}/32 via {gateway}"));
        assert_eq!(a.call(address_b, 80), Answer::Nothing);
        // Directly, with the neighbour's hardware address written down by hand, and without the
        // second line that our table is where the kernel shows it the packets inside a bridge, too.
        sh("cd /proc/sys/net/bridge && echo 0 > bridge-nf-call-iptables || true");
        let link = b.sh("ip -o link show eth0");
        let hardware = link.split("ether ").nth(1).unwrap().split(' ').next().unwrap();
        b.sh(&format!("ip route del {address_a}/32"));
        a.sh(&format!(
            "ip route del {address_b}/32; ip neigh replace {address_b} lladdr {hardware} dev eth0"
        ));
        assert_eq!(a.call(address_b, 80), Answer::Nothing);
        // Without isolation the last one would have come through.
        for address in [address_a, address_b] {
            sh(&format!("bridge link set dev {} isolated off", bridge.attachment(address).link));
        }
        assert_eq!(a.call(address_b, 80), Answer::Open);
    });
}

#[test]
fn the_outside_sees_the_host_and_reaches_no_container() {
    on_a_host(|| {
        let outside = outside();
        let bridge = Bridge::set_up(&settings("a")).unwrap();
        let address = bridge.pool().take().unwrap();
        let task = container(&bridge, address);
        tell_callers_their_address(outside.listen(OUTSIDE, 80));
        assert_eq!(task.run(|| own_address_seen_by(OUTSIDE, 80)), HOST.to_string());
        // A neighbour of the host that sends packets for the containers to it.
        let _listener = task.listen(address, 80);
        outside.sh(&format!("ip route add {} via {HOST}", bridge.range()));
        assert_eq!(outside.call(address, 80), Answer::Nothing);
        assert_eq!(crate::ground::call(address, 80), Answer::Open, "the host itself reaches it");
    });
}

#[test]
fn a_container_sends_nothing_out_under_a_foreign_address() {
    on_a_host(|| {
        let outside = outside();
        let bridge = Bridge::set_up(&settings("a")).unwrap();
        let task = container(&bridge, bridge.pool().take().unwrap());
        let listener = outside.run(|| UdpSocket::bind((OUTSIDE, 90)).unwrap());
        listener.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        sh("for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $f; done");
        let send = |from: &str| {
            task.run(|| {
                let socket = UdpSocket::bind((from, 0)).unwrap();
                socket.send_to(b"x", (OUTSIDE, 90)).unwrap();
            });
            listener.recv_from(&mut [0; 8]).is_ok()
        };
        assert!(send("0.0.0.0"));
        task.sh("ip addr add 203.0.113.9/32 dev lo");
        assert!(!send("203.0.113.9"));
    });
}

#[test]
fn beside_docker_there_is_a_way_out_and_docker_is_undisturbed() {
    on_a_host(|| {
        let outside = outside();
        let _listener = outside.listen(OUTSIDE, 80);
        let _other = outside.listen(OUTSIDE, 81);
        sh(DOCKER);
        // The administrator's own rule holds for us too.
        sh("iptables -I DOCKER-USER -p tcp --dport 81 -j DROP");
        let before = sh("iptables -S");
        let mut bridge = Bridge::set_up(&settings("a")).unwrap();
        assert_eq!(bridge.way_out(), &WayOut::Open);
        let task = container(&bridge, bridge.pool().take().unwrap());
        assert_eq!(task.call(OUTSIDE, 80), Answer::Open);
        assert_eq!(task.call(OUTSIDE, 81), Answer::Nothing);

        // iptables still reads its table, changes it, and sees our rules as its own kind.
        let chain = sh("iptables -S DOCKER-USER");
        let ours = format!("-A DOCKER-USER -i {} -m comment", bridge.name());
        assert!(chain.contains(&ours) && !chain.contains("incompatible"), "{chain}");
        assert!(chain.trim_end().ends_with("-j RETURN"), "{chain}");
        sh("iptables -I FORWARD -i docker0 -j ACCEPT; iptables -D FORWARD -i docker0 -j ACCEPT");
        bridge = Bridge::set_up(&settings("a")).unwrap();
        assert_eq!(sh("iptables -S DOCKER-USER"), chain);
        let (restores, says) = try_sh("iptables-save | iptables-restore --test");
        assert!(restores, "{says}");

        // Somebody flushes the chain, as a restart of a firewall does.
        assert!(!bridge.mend().unwrap());
        sh("iptables -F DOCKER-USER; iptables -A DOCKER-USER -j RETURN");
        assert_eq!(task.call(OUTSIDE, 80), Answer::Nothing);
        assert!(bridge.mend().unwrap());
        assert_eq!(task.call(OUTSIDE, 80), Answer::Open);
        sh("iptables -I DOCKER-USER -p tcp --dport 81 -j DROP");

        Bridge::tear_down("a").unwrap();
        assert_eq!(sh("iptables -S"), before);
    });
}

#[test]
fn docker_that_comes_later_is_found_by_mending() {
    on_a_host(|| {
        let outside = outside();
        let _listener = outside.listen(OUTSIDE, 80);
        let mut bridge = Bridge::set_up(&settings("a")).unwrap();
        let task = container(&bridge, bridge.pool().take().unwrap());
        sh(DOCKER);
        assert_eq!(task.call(OUTSIDE, 80), Answer::Nothing);
        assert!(bridge.mend().unwrap());
        assert_eq!(task.call(OUTSIDE, 80), Answer::Open);
    });
}

#[test]
fn containers_of_docker_are_reached_by_published_ports_only() {
    on_a_host(|| {
        sh(DOCKER);
        let (docker, user_made) = (Elsewhere::new(), Elsewhere::new());
        for (netns, bridge, network) in
            [(&docker, "docker0", "172.17.0"), (&user_made, "br-0123456789ab", "172.18.0")]
        {
            sh(&format!(
                "ip link add {bridge} type bridge; ip addr add {network}.1/16 dev {bridge}; ip link set {bridge} up"
            ));
            join(netns, bridge, network);
        }
        let bridge = Bridge::set_up(&settings("a")).unwrap();
        let task = container(&bridge, bridge.pool().take().unwrap());
        let inner = [Ipv4Addr::new(172, 17, 0, 2), Ipv4Addr::new(172, 18, 0, 2)];
        let _listeners = [docker.listen(inner[0], 80), user_made.listen(inner[1], 80)];
        for address in inner {
            assert_eq!(crate::ground::call(address, 80), Answer::Open);
            assert_eq!(task.call(address, 80), Answer::Nothing, "{address}");
        }
        sh(
            "iptables -t nat -A PREROUTING -m addrtype --dst-type LOCAL -p tcp --dport 8080 -j DNAT --to 172.18.0.2:80",
        );
        assert_eq!(task.call(bridge.gateway(), 8080), Answer::Open);
    });

    /// A port on the bridge, the other end in the namespace, as Docker does it.
    fn join(netns: &Elsewhere, bridge: &str, network: &str) {
        let (path, port) = (path_of(netns.fd()), bridge.replace("br-", "port"));
        let port = port.get(..port.len().min(12)).unwrap().replace("docker", "port");
        sh(&format!(
            "ip link add {port} type veth peer name e0 && ip link set e0 netns {path} && \
             ip link set {port} master {bridge} up"
        ));
        netns.sh(&format!(
            "ip addr add {network}.2/16 dev e0; ip link set e0 up; \
             ip route add default via {network}.1"
        ));
    }
}

#[test]
fn a_firewall_that_lets_nothing_through_is_told_with_its_remedy() {
    on_a_host(|| {
        sh("iptables -P FORWARD DROP");
        let bridge = Bridge::set_up(&settings("a")).unwrap();
        assert!(!bridge.has_way_out());
        let WayOut::Closed(reason) = bridge.way_out() else { panic!("{bridge:?}") };
        assert!(reason.contains(bridge.name()), "{reason}");
        assert!(!sh("ip -o link").contains("-try"), "the trial left a link");
        sh(&format!(
            "iptables -A FORWARD -i {0} -j ACCEPT; iptables -A FORWARD -o {0} -j ACCEPT",
            bridge.name()
        ));
        assert_eq!(Bridge::set_up(&settings("a")).unwrap().way_out(), &WayOut::Open);
    });
}

#[test]
fn the_way_home_is_tried_too() {
    on_a_host(|| {
        let bridge = Bridge::set_up(&settings("a")).unwrap();
        let before = sh("ip -j link");
        assert!(matches!(bridge.way_home(), WayOut::Closed(_)), "nobody listens");
        let _server = TcpListener::bind((bridge.gateway(), 7000)).unwrap();
        assert_eq!(bridge.way_home(), WayOut::Open);
        sh("iptables -P INPUT DROP");
        let WayOut::Closed(reason) = bridge.way_home() else { panic!("{bridge:?}") };
        assert!(reason.contains(&format!("{}:7000", bridge.gateway())), "{reason}");
        sh(&format!("iptables -A INPUT -i {} -j ACCEPT", bridge.name()));
        assert_eq!(bridge.way_home(), WayOut::Open);
        assert_eq!(sh("ip -j link"), before);
        let closed = gofer_net::Settings { api_port: None, ..settings("a") };
        let bridge = Bridge::set_up(&closed).unwrap();
        assert!(matches!(bridge.way_home(), WayOut::Untried(_)));
    });
}

#[test]
fn the_older_iptables_is_not_touched_and_the_sentence_says_what_to_type() {
    on_a_host(|| {
        sh(&DOCKER.replace("iptables", "iptables-legacy"));
        let before = sh("iptables-legacy -S");
        let bridge = Bridge::set_up(&settings("a")).unwrap();
        let WayOut::Closed(reason) = bridge.way_out() else { panic!("{bridge:?}") };
        assert_eq!(sh("iptables-legacy -S"), before);
        let commands: Vec<_> =
            reason.split('`').filter(|part| part.starts_with("iptables-legacy -I")).collect();
        assert_eq!(commands.len(), 2, "{reason}");
        for command in commands {
            sh(command);
        }
        assert_eq!(Bridge::set_up(&settings("a")).unwrap().way_out(), &WayOut::Open);
    });
}
