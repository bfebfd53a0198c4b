//! Lookups in the host's routing, as diagrams: which rule of the routing policy, which table and
//! which prefix decide (fib_rules.c, fib_rules_lookup; fib_trie.c, fib_table_lookup; ip6_fib.c and
//! route.c of IPv6).

use std::collections::HashSet;

use packet_set::{Diagram, Exceeded, Field, Leaf, RangeSet};

use super::chain::Engine;
use super::interfaces::Interfaces;
use crate::ir::{Cond, Family, Note, Place};
use crate::world::{Action, Entry, Kind, Rule, Strict, Table, Way, World, flatten};

/// What the rules of the policy take for the interface that a packet arrived on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Input {
    /// The interface that this field holds.
    Of(Field),
    /// The loopback: the packet is this host's own.
    Host,
    /// As the check of a source takes it: the interface that the packet leaves by, or the loopback
    /// (fib_frontend.c, __fib_validate_source).
    Reverse,
}

/// What a lookup goes by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lookup {
    /// The address that is looked up.
    pub(super) to: Field,
    /// The other one.
    pub(super) from: Field,
    pub(super) input: Input,
    /// Whether the packet's mark is looked at; otherwise it is 0.
    pub(super) marked: bool,
    pub(super) source_port: Field,
    pub(super) destination_port: Field,
    /// Whether it is for a socket of this host, whose user is not known.
    pub(super) of_socket: bool,
    /// The field of the interface that link-local addresses belong to.
    pub(super) link: Field,
    /// The interface that it must lead to: the socket is bound to it.
    pub(super) bound: Option<u32>,
}

impl Lookup {
    /// Of a packet that arrives.
    pub(super) const ARRIVAL: Self = Self {
        to: Field::DESTINATION,
        from: Field::SOURCE,
        input: Input::Of(Field::IIF),
        marked: true,
        source_port: Field::SPORT,
        destination_port: Field::DPORT,
        of_socket: false,
        link: Field::IIF,
        bound: None,
    };

    /// Of the source of a packet that arrives.
    pub(super) const REVERSE: Self = Self {
        to: Field::SOURCE,
        from: Field::DESTINATION,
        input: Input::Reverse,
        marked: false,
        source_port: Field::DPORT,
        destination_port: Field::SPORT,
        of_socket: false,
        link: Field::IIF,
        bound: None,
    };
}

/// What a lookup says: of the ways that a prefix leaves open, and where nothing is found.
pub(super) trait Says {
    /// One way; the diagram looks at no field before the interfaces.
    fn way(&self, engine: &mut Engine<'_>, way: &Way) -> Result<Diagram, Exceeded>;
    /// No route, or a rule that refuses.
    fn nowhere(&self, kind: Kind) -> Diagram;
}

const ALWAYS: Diagram = Diagram::constant(Leaf::IN);
const NEVER: Diagram = Diagram::constant(Leaf::NONE);
const PERHAPS: Diagram = Diagram::constant(Leaf::IN.or(Leaf::NONE));

impl Engine<'_> {
    /// The number of an interface in diagrams.
    pub(super) fn link_number(&self, index: u32) -> Option<u128> {
        let world = self.world?;
        let place = world.links.iter().position(|link| link.index == index)?;
        u128::try_from(place + 1).ok()
    }

    /// The numbers of these interfaces.
    pub(super) fn link_numbers(&self, links: &[u32]) -> RangeSet {
        links.iter().filter_map(|index| self.link_number(*index)).map(|at| (at, at)).collect()
    }

    /// What the host's routing says of every packet.
    pub(super) fn look_up(
        &mut self,
        world: &World,
        how: &Lookup,
        says: &impl Says,
    ) -> Result<Diagram, Exceeded> {
        let routing = world.routing(self.family);
        let end = says.nowhere(Kind::Unreachable);
        if self.family == Family::Ipv4 && !routing.custom_rules {
            return self.default_rules(world, how, says);
        }
        let mut states = vec![end; routing.rules.len() + 1];
        for (at, rule) in routing.rules.iter().enumerate().rev() {
            let next = states.get(at + 1).copied().unwrap_or(end);
            let there = match rule.action {
                Action::Table(number, suppress) => {
                    let table = self.table(world, number, suppress, how, says)?;
                    self.arena.over(table, next)?
                }
                Action::Goto(to) => states.get(to).copied().unwrap_or(next),
                Action::Nop => next,
                Action::Blackhole => says.nowhere(Kind::Blackhole),
                Action::Unreachable => says.nowhere(Kind::Unreachable),
                Action::Prohibit => says.nowhere(Kind::Prohibit),
                Action::Other => {
                    self.note_routing(&format!("routing rule {}: its action", rule.priority));
                    self.arena.either(next, says.nowhere(Kind::Other))?
                }
            };
            let guard = self.rule_guard(world, rule, how)?;
            let here = if there == next { next } else { self.where_holds(guard, there, next)? };
            if let Some(state) = states.get_mut(at) {
                *state = here;
            }
        }
        Ok(states.first().copied().unwrap_or(end))
    }

