//! What people do to close a port and does not: done on a host, with what a client then finds, and what
//! the screens say about it.

use std::net::SocketAddr;
use std::time::Duration;

use testbed::{HostOptions, Reply};

use crate::seen::{Seen, WHYOPEN};

/// A drop is what takes longer.
const LIMIT: Duration = Duration::from_secs(5);

/// A host that others reach.
struct Scene {
    seen: Seen,
    number: u8,
}

impl Scene {
    fn new(name: &str, options: &HostOptions) -> Self {
        let seen = Seen::boot(name, options);
        let number = seen.lab.number();
        seen.host.join(number).unwrap();
        seen.run(&["ip", "link", "set", "lo", "up"]);
        Self { seen, number }
    }

    fn run(&self, shell: &str) -> String {
        self.seen.run(&["sh", "-euc", shell])
    }

    /// What a client finds over IPv4 and IPv6.
    fn replies(&self, port: u16) -> [Reply; 2] {
        let client = self.seen.lab.client().unwrap();
        let number = self.number;
        [format!("192.0.2.{number}"), format!("2001:db8:1::{number}")].map(|address| {
            client.connect(SocketAddr::new(address.parse().unwrap(), port), LIMIT).unwrap()
        })
    }

    /// The detail screen, on one line.
    fn screen(&self, target: &str) -> String {
        let text = self.seen.run(&[WHYOPEN, target]);
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[track_caller]
    fn says(&self, target: &str, texts: &[&str]) {
        let screen = self.screen(target);
        let part = screen.split("not enough").nth(1).unwrap_or_default();
        for text in texts {
            assert!(part.contains(text), "nothing says {text:?}: {screen}");
        }
    }
}

#[test]
fn stopping_and_masking_rpcbind() {
    let options = HostOptions::new().enable("rpcbind.socket").enable("rpcbind.service");
    let scene = Scene::new("rpcbind", &options);
    let open = [Reply::Connected; 2];
    assert_eq!(scene.replies(111), open);
    scene.says(
        "111",
        &[
            "systemctl stop rpcbind.service (systemd keeps the socket of rpcbind.socket",
            "masking rpcbind.service alone (the socket of rpcbind.socket stays open",
        ],
    );
    scene.run("systemctl stop rpcbind.service");
    assert_eq!(scene.replies(111), open);
    // The first that speaks to it makes it fail; until then it is open.
    scene.run("systemctl stop rpcbind.service; systemctl --quiet mask rpcbind.service");
    assert!(scene.run("ss -Hnlt").contains(":111 "), "the socket should stay");
    scene.says("111", &["masking rpcbind.service alone"]);
}

#[test]
fn a_rule_for_tcp_port_58() {
    let scene = Scene::new("port58", &HostOptions::new());
    scene.seen.start("raw", &["raw6:58"]);
    scene.run(
        "nft add table inet f; nft add chain inet f i '{ type filter hook input priority 0; }'
        nft add rule inet f i tcp dport 58 drop; nft add rule inet f i udp dport 58 drop",
    );
    scene.says(
        "icmp6",
        &["a firewall rule for tcp or udp port 58 (58 is the number of the protocol"],
    );
    // ICMPv6 arrives all the same: neighbours find this host by it.
    let counted = |scene: &Scene| {
        let text = scene.run("nstat -asz Icmp6InMsgs");
        let number = text.split_whitespace().skip_while(|word| *word != "Icmp6InMsgs").nth(1);
        number.unwrap().parse::<u64>().unwrap()
    };
    let before = counted(&scene);
    assert_eq!(scene.replies(1)[1], Reply::Refused);
    assert!(counted(&scene) > before);
}

#[test]
fn dropping_icmpv6_as_a_whole() {
    let scene = Scene::new("icmpv6", &HostOptions::new());
    scene.seen.start("raw", &["raw6:58"]);
    scene.seen.start("web", &["--accept", "tcp:[::]:7061"]);
    assert_eq!(scene.replies(7061), [Reply::Connected; 2]);
    scene.run(
        "nft add table inet f; nft add chain inet f i '{ type filter hook input priority 0; }'
        nft add rule inet f i meta l4proto ipv6-icmp drop; ip -6 neigh flush all",
    );
    let [four, six] = scene.replies(7061);
    assert_eq!(four, Reply::Connected);
    assert_ne!(six, Reply::Connected, "without neighbour discovery nobody finds the host");
    scene.says("icmp6", &["dropping all of ICMPv6 (IPv6 finds its neighbours and routers by it"]);
    let why = scene.seen.why("icmp6");
    why.says("not_enough", "dropping all of ICMPv6");
}

#[test]
fn turning_selinux_off() {
    let scene = Scene::new("selinux", &HostOptions::new());
    scene.seen.start("web", &["--accept", "tcp:[::]:7061"]);
    // It is not there to be turned off.
    scene.run("! setenforce 0 2>/dev/null");
    assert_eq!(scene.replies(7061), [Reply::Connected; 2]);
    scene.seen.why("7061").says("not_enough", "SELinux does not run here");
}

#[test]
fn trying_it_over_loopback() {
    let scene = Scene::new("loopback", &HostOptions::new());
    scene.seen.start("web", &["--accept", "tcp:[::]:7061"]);
    scene.run(
        "nft add table inet f; nft add chain inet f i '{ type filter hook input priority 0; }'
        nft add rule inet f i iif lo accept; nft add rule inet f i tcp dport 7061 drop",
    );
    // By its own address as well: what goes to it comes over loopback.
    let own = scene.number;
    for address in ["127.0.0.1".to_owned(), format!("192.0.2.{own}")] {
        let connect = format!("exec 3<>/dev/tcp/{address}/7061");
        scene.seen.run(&["timeout", "20", "bash", "-c", &connect]);
    }
    assert_eq!(scene.replies(7061), [Reply::TimedOut; 2]);
    scene.says("7061", &["trying it from this host (what comes over loopback passes other rules"]);
}
