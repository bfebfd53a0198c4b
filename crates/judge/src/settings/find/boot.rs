//! Settings that will not last, or are not what their file says.

use super::super::boot::{Effect, Stage};
use super::super::kernel::{Joined, module_of};
use super::super::ledger::{Because, Ledger, Owner};
use super::super::subject::Subject;
use super::super::{Settings, key};
use super::{Found, OWN_FILE, Says, line};
use crate::finding::Severity;

/// Settings that decide about who can reach what: that they change is worth a finding.
const WEIGHTY: [&str; 13] = [
    "ip_forward",
    "forwarding",
    "rp_filter",
    "route_localnet",
    "disable_ipv6",
    "use_tempaddr",
    "accept_source_route",
    "bindv6only",
    "ip_unprivileged_port_start",
    "nf_conntrack_max",
    "bridge-nf-call-iptables",
    "bridge-nf-call-ip6tables",
    "tcp_syncookies",
];

pub(super) fn find(subject: &Subject<'_>, settings: &Settings<'_>, found: &mut Vec<Found>) {
    for ledger in &settings.ledgers {
        if ledger.path == "net/nf_conntrack_max"
            && subject.value("net/netfilter/nf_conntrack_max").is_some()
        {
            too_early(ledger, found);
            continue;
        }
        too_early(ledger, found);
        readers_differ(ledger, found);
        not_read(ledger, found);
        by_hand(subject, ledger, found);
        without_effect(subject, ledger, found);
        dots(subject, ledger, found);
        undone(subject, ledger, found);
    }
}

/// Written at boot before its module is there.
fn too_early(ledger: &Ledger, found: &mut Vec<Found>) {
    let Some((source, module)) = ledger.too_early() else { return };
    let Some(configured) = source.value.as_deref() else { return };
    let is_now = ledger.now.as_deref().is_some_and(|now| key::same_value(now, configured));
    let stays = ledger.after_boot.as_deref().is_some_and(|then| key::same_value(then, configured));
    if stays {
        return;
    }
    let name = key::dotted(&ledger.path);
    let short = name.rsplit('.').next().unwrap_or(&name);
    let then = ledger.after_boot.as_deref().map_or_else(|| "its default".to_owned(), str::to_owned);
    let text = match ledger.now.as_deref() {
        Some(now) if is_now => format!(
            "{short} is {now} as configured, and will be {then} after a boot: it is written before \
             {module} is loaded"
        ),
        Some(now) => {
            format!("{short} is {now}, configured {configured}: written before the module {module}")
        }
        None => {
            format!("{short} is configured as {configured} and written before {module} is loaded")
        }
    };
    let file = format!("/etc/modules-load.d/{module}.conf");
    found.push(
        Says {
            id: "written-before-module",
            severity: Severity::Medium,
            subject: &name,
            text,
            action: format!("have the module loaded before settings are set: {file}"),
            lines: vec![(file, module.to_owned())],
            cites: "sysctl.d(5), the example about br_netfilter; modules-load.d(5)",
        }
        .into(),
    );
}

/// `sysctl --system` and the boot come to different values.
fn readers_differ(ledger: &Ledger, found: &mut Vec<Found>) {
    let (Some(by_hand), Some(boot)) = (&ledger.by_hand, &ledger.after_boot) else { return };
    // What a manager or service writes is not what the readers differ about.
    let Some(winner) = ledger.winner().filter(|source| source.stage == Stage::Sysctl) else {
        return;
    };
    let name = key::dotted(&ledger.path);
    let other = ledger.sources.iter().rev().find(|source| {
        source.value.as_deref().is_some_and(|value| key::same_value(value, by_hand))
    });
    let from = other.map(|source| format!(" ({} line {})", source.file, source.line));
    found.push(
        Says {
            id: "sysctl-order",
            severity: Severity::Medium,
            subject: &name,
            text: format!(
                "{name}: sysctl --system makes it {by_hand}{}, a boot {boot} ({} line {})",
                from.unwrap_or_default(),
                winner.file,
                winner.line
            ),
            action: format!("say it once, in a file that both read last: {OWN_FILE}"),
            lines: vec![(OWN_FILE.to_owned(), line(&ledger.path, by_hand))],
            cites: "sysctl.d(5), sysctl(8) --system",
        }
        .into(),
    );
}

