//! The packet filter after the next boot: which loaders run, what they load, and which rows it treats
//! otherwise than the one in the kernel does.
//!
//! The same engine evaluates both: a second snapshot has what the loaders' files say in place of what
//! the kernel told. What is not understood of any loader that may run leaves the whole unknown, by
//! name; fail2ban and container engines, which add rules for single clients and their own ports, are
//! left aside, and rows that an engine forwards are not compared.

use facts::{
    Blob, Boot, FirewallLoader, NftablesDump, Part, RulesForm, RulesetDump, RulesetText, Snapshot,
};

use super::graph::{Runs, Started};
use super::{Outlook, ufw};
use crate::Judgement;
use crate::reach::{Verdict as Reached, Wire};
use crate::row::{Row, Scope};

/// What is known of the packet filter after a boot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AfterBootFirewall {
    /// What loads one, by name.
    pub loads: Vec<String>,
    /// Why it is not known what is loaded. Empty: it is.
    pub unclear: Vec<String>,
    /// Rows that it treats otherwise.
    pub changes: Vec<Change>,
    /// How many rules there are now, where they could be read.
    pub rules_now: usize,
}

/// A row that others can reach then, who cannot now, or the other way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The position of the row in [`Judgement::rows`].
    pub row: usize,
    /// The family.
    pub wire: Wire,
    /// Who can reach it now.
    pub now: Reached,
    /// Who can then.
    pub then: Reached,
}

impl Change {
    /// Whether more can reach it then.
    pub fn opens(&self) -> bool {
        width(self.then) > width(self.now)
    }
}

/// How many can reach a row.
fn width(verdict: Reached) -> u8 {
    match verdict {
        Reached::Open => 4,
        Reached::Part => 3,
        Reached::OnLink => 2,
        Reached::HostOnly => 1,
        Reached::Blocked | Reached::Unknown => 0,
    }
}

/// Looks at the loaders, and compares what they load with what is in the kernel.
pub(crate) fn of(judgement: &Judgement<'_>) -> Option<AfterBootFirewall> {
    let outlook = judgement.outlook();
    let boot = outlook.boot.filter(|boot| boot.systemd && boot.default_target.is_some())?;
    let host = judgement.namespaces.iter().position(crate::Namespace::is_host)?;
    let mut after = AfterBootFirewall {
        rules_now: judgement.firewall(host).map(|firewall| firewall.rules)?,
        ..AfterBootFirewall::default()
    };
    let texts = loaded(outlook, boot, &mut after);
    if after.unclear.is_empty()
        && let Some(snapshot) = future(judgement, host, texts)
    {
        compare(judgement, &snapshot, &mut after);
    }
    Some(after)
}

/// The rulesets that are loaded at boot.
fn loaded(outlook: &Outlook<'_>, boot: &Boot, after: &mut AfterBootFirewall) -> Vec<RulesetText> {
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
        texts.extend(if loader.name == "ufw" { ufw::rulesets(loader) } else { plain(loader) });
    }
    if let Some(gap) = outlook.unread.first() {
        after.unclear.push(format!("{} not read ({})", gap.what, gap.why));
    }
    let flushes =
        |text: &RulesetText| text.text.lines().any(|line| line.trim().starts_with("flush ruleset"));
    if after.loads.len() > 1 && texts.iter().any(flushes) {
        after.unclear.push("one of several loaders takes back what the others load".to_owned());
    }
    for RulesetText { name, text } in &texts {
        match netfilter::rules::load(&[(name, text.as_bytes())]) {
            Ok(ruleset) => after
                .unclear
                .extend(ruleset.notes.iter().map(|note| format!("{}: {}", note.place, note.what))),
            Err(error) => after.unclear.push(error.to_string()),
        }
    }
    texts
}

/// Whether a loader does anything at boot.
fn runs(outlook: &Outlook<'_>, loader: &FirewallLoader) -> Started {
    if loader.enabled == Some(false) {
        return Started::No;
    }
    let of = |unit: &String| {
        let at = outlook.system.find(unit)?;
        match (outlook.system.started(unit), outlook.system.runs(at)) {
            (Started::No, _) | (_, Runs::No(_)) => None,
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

/// The host with another packet filter, and of its sockets only those that others may reach.
fn future(judgement: &Judgement<'_>, host: usize, texts: Vec<RulesetText>) -> Option<Snapshot> {
    let now = judgement.snapshot;
    let fact = judgement.namespaces.get(host)?.fact?;
    let mut then = Snapshot::new(now.collector.clone(), now.host.clone());
    let mut namespace = fact.clone();
    namespace.ruleset = Part::known(RulesetDump {
        nftables: Part::known(NftablesDump::default()),
        legacy: Part::known(Vec::new()),
        ipsets: Part::known(Vec::new()),
        hooks: Part::known(Blob::default()),
        texts,
    });
    let compared = judgement.rows.iter().filter(|row| is_compared(judgement, host, row));
    let sockets: Vec<_> = compared.filter_map(|row| row.sockets.first().copied()).collect();
    if sockets.is_empty() {
        return None;
    }
    then.namespaces = Part::known(vec![namespace]);
    then.sockets = Part::known(sockets);
    then.cgroups = now.cgroups.clone();
    then.cgroup_programs = now.cgroup_programs.clone();
    then.sort();
    Some(then)
}

/// Whether a row is compared: others could reach it, and no container engine forwards it.
fn is_compared(judgement: &Judgement<'_>, host: usize, row: &Row<'_>) -> bool {
    row.namespace == host
        && row.is_open()
        && row.port().is_some()
        && row.scope != Scope::Loopback
        && judgement.holders(row).all(|holder| holder.forwards_to.is_none())
}

/// Compares each row then with the same now.
fn compare(judgement: &Judgement<'_>, then: &Snapshot, after: &mut AfterBootFirewall) {
    let future = crate::judge(then);
    for row in &future.rows {
        let is_same = |other: &Row<'_>| other.sockets.iter().any(|s| s == row.socket);
        let Some(at) = judgement.rows.iter().position(is_same) else { continue };
        let Some(own) = judgement.rows.get(at) else { continue };
        for wire in Wire::BOTH {
            let (Some(now), Some(then)) = (judgement.reach(own, wire), future.reach(row, wire))
            else {
                continue;
            };
            let known = |verdict| verdict != Reached::Unknown;
            if known(now.verdict) && known(then.verdict) && now.verdict != then.verdict {
                let (now, then) = (now.verdict, then.verdict);
                after.changes.push(Change { row: at, wire, now, then });
            }
        }
    }
    after.changes.sort_by_key(|change| (change.row, change.wire == Wire::Ipv6));
}
