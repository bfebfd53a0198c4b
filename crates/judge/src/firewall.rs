//! Who manages a namespace's packet filter, and how much of it is understood: for the head of the
//! first screen. Told from the names of tables and chains, which each front-end has of its own.

use netfilter::ir::{Assign, Backend, Cond, Doubt, Ruleset, Step, Table, TableFamily, Verdict};

/// What there is to say of a packet filter as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firewall {
    /// The front-ends whose tables or chains are there, in the order of this list.
    pub managers: Vec<Manager>,
    /// Tables that belong to none of these, as `inet filter`. Their names are the host's: escape
    /// them.
    pub other_tables: Vec<String>,
    /// How many rules of IPv4 and IPv6 there are.
    pub rules: usize,
    /// How many of them hold something that is not understood.
    pub not_understood: usize,
    /// What else is not understood, or was not read.
    pub notes: usize,
    /// Whether there are tables of the older iptables.
    pub has_legacy: bool,
    /// Whether there are tables of nftables, among them those of `iptables-nft`.
    pub has_nftables: bool,
}

/// A program that makes rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Manager {
    /// ufw(8).
    Ufw,
    /// firewalld(1).
    Firewalld,
    /// Docker.
    Docker,
    /// Kubernetes' kube-proxy.
    KubeProxy,
    /// Podman's netavark or CNI plugins.
    Podman,
    /// libvirt.
    Libvirt,
    /// fail2ban.
    Fail2ban,
    /// Tailscale.
    Tailscale,
    /// Calico.
    Calico,
    /// Cilium.
    Cilium,
    /// OpenWrt's firewall4.
    Firewall4,
    /// Shorewall.
    Shorewall,
    /// CrowdSec's bouncer.
    CrowdSec,
}

/// How the chains of each begin, and how its tables are called.
const NAMES: [(Manager, &[&str], &[&str]); 13] = [
    (Manager::Ufw, &["ufw-", "ufw6-"], &[]),
    (Manager::Firewalld, &["IN_public", "INPUT_direct", "INPUT_ZONES"], &["firewalld"]),
    (Manager::Docker, &["DOCKER"], &["docker-bridges"]),
    (Manager::KubeProxy, &["KUBE-"], &["kube-proxy"]),
    (Manager::Podman, &["NETAVARK", "CNI-"], &["netavark"]),
    (Manager::Libvirt, &["LIBVIRT_"], &["libvirt_network"]),
    (Manager::Fail2ban, &["f2b-"], &["f2b-table"]),
    (Manager::Tailscale, &["ts-"], &[]),
    (Manager::Calico, &["cali-"], &["calico"]),
    (Manager::Cilium, &["CILIUM_"], &[]),
    (Manager::Firewall4, &[], &["fw4"]),
    (Manager::Shorewall, &["shorewall", "sfilter"], &[]),
    (Manager::CrowdSec, &["CROWDSEC"], &["crowdsec", "crowdsec6"]),
];

impl Manager {
    /// Whose table or chain this is, by its name.
    pub(crate) fn of(table: &str, chain: &str) -> Option<Self> {
        let is_its = |(_, chains, tables): &&(Self, &[&str], &[&str])| {
            tables.contains(&table) || chains.iter().any(|prefix| chain.starts_with(prefix))
        };
        NAMES.iter().find(is_its).map(|(manager, ..)| *manager)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ufw => "ufw",
            Self::Firewalld => "firewalld",
            Self::Docker => "Docker",
            Self::KubeProxy => "kube-proxy",
            Self::Podman => "Podman",
            Self::Libvirt => "libvirt",
            Self::Fail2ban => "fail2ban",
            Self::Tailscale => "Tailscale",
            Self::Calico => "Calico",
            Self::Cilium => "Cilium",
            Self::Firewall4 => "fw4",
            Self::Shorewall => "Shorewall",
            Self::CrowdSec => "CrowdSec",
        }
    }

    /// Whether it is a front-end by which people say what may come in, and not a program that adds
    /// rules for its own purpose.
    pub fn is_front_end(self) -> bool {
        matches!(self, Self::Ufw | Self::Firewalld | Self::Firewall4 | Self::Shorewall)
    }
}

