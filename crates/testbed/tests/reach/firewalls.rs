//! The rulesets that firewalls really write: everything in them is understood, and the verdict about
//! a client is what it gets when it connects.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use facts::{NetNamespace, Snapshot};
use netfilter::ir::Family::{Ipv4, Ipv6};
use netfilter::ir::{Assign, Cond, Family, Ruleset, Step, Verdict};
use netfilter::symbolic::{Asked, Listener, arrivals};
use netfilter::world::World;
use packet_set::{Budget, RangeSet};
use testbed::{Client, HostOptions, Lab, Reply};

use crate::seen::{AGENT, Seen};

/// A host with listeners, and a client beside it.
struct Walled {
    client: Client,
    seen: Seen,
    number: u8,
}

/// The ports that are listened at, over both families.
const PORTS: [u16; 4] = [22, 80, 2222, 9100];

/// How long a connection may take. A drop is one that takes longer.
const LIMIT: Duration = Duration::from_secs(3);

impl Walled {
    fn boot(name: &str) -> Self {
        let lab = Lab::new().unwrap();
        let seen = Seen::boot_on(lab, name, &HostOptions::new().privileged());
        let client = seen.lab.client().unwrap();
        let number = seen.lab.number();
        seen.host.join(number).unwrap();
        let sockets: Vec<String> =
            PORTS.iter().map(|port| format!("tcp:[::]:{port},dual")).collect();
        let sockets: Vec<&str> = sockets.iter().map(String::as_str).collect();
        let hold = [&[AGENT, "hold", "--accept"][..], &sockets].concat();
        seen.host.start_service("listener", &hold).unwrap();
        Self { client, seen, number }
    }

    /// Runs a shell command in the host.
    #[track_caller]
    fn run(&self, shell: &str) -> String {
        self.seen.run(&["sh", "-euc", shell])
    }

    /// The host's network namespace, as `whyopen snapshot` reads it.
    fn namespace(&self) -> NetNamespace {
        let json = self.seen.run(&[crate::seen::WHYOPEN, "snapshot"]);
        let snapshot = Snapshot::from_json(json.as_bytes()).unwrap();
        let mut all = snapshot.namespaces.items().iter();
        all.find(|namespace| namespace.host).expect("the host's own").clone()
    }

