//! What a restart of a firewall's service does to connection tracking: whether its module is
//! unloaded and loaded again, which resets its settings and forgets every flow.
//!
//! Only the init scripts of iptables (Red Hat's, and iptables-services) unload modules, and firewalld
//! where it is told to. The script, when it stops: flushes its own family's rules, then for each of
//! its tables' modules, `x_tables`, `nf_nat` and `nf_conntrack` removes the modules that use it and
//! then it (`rmmod_r`); what is in use stays. When it has started it sets again the lines of certain
//! files that hold one of the words of IPTABLES_SYSCTL_LOAD_LIST.

use std::collections::{BTreeMap, BTreeSet};

use facts::{ConfigFile, ConfigKind, Module};

use super::conntrack;
use super::kernel::{default_of, module_of};
use super::key;
use super::subject::{Subject, last};

/// What a restart does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The settings and flows stay.
    Survives,
    /// The settings go back and the flows are forgotten.
    Resets,
    /// One or the other: what decides is not known.
    Perhaps,
}

/// A restart of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restart {
    /// The service.
    pub service: String,
    /// What it does.
    pub verdict: Verdict,
    /// Why.
    pub because: String,
    /// The settings that change: path, now, and then; none where that is not known.
    pub settings: Vec<(String, String, Option<String>)>,
    /// The flows that are forgotten.
    pub flows: Option<u64>,
    /// Where it says so: file and line.
    pub decided_by: Option<(String, u32)>,
}

/// The restarts that are possible on the host.
pub(super) fn restarts(subject: &Subject<'_>) -> Vec<Restart> {
    let mut found = Vec::new();
    for family in [Family::Ipv4, Family::Ipv6] {
        found.extend(init_script(subject, family));
    }
    found.extend(firewalld(subject));
    for (unit, why) in [
        ("nftables.service", "it flushes the ruleset and loads it again; no module is unloaded"),
        ("ufw.service", "it flushes its chains and loads them again; no module is unloaded"),
        ("netfilter-persistent.service", "it loads the rules again; no module is unloaded"),
    ] {
        if subject.is_enabled(unit) || subject.is_active(unit) == Some(true) {
            found.push(Restart {
                service: unit.trim_end_matches(".service").to_owned(),
                verdict: Verdict::Survives,
                because: why.to_owned(),
                settings: vec![],
                flows: None,
                decided_by: None,
            });
        }
    }
    found
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Ipv4,
    Ipv6,
}

impl Family {
    fn service(self) -> &'static str {
        match self {
            Self::Ipv4 => "iptables",
            Self::Ipv6 => "ip6tables",
        }
    }

    /// The prefix of the variables.
    fn prefix(self) -> &'static str {
        match self {
            Self::Ipv4 => "IPTABLES_",
            Self::Ipv6 => "IP6TABLES_",
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Ipv4 => Self::Ipv6,
            Self::Ipv6 => Self::Ipv4,
        }
    }

    /// Whether only this family's rules can use a module.
    fn owns(self, module: &str) -> bool {
        let starts: &[&str] = match self {
            Self::Ipv4 => &[
                "ipt_",
                "iptable_",
                "ip_tables",
                "nf_conntrack_ipv4",
                "nf_nat_ipv4",
                "nf_defrag_ipv4",
                "nf_nat_masquerade_ipv4",
            ],
            Self::Ipv6 => &[
                "ip6t_",
                "ip6table_",
                "ip6_tables",
                "nf_conntrack_ipv6",
                "nf_nat_ipv6",
                "nf_defrag_ipv6",
                "nf_nat_masquerade_ipv6",
            ],
        };
        starts.iter().any(|start| module.starts_with(start))
    }
}

/// A variable of the script: its configuration goes before its own default. The script of ip6tables
/// is made from that of iptables, with the names changed.
fn variable(subject: &Subject<'_>, family: Family, name: &str) -> Option<(String, (String, u32))> {
    let (service, key) = (family.service(), format!("{}{name}", family.prefix()));
    let config = format!("/etc/sysconfig/{service}-config");
    let paths = [
        config,
        format!("/etc/init.d/{service}"),
        format!("/etc/rc.d/init.d/{service}"),
        format!("/usr/libexec/iptables/{service}.init"),
    ];
    paths.iter().find_map(|path| {
        let file = subject.file(path)?;
        let entry = last(file, None, &key)?;
        Some((entry.value.clone()?, (file.path.clone(), entry.line)))
    })
}

fn script<'a>(subject: &Subject<'a>, family: Family) -> Option<&'a ConfigFile> {
    subject.files(ConfigKind::FirewallInit).find(|file| {
        file.path
            .rsplit('/')
            .next()
            .is_some_and(|n| n.trim_end_matches(".init") == family.service())
    })
}