    /// With the rules that every namespace begins with, IPv4 keeps the tables local and main in one
    /// trie, in which the longest prefix of both counts, until the first rule is added
    /// (fib_trie.c, fib_trie_unmerge). Whether a rule ever was we cannot see.
    fn default_rules(
        &mut self,
        world: &World,
        how: &Lookup,
        says: &impl Says,
    ) -> Result<Diagram, Exceeded> {
        let mut answer = says.nowhere(Kind::Unreachable);
        for number in [253, 254, 255] {
            let table = self.table(world, number, None, how, says)?;
            answer = self.arena.over(table, answer)?;
        }
        let tables = &world.routing(self.family).tables;
        let (Some(local), Some(main)) = (tables.get(&255), tables.get(&254)) else {
            return Ok(answer);
        };
        let holds = |outer: &Entry, inner: &Entry| {
            outer.len < inner.len && outer.lo <= inner.lo && inner.hi <= outer.hi
        };
        let wide: Vec<&Entry> = local.entries.iter().filter(|entry| entry.len < 32).collect();
        let mut aliases = local.entries.iter().flat_map(|one| &one.routes);
        let differs = aliases.any(|alias| alias.way.kind == Kind::Throw)
            || main.entries.iter().any(|inner| wide.iter().any(|outer| holds(outer, inner)));
        if !differs {
            return Ok(answer);
        }
        let alive = |entry: &&Entry| !entry.ways(Family::Ipv4, None).is_empty();
        let mut both: Vec<&Entry> = local.entries.iter().filter(alive).collect();
        // Of one prefix in both, that of the table local counts (fib_trie.c, fib_find_alias).
        let known: HashSet<(u128, u8)> = both.iter().map(|one| (one.lo, one.len)).collect();
        both.extend(main.entries.iter().filter(|one| !known.contains(&(one.lo, one.len))));
        let merged = self.flat(&both, None, None, how.to, says)?;
        let default = self.table(world, 253, None, how, says)?;
        let merged = self.arena.over(merged, default)?;
        let merged = self.arena.over(merged, says.nowhere(Kind::Unreachable))?;
        self.arena.either(answer, merged)
    }

    /// What a table says; `NONE` where it has no route.
    fn table(
        &mut self,
        world: &World,
        number: u32,
        suppress: Option<u32>,
        how: &Lookup,
        says: &impl Says,
    ) -> Result<Diagram, Exceeded> {
        let empty = Table::default();
        let table = world.routing(self.family).tables.get(&number).unwrap_or(&empty);
        let entries: Vec<&Entry> = table.entries.iter().collect();
        if how.bound.is_some() {
            return self.flat(&entries, how.bound, suppress, how.to, says);
        }
        let loose = self.flat(&entries, None, suppress, how.to, says)?;
        if self.family == Family::Ipv4 {
            return Ok(loose);
        }
        // Of link-local, multicast and loopback addresses only routes of the own interface count.
        let mut parts = Vec::new();
        for link in &world.links {
            let own = self.flat(&entries, Some(link.index), suppress, how.to, says)?;
            let number = self.link_numbers(&[link.index]);
            let guard = self.arena.field_in(how.link, &number, Leaf::IN, Leaf::NONE)?;
            // `NONE` of the table must not be taken for "another interface".
            let own = self.arena.over(own, Diagram::constant(HELD))?;
            parts.push(self.guarded(guard, own)?);
        }
        let strict = self.arena.first_decided(parts)?;
        let strict = self.arena.substitute(strict, HELD, NEVER)?;
        let guard = self.arena.field_in(how.to, &strict_addresses(), Leaf::IN, Leaf::NONE)?;
        // The loose answer holds NONE where the table has no route: it must not take the strict one.
        let loose = self.arena.over(loose, Diagram::constant(HELD))?;
        let strict = self.arena.over(strict, Diagram::constant(HELD))?;
        let both = self.where_holds(guard, strict, loose)?;
        self.arena.substitute(both, HELD, NEVER)
    }

    /// `there` where the guard holds, `NONE` elsewhere; the guard may look at fields after those of
    /// `there`.
    fn guarded(&mut self, guard: Diagram, there: Diagram) -> Result<Diagram, Exceeded> {
        self.arena.intersection(guard, there)
    }

    fn flat(
        &mut self,
        entries: &[&Entry],
        strict: Strict,
        suppress: Option<u32>,
        to: Field,
        says: &impl Says,
    ) -> Result<Diagram, Exceeded> {
        let family = self.family;
        let alive = entries.iter().copied().filter(|one| !one.ways(family, strict).is_empty());
        let mut edges = Vec::new();
        for (start, entry) in flatten(alive) {
            let child = match entry {
                None => NEVER,
                Some(entry) => self.entry(entry, strict, suppress, says)?,
            };
            edges.push((start, child));
        }
        self.arena.charge(entries.len() as u64)?;
        self.arena.node(to, edges)
    }