    fn address(family: Family, number: u8) -> IpAddr {
        match family {
            Ipv4 => Ipv4Addr::new(192, 0, 2, number).into(),
            Ipv6 => {
                // In decimal digits.
                let last = u16::from_str_radix(&number.to_string(), 16).unwrap();
                Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, last).into()
            }
        }
    }

    /// The ruleset, in which only this is not understood.
    #[track_caller]
    fn understood_but(&self, expect: &[&str]) -> (World, Ruleset) {
        let namespace = self.namespace();
        let dump = namespace.ruleset.value().expect("the ruleset was read");
        let ruleset = netfilter::live::ruleset(dump, namespace.links.items());
        let rules = ruleset.tables.iter().flat_map(|table| &table.chains).map(|c| c.rules.len());
        assert!(rules.sum::<usize>() > 0, "{ruleset:#?}");
        let found = not_understood(&ruleset);
        let unexpected: Vec<_> =
            found.iter().filter(|text| !expect.iter().any(|part| text.contains(part))).collect();
        assert!(unexpected.is_empty(), "{unexpected:#?}");
        for part in expect {
            assert!(found.iter().any(|text| text.contains(part)), "{part}: {found:#?}");
        }
        self.has_no_rule_in_vain();
        let world = World::of(&namespace);
        assert!(world.doubts().is_empty(), "{:#?}", world.doubts());
        (world, ruleset)
    }

    /// Fails if one of the rules is said to be without effect: what a firewall adds beside what it was
    /// told is meant so.
    #[track_caller]
    fn has_no_rule_in_vain(&self) {
        let listing = self.seen.list();
        let findings = listing.json["findings"].as_array().expect("findings");
        let said: Vec<_> = findings.iter().filter(|f| f["id"] == "rule-without-effect").collect();
        assert!(said.is_empty(), "{said:#?}");
    }

    /// Asks about each port over both families, and connects. Where the answer is `None`, the rules
    /// leave it open.
    #[track_caller]
    fn agrees(&self, world: &World, ruleset: &Ruleset, ports: &[(u16, Family, Option<bool>)]) {
        for family in Family::BOTH {
            let wanted: Vec<_> = ports.iter().filter(|(_, of, _)| *of == family).collect();
            let any = world.reachable_addresses(family);
            let asked = Asked {
                family,
                protocol: 6,
                ports: wanted.iter().map(|(port, ..)| ((*port).into(), (*port).into())).collect(),
                destinations: any.clone(),
            };
            let mut found = arrivals(ruleset, world, &asked, Budget::default()).unwrap();
            let source = match Self::address(family, self.client.number()) {
                IpAddr::V4(address) => u128::from(address.to_bits()),
                IpAddr::V6(address) => address.to_bits(),
            };
            for (port, _, expect) in wanted {
                let listener = Listener { addresses: any.clone(), device: None, port: *port };
                let sources = found.listeners(&[listener]).unwrap()[0];
                let (must, may): (RangeSet, RangeSet) = (found.must(sources), found.may(sources));
                let said = match (must.contains(source), may.contains(source)) {
                    (true, _) => Some(true),
                    (false, true) => None,
                    (false, false) => Some(false),
                };
                let to = SocketAddr::new(Self::address(family, self.number), *port);
                let reply = self.client.connect(to, LIMIT).unwrap();
                let about = format!("{to}: {reply:?}, because {:#?}", found.unknown);
                assert_eq!(said, *expect, "{about}");
                if let Some(expect) = expect {
                    assert_eq!(reply == Reply::Connected, *expect, "{about}");
                }
            }
        }
    }
}

/// Everything in a ruleset that is not understood.
fn not_understood(ruleset: &Ruleset) -> BTreeSet<String> {
    let mut all: BTreeSet<String> = ruleset.notes.iter().map(|note| note.what.clone()).collect();
    let mut cond = |cond: &Cond, rule: &str| {
        cond.visit(&mut |part| {
            if let Cond::Unknown(text, _) = part {
                all.insert(format!("{text} in {rule}"));
            }
        });
    };
    let mut others = BTreeSet::new();
    let rules = ruleset.tables.iter().flat_map(|table| &table.chains).flat_map(|c| &c.rules);
    for rule in rules {
        for step in &rule.steps {
            match step {
                Step::If(inner) => cond(inner, &rule.text),
                Step::Set(_, Assign::Unknown(text)) => {
                    others.insert(format!("{text} in {}", rule.text));
                }
                Step::Select(list) => {
                    for (when, verdict) in list {
                        cond(when, &rule.text);
                        if let Verdict::Unknown(text) | Verdict::Queue(text) = verdict {
                            others.insert(format!("{text} in {}", rule.text));
                        }
                    }
                }
                Step::Translate(list) => {
                    for (when, nat) in list {
                        cond(when, &rule.text);
                        others
                            .extend(nat.doubt.iter().map(|why| format!("{why} in {}", rule.text)));
                    }
                }
                _ => {}
            }
        }
    }
    all.extend(others);
    all
}

/// ufw writes its rules with iptables, whichever of both backends that is.
fn ufw(name: &str, backend: &str) {
    let host = Walled::boot(name);
    host.run(&format!("update-alternatives --set iptables /usr/sbin/iptables-{backend}"));
    host.run(&format!("update-alternatives --set ip6tables /usr/sbin/ip6tables-{backend}"));
    let client = host.client.number();
    host.run(&format!(
        "ufw allow 22/tcp
         ufw allow proto tcp from 192.0.2.{client} to any port 80
         ufw deny proto tcp from 2001:db8:1::/64 to any port 9100
         ufw allow 9100/tcp
         ufw limit 2222/tcp
         ufw --force enable"
    ));
    // Packets with a routing header are dropped; ours have none.
    let (world, ruleset) = host.understood_but(&["limit ", "-m recent ", "-m rt --rt-type 0"]);
    host.agrees(
        &world,
        &ruleset,
        &[
            (22, Ipv4, Some(true)),
            (22, Ipv6, Some(true)),
            (80, Ipv4, Some(true)),
            (80, Ipv6, Some(false)),
            (9100, Ipv4, Some(true)),
            (9100, Ipv6, Some(false)),
            (2222, Ipv4, None),
            (2222, Ipv6, None),
        ],
    );
}

