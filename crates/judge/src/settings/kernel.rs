//! What the kernel does with a setting: its default, and what a write to one changes elsewhere.
//!
//! Sources: `net/ipv4/devinet.c` (`devinet_conf_proc`, `devinet_copy_dflt_conf`,
//! `inet_forward_change`), `net/ipv6/addrconf.c` (`addrconf_fixup_forwarding`,
//! `addrconf_disable_ipv6`, `addrconf_sysctl_addr_gen_mode`, `addrconf_fixup_linkdown`),
//! `include/linux/inetdevice.h` (`IN_DEV_*CONF`), `Documentation/networking/ip-sysctl.rst`.
//! A test writes at random to the kernel and to this, and compares.

use std::collections::{BTreeMap, BTreeSet};

use super::key::{self, OfLink};

/// Defaults of a kernel without configuration; those of an interface are of `all` and `default`.
const DEFAULTS: &[(&str, &str)] = &[
    ("net/core/somaxconn", "4096"),
    ("net/ipv4/icmp_echo_ignore_all", "0"),
    ("net/ipv4/icmp_echo_ignore_broadcasts", "1"),
    ("net/ipv4/icmp_ignore_bogus_error_responses", "1"),
    ("net/ipv4/ip_default_ttl", "64"),
    ("net/ipv4/ip_forward", "0"),
    ("net/ipv4/ip_local_port_range", "32768 60999"),
    ("net/ipv4/ip_local_reserved_ports", ""),
    ("net/ipv4/ip_nonlocal_bind", "0"),
    ("net/ipv4/ip_unprivileged_port_start", "1024"),
    ("net/ipv4/tcp_abort_on_overflow", "0"),
    ("net/ipv4/tcp_l3mdev_accept", "0"),
    ("net/ipv4/tcp_rfc1337", "0"),
    ("net/ipv4/tcp_syncookies", "1"),
    ("net/ipv4/udp_l3mdev_accept", "0"),
    ("net/ipv6/bindv6only", "0"),
    ("net/ipv6/ip_nonlocal_bind", "0"),
    ("net/ipv6/icmp/echo_ignore_all", "0"),
    ("net/bridge/bridge-nf-call-arptables", "1"),
    ("net/bridge/bridge-nf-call-ip6tables", "1"),
    ("net/bridge/bridge-nf-call-iptables", "1"),
    ("net/netfilter/nf_conntrack_acct", "0"),
    ("net/netfilter/nf_conntrack_checksum", "1"),
    ("net/netfilter/nf_conntrack_generic_timeout", "600"),
    ("net/netfilter/nf_conntrack_icmp_timeout", "30"),
    ("net/netfilter/nf_conntrack_icmpv6_timeout", "30"),
    ("net/netfilter/nf_conntrack_log_invalid", "0"),
    ("net/netfilter/nf_conntrack_tcp_be_liberal", "0"),
    ("net/netfilter/nf_conntrack_tcp_loose", "1"),
    ("net/netfilter/nf_conntrack_tcp_max_retrans", "3"),
    ("net/netfilter/nf_conntrack_tcp_timeout_close", "10"),
    ("net/netfilter/nf_conntrack_tcp_timeout_close_wait", "60"),
    ("net/netfilter/nf_conntrack_tcp_timeout_established", "432000"),
    ("net/netfilter/nf_conntrack_tcp_timeout_fin_wait", "120"),
    ("net/netfilter/nf_conntrack_tcp_timeout_last_ack", "30"),
    ("net/netfilter/nf_conntrack_tcp_timeout_max_retrans", "300"),
    ("net/netfilter/nf_conntrack_tcp_timeout_syn_recv", "60"),
    ("net/netfilter/nf_conntrack_tcp_timeout_syn_sent", "120"),
    ("net/netfilter/nf_conntrack_tcp_timeout_time_wait", "120"),
    ("net/netfilter/nf_conntrack_tcp_timeout_unacknowledged", "300"),
    ("net/netfilter/nf_conntrack_udp_timeout", "30"),
];