fn init_script(subject: &Subject<'_>, family: Family) -> Option<Restart> {
    let script = script(subject, family)?;
    let unload = variable(subject, family, "MODULES_UNLOAD");
    let restart = |verdict, because: String, decided_by| Restart {
        service: family.service().to_owned(),
        verdict,
        because,
        settings: vec![],
        flows: None,
        decided_by,
    };
    let Some((value, place)) = unload else {
        let why = format!("{} does not say whether it unloads modules", script.path);
        return Some(restart(Verdict::Perhaps, why, None));
    };
    if value != "yes" {
        let why = format!("{}MODULES_UNLOAD is {value}: no module is unloaded", family.prefix());
        return Some(restart(Verdict::Survives, why, Some(place)));
    }
    let (verdict, because) = removal(subject, family);
    let mut restart = restart(verdict, because, Some(place));
    if restart.verdict != Verdict::Survives {
        restart.settings = changed(subject, family, script);
        restart.flows = conntrack::table(subject).and_then(|table| table.count);
    }
    Some(restart)
}

/// Whether `nf_conntrack` can be removed once the rules of this family are flushed.
fn removal(subject: &Subject<'_>, family: Family) -> (Verdict, String) {
    let Some(modules) = &subject.state.modules else {
        return (
            Verdict::Perhaps,
            "which modules are loaded and in use there is not known".to_owned(),
        );
    };
    let by_name: BTreeMap<&str, &Module> = modules.iter().map(|m| (m.name.as_str(), m)).collect();
    if !by_name.contains_key("nf_conntrack") {
        return if super::modules::is_builtin(subject, "nf_conntrack") {
            (Verdict::Survives, "connection tracking is built into this kernel".to_owned())
        } else {
            (Verdict::Survives, "nf_conntrack is not loaded".to_owned())
        };
    }
    let other = family.other();
    let other_active = modules
        .iter()
        .any(|m| m.name == format!("{}_tables", if other == Family::Ipv6 { "ip6" } else { "ip" }));
    let mut doubt = None;
    for name in users(&by_name, "nf_conntrack") {
        let Some(module) = by_name.get(name) else { continue };
        let Some(uses) = module.uses else {
            return (Verdict::Survives, format!("pinned: {name} cannot be removed"));
        };
        let by_modules = u32::try_from(module.used_by.len()).unwrap_or(u32::MAX);
        if uses <= by_modules || family.owns(name) {
            continue;
        }
        if other.owns(name) {
            let why = format!("pinned by {}: its rules use {name}", other.service());
            return (Verdict::Survives, why);
        }
        if name == "nf_conntrack" || name.starts_with("xt_") || name.starts_with("nf_") {
            // References that rules of either family may hold.
            if other_active || name == "nf_conntrack" && uses > by_modules {
                doubt = doubt.or(Some((name, other_active)));
            }
            continue;
        }
        return (Verdict::Survives, format!("pinned: {name} is in use ({uses} references)"));
    }
    match doubt {
        Some((name, true)) if rules_use(subject, other, name) => {
            (Verdict::Survives, format!("pinned by {}: its rules use {name}", other.service()))
        }
        Some((name, true)) if rules_use_nothing(subject, other) => {
            (Verdict::Resets, format!("only {} uses {name}", family.service()))
        }
        Some((name, _)) => {
            (Verdict::Perhaps, format!("{name} is in use, by whose rules is not known"))
        }
        None => (
            Verdict::Resets,
            format!(
                "only rules of {} use nf_conntrack: it is removed and loaded again",
                family.service()
            ),
        ),
    }
}

/// A module and all that use it, directly or through others.
fn users<'m>(modules: &BTreeMap<&'m str, &'m Module>, name: &'m str) -> BTreeSet<&'m str> {
    let mut all = BTreeSet::from([name]);
    let mut next = vec![name];
    while let Some(module) = next.pop().and_then(|name| modules.get(name)) {
        for user in &module.used_by {
            if all.insert(user) {
                next.push(user);
            }
        }
    }
    all
}

/// The tables of the other family, as far as they were read: whether a rule of them uses a match of
/// this module.
fn rules_use(subject: &Subject<'_>, family: Family, module: &str) -> bool {
    let Some(tables) = legacy_tables(subject) else { return false };
    let names: &[&[u8]] = match module {
        "xt_conntrack" => &[b"conntrack\0", b"state\0"],
        "xt_state" => &[b"state\0"],
        "nf_conntrack" => {
            &[b"conntrack\0", b"state\0", b"connlimit\0", b"connmark\0", b"NAT", b"MASQUERADE\0"]
        }
        _ => return false,
    };
    tables.iter().filter(|table| table.ipv6 == (family == Family::Ipv6)).any(|table| {
        let bytes = &table.entries.0;
        names.iter().any(|name| bytes.windows(name.len()).any(|window| window == *name))
    })
}

/// Whether it is known that the other family has no rule that uses connection tracking.
fn rules_use_nothing(subject: &Subject<'_>, family: Family) -> bool {
    legacy_tables(subject).is_some() && !rules_use(subject, family, "nf_conntrack")
}

fn legacy_tables<'a>(subject: &Subject<'a>) -> Option<&'a [facts::LegacyTable]> {
    let ruleset = subject.namespace?.ruleset.value()?;
    ruleset.legacy.is_complete().then(|| ruleset.legacy.items())
}