#[test]
fn ufw_in_nftables() {
    ufw("ufw-nft", "nft");
}

#[test]
fn ufw_in_the_older_tables() {
    ufw("ufw-legacy", "legacy");
}

/// firewalld writes nftables itself, or runs iptables.
fn firewalld(name: &str, backend: &str, unknown: &[&str]) {
    let host = Walled::boot(name);
    host.run(&format!(
        "sed -i 's/^FirewallBackend=.*/FirewallBackend={backend}/' /etc/firewalld/firewalld.conf
         systemctl start firewalld
         firewall-cmd --state"
    ));
    let client = host.client.number();
    host.run(&format!(
        "firewall-cmd --zone=public --change-interface=host0
         firewall-cmd --add-port=80/tcp
         firewall-cmd --add-rich-rule='rule family=ipv4 source address=192.0.2.{client} port port=9100 protocol=tcp accept'
         firewall-cmd --add-rich-rule='rule family=ipv6 source address=2001:db8:1::/64 port port=80 protocol=tcp reject'"
    ));
    let (world, ruleset) = host.understood_but(unknown);
    host.agrees(
        &world,
        &ruleset,
        &[
            (22, Ipv4, Some(true)),
            (22, Ipv6, Some(true)),
            (80, Ipv4, Some(true)),
            (80, Ipv6, Some(false)),
            (9100, Ipv4, Some(true)),
            (9100, Ipv6, Some(false)),
            (2222, Ipv4, Some(false)),
            (2222, Ipv6, Some(false)),
        ],
    );
}

#[test]
fn firewalld_with_nftables() {
    firewalld("firewalld-nft", "nftables", &[]);
}

#[test]
fn firewalld_with_iptables() {
    firewalld("firewalld-ipt", "iptables", &[]);
}

/// fail2ban bans by one of several actions.
fn fail2ban(name: &str, action: &str) {
    let host = Walled::boot(name);
    let client = host.client.number();
    host.run(&format!(
        "touch /var/log/auth.log
         printf '[DEFAULT]\\nbackend=polling\\nbanaction={action}\\n[sshd]\\nenabled=true\\nport=22\\nlogpath=/var/log/auth.log\\n' > /etc/fail2ban/jail.local
         systemctl start fail2ban
         for try in $(seq 100); do fail2ban-client status sshd && break; sleep 0.2; done
         fail2ban-client set sshd banip 192.0.2.{client}
         fail2ban-client set sshd banip 192.0.2.99"
    ));
    // The ban is carried out by another thread of its own.
    host.run(&format!(
        "for try in $(seq 100); do
           if {{ iptables-save; nft list ruleset; ipset list; }} 2>/dev/null | grep -q 192.0.2.99; then exit 0; fi
           sleep 0.2
         done; exit 1 # {client}"
    ));
    let (world, ruleset) = host.understood_but(&[]);
    host.agrees(
        &world,
        &ruleset,
        &[
            (22, Ipv4, Some(false)),
            (22, Ipv6, Some(true)),
            (80, Ipv4, Some(true)),
            (9100, Ipv6, Some(true)),
        ],
    );
}

#[test]
fn fail2ban_with_iptables() {
    fail2ban("f2b-ipt", "iptables-multiport");
}

#[test]
fn fail2ban_with_ipset() {
    fail2ban("f2b-ipset", "iptables-ipset-proto6");
}

#[test]
fn fail2ban_with_nftables() {
    fail2ban("f2b-nft", "nftables-multiport");
}

