//! What a front-end does to the packet filter when it is told to load its rules again, while the host
//! runs: its own are made anew, and some take those of others with them.
//!
//! Tried with Debian 12's versions of each: `crates/testbed/tests/boot/reload.rs`.

use facts::{Boot, FirewallLoader, RulesForm, RulesetDump, RulesetText};
use netfilter::ir::{Backend, Ruleset, Step, TableFamily, Verdict};

use super::future::{Again, Event, Future, compare};
use super::{Outlook, Started, firewall, firewalld};
use crate::Judgement;
use crate::firewall::{Firewall, Manager};

/// What is gone from the kernel before the loader's own rules are there.
type Gone = fn(Backend, TableFamily, &str) -> bool;

/// The front-ends with the command that everyone uses, and what it takes away.
const COMMANDS: &[(&str, &str, Gone)] = &[
    // nftables.service stops with `nft flush ruleset`, which leaves the older iptables.
    ("nftables", "systemctl restart nftables", |backend, _, _| backend == Backend::Nftables),
    // Its own table; and its start flushes every table of iptables (`core/fw.py`, `flush`).
    ("firewalld", "firewall-cmd --reload", |backend, family, name| {
        name == "firewalld" || is_of_iptables(backend, family, name)
    }),
    // Its own chains, of which nothing else is left where it is alone.
    ("ufw", "ufw reload", |_, family, name| is_filter(family, name)),
];

/// Front-ends that put their files in place of the tables in these.
const REPLACING: &[(&str, &str)] = &[
    ("netfilter-persistent", "netfilter-persistent reload"),
    ("iptables", "systemctl restart iptables"),
    ("ip6tables", "systemctl restart ip6tables"),
];

/// The tables of iptables, also as nftables has them.
fn is_of_iptables(backend: Backend, family: TableFamily, name: &str) -> bool {
    backend == Backend::Iptables
        || (matches!(family, TableFamily::Ip | TableFamily::Ip6)
            && ["filter", "nat", "mangle", "raw", "security"].contains(&name))
}

fn is_filter(family: TableFamily, name: &str) -> bool {
    matches!(family, TableFamily::Ip | TableFamily::Ip6) && name == "filter"
}

/// Each front-end that manages the packet filter now, reloaded.
pub(crate) fn all(judgement: &Judgement<'_>) -> Vec<Future> {
    let outlook = judgement.outlook();
    let (Some(boot), Some(host)) =
        (outlook.boot, judgement.namespaces.iter().position(crate::Namespace::is_host))
    else {
        return Vec::new();
    };
    let (Some(now), Some(home), Some(dump)) = (
        judgement.firewall(host),
        judgement.home(host),
        judgement.namespaces.get(host).and_then(|n| n.fact).and_then(|f| f.ruleset.value()),
    ) else {
        return Vec::new();
    };
    let mut all = Vec::new();
    for loader in boot.firewall.iter().filter(|loader| is_used(outlook, loader, &now)) {
        let known = COMMANDS.iter().find(|(name, ..)| *name == loader.name);
        let replacing = REPLACING.iter().find(|(name, _)| *name == loader.name);
        let Some(command) = known.map(|c| c.1).or(replacing.map(|r| r.1)) else { continue };
        let named = tables_of(loader);
        let is_gone = |backend: Backend, family: TableFamily, name: &str| match known {
            Some((.., gone)) => gone(backend, family, name),
            None => {
                is_of_iptables(backend, family, name)
                    && named.iter().any(|(f, table)| *f == family && table == name)
            }
        };
        let mut future = Future {
            event: Event::Command(command),
            loads: vec![loader.name.clone()],
            unclear: loader.unclear.clone(),
            changes: Vec::new(),
            rules_now: now.rules,
            takes: taken(boot, loader, &home.ruleset, &is_gone),
        };
        let texts = firewall::rulesets(loader, &mut future.unclear);
        future.unclear.extend(firewall::not_understood(&texts));
        future.unclear.extend(stays(loader, &home.ruleset));
        if !dump.texts.is_empty() {
            future.unclear.push("the rules in the kernel were not read from it".to_owned());
        }
        if future.unclear.is_empty() {
            future.changes = compare(judgement, host, reloaded(dump, &is_gone, texts));
        }
        all.push(future);
    }
    all
}