/// The same of interfaces: name, of `all`, of `default`.
const LINK_DEFAULTS_V4: &[(&str, &str, &str)] = &[
    ("accept_local", "0", "0"),
    ("accept_redirects", "1", "1"),
    ("accept_source_route", "0", "1"),
    ("arp_accept", "0", "0"),
    ("arp_announce", "0", "0"),
    ("arp_filter", "0", "0"),
    ("arp_ignore", "0", "0"),
    ("bc_forwarding", "0", "0"),
    ("forwarding", "0", "0"),
    ("log_martians", "0", "0"),
    ("promote_secondaries", "0", "0"),
    ("proxy_arp", "0", "0"),
    ("route_localnet", "0", "0"),
    ("rp_filter", "0", "0"),
    ("secure_redirects", "1", "1"),
    ("send_redirects", "1", "1"),
    ("shared_media", "1", "1"),
    ("src_valid_mark", "0", "0"),
];

const LINK_DEFAULTS_V6: &[(&str, &str, &str)] = &[
    ("accept_ra", "1", "1"),
    ("accept_ra_defrtr", "1", "1"),
    ("accept_ra_pinfo", "1", "1"),
    ("accept_redirects", "1", "1"),
    ("accept_source_route", "0", "0"),
    ("addr_gen_mode", "0", "0"),
    ("autoconf", "1", "1"),
    ("disable_ipv6", "0", "0"),
    ("forwarding", "0", "0"),
    ("proxy_ndp", "0", "0"),
    ("temp_prefered_lft", "86400", "86400"),
    ("temp_valid_lft", "604800", "604800"),
    ("use_tempaddr", "0", "0"),
];

/// How the kernel joins what `all` says with what the interface says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joined {
    /// The interface alone: `all` does nothing.
    Own,
    /// The larger of both.
    Larger,
    /// Either is enough.
    Either,
    /// Both are needed.
    Both,
    /// A write to `all` changes every interface; after that the interface alone counts.
    Written,
}

/// How it does for a setting; none where that is not known here.
pub(super) fn joined(of: OfLink<'_>) -> Option<Joined> {
    Some(match (of.ipv6, of.name) {
        (false, "rp_filter" | "arp_ignore" | "arp_announce") => Joined::Larger,
        (
            false,
            "accept_local"
            | "route_localnet"
            | "log_martians"
            | "secure_redirects"
            | "send_redirects"
            | "shared_media"
            | "arp_filter"
            | "proxy_arp"
            | "src_valid_mark"
            | "promote_secondaries",
        ) => Joined::Either,
        (false, "accept_source_route" | "bc_forwarding" | "mc_forwarding")
        | (true, "accept_source_route" | "seg6_enabled") => Joined::Both,
        (_, "forwarding") | (true, "disable_ipv6" | "addr_gen_mode") => Joined::Written,
        (
            true,
            "use_tempaddr" | "accept_ra" | "autoconf" | "accept_redirects" | "temp_prefered_lft"
            | "temp_valid_lft" | "accept_ra_defrtr" | "accept_ra_pinfo" | "max_addresses",
        ) => Joined::Own,
        _ => return None,
    })
}

/// What counts on an interface, from what `all`, the interface and its `forwarding` say.
pub(super) fn effective(of: OfLink<'_>, all: i64, own: i64, forwards: bool) -> Option<i64> {
    let either = i64::from(all != 0 || own != 0);
    let both = i64::from(all != 0 && own != 0);
    // IN_DEV_RX_REDIRECTS of include/linux/inetdevice.h.
    if !of.ipv6 && of.name == "accept_redirects" {
        return Some(if forwards { both } else { either });
    }
    Some(match joined(of)? {
        Joined::Own | Joined::Written => own,
        Joined::Larger => all.max(own),
        Joined::Either => either,
        // net/ipv6/exthdrs.c, ipv6_rthdr_rcv: the smaller of both.
        Joined::Both if of.ipv6 => all.min(own),
        Joined::Both => both,
    })
}