/// What changes: settings that are not at their defaults now, after the defaults and the lines that
/// the script sets again.
fn changed(
    subject: &Subject<'_>,
    family: Family,
    script: &ConfigFile,
) -> Vec<(String, String, Option<String>)> {
    let again = set_again(subject, family, script);
    let sizes = conntrack::default_max(subject);
    let installed: Vec<(String, String)> = super::early::installs(subject)
        .filter_map(|(path, entry, _)| Some((path, entry.value.clone()?)))
        .collect();
    let mut changed = Vec::new();
    for (path, now) in subject.now {
        if module_of(path) != Some("nf_conntrack") || path.ends_with("_count") {
            continue;
        }
        let default = match path.rsplit('/').next() {
            Some("nf_conntrack_max") => sizes.map(|sizes| sizes.max.to_string()),
            Some("nf_conntrack_buckets") => sizes.map(|sizes| sizes.buckets.to_string()),
            _ => default_of(path).map(str::to_owned),
        };
        // The one name of old for the same value.
        if path == "net/nf_conntrack_max" {
            continue;
        }
        // What modprobe runs when it loads the module sets it again as well.
        let loaded = installed.iter().find(|(other, _)| other == path).map(|(_, v)| v.clone());
        let then = again.get(path).cloned().or(loaded).or(default);
        if let Some(then) = then
            && !key::same_value(&then, now)
        {
            changed.push((path.clone(), now.clone(), Some(then)));
        }
    }
    // What is configured and not known now, on another host's files.
    if subject.now.is_empty() {
        for file in subject.files(ConfigKind::Sysctl) {
            for entry in &file.entries {
                let path = key::path_of(entry.key.trim_start_matches('-'));
                let Some(value) = &entry.value else { continue };
                if module_of(&path) == Some("nf_conntrack") && !again.contains_key(&path) {
                    changed.push((path, value.clone(), None));
                }
            }
        }
        changed.sort_unstable();
        changed.dedup_by(|a, b| a.0 == b.0);
    }
    changed
}

/// What the scripts that start at boot set, once the module is there.
pub(super) fn set_at_start(subject: &Subject<'_>) -> Vec<(String, String, String, u32)> {
    let mut set = Vec::new();
    for family in [Family::Ipv6, Family::Ipv4] {
        // An init script of this name, or the unit of iptables-services.
        let starts = subject.is_enabled(&format!("{}.service", family.service()));
        let Some(script) = script(subject, family).filter(|_| starts) else { continue };
        let Some((_, (file, line))) = variable(subject, family, "SYSCTL_LOAD_LIST") else {
            continue;
        };
        for (path, value) in set_again(subject, family, script) {
            set.push((path, value, file.clone(), line));
        }
    }
    set
}

/// The lines that the script sets again: of the files that it searches, those that hold one of the
/// words, as they are written.
fn set_again(
    subject: &Subject<'_>,
    family: Family,
    script: &ConfigFile,
) -> BTreeMap<String, String> {
    let words = variable(subject, family, "SYSCTL_LOAD_LIST").map(|(value, _)| value);
    let words: Vec<String> =
        words.unwrap_or_default().split_whitespace().map(str::to_owned).collect();
    let searched: Vec<&str> = script
        .entries
        .iter()
        .filter(|e| e.key == "fgrep")
        .filter_map(|e| e.value.as_deref())
        .collect();
    let mut again = BTreeMap::new();
    for file in subject.files(ConfigKind::Sysctl) {
        let is_searched = searched.iter().any(|place| match place.strip_suffix("/*") {
            Some(folder) => {
                file.path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
            }
            None => *place == file.path,
        });
        for entry in file.entries.iter().filter(|_| is_searched) {
            let Some(value) = &entry.value else { continue };
            if words
                .iter()
                .any(|word| entry.key.contains(word.as_str()) || value.contains(word.as_str()))
            {
                again.insert(key::path_of(entry.key.trim_start_matches('-')), value.clone());
            }
        }
    }
    again
}

/// firewalld unloads modules where firewalld.conf(5) says CleanupModulesOnExit=yes.
fn firewalld(subject: &Subject<'_>) -> Option<Restart> {
    let unit = "firewalld.service";
    if !subject.is_enabled(unit) && subject.is_active(unit) != Some(true) {
        return None;
    }
    let entry = subject.file("/etc/firewalld/firewalld.conf");
    let entry = entry.and_then(|file| Some((file, last(file, None, "CleanupModulesOnExit")?)));
    let unloads =
        entry.and_then(|(_, e)| e.value.as_deref()).is_some_and(|v| v.eq_ignore_ascii_case("yes"));
    Some(Restart {
        service: "firewalld".to_owned(),
        verdict: if unloads { Verdict::Perhaps } else { Verdict::Survives },
        because: if unloads {
            "CleanupModulesOnExit=yes: it unloads the modules that nothing uses".to_owned()
        } else {
            "it loads its rules again; no module is unloaded".to_owned()
        },
        settings: vec![],
        flows: None,
        decided_by: entry.map(|(file, e)| (file.path.clone(), e.line)),
    })
}
