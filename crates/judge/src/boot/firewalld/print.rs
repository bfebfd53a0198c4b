//! firewalld's table as text of nft(8): the chains that decide what comes in (firewalld
//! `core/nftables.py`, `core/fw_policy.py`).
//!
//! Chains have numbers in place of the zones' names.

use super::address::addresses;
use super::conditions::{forward, limit, matches_of};
use super::config::{Action, Area, Config, Element, ReversePath, Rule};

/// The parts of a zone or policy, in this order (`build_policy_chain_rules`).
const PARTS: [&str; 4] = ["pre", "deny", "allow", "post"];

/// The rules of one area, by part, sorted by priority there.
#[derive(Debug, Default)]
struct Lines {
    filter: [Vec<(i32, String)>; 4],
    nat: [Vec<(i32, String)>; 4],
}

/// The whole table.
pub(super) fn table(config: &mut Config) -> String {
    let mut notes = Vec::new();
    let mut text = String::from("table inet firewalld {\n");
    head(config, &mut text);
    let bound = |zone: &Area| {
        zone.name == config.default_zone || !zone.interfaces.is_empty() || !zone.sources.is_empty()
    };
    let mut zones: Vec<&Area> = config.zones.iter().filter(|zone| bound(zone)).collect();
    // Sources are asked in the order of their zones' names (`%%ZONE_SOURCE%%`).
    zones.sort_by(|a, b| a.name.cmp(&b.name));
    let mut policies: Vec<&Area> = config.policies.iter().filter(|p| is_inward(p)).collect();
    policies.sort_by_key(|policy| policy.priority);
    for (table, base) in [("filter", "INPUT"), ("nat", "PREROUTING")] {
        for (part, early) in [("pre", true), ("post", false)] {
            let mut lines = Vec::new();
            let fitting = policies.iter().enumerate();
            for (at, policy) in fitting.filter(|(_, p)| (p.priority < 0) == early) {
                // Those that go on through the host translate, and decide nothing here.
                if table == "nat" || policy.egress.iter().any(|zone| zone == "HOST") {
                    let from = ingress(config, policy, &mut notes).into_iter();
                    lines.extend(from.map(|from| format!("{from}jump {table}_p{at}")));
                }
            }
            chain(&mut text, &format!("{table}_{base}_POLICIES_{part}"), &lines);
        }
        let lines = dispatch(config, &zones, table, &mut notes);
        chain(&mut text, &format!("{table}_{base}_ZONES"), &lines);
    }
    for (at, zone) in zones.iter().enumerate() {
        area(config, zone, &format!("z{at}"), true, &mut text, &mut notes);
    }
    for (at, policy) in policies.iter().enumerate() {
        area(config, policy, &format!("p{at}"), false, &mut text, &mut notes);
    }
    text.push_str("}\n");
    config.unclear.append(&mut notes);
    text
}

/// To which zone a packet goes: by its source, by its interface, or to the default zone.
fn dispatch(config: &Config, zones: &[&Area], table: &str, notes: &mut Vec<String>) -> Vec<String> {
    let mut lines = Vec::new();
    for (at, zone) in zones.iter().enumerate() {
        for source in &zone.sources {
            let from = addresses(config, "saddr", source, false, &zone.file, notes).into_iter();
            lines.extend(from.map(|from| format!("{from} goto {table}_z{at}")));
        }
    }
    for (at, zone) in zones.iter().enumerate() {
        for interface in &zone.interfaces {
            match interface_name(interface) {
                Some(name) => lines.push(format!("iifname \"{name}\" goto {table}_z{at}")),
                None => notes.push(format!("{}: interface {interface}", zone.file)),
            }
        }
    }
    let default = zones.iter().position(|zone| zone.name == config.default_zone);
    lines.extend(default.map(|at| format!("goto {table}_z{at}")));
    lines
}

/// Whether a policy decides about what comes to this host.
fn is_inward(policy: &Area) -> bool {
    policy.egress.iter().any(|zone| matches!(zone.as_str(), "HOST" | "ANY"))
        && !policy.ingress.iter().any(|zone| zone == "HOST")
}

/// Appends a chain.
fn chain<L: AsRef<str>>(text: &mut String, name: &str, lines: &[L]) {
    text.extend(["chain ", name, " {\n"]);
    for line in lines {
        text.extend([line.as_ref(), "\n"]);
    }
    text.push_str("}\n");
}

/// The base chains (`build_default_rules`).
fn head(config: &Config, text: &mut String) {
    let reverse = match config.rpfilter {
        ReversePath::Strict => Some("meta nfproto ipv6 fib saddr . mark . iif oif missing drop"),
        ReversePath::Loose => Some("meta nfproto ipv6 fib saddr . mark oif missing drop"),
        ReversePath::Off => None,
    };
    if let Some(reverse) = reverse {
        let base = "type filter hook prerouting priority filter + 10; policy accept;";
        let discovery = "icmpv6 type { nd-router-advert, nd-neighbor-solicit } accept";
        chain(text, "filter_PREROUTING", &[base, discovery, reverse]);
    }
    let base = "type nat hook prerouting priority dstnat + 10; policy accept;";
    chain(text, "nat_PREROUTING", &[base, "jump nat_PREROUTING_ZONES"]);
    let input = [
        "type filter hook input priority filter + 10; policy accept;",
        "ct state { established, related } accept",
        "ct status dnat accept",
        "iifname \"lo\" accept",
        "ct state invalid drop",
        "jump filter_INPUT_ZONES",
        REJECT,
    ];
    chain(text, "filter_INPUT", &input);
}

/// What a zone does with what no rule lets in, unless it says otherwise.
const REJECT: &str = "reject with icmpx admin-prohibited";