/// The module that a setting comes with, where it may not be there at first.
pub(super) fn module_of(path: &str) -> Option<&'static str> {
    if path.starts_with("net/netfilter/nf_conntrack") || path == "net/nf_conntrack_max" {
        Some("nf_conntrack")
    } else if path.starts_with("net/bridge/bridge-nf-") {
        Some("br_netfilter")
    } else {
        None
    }
}

/// The default of a setting, where it is the same on all hosts.
pub(super) fn default_of(path: &str) -> Option<&'static str> {
    if let Some(of) = key::of_link(path) {
        let table = if of.ipv6 { LINK_DEFAULTS_V6 } else { LINK_DEFAULTS_V4 };
        let (_, all, default) = table.iter().find(|(name, _, _)| *name == of.name)?;
        return Some(if of.link == "all" { all } else { default });
    }
    DEFAULTS.iter().find(|(name, _)| *name == path).map(|(_, value)| *value)
}

/// A value, and how it came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The value; none where it cannot be told.
    pub value: Option<String>,
    /// The source that wrote it; none: the kernel's own.
    pub by: Option<usize>,
    /// Whether it came from a write to another setting: this one.
    pub through: Option<String>,
    /// Why it cannot be told.
    pub unsure: Option<String>,
}

/// The settings of a kernel: what is written to it changes what the kernel would change.
#[derive(Clone, Debug, Default)]
pub struct Kernel {
    values: BTreeMap<String, Held>,
    links: Vec<String>,
    /// IPv4 settings of interfaces that were written themselves (`ipv4_devconf.state`).
    own: BTreeSet<String>,
    /// Those that perhaps were: whether `default` concerns them is not known.
    perhaps_own: BTreeSet<String>,
    /// Whether all interfaces were there before the first write: then `default` of IPv6 does not
    /// concern them. Else which come first is not known.
    links_first: bool,
    /// Interfaces that somebody makes after the boot: bridges, tunnels.
    late: BTreeSet<String>,
}

impl Kernel {
    /// A kernel with these settings as they are now, and these interfaces.
    pub fn running(values: impl Iterator<Item = (String, String)>, links: Vec<String>) -> Self {
        let values = values.map(|(path, value)| (path, Held::known(value))).collect();
        Self { values, links, links_first: true, ..Self::default() }
    }