/// Set by hand: a boot takes it back.
fn by_hand(subject: &Subject<'_>, ledger: &Ledger, found: &mut Vec<Found>) {
    let weighty = ledger.path.rsplit('/').next().is_some_and(|name| WEIGHTY.contains(&name));
    let (Some(now), Some(then)) = (&ledger.now, &ledger.after_boot) else { return };
    let alias = ledger.path == "net/ipv4/conf/all/forwarding"
        || ledger.path == "net/ipv4/conf/default/forwarding";
    if !weighty || alias || !ledger.changes() || ledger.too_early().is_some() {
        return;
    }
    if let Some(of) = key::of_link(&ledger.path).filter(|of| !matches!(of.link, "all" | "default"))
    {
        // Those of interfaces follow from `default`, or from who configures the interface, and
        // programs make virtual ones as they need them.
        let link = subject.links().iter().find(|link| link.name == of.link);
        let real = link.is_some_and(|link| link.kind.is_empty() && !link.loopback);
        if ledger.owner != Owner::ByHand || !real {
            return;
        }
    }
    // What is in a file that only `sysctl --system` reads is another finding's.
    if ledger.sources.iter().any(|source| source.effect == Effect::ByHandOnly) {
        return;
    }
    let name = key::dotted(&ledger.path);
    let why = match (&ledger.because, ledger.winner()) {
        (_, Some(source)) => format!("{} line {} sets that", source.file, source.line),
        (Because::Through(other), _) => format!("{} sets that", key::dotted(other)),
        _ => "nothing sets it".to_owned(),
    };
    let owner = match ledger.owner {
        Owner::ByHand => ", set by hand or by a program",
        _ => "",
    };
    let mut text = format!("{name} is {now}{owner}, and will be {then} after a boot: {why}");
    let mut severity = Severity::Low;
    if ledger.path == "net/ipv6/bindv6only" {
        let names = super::sockets::on_any_ipv6(subject, now == "1");
        if !names.is_empty() {
            let what = if now == "1" { "will answer IPv4 too" } else { "will not answer IPv4" };
            text = format!("{text}; {names} {what}, unless they choose that themselves");
            severity = if now == "1" { Severity::Medium } else { Severity::Low };
        }
    }
    found.push(
        Says {
            id: super::DOES_NOT_LAST,
            severity,
            subject: &name,
            text,
            action: format!("write it down if it is meant to stay: {OWN_FILE}"),
            lines: vec![(OWN_FILE.to_owned(), line(&ledger.path, now))],
            cites: "sysctl.d(5)",
        }
        .into(),
    );
}

/// A line of `/etc/sysctl.conf` where nothing reads that file at boot.
fn not_read(ledger: &Ledger, found: &mut Vec<Found>) {
    let Some(source) = ledger.sources.iter().rev().find(|s| s.effect == Effect::ByHandOnly) else {
        return;
    };
    let Some(wanted) = source.value.as_deref() else { return };
    if ledger.after_boot.as_deref().is_some_and(|then| key::same_value(then, wanted))
        // What other files say instead is another finding's.
        || ledger.winner().is_some_and(|winner| winner.stage == Stage::Sysctl)
    {
        return;
    }
    let name = key::dotted(&ledger.path);
    let then = match ledger.after_boot.as_deref() {
        Some(then) => format!(": after a boot it is {then}"),
        None => String::new(),
    };
    found.push(
        Says {
            id: "not-read-at-boot",
            severity: Severity::Medium,
            subject: &name,
            text: format!(
                "{} line {} sets {name} to {wanted}, but nothing reads that file at boot on this \
                 host{then}",
                source.file, source.line
            ),
            action: format!("move the line to {OWN_FILE}"),
            lines: vec![(OWN_FILE.to_owned(), line(&ledger.path, wanted))],
            cites: "sysctl.d(5); release notes of Debian 13, about systemd-sysctl and /etc/sysctl.conf",
        }
        .into(),
    );
}

/// `all` of a setting that only interfaces have.
fn without_effect(subject: &Subject<'_>, ledger: &Ledger, found: &mut Vec<Found>) {
    let Some(of) = key::of_link(&ledger.path).filter(|of| of.link == "all") else { return };
    if ledger.joined != Some(Joined::Own) {
        return;
    }
    let written = ledger
        .sources
        .iter()
        .find(|s| matches!(s.effect, Effect::Applies) && s.stage <= Stage::Ufw);
    let Some((source, value)) = written.and_then(|s| Some((s, s.value.as_deref()?))) else {
        return;
    };
    let folder = if of.ipv6 { "ipv6" } else { "ipv4" };
    let differs = |link: &&str| {
        let own = subject.value(&format!("net/{folder}/conf/{link}/{}", of.name));
        own.is_some_and(|own| !key::same_value(own, value))
    };
    let links: Vec<&str> =
        subject.link_names().into_iter().filter(|link| *link != "lo").filter(differs).collect();
    let Some(first) = links.first() else { return };
    let default = format!("net/{folder}/conf/default/{}", of.name);
    found.push(
        Says {
            id: "all-without-effect",
            severity: Severity::Medium,
            subject: &key::dotted(&ledger.path),
            text: format!(
                "{} line {} sets {} for all interfaces, which has no effect: on {first} it is {}",
                source.file,
                source.line,
                of.name,
                subject.value(&format!("net/{folder}/conf/{first}/{}", of.name)).unwrap_or("?")
            ),
            action: format!(
                "set it for interfaces to come and for {first}, or where its profile is"
            ),
            lines: vec![
                (OWN_FILE.to_owned(), line(&default, value)),
                (
                    OWN_FILE.to_owned(),
                    line(&format!("net/{folder}/conf/{first}/{}", of.name), value),
                ),
            ],
            cites: "kernel net/ipv6/addrconf.c: conf/all of this setting is read by nothing",
        }
        .into(),
    );
}