    fn entry(
        &mut self,
        entry: &Entry,
        strict: Strict,
        suppress: Option<u32>,
        says: &impl Says,
    ) -> Result<Diagram, Exceeded> {
        let mut all: Option<Diagram> = None;
        for way in entry.ways(self.family, strict) {
            let is_error = matches!(way.kind, Kind::Blackhole | Kind::Unreachable | Kind::Prohibit);
            let suppressed = suppress.is_some_and(|longest| u32::from(entry.len) <= longest);
            let one = match way.kind {
                Kind::Throw => NEVER,
                _ if suppressed && !is_error => NEVER,
                _ if strict.is_some() => {
                    // Of a route with several hops, the one of the interface.
                    let links = strict.into_iter().collect();
                    says.way(self, &Way { links, ..way.clone() })?
                }
                _ => says.way(self, way)?,
            };
            all = Some(match all {
                None => one,
                Some(others) => self.arena.either(others, one)?,
            });
        }
        Ok(all.unwrap_or(NEVER))
    }

    /// For which packets a rule of the policy is (fib_rules.c, fib_rule_match; fib4_rule_match).
    fn rule_guard(
        &mut self,
        world: &World,
        rule: &Rule,
        how: &Lookup,
    ) -> Result<Diagram, Exceeded> {
        let mut parts = Vec::new();
        if let Some((lo, hi)) = rule.source {
            parts.push(self.values(how.from, &RangeSet::from(lo..=hi))?);
        }
        if let Some((lo, hi)) = rule.destination {
            parts.push(self.values(how.to, &RangeSet::from(lo..=hi))?);
        }
        if let Some(name) = &rule.input {
            parts.push(self.rule_input(name, how.input)?);
        }
        if let Some(name) = &rule.output {
            let link = world.link(name).map(|link| link.index);
            parts.push(constant(link.is_some() && link == how.bound));
        }
        if let Some((value, mask)) = rule.mark {
            let wanted = u128::from(value & mask);
            parts.push(if how.marked {
                let values = RangeSet::one(wanted);
                let cond = Cond::Masked { field: Field::MARK, mask: mask.into(), values };
                let mut unknown = Vec::new();
                let guard = self.condition(&cond, &mut unknown)?;
                for what in unknown {
                    self.note_routing(&what);
                }
                guard
            } else {
                constant(wanted == 0)
            });
        }
        if let Some(protocol) = rule.protocol {
            parts.push(constant(protocol == self.protocol));
        }
        for (ports, field) in
            [(rule.source_ports, how.source_port), (rule.destination_ports, how.destination_port)]
        {
            if let Some((lo, hi)) = ports {
                parts.push(self.values(field, &RangeSet::from(lo.into()..=hi.into()))?);
            }
        }
        match rule.users {
            // What arrives belongs to the namespace's root (sock.h, sock_net_uid).
            Some((first, _)) if !how.of_socket => parts.push(constant(first == 0)),
            Some(_) => {
                self.note_routing(&format!("routing rule {}: its users", rule.priority));
                parts.push(PERHAPS);
            }
            None => {}
        }
        if let Some(doubt) = &rule.doubt {
            self.note_routing(doubt);
            parts.push(PERHAPS);
        }
        parts.sort_by_key(|part| std::cmp::Reverse(self.arena.top(*part)));
        let mut all = ALWAYS;
        for part in parts {
            all = self.arena.intersection(part, all)?;
        }
        if rule.invert { self.arena.complement(all) } else { Ok(all) }
    }

    fn rule_input(&mut self, name: &str, input: Input) -> Result<Diagram, Exceeded> {
        let world = self.world;
        let link = world.and_then(|world| world.link(name));
        let is_loopback = link.is_some_and(|link| link.loopback);
        let numbers = link.map(|link| self.link_numbers(&[link.index])).unwrap_or_default();
        let (field, numbers) = match input {
            Input::Host => return Ok(constant(is_loopback)),
            Input::Of(field) => (field, numbers),
            Input::Reverse if is_loopback => (Field::OIF, RangeSet::one(Interfaces::NONE)),
            Input::Reverse => (Field::OIF, numbers),
        };
        self.arena.field_in(field, &numbers, Leaf::IN, Leaf::NONE)
    }

    /// Names something of the routing that is not understood.
    pub(super) fn note_routing(&mut self, what: &str) {
        let place = Place { file: "routing".into(), line: 0, handle: None };
        self.unknown.insert(Note { place, what: what.to_owned() });
    }
}

/// Stands in for `NONE`.
const HELD: Leaf = Leaf::outcome(14);

fn constant(holds: bool) -> Diagram {
    if holds { ALWAYS } else { NEVER }
}

/// IPv6 addresses that belong to one interface each (route.c, rt6_need_strict).
fn strict_addresses() -> RangeSet {
    RangeSet::of(vec![(1, 1), (0xfe80 << 112, (0xfec0 << 112) - 1), (0xff << 120, u128::MAX)])
}
