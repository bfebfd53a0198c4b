//! One lookup in the host's routing.

use super::Oracle;
use crate::ir::Family;
use crate::world::{Action, Entry, Kind, Rule, Way, World};

/// What is looked up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) family: Family,
    pub(super) to: u128,
    pub(super) from: u128,
    /// Name of the interface that the rules take it to arrive on.
    pub(super) iif: &'a str,
    pub(super) mark: u32,
    pub(super) protocol: u8,
    pub(super) sport: u16,
    pub(super) dport: u16,
    /// The interface that link-local addresses belong to.
    pub(super) link: u32,
    /// Whether it is for a socket, whose user is not known.
    pub(super) of_socket: bool,
    /// The interface that it must lead to.
    pub(super) bound: Option<u32>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) way: Way,
    /// The table and the length of the prefix; none where a rule refused or nothing was found.
    pub(super) by: Option<(u32, u8)>,
}

fn refused(kind: Kind) -> Found {
    Found { way: Way { kind, links: Vec::new(), gateway: false }, by: None }
}

/// Looks the address up, rule by rule.
pub(super) fn look_up(world: &World, asked: &Question<'_>, oracle: &mut dyn Oracle) -> Found {
    let routing = world.routing(asked.family);
    // One trie of both tables, or two: see fib_trie.c, fib_trie_unmerge.
    if asked.family == Family::Ipv4 && !routing.custom_rules {
        let merged = longest(world, asked, &[255, 254]);
        let apart = [255, 254].iter().find_map(|table| longest(world, asked, &[*table]));
        let text = "whether a routing rule was ever added";
        let throws = |one: &Found| one.way.kind == Kind::Throw;
        let differs = merged != apart || merged.iter().flatten().any(throws);
        let is_one = differs && oracle.holds(text, crate::ir::Doubt::History);
        let tables: &[&[u32]] =
            if is_one { &[&[255, 254], &[253]] } else { &[&[255], &[254], &[253]] };
        for numbers in tables {
            let Some(candidates) = longest(world, asked, numbers) else { continue };
            let found = choose(candidates, oracle);
            if found.way.kind != Kind::Throw {
                return found;
            }
        }
        return refused(Kind::Unreachable);
    }
    let mut at = 0;
    while let Some(rule) = routing.rules.get(at) {
        at += 1;
        if !matches(world, rule, asked, oracle) {
            continue;
        }
        match rule.action {
            Action::Table(table, suppress) => {
                let Some(found) = longest(world, asked, &[table]) else { continue };
                let found = choose(found, oracle);
                let length = found.by.map_or(0, |(_, length)| length);
                let fails =
                    matches!(found.way.kind, Kind::Blackhole | Kind::Unreachable | Kind::Prohibit);
                let suppressed = suppress.is_some_and(|longest| u32::from(length) <= longest);
                if found.way.kind == Kind::Throw || suppressed && !fails {
                    continue;
                }
                return found;
            }
            Action::Goto(to) => at = to,
            Action::Nop => {}
            Action::Blackhole => return refused(Kind::Blackhole),
            Action::Unreachable => return refused(Kind::Unreachable),
            Action::Prohibit => return refused(Kind::Prohibit),
            Action::Other => {
                if oracle.choose("a routing rule's action", 2) == 1 {
                    return refused(Kind::Other);
                }
            }
        }
    }
    refused(Kind::Unreachable)
}

/// The ways of the longest prefix that holds the address.
type Candidates = Vec<Found>;

fn longest(world: &World, asked: &Question<'_>, tables: &[u32]) -> Option<Candidates> {
    let to = asked.to;
    // route.c, rt6_need_strict: loopback, link-local, multicast.
    let is_strict =
        asked.family == Family::Ipv6 && (to == 1 || to >> 118 == 0xfe80 >> 6 || to >> 120 == 0xff);
    let strict = asked.bound.or(is_strict.then_some(asked.link));
    let routing = world.routing(asked.family);
    let mut best: Option<(&Entry, u32)> = None;
    for number in tables {
        for entry in routing.tables.get(number).map_or(&[][..], |table| &table.entries) {
            let fits = entry.lo <= to
                && to <= entry.hi
                && !entry.ways(asked.family, strict).is_empty()
                && best.is_none_or(|(other, _)| entry.len > other.len);
            if fits {
                best = Some((entry, *number));
            }
        }
    }
    let (entry, table) = best?;
    let found = |way: &Way| {
        let links = strict.map_or_else(|| way.links.clone(), |link| vec![link]);
        Found { way: Way { links, ..way.clone() }, by: Some((table, entry.len)) }
    };
    Some(entry.ways(asked.family, strict).into_iter().map(found).collect())
}

/// One of the ways, and of its hops.
fn choose(mut candidates: Candidates, oracle: &mut dyn Oracle) -> Found {
    let mut pick = |count: usize| {
        let options = u32::try_from(count).unwrap_or(u32::MAX);
        let at = if options > 1 { oracle.choose("which of several routes", options) } else { 0 };
        usize::try_from(at).unwrap_or(0)
    };
    let at = pick(candidates.len()).min(candidates.len().saturating_sub(1));
    if candidates.is_empty() {
        return refused(Kind::Unreachable);
    }
    candidates.swap_remove(at)
}

/// fib_rules.c, fib_rule_match.
fn matches(world: &World, rule: &Rule, asked: &Question<'_>, oracle: &mut dyn Oracle) -> bool {
    let within = |range: Option<(u128, u128)>, value: u128| {
        range.is_none_or(|(lo, hi)| (lo..=hi).contains(&value))
    };
    let ports = |range: Option<(u16, u16)>, value: u16| {
        range.is_none_or(|(lo, hi)| (lo..=hi).contains(&value))
    };
    let exists = |name: &String| world.link(name).is_some() && name == asked.iif;
    let leads = |name: &String| {
        asked.bound.is_some() && world.link(name).map(|link| link.index) == asked.bound
    };
    let plain = within(rule.source, asked.from)
        && within(rule.destination, asked.to)
        && rule.input.as_ref().is_none_or(exists)
        && rule.output.as_ref().is_none_or(leads)
        && rule.mark.is_none_or(|(value, mask)| asked.mark & mask == value & mask)
        && rule.protocol.is_none_or(|protocol| protocol == asked.protocol)
        && ports(rule.source_ports, asked.sport)
        && ports(rule.destination_ports, asked.dport)
        && rule.users.is_none_or(|(first, _)| asked.of_socket || first == 0);
    let users = plain && asked.of_socket && rule.users.is_some();
    let doubtful = plain && (users || rule.doubt.is_some());
    let text = rule.doubt.as_deref().unwrap_or("the users of a routing rule");
    let holds = plain && (!doubtful || oracle.holds(text, crate::ir::Doubt::History));
    holds != rule.invert
}