/// Whether a front-end is in use: its rules are there, or its unit starts at boot.
fn is_used(outlook: &Outlook<'_>, loader: &FirewallLoader, now: &Firewall) -> bool {
    match loader.name.as_str() {
        "firewalld" => now.managers.contains(&Manager::Firewalld),
        "ufw" => loader.enabled == Some(true) && now.managers.contains(&Manager::Ufw),
        _ => firewall::runs(outlook, loader) != Started::No,
    }
}

/// The kernel's ruleset without what is gone, and with what is loaded.
fn reloaded(
    dump: &RulesetDump,
    is_gone: &dyn Fn(Backend, TableFamily, &str) -> bool,
    texts: Vec<RulesetText>,
) -> RulesetDump {
    RulesetDump { texts, ..netfilter::live::without(dump, is_gone) }
}

/// The tables that the files of a loader put others in the place of.
fn tables_of(loader: &FirewallLoader) -> Vec<(TableFamily, String)> {
    let mut found = Vec::new();
    for file in &loader.files {
        let family = match file.form {
            RulesForm::Iptables => TableFamily::Ip,
            RulesForm::Ip6tables => TableFamily::Ip6,
            _ => continue,
        };
        let names = file.text.lines().filter_map(|line| line.trim().strip_prefix('*'));
        found.extend(names.map(|name| (family, name.trim().to_owned())));
    }
    found
}

/// Programs whose rules go with those of the loader.
fn taken(
    boot: &Boot,
    loader: &FirewallLoader,
    ruleset: &Ruleset,
    is_gone: &dyn Fn(Backend, TableFamily, &str) -> bool,
) -> Vec<(Manager, Again)> {
    // ufw takes only chains of its own.
    if loader.name == "ufw" {
        return Vec::new();
    }
    let gone = ruleset.tables.iter().filter(|t| is_gone(t.backend, t.family, &t.name));
    let gone = Ruleset { tables: gone.cloned().collect(), ..Ruleset::default() };
    let mut taken = Vec::new();
    for manager in Firewall::of(&gone).managers {
        let Some(unit) = firewall::unit_of(manager) else { continue };
        // Docker hears of it over the bus (moby `libnetwork/iptables/firewalld.go`, `reloaded`).
        let told = manager == Manager::Docker && loader.name == "firewalld";
        let known = boot.units.iter().any(|known| known.name == unit);
        if told {
            taken.push((manager, Again::Told));
        } else if known || manager == Manager::Docker {
            taken.push((manager, Again::Restart(unit)));
        }
    }
    taken
}

/// What of the loader's own tables it leaves as it is, so that what comes out is not known.
fn stays(loader: &FirewallLoader, ruleset: &Ruleset) -> Option<String> {
    if loader.name == "firewalld" && !firewalld::forgets_interfaces(loader) {
        return Some("FlushAllOnReload=no keeps interfaces in their zones of now".to_owned());
    }
    if loader.name != "ufw" {
        return None;
    }
    for table in ruleset.tables.iter().filter(|table| is_filter(table.family, &table.name)) {
        for chain in table.chains.iter().filter(|c| matches!(c.name.as_str(), "INPUT" | "OUTPUT")) {
            let is_own = |step: &Step| match step {
                Step::Select(list) => list.iter().all(|(_, verdict)| match verdict {
                    Verdict::Jump(to) | Verdict::Goto(to) => {
                        let target = table.chains.get(*to).map(|chain| chain.name.as_str());
                        target
                            .is_some_and(|name| name.starts_with("ufw") || name.starts_with("f2b-"))
                    }
                    _ => false,
                }),
                _ => true,
            };
            let foreign = chain.rules.iter().find(|rule| !rule.steps.iter().all(is_own));
            if let Some(rule) = foreign {
                return Some(format!("ufw leaves rules of others where they are: {}", rule.text));
            }
        }
    }
    None
}