impl Firewall {
    /// Looks at a ruleset.
    pub(crate) fn of(ruleset: &Ruleset) -> Self {
        let mut managers: Vec<Manager> = Vec::new();
        let mut other_tables = Vec::new();
        let tables = || ruleset.tables.iter().filter(|table| is_of_ip(table));
        for table in
            tables().filter(|table| table.chains.iter().any(|chain| !chain.rules.is_empty()))
        {
            let before = managers.len();
            managers.extend(
                NAMES
                    .iter()
                    .filter(|(_, chains, names)| {
                        names.contains(&table.name.as_str())
                            || table
                                .chains
                                .iter()
                                .any(|c| chains.iter().any(|p| c.name.starts_with(p)))
                    })
                    .map(|(manager, ..)| *manager),
            );
            if managers.len() == before {
                other_tables.push(format!("{} {}", table.family.name(), table.name));
            }
        }
        managers.sort_unstable();
        managers.dedup();
        other_tables.sort_unstable();
        other_tables.dedup();
        let rules = || tables().flat_map(|table| &table.chains).flat_map(|chain| &chain.rules);
        Self {
            managers,
            other_tables,
            rules: rules().count(),
            not_understood: rules().filter(|rule| rule.steps.iter().any(is_unknown)).count(),
            notes: ruleset.notes.len(),
            has_legacy: tables().any(|table| table.backend == Backend::Iptables),
            has_nftables: tables().any(|table| table.backend == Backend::Nftables),
        }
    }
}

/// Whether IP packets pass a table.
fn is_of_ip(table: &Table) -> bool {
    matches!(table.family, TableFamily::Ip | TableFamily::Ip6 | TableFamily::Inet)
}

/// What depends on the time, on chance or on earlier packets, by the words for it: understood, and
/// still not certain.
const CHANGING: [&str; 14] = [
    "limit",
    "recent",
    "quota",
    "connlimit",
    "statistic",
    "numgen",
    "random",
    "time",
    "hour",
    "day",
    "expires",
    "dynset",
    "update @",
    "add @",
];

/// Whether a step holds something that is not understood.
fn is_unknown(step: &Step) -> bool {
    let changes = |text: &str| CHANGING.iter().any(|word| text.contains(word));
    let unknown = |cond: &Cond| {
        let mut found = false;
        cond.visit(&mut |part| {
            found |= match part {
                Cond::Unknown(_, Doubt::Packet) => true,
                Cond::Unknown(text, Doubt::History) => !changes(text),
                _ => false,
            }
        });
        found
    };
    match step {
        Step::If(cond) => unknown(cond),
        Step::Select(list) => list
            .iter()
            .any(|(cond, verdict)| unknown(cond) || matches!(verdict, Verdict::Unknown(_))),
        Step::Set(_, assign) => matches!(assign, Assign::Unknown(_)),
        Step::Translate(list) => list.iter().any(|(cond, _)| unknown(cond)),
        Step::NoTrack => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, managers: &[Manager], others: &[&str], counts: (usize, usize)) {
        let ruleset = netfilter::rules::load(&[("test", text.as_bytes())]).unwrap();
        let firewall = Firewall::of(&ruleset);
        assert_eq!(firewall.managers, managers, "{text}");
        assert_eq!(firewall.other_tables, others, "{text}");
        assert_eq!((firewall.rules, firewall.not_understood), counts, "{text}");
    }

    #[test]
    fn managers_by_their_names() {
        check("table inet filter {\nchain input {\n}\n}\n", &[], &[], (0, 0));
        check(
            "table inet mine {\nchain input {\ntcp dport 22 accept\n}\n}\n",
            &[],
            &["inet mine"],
            (1, 0),
        );
        check(
            "*filter\n:INPUT DROP [0:0]\n:ufw-before-input - [0:0]\n:DOCKER - [0:0]\n\
             -A INPUT -j ufw-before-input\n-A INPUT -m strange --thing 7 -j ACCEPT\nCOMMIT\n",
            &[Manager::Ufw, Manager::Docker],
            &[],
            (2, 1),
        );
    }

    #[test]
    fn ports_after_protocols_that_have_them() {
        let check_rule = |rule: &str, unknown: usize| {
            let chain = format!("chain c {{\ntype filter hook input priority 0\n{rule}\n}}\n");
            check(&format!("table inet f {{\n{chain}}}\n"), &[], &["inet f"], (1, unknown));
        };
        check_rule("meta l4proto { tcp, udp } th dport 53 accept", 0);
        // Of other protocols that is not a port.
        check_rule("meta l4proto { tcp, esp } th dport 53 accept", 1);
        check_rule("meta l4proto != { icmp } th dport 53 accept", 1);
        check_rule("th dport 53 accept", 1);
    }
}
