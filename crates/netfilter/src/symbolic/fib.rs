//! Questions of rules to the host's routing.

use packet_set::{Diagram, Exceeded, Field, Leaf, RangeSet};

use super::chain::Engine;
use super::route::{Input, Lookup, Says};
use crate::ir::{Doubt, Family, Fib, FibAsk, Side};
use crate::world::{Entry, Kind, Way, World, flatten};

/// The interfaces of a route: `IN` where it leads out of one that is wanted.
struct Leads {
    /// The interface that it must lead out of.
    side: Option<Side>,
    /// Numbers of interfaces that are wanted.
    wanted: RangeSet,
    /// A route to this host counts, too.
    local: bool,
    /// Any interface will do.
    loose: bool,
}

impl Says for Leads {
    fn way(&self, engine: &mut Engine<'_>, way: &Way) -> Result<Diagram, Exceeded> {
        let leads = match way.kind {
            Kind::Unicast => true,
            Kind::Local => self.local,
            Kind::Other => return Ok(Diagram::constant(Leaf::IN.or(NO))),
            _ => false,
        };
        let numbers = engine.link_numbers(&way.links);
        if !leads || numbers.intersection(&self.wanted).is_empty() {
            return Ok(Diagram::constant(NO));
        }
        match self.side {
            Some(side) if !self.loose => {
                engine.arena.field_in(side.field(), &numbers, Leaf::IN, NO)
            }
            // One of several hops may be the one.
            _ if !numbers.is_subset(&self.wanted) => Ok(Diagram::constant(Leaf::IN.or(NO))),
            _ => Ok(Diagram::constant(Leaf::IN)),
        }
    }

    fn nowhere(&self, kind: Kind) -> Diagram {
        Diagram::constant(if kind == Kind::Other { Leaf::IN.or(NO) } else { NO })
    }
}

/// "Does not lead there", which must not be taken for "the table has no route".
const NO: Leaf = Leaf::outcome(13);

impl Engine<'_> {
    /// A question to the routing, as a condition.
    pub(super) fn fib(
        &mut self,
        fib: &Fib,
        world: &World,
        unknown: &mut Vec<String>,
    ) -> Result<Diagram, Exceeded> {
        // What a reply's interfaces are depends on more than what it replies to.
        if self.phase.is_reply() && fib.side.is_some() {
            return self.doubtful(&fib.text, Doubt::History, unknown);
        }
        match &fib.asks {
            FibAsk::Type(bits) | FibAsk::AddressType(bits) => {
                match self.address_type(fib, *bits, world)? {
                    Some(answer) => Ok(answer),
                    None => self.doubtful(&fib.text, Doubt::History, unknown),
                }
            }
            FibAsk::Route(patterns) => {
                let wanted: RangeSet = if patterns.is_empty() {
                    RangeSet::all()
                } else {
                    patterns
                        .iter()
                        .flat_map(|one| self.interfaces.matching(one).iter().collect::<Vec<_>>())
                        .collect()
                };
                let says = Leads { side: fib.side, wanted, local: false, loose: false };
                self.leads(fib, world, &says)
            }
            FibAsk::ReversePath { loose, accept_local } => {
                let says = Leads {
                    side: Some(Side::In),
                    wanted: RangeSet::all(),
                    local: *accept_local,
                    loose: *loose,
                };
                self.leads(fib, world, &says)
            }
        }
    }

    fn leads(&mut self, fib: &Fib, world: &World, says: &Leads) -> Result<Diagram, Exceeded> {
        let other = |field| if field == Field::SOURCE { Field::DESTINATION } else { Field::SOURCE };
        let (Ok(to), Ok(from)) = (self.place(fib.address), self.place(other(fib.address))) else {
            return Ok(Diagram::constant(Leaf::IN.or(Leaf::NONE)));
        };
        let how = Lookup {
            to,
            from,
            input: Input::Host,
            marked: fib.with_mark,
            source_port: Field::DPORT,
            destination_port: Field::SPORT,
            of_socket: false,
            bound: None,
            link: fib.side.map_or(Field::IIF, Side::field),
        };
        let found = self.look_up(world, &how, says)?;
        self.arena.substitute(found, NO, Diagram::constant(Leaf::NONE))
    }

    /// Whether an address is of one of the types; none where we cannot tell.
    fn address_type(
        &mut self,
        fib: &Fib,
        bits: u16,
        world: &World,
    ) -> Result<Option<Diagram>, Exceeded> {
        let field = fib.address;
        match (self.family, fib.side) {
            (Family::Ipv4, None) => {
                let wanted = four(world, bits, None);
                self.values(field, &wanted).map(Some)
            }
            (Family::Ipv6, None) => match six(world, bits, &fib.asks) {
                Some(wanted) => self.values(field, &wanted).map(Some),
                None => Ok(None),
            },
            (_, Some(side)) => {
                let mut parts = Vec::new();
                for link in &world.links {
                    let wanted = match self.family {
                        Family::Ipv4 => four(world, bits, Some(link.index)),
                        Family::Ipv6 if bits == Fib::LOCAL => {
                            let own = link.addresses.iter().filter(|own| own.family == self.family);
                            own.map(|own| (own.address, own.address)).collect()
                        }
                        Family::Ipv6 => return Ok(None),
                    };
                    let number = self.link_numbers(&[link.index]);
                    let guard = self.arena.field_in(side.field(), &number, Leaf::IN, Leaf::NONE)?;
                    let wanted = self.values(field, &wanted)?;
                    // One node each: the address is before the interface.
                    parts.push(self.arena.intersection(wanted, guard)?);
                }
                self.arena.first_decided(parts).map(Some)
            }
        }
    }
}

