//! Judgements about settings in words, for people and for `because` in the JSON.

use judge::settings::{
    Because, Effect, Kind, Ledger, Owner, Scope, Source, Stage, Verdict, dotted,
};

/// Who applies a line.
pub(crate) fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::CommandLine => "kernel command line",
        Stage::Module => "module option",
        Stage::Sysctl => "sysctl.d",
        Stage::Ufw => "ufw",
        Stage::NetworkManager => "NetworkManager",
        Stage::Networkd => "systemd-networkd",
        Stage::Ifupdown => "ifupdown",
        Stage::Ifcfg => "network scripts",
        Stage::Docker => "Docker",
        Stage::KubeProxy => "kube-proxy",
        Stage::Service => "service",
        Stage::Script => "script",
    }
}

/// What a line does at a boot.
pub(crate) fn effect(effect: &Effect) -> String {
    match effect {
        Effect::Applies => "sets it".to_owned(),
        Effect::Overridden => "changed by what comes after it".to_owned(),
        Effect::Masked(by) => format!("not read: {by} takes its place"),
        Effect::ByHandOnly => "read by sysctl --system, not at boot".to_owned(),
        Effect::BeforeModule(module) => format!("too early: {module} is not loaded yet"),
        Effect::NoSuchKey => "there is no such key".to_owned(),
        Effect::Repeated => "says what another line says".to_owned(),
        Effect::ReadOnly => "cannot be written here: the key is read-only".to_owned(),
        Effect::NotStarted(what) => format!("{what} does not start at boot"),
        Effect::Perhaps(why) => format!("perhaps: {why}"),
    }
}

/// `/etc/sysctl.d/1.conf line 3`.
pub(crate) fn place(source: &Source) -> String {
    match source.line {
        0 => source.file.clone(),
        line => format!("{} line {line}", source.file),
    }
}

/// Who set a setting to what it is.
pub(crate) fn owner(ledger: &Ledger) -> String {
    match &ledger.owner {
        Owner::Source(at) => match ledger.sources.get(*at) {
            Some(source) if source.stage == Stage::Sysctl => source.file.clone(),
            Some(source) => stage(source.stage).to_owned(),
            None => "unknown".to_owned(),
        },
        Owner::Through(other) => format!("through {}", dotted(other)),
        Owner::Default => "kernel default".to_owned(),
        Owner::ByHand => "by hand or a program".to_owned(),
        Owner::Unknown => "unknown".to_owned(),
    }
}

/// Why a setting will be what it will be.
pub(crate) fn because(ledger: &Ledger) -> String {
    match &ledger.because {
        Because::Source(at) => match ledger.sources.get(*at) {
            Some(source) => format!("{} ({})", place(source), stage(source.stage)),
            None => String::new(),
        },
        Because::Through(other) => format!("a write to {} changes it", dotted(other)),
        Because::Default => "nothing sets it: the kernel's default".to_owned(),
        Because::BeforeModule(module) => {
            format!("it is written before {module} is loaded, which comes with its default")
        }
        Because::Unknown(why) => why.clone(),
    }
}

/// Who set a setting, as a part of a sentence.
pub(crate) fn set_by(ledger: &Ledger) -> String {
    match &ledger.owner {
        Owner::Source(at) => match ledger.sources.get(*at) {
            Some(source) => format!("set by {} ({})", place(source), stage(source.stage)),
            None => String::new(),
        },
        Owner::Through(other) => format!("follows from {}", dotted(other)),
        Owner::Default => "the kernel's default".to_owned(),
        Owner::ByHand => "set by hand or by a program".to_owned(),
        Owner::Unknown => "set by whom is not known".to_owned(),
    }
}

/// The kind of an address, for people.
pub(crate) fn kind_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Temporary => "temporary",
        Kind::StablePrivacy => "stable, tells nothing",
        Kind::Eui64 => "tells the MAC (EUI-64)",
        Kind::Dhcp => "from DHCP",
        Kind::Static => "static",
        Kind::LinkLocal => "link-local",
    }
}