#[test]
fn nftables_service() {
    let host = Walled::boot("nftables");
    let client = host.client.number();
    host.seen
        .host
        .write(
            "/etc/nftables.conf",
            &format!(
                "#!/usr/sbin/nft -f
flush ruleset
define admins = {{ 192.0.2.{client}, 198.51.100.0/24 }}
table inet filter {{
    set services {{ type inet_service; flags interval; elements = {{ 22, 2200-2300 }} }}
    chain input {{
        type filter hook input priority filter; policy drop;
        ct state vmap {{ established : accept, related : accept, invalid : drop }}
        iif lo accept
        icmpv6 type {{ nd-neighbor-solicit, nd-router-advert, nd-neighbor-advert }} accept
        ip protocol icmp accept
        tcp dport @services accept
        ip saddr $admins tcp dport 80 accept
        ip6 saddr 2001:db8:1::/64 tcp dport 9100 counter reject with tcp reset
        tcp dport 9100 accept
    }}
    chain forward {{ type filter hook forward priority filter; policy drop; }}
    chain output {{ type filter hook output priority filter; policy accept; }}
}}
"
            ),
        )
        .unwrap();
    host.run("systemctl start nftables.service");
    let (world, ruleset) = host.understood_but(&[]);
    host.agrees(
        &world,
        &ruleset,
        &[
            (22, Ipv4, Some(true)),
            (22, Ipv6, Some(true)),
            (2222, Ipv4, Some(true)),
            (2222, Ipv6, Some(true)),
            (80, Ipv4, Some(true)),
            (80, Ipv6, Some(false)),
            (9100, Ipv4, Some(true)),
            (9100, Ipv6, Some(false)),
        ],
    );
}

/// An image of one program, and a container whose port 80 is published as 8080.
const DOCKER: &str = "
    mkdir -p /tmp/image/bin
    cp /bin/busybox /tmp/image/bin/
    ln -s busybox /tmp/image/bin/httpd
    systemctl start docker
    tar -C /tmp/image -c . | docker import - box
    docker run -d -p 8080:80 box /bin/httpd -f -p 80
    docker run -d -p 127.0.0.1:8081:80 box /bin/httpd -f -p 80
";

#[test]
fn docker() {
    let host = Walled::boot("docker");
    host.run(DOCKER);
    // What a front-end for INPUT would do.
    host.run("iptables -P INPUT DROP; iptables -A INPUT -p tcp --dport 22 -j ACCEPT");
    let (world, ruleset) = host.understood_but(&[]);
    host.agrees(&world, &ruleset, &[(22, Ipv4, Some(true)), (80, Ipv4, Some(false))]);

    // Past INPUT: the address is another before it is routed.
    let client = u128::from(Ipv4Addr::new(192, 0, 2, host.client.number()).to_bits());
    let asked = Asked {
        family: Ipv4,
        protocol: 6,
        ports: RangeSet::from(8080..=8081),
        destinations: world.reachable_addresses(Ipv4),
    };
    let mut found = arrivals(&ruleset, &world, &asked, Budget::default()).unwrap();
    let entries = found.entries().unwrap();
    let container = u128::from(Ipv4Addr::new(172, 17, 0, 2).to_bits());
    let open: Vec<_> = entries
        .iter()
        .filter(|entry| found.may(entry.sources).contains(client))
        .map(|entry| (entry.ports, entry.nat.address, entry.nat.port, entry.out.as_deref()))
        .collect();
    let expect = ((8080, 8080), Some((container, container)), Some((80, 80)), Some("docker0"));
    assert_eq!(open, [expect]);
    assert!(entries.iter().any(|entry| found.must(entry.sources).contains(client)));
    for (port, reply) in [(8080, Reply::Connected), (8081, Reply::TimedOut)] {
        let to = SocketAddr::new(Walled::address(Ipv4, host.number), port);
        assert_eq!(host.client.connect(to, LIMIT).unwrap(), reply, "{to}");
    }
}