/// A name of an interface with dots, written with dots.
fn dots(subject: &Subject<'_>, ledger: &Ledger, found: &mut Vec<Found>) {
    let Some(source) = ledger.sources.iter().find(|s| s.effect == Effect::NoSuchKey) else {
        return;
    };
    if module_of(&ledger.path).is_some() || ledger.now.is_some() {
        return;
    }
    // net/ipv4/conf/eth0/100/rp_filter: which key did it mean?
    let Some((folder, rest)) = ledger.path.split_once("/conf/") else { return };
    let Some((link, name)) = rest.rsplit_once('/').filter(|(link, _)| link.contains('/')) else {
        return;
    };
    let link = link.replace('/', ".");
    let meant = format!("{folder}/conf/{link}/{name}");
    if !subject.now.contains_key(&meant) {
        return;
    }
    let value = source.value.clone().unwrap_or_default();
    found.push(
        Says {
            id: "dots-in-interface-name",
            severity: Severity::Medium,
            subject: &key::dotted(&ledger.path),
            text: format!(
                "{} line {} sets no key: the dots of {link} are taken for separators",
                source.file, source.line
            ),
            action: "write slashes".to_owned(),
            lines: vec![(source.file.clone(), format!("{meant} = {value}"))],
            cites: "sysctl.d(5), about slashes and dots",
        }
        .into(),
    );
}

/// Configured for all interfaces, and undone by who configures one of them.
fn undone(subject: &Subject<'_>, ledger: &Ledger, found: &mut Vec<Found>) {
    let Some(of) = key::of_link(&ledger.path).filter(|of| of.ipv6) else { return };
    if of.link == "all"
        || of.link == "default"
        || !matches!(of.name, "disable_ipv6" | "use_tempaddr")
    {
        return;
    }
    let Some(winner) = ledger.winner().filter(|s| {
        matches!(s.stage, Stage::NetworkManager | Stage::Networkd | Stage::Ifupdown | Stage::Ifcfg)
    }) else {
        return;
    };
    let wished = ["all", "default"].iter().find_map(|which| {
        let path = format!("net/ipv6/conf/{which}/{}", of.name);
        let now = subject.value(&path)?;
        let configured = now != super::super::kernel::default_of(&path)?;
        // For use_tempaddr only `default` means anything.
        (configured && (of.name == "disable_ipv6" || *which == "default")).then_some((path, now))
    });
    let Some((path, wish)) = wished else { return };
    let Some(value) = winner.value.as_deref().filter(|v| !key::same_value(v, wish)) else { return };
    let name = key::dotted(&ledger.path);
    let on = !key::same_value(wish, "0");
    let netplan = super::super::managers::netplan(subject, of.link, "id").is_some();
    let privacy = match wish {
        "0" => "no",
        "1" => "prefer-public",
        _ => "yes",
    };
    let text = match (of.name, winner.stage) {
        ("use_tempaddr", Stage::NetworkManager | Stage::Networkd) if netplan => {
            format!("ipv6-privacy: {on}")
        }
        ("disable_ipv6", Stage::NetworkManager) => "[ipv6]\nmethod=disabled".to_owned(),
        ("use_tempaddr", Stage::NetworkManager) => format!("[ipv6]\nip6-privacy={wish}"),
        ("use_tempaddr", Stage::Networkd) => format!("[Network]\nIPv6PrivacyExtensions={privacy}"),
        ("use_tempaddr", Stage::Ifupdown) => format!("privext {wish}"),
        ("use_tempaddr", Stage::Ifcfg) if on => "IPV6_PRIVACY=rfc3041".to_owned(),
        ("use_tempaddr", Stage::Ifcfg) => "IPV6_PRIVACY=no".to_owned(),
        _ => String::new(),
    };
    let line = match text {
        text if text.is_empty() => None,
        text if netplan => Some(super::addresses::in_netplan(subject, of.link, &text)),
        text => Some((winner.file.clone(), text)),
    };
    let place = line.as_ref().map_or(winner.file.as_str(), |(file, _)| file).to_owned();
    let again = match winner.stage {
        Stage::NetworkManager if !netplan => {
            ", then nmcli connection reload and activate it again".to_owned()
        }
        _ if netplan => ", then netplan apply".to_owned(),
        Stage::Networkd => ", then networkctl reload".to_owned(),
        _ => String::new(),
    };
    let lines: Vec<(String, String)> = line.into_iter().collect();
    found.push(
        Says {
            id: "undone-at-activation",
            severity: if of.name == "disable_ipv6" { Severity::Medium } else { Severity::Low },
            subject: &name,
            text: format!(
                "{} is {wish}, but {} makes it {value} on {} whenever it is activated",
                key::dotted(&path),
                winner.file,
                of.link
            ),
            action: format!("say it where {} is configured: {place}{again}", of.link),
            lines,
            cites: match winner.stage {
                Stage::NetworkManager => "nm-settings-nmcli(5), ipv6.method and ipv6.ip6-privacy",
                Stage::Networkd => "systemd.network(5), IPv6PrivacyExtensions=",
                Stage::Ifupdown => "interfaces(5), privext",
                _ => "initscripts sysconfig.txt, IPV6_PRIVACY",
            },
        }
        .into(),
    );
}
