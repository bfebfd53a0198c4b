//! The packet filter after the next boot: which loaders run, what they load, and which rows it treats
//! otherwise than the one in the kernel does.
//!
//! The same engine evaluates both: a second snapshot has what the loaders' files say in place of what
//! the kernel told. What is not understood of any loader that may run leaves the whole unknown, by
//! name; fail2ban and container engines, which add rules for single clients and their own ports, are
//! left aside, and rows that an engine forwards are not compared.

use facts::{Blob, Boot, FirewallLoader, NftablesDump, Part, RulesForm, RulesetDump, RulesetText};

use super::future::{Again, Event, Future, compare};
use super::graph::{Runs, Started};
use super::{Outlook, firewalld, ufw};
use crate::Judgement;
use crate::firewall::Manager;

/// Looks at the loaders, and compares what they load with what is in the kernel.
pub(crate) fn of(judgement: &Judgement<'_>) -> Option<Future> {
    let outlook = judgement.outlook();
    let boot = outlook.boot.filter(|boot| boot.systemd && boot.default_target.is_some())?;
    let host = judgement.namespaces.iter().position(crate::Namespace::is_host)?;
    let now = judgement.firewall(host)?;
    let mut after = Future {
        event: Event::Boot,
        loads: Vec::new(),
        unclear: Vec::new(),
        changes: Vec::new(),
        rules_now: now.rules,
        takes: Vec::new(),
    };
    for manager in now.managers {
        let started = |unit: &&str| outlook.system.started(unit) == Started::Surely;
        after.takes.extend(unit_of(manager).filter(started).map(|u| (manager, Again::WithUnit(u))));
    }
    let texts = loaded(outlook, boot, &mut after);
    if after.unclear.is_empty() {
        let other = RulesetDump {
            nftables: Part::known(NftablesDump::default()),
            legacy: Part::known(Vec::new()),
            ipsets: Part::known(Vec::new()),
            hooks: Part::known(Blob::default()),
            texts,
        };
        after.changes = compare(judgement, host, other);
    }
    Some(after)
}

/// The unit of a program that makes rules for its own purpose.
pub(super) fn unit_of(manager: Manager) -> Option<&'static str> {
    Some(match manager {
        Manager::Docker => "docker.service",
        Manager::KubeProxy => "kubelet.service",
        Manager::Libvirt => "libvirtd.service",
        Manager::Fail2ban => "fail2ban.service",
        Manager::Tailscale => "tailscaled.service",
        Manager::CrowdSec => "crowdsec-firewall-bouncer.service",
        _ => return None,
    })
}

/// The rulesets that are loaded at boot.
fn loaded(outlook: &Outlook<'_>, boot: &Boot, after: &mut Future) -> Vec<RulesetText> {
    let mut texts = Vec::new();
    for loader in &boot.firewall {
        match runs(outlook, loader) {
            Started::No => continue,
            Started::Possibly => {
                after.unclear.push(format!("{} may be started", loader.name));
            }
            Started::Surely => after.loads.push(loader.name.clone()),
        }
        after.unclear.extend(loader.unclear.iter().cloned());
        texts.extend(rulesets(loader, &mut after.unclear));
    }
    if let Some(gap) = outlook.unread.first() {
        after.unclear.push(format!("{} not read ({})", gap.what, gap.why));
    }
    let flushes =
        |text: &RulesetText| text.text.lines().any(|line| line.trim().starts_with("flush ruleset"));
    if after.loads.len() > 1 && texts.iter().any(flushes) {
        after.unclear.push("one of several loaders takes back what the others load".to_owned());
    }
    after.unclear.extend(not_understood(&texts));
    texts
}

/// What of the files is not understood.
pub(super) fn not_understood(texts: &[RulesetText]) -> Vec<String> {
    let mut unclear = Vec::new();
    for RulesetText { name, text } in texts {
        match netfilter::rules::load(&[(name, text.as_bytes())]) {
            Ok(ruleset) => {
                let notes = ruleset.notes.iter();
                unclear.extend(notes.map(|note| format!("{}: {}", note.place, note.what)));
            }
            Err(error) => unclear.push(error.to_string()),
        }
    }
    unclear
}

/// What a loader loads.
pub(super) fn rulesets(loader: &FirewallLoader, unclear: &mut Vec<String>) -> Vec<RulesetText> {
    match loader.name.as_str() {
        "ufw" => ufw::rulesets(loader),
        "firewalld" => {
            let (text, not_known) = firewalld::ruleset(loader);
            unclear.extend(not_known);
            vec![text]
        }
        _ => plain(loader),
    }
}

/// Whether a loader does anything at boot.
pub(super) fn runs(outlook: &Outlook<'_>, loader: &FirewallLoader) -> Started {
    if loader.enabled == Some(false) {
        return Started::No;
    }
    let of = |unit: &String| {
        let at = outlook.system.find(unit)?;
        match (outlook.system.started(unit), outlook.system.runs(at)) {
            (Started::No, _) | (_, Runs::No(_)) => None,
            // Of two that are started and conflict, systemd leaves one out.
            _ if outlook.system.conflict(at).is_some() => Some(Started::Possibly),
            (started, Runs::Yes) => Some(started),
            (_, Runs::Maybe(_)) => Some(Started::Possibly),
        }
    };
    loader.units.iter().filter_map(of).max().unwrap_or(Started::No)
}

/// The files of a loader that reads them as they are.
fn plain(loader: &FirewallLoader) -> Vec<RulesetText> {
    let text = |file: &facts::FirewallFile| {
        // The reader tells the families apart by such a line, as the tools print one.
        let head = match file.form {
            RulesForm::Ip6tables => "# ip6tables\n",
            RulesForm::Iptables => "# iptables\n",
            _ => "",
        };
        RulesetText { name: file.path.clone(), text: format!("{head}{}", file.text) }
    };
    loader.files.iter().map(text).collect()
}
