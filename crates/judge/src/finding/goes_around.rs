//! A translated port that is open although what filters the host's own ports would not let it in:
//! translation comes first, and then other chains are asked.

use netfilter::ir::{ChainKind, Hook, Ruleset};
use netfilter::symbolic::{Asked, Listener, arrivals};
use packet_set::{Budget, RangeSet};

use super::{Finding, Severity};
use crate::firewall::Manager;
use crate::judgement::Judgement;
use crate::reach::{Entry, Home, Verdict, Wire};

/// Finds them: one finding for each entry and family.
pub(super) fn find(judgement: &Judgement<'_>, found: &mut Vec<Finding>) {
    for wire in Wire::BOTH {
        let is_open = |entry: &&Entry| {
            let reach = entry.reach.get(wire.position()).and_then(Option::as_ref);
            reach.is_some_and(|reach| matches!(reach.verdict, Verdict::Open | Verdict::Part))
        };
        let open: Vec<&Entry> = judgement.entries().iter().filter(is_open).collect();
        let alike = |a: &&Entry, b: &&Entry| a.namespace == b.namespace;
        for entries in open.chunk_by(alike) {
            let Some(first) = entries.first() else { continue };
            let Some(home) = judgement.home(first.namespace) else { continue };
            let untranslated = untranslated(&home.ruleset);
            for entry in entries.iter().filter(|e| is_denied(home, &untranslated, wire, e)) {
                found.push(finding(judgement, wire, entry));
            }
        }
    }
}

/// The ruleset as if nothing were translated on arrival.
fn untranslated(ruleset: &Ruleset) -> Ruleset {
    let mut plain = ruleset.clone();
    for chain in plain.tables.iter_mut().flat_map(|table| &mut table.chains) {
        let base = chain.base.as_ref();
        if base.is_some_and(|b| b.kind == ChainKind::Nat && b.hook == Hook::Prerouting) {
            chain.rules.clear();
        }
    }
    plain
}

/// Whether a socket of this host on the port of an entry would certainly be kept from everyone.
fn is_denied(home: &Home, untranslated: &Ruleset, wire: Wire, entry: &Entry) -> bool {
    let Ok(protocol) = u8::try_from(entry.protocol.0) else { return false };
    let port = entry.port.0;
    let addresses = home.world.reachable_addresses(wire.family());
    let asked = Asked {
        family: wire.family(),
        protocol,
        ports: RangeSet::one(port.into()),
        destinations: addresses.clone(),
    };
    let Ok(mut found) = arrivals(untranslated, &home.world, &asked, Budget::default()) else {
        return false;
    };
    let listener = Listener { addresses, device: None, port };
    let Ok(sources) = found.listeners(&[listener]) else { return false };
    sources.first().is_some_and(|sources| !found.anyone_may(*sources))
}

fn finding(judgement: &Judgement<'_>, wire: Wire, entry: &Entry) -> Finding {
    let reach = entry.reach.get(wire.position()).and_then(Option::as_ref);
    let is_open = reach.is_some_and(|reach| reach.verdict == Verdict::Open);
    let managers = judgement.firewall(entry.namespace).map(|f| f.managers).unwrap_or_default();
    let has = |manager| managers.contains(&manager);
    let who = match () {
        () if has(Manager::Ufw) => "ufw denies it",
        () if has(Manager::Firewalld) => "firewalld does not let it in",
        () => "the input chain does not let it in",
    };
    // To another port of this host itself, which is as open under its own number.
    let stays = entry.leads_to.starts_with(':');
    let family = if wire == Wire::Ipv4 { "IPv4" } else { "IPv6" };
    let whose = entry.container.as_ref().map(|c| format!(", container {c}")).unwrap_or_default();
    let protocol = entry.protocol;
    let port = entry.port;
    let rows = judgement.rows.iter().enumerate().filter(|(_, row)| entry.takes(row));
    Finding {
        id: "around-the-firewall",
        severity: if is_open && !stays { Severity::High } else { Severity::Medium },
        rows: rows.map(|(at, _)| at).collect(),
        subject: format!("{protocol}/{port}"),
        text: format!(
            "{} over {family} though {who}: it is translated to {}{whose}, and {}",
            if is_open { "open" } else { "open to some" },
            entry.leads_to,
            if stays { "that port is let in" } else { "forwarding does not pass the input chain" },
        ),
        action: if has(Manager::Docker) {
            format!(
                "publish it on one address only (-p 127.0.0.1:{port}:…), or filter it in the chain \
                 DOCKER-USER"
            )
        } else {
            format!("filter it by the port that clients use: ct original proto-dst {port}")
        },
    }
}