    /// A kernel that just started, with these settings by their defaults, where they are known.
    pub fn fresh<'p>(
        paths: impl Iterator<Item = &'p str>,
        links: Vec<String>,
        late: BTreeSet<String>,
    ) -> Self {
        let of = |path: &str| match default_of(path) {
            Some(value) => Held::known(value.to_owned()),
            None => Held::unsure("this version does not know its default"),
        };
        let values = paths.map(|path| (path.to_owned(), of(path))).collect();
        Self { values, links, late, ..Self::default() }
    }

    /// A setting.
    pub fn get(&self, path: &str) -> Option<&Held> {
        self.values.get(path)
    }

    /// The value of a setting, where it can be told.
    pub fn value(&self, path: &str) -> Option<&str> {
        self.values.get(path)?.value.as_deref()
    }

    /// Sets a default that depends on the host.
    pub fn set_default(&mut self, path: &str, held: Held) {
        self.values.insert(path.to_owned(), held);
    }

    /// Says that what a setting will be cannot be told.
    pub fn doubt(&mut self, path: &str, why: &str) {
        if key::of_link(path).is_some_and(|of| !of.ipv6) {
            self.perhaps_own.insert(path.to_owned());
        }
        if let Some(held) = self.values.get_mut(path) {
            *held = Held { value: None, unsure: Some(why.to_owned()), ..held.clone() };
        }
    }

    /// Writes a setting. Whether it is there.
    pub fn write(&mut self, path: &str, value: &str, by: usize) -> bool {
        let before = match self.values.get(path) {
            Some(held) => held.value.clone(),
            None => return false,
        };
        self.put(path, value, by, None);
        let changed = !before.is_some_and(|before| key::same_value(&before, value));
        if path == "net/ipv4/ip_forward" {
            self.forward4(value, by, path, changed);
            return true;
        }
        let Some(of) = key::of_link(path) else { return true };
        match (of.ipv6, of.link, of.name) {
            (false, "all", "forwarding") => self.forward4(value, by, path, changed),
            (false, "default", "forwarding") | (true, "default", _) => {
                self.new_links(of, value, by, path);
            }
            (false, "default", name) => self.copy_default(name, value, by, path),
            (false, "all", _) => {}
            (false, _, _) => {
                self.own.insert(path.to_owned());
            }
            (
                true,
                "all",
                name @ ("forwarding"
                | "disable_ipv6"
                | "addr_gen_mode"
                | "force_forwarding"
                | "ignore_routes_with_linkdown"),
            ) => {
                for link in self.targets() {
                    let target = format!("net/ipv6/conf/{link}/{name}");
                    self.put(&target, value, by, Some(path));
                }
            }
            _ => {}
        }
        true
    }

    /// `inet_forward_change`: one value with two names, and what follows from it.
    fn forward4(&mut self, value: &str, by: usize, path: &str, changed: bool) {
        for other in ["net/ipv4/ip_forward", "net/ipv4/conf/all/forwarding"] {
            if other != path {
                self.put(other, value, by, Some(path));
            }
        }
        if changed {
            let redirects = if key::same_value(value, "0") { "1" } else { "0" };
            self.put("net/ipv4/conf/all/accept_redirects", redirects, by, Some(path));
            for link in self.targets() {
                let target = format!("net/ipv4/conf/{link}/forwarding");
                self.put(&target, value, by, Some(path));
            }
        }
    }

    /// The interfaces and `default`.
    fn targets(&self) -> Vec<String> {
        let all = self.links.iter().map(String::as_str).chain(["default"]);
        all.map(str::to_owned).collect()
    }

    /// `devinet_copy_dflt_conf`: `default` of IPv4 concerns those interfaces as well that were there
    /// before and whose own was never written.
    fn copy_default(&mut self, name: &str, value: &str, by: usize, path: &str) {
        for link in self.links.clone() {
            let target = format!("net/ipv4/conf/{link}/{name}");
            // An address makes an interface's values its own (rtm_to_ifaddr, ipv4_devconf_setall),
            // and the first program gives the loopback interface one before anything is set.
            let has_address = link == "lo" && !self.links_first;
            if self.own.contains(&target) || has_address {
                continue;
            }
            let old = self.value(&target);
            if !self.perhaps_own.contains(&target) {
                self.put(&target, value, by, Some(path));
            } else if !old.is_some_and(|old| key::same_value(old, value)) {
                self.doubt(&target, "whether it was set before, of its own, is not known");
            }
        }
    }

    /// `default` of IPv6 concerns only interfaces that appear later.
    fn new_links(&mut self, of: OfLink<'_>, value: &str, by: usize, path: &str) {
        if self.links_first {
            return;
        }
        let folder = if of.ipv6 { "ipv6" } else { "ipv4" };
        for link in self.links.clone() {
            let target = format!("net/{folder}/conf/{link}/{}", of.name);
            let Some(held) = self.values.get(&target) else { continue };
            if self.late.contains(&link) {
                self.put(&target, value, by, Some(path));
            } else if link == "lo" {
                // The loopback interface is always there first.
            } else if !held.value.as_deref().is_some_and(|old| key::same_value(old, value)) {
                self.doubt(
                    &target,
                    &format!(
                        "{} concerns only interfaces that appear after it is set",
                        key::dotted(path)
                    ),
                );
            }
        }
    }

    fn put(&mut self, path: &str, value: &str, by: usize, through: Option<&str>) {
        if let Some(held) = self.values.get_mut(path) {
            *held = Held {
                value: Some(value.to_owned()),
                by: Some(by),
                through: through.map(str::to_owned),
                unsure: None,
            };
        }
    }
}

impl Held {
    /// A value of the kernel's own.
    pub fn known(value: String) -> Self {
        Self { value: Some(value), by: None, through: None, unsure: None }
    }

    /// One that cannot be told.
    pub fn unsure(why: &str) -> Self {
        Self { value: None, by: None, through: None, unsure: Some(why.to_owned()) }
    }
}