/// The IPv4 addresses of these types, as an interface sees them if one is given (fib_frontend.c,
/// `__inet_dev_addr_type`): only the table local is looked at, and what is not in it is unicast.
pub(crate) fn four(world: &World, bits: u16, link: Option<u32>) -> RangeSet {
    let max = Family::Ipv4.max_address();
    let of = |kind: Kind| match kind {
        Kind::Local => Fib::LOCAL,
        Kind::Broadcast => Fib::BROADCAST,
        Kind::Anycast => Fib::ANYCAST,
        Kind::Multicast => Fib::MULTICAST,
        _ => Fib::UNICAST,
    };
    let entries = world.four.tables.get(&255).map_or(&[][..], |table| &table.entries);
    let alive = entries.iter().filter(|one| !one.ways(Family::Ipv4, None).is_empty());
    let flat = flatten(alive);
    let kind_of = |entry: &Entry| {
        let way = entry.ways(Family::Ipv4, None).first().copied().cloned();
        way.filter(|way| link.is_none_or(|link| way.links.first() == Some(&link)))
            .map_or(Fib::UNICAST, |way| of(way.kind))
    };
    let mut ranges = Vec::new();
    for (at, (start, entry)) in flat.iter().enumerate() {
        let last = flat.get(at + 1).map_or(max, |(next, _)| next - 1).min(max);
        if entry.map_or(Fib::UNICAST, kind_of) & bits != 0 {
            ranges.push((*start, last));
        }
    }
    // 0.0.0.0 and 255.255.255.255, and multicast, whatever the table says.
    let broadcast = RangeSet::of(vec![(0, 0), (max, max)]);
    let multicast = RangeSet::from(0xe000_0000..=0xefff_ffff);
    let mut all = RangeSet::of(ranges);
    for (set, bit) in [(broadcast, Fib::BROADCAST), (multicast, Fib::MULTICAST)] {
        all =
            if bits & bit == 0 { all.intersection(&set.complement(max)) } else { all.union(&set) };
    }
    all
}

/// The IPv6 addresses of these types; none where the routes to all others would have to be asked.
pub(crate) fn six(world: &World, bits: u16, asks: &FibAsk) -> Option<RangeSet> {
    let of = |wanted: Kind| -> RangeSet {
        world
            .six
            .tables
            .values()
            .flat_map(|table| &table.entries)
            .filter(|entry| entry.routes.iter().any(|route| route.way.kind == wanted))
            .map(|entry| (entry.lo, entry.hi))
            .collect()
    };
    if matches!(asks, FibAsk::AddressType(_)) && bits != Fib::LOCAL {
        return None;
    }
    let mut all = RangeSet::empty();
    if bits & Fib::LOCAL != 0 {
        all = all.union(&of(Kind::Local));
    }
    if bits & Fib::ANYCAST != 0 {
        all = all.union(&of(Kind::Anycast));
    }
    if bits & Fib::MULTICAST != 0 {
        all = all.union(&RangeSet::from(0xff << 120..=u128::MAX));
    }
    // IPv6 has no broadcast; the others are the types that routes to elsewhere have.
    let elsewhere = !(Fib::LOCAL | Fib::ANYCAST | Fib::MULTICAST | Fib::BROADCAST);
    (bits & elsewhere == 0).then_some(all)
}