/// From where a policy is about packets: conditions, each with a blank behind it.
fn ingress(config: &Config, policy: &Area, notes: &mut Vec<String>) -> Vec<String> {
    if policy.ingress.iter().any(|zone| zone == "ANY") {
        return vec![String::new()];
    }
    let mut all = Vec::new();
    for name in &policy.ingress {
        let Some(zone) = config.zones.iter().find(|zone| zone.name == *name) else {
            notes.push(format!("{}: zone {name} was not read", policy.file));
            continue;
        };
        if zone.name == config.default_zone {
            // Which interfaces have no other zone is not written anywhere.
            notes.push(format!("{}: a policy for the default zone", policy.file));
        }
        for interface in &zone.interfaces {
            all.extend(interface_name(interface).map(|name| format!("iifname \"{name}\" ")));
        }
        for source in &zone.sources {
            let conditions = addresses(config, "saddr", source, false, &zone.file, notes);
            all.extend(conditions.into_iter().map(|condition| condition + " "));
        }
    }
    all
}

/// The name of an interface, as nft has it: `+` at its end stands for anything.
fn interface_name(name: &str) -> Option<String> {
    let fits = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '"' | '\\' | '*');
    if name.is_empty() || !name.chars().all(fits) {
        return None;
    }
    Some(match name.strip_suffix('+') {
        Some(stem) => format!("{stem}*"),
        None => name.to_owned(),
    })
}

/// The chains of a zone or policy.
fn area(
    config: &Config,
    area: &Area,
    id: &str,
    is_zone: bool,
    text: &mut String,
    notes: &mut Vec<String>,
) {
    let mut lines = Lines::default();
    for rule in &area.rules {
        self::rule(config, area, rule, &mut lines, notes);
    }
    for (table, base, mut parts) in
        [("filter", "INPUT", lines.filter), ("nat", "PREROUTING", lines.nat)]
    {
        let mut whole: Vec<String> = Vec::new();
        whole.extend(is_zone.then(|| format!("jump {table}_{base}_POLICIES_pre")));
        whole.extend(PARTS.map(|part| format!("jump {table}_{id}_{part}")));
        whole.extend(is_zone.then(|| format!("jump {table}_{base}_POLICIES_post")));
        if table == "filter" {
            let end: &[&str] = match (area.target.as_str(), is_zone) {
                ("", true) => &["meta l4proto { icmp, ipv6-icmp } accept", REJECT],
                ("%%REJECT%%" | "REJECT", _) => &[REJECT],
                ("ACCEPT", _) => &["accept"],
                ("DROP", _) => &["drop"],
                ("CONTINUE" | "", false) => &[],
                (other, _) => {
                    notes.push(format!("{}: target {other}", area.file));
                    &[]
                }
            };
            whole.extend(end.iter().map(|line| (*line).to_owned()));
        }
        chain(text, &format!("{table}_{id}"), &whole);
        for (part, lines) in PARTS.into_iter().zip(&mut parts) {
            // Those of one priority stay in their order.
            lines.sort_by_key(|(priority, _)| *priority);
            let lines: Vec<&str> = lines.iter().map(|(_, line)| line.as_str()).collect();
            chain(text, &format!("{table}_{id}_{part}"), &lines);
        }
    }
}

/// Which part a rule is in (`_rich_rule_chain_suffix`).
fn part_of(rule: &Rule) -> usize {
    match (rule.priority, rule.action) {
        (..0, _) => 0,
        (1.., _) => 3,
        (0, Action::Reject | Action::Drop) => 1,
        (0, Action::Accept | Action::Nothing) => 2,
    }
}

/// Adds the lines of a rule.
fn rule(config: &Config, area: &Area, rule: &Rule, lines: &mut Lines, notes: &mut Vec<String>) {
    let mut common: Vec<String> = Vec::new();
    match rule.family.as_deref() {
        None => {}
        Some(family @ ("ipv4" | "ipv6")) => common.push(format!("meta nfproto {family} ")),
        Some(other) => notes.push(format!("{}: family {other}", area.file)),
    }
    let mut heads = vec![common.concat()];
    for (field, of) in [("daddr", &rule.destination), ("saddr", &rule.source)] {
        let Some((address, invert)) = of else { continue };
        let each = addresses(config, field, address, *invert, &area.file, notes);
        let with = |head: &String| each.iter().map(|c| format!("{head}{c} ")).collect::<Vec<_>>();
        heads = heads.iter().flat_map(with).collect();
    }
    let limit = match rule.limit.as_deref().map(limit) {
        None => String::new(),
        Some(Some(limit)) => limit,
        Some(None) => {
            notes.push(format!("{}: limit {}", area.file, rule.limit.as_deref().unwrap_or("")));
            return;
        }
    };
    let verdict = match rule.action {
        Action::Accept => "accept",
        Action::Reject => "reject",
        Action::Drop => "drop",
        Action::Nothing => "",
    };
    let part = part_of(rule);
    if let Element::Forward { .. } = &rule.element {
        let translated = forward(&rule.element, rule.family.is_some());
        let Some(translated) = translated else {
            notes.push(format!("{}: a forwarded port", area.file));
            return;
        };
        if let Some(nat) = lines.nat.get_mut(part) {
            nat.extend(heads.iter().map(|head| (rule.priority, format!("{head}{translated}"))));
        }
        return;
    }
    let matches = matches_of(config, rule, &rule.element, &area.file, 0, notes);
    let Some(filter) = lines.filter.get_mut(part) else { return };
    for head in &heads {
        for element in &matches {
            filter.push((rule.priority, format!("{head}{element}{limit}{verdict}")));
        }
    }
}