/// A time in seconds, for people.
pub(crate) fn span(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// What a setting decides, in a few words; none for those that are not told (kernel
/// Documentation/networking/ip-sysctl.rst, nf_conntrack-sysctl.rst).
pub(crate) fn meaning(path: &str) -> Option<&'static str> {
    let name = path.rsplit('/').next().unwrap_or(path);
    Some(match name {
        "ip_forward" => "IPv4 packets for others are passed on",
        "forwarding" => "packets for others are passed on; such an interface is a router's",
        "rp_filter" => "packets are dropped whose answer would go another way: 1 strict, 2 loose",
        "route_localnet" => "addresses 127.0.0.0/8 may come from, and go to, other hosts",
        "accept_redirects" => "ICMP redirects change routes",
        "secure_redirects" => "redirects are taken from known gateways only",
        "send_redirects" => "ICMP redirects are sent to hosts that take a detour",
        "accept_source_route" => "packets may say by which hosts they go",
        "accept_local" => "packets with an own address as their source are taken",
        "arp_ignore" => {
            "for which of its addresses an interface answers ARP: 0 for all of the host"
        }
        "arp_filter" => "ARP is answered where the answer would leave by the same interface",
        "bindv6only" => "what binds to [::] gets IPv6 only, unless it says otherwise",
        "disable_ipv6" => "IPv6 is off: no address, nothing is taken in",
        "accept_ra" => "the kernel listens to routers: 1 unless it forwards, 2 always",
        "autoconf" => "the kernel makes addresses from what routers announce",
        "use_tempaddr" => "temporary addresses: 0 none, 1 made, 2 made and preferred",
        "temp_valid_lft" => "seconds that a temporary address is valid",
        "temp_prefered_lft" => "seconds that a temporary address is preferred",
        "addr_gen_mode" => {
            "identifiers of addresses: 0 from the MAC, 1 none, 2 and 3 stable and opaque"
        }
        "ip_nonlocal_bind" => "programs may bind to addresses that this host does not have",
        "ip_local_port_range" => "ports that outgoing connections get",
        "ip_local_reserved_ports" => "ports that outgoing connections do not get",
        "ip_unprivileged_port_start" => "ports below this one need root, or CAP_NET_BIND_SERVICE",
        "tcp_syncookies" => "a full SYN queue is answered with cookies: 0 never, 2 always",
        "somaxconn" => "the longest accept queue that a program can ask for",
        "tcp_max_syn_backlog" => "how many half open connections each listener remembers",
        "icmp_echo_ignore_all" | "echo_ignore_all" => "pings are not answered",
        "icmp_echo_ignore_broadcasts" => "pings to broadcast addresses are not answered",
        "icmp_ratelimit" | "ratelimit" => "milliseconds between ICMP errors to one host",
        "icmp_msgs_per_sec" => "ICMP errors a second, to all hosts together",
        "gc_thresh3" => "how many neighbours there may be",
        "bridge-nf-call-iptables" => "what a bridge forwards passes the rules of iptables",
        "bridge-nf-call-ip6tables" => "what a bridge forwards passes the rules of ip6tables",
        "nf_conntrack_max" => "how many connections can be tracked: more are dropped",
        "nf_conntrack_buckets" => "the size of the hash table of connections",
        "nf_conntrack_tcp_timeout_established" => "seconds until a silent connection is forgotten",
        "nf_conntrack_tcp_loose" => {
            "connections that are under way when tracking starts are taken in"
        }
        _ => return None,
    })
}

/// The kind of an address, as the JSON names it.
pub(crate) fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Temporary => "temporary",
        Kind::StablePrivacy => "stable_privacy",
        Kind::Eui64 => "eui64",
        Kind::Dhcp => "dhcp",
        Kind::Static => "static",
        Kind::LinkLocal => "link_local",
    }
}

/// How far an address is valid, as the JSON names it.
pub(crate) fn scope(scope: Scope) -> &'static str {
    match scope {
        Scope::Global => "global",
        Scope::Ula => "ula",
        Scope::LinkLocal => "link_local",
        Scope::Host => "host",
    }
}

/// What a restart does, as the JSON names it.
pub(crate) fn verdict(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Survives => "survives",
        Verdict::Resets => "resets",
        Verdict::Perhaps => "perhaps",
    }
}
