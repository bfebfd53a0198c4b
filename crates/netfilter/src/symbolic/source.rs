//! Which packets may come in where: martian addresses, and the check of the source against the
//! routes back (IPv4: route.c, ip_route_input_slow; fib_frontend.c, fib_validate_source. IPv6:
//! ip6_input.c, ip6_rcv_core).

use packet_set::{Diagram, Exceeded, Field, Leaf, RangeSet};

use super::chain::Engine;
use super::outcome::{DROP, MARTIAN};
use super::route::{Lookup, Says};
use crate::ir::Family;
use crate::world::{Kind, Link, Way, World};

/// What the check of the source says of a way back: `IN` where the packet passes.
struct Passes<'a> {
    world: &'a World,
}

impl Passes<'_> {
    /// The interfaces on which a packet passes.
    fn at(
        &self,
        engine: &mut Engine<'_>,
        passes: impl Fn(&Link) -> bool,
    ) -> Result<Diagram, Exceeded> {
        let links: Vec<u32> =
            self.world.links.iter().filter(|link| passes(link)).map(|link| link.index).collect();
        let numbers = engine.link_numbers(&links);
        engine.arena.field_in(Field::IIF, &numbers, Leaf::IN, MARTIAN)
    }
}

fn has_address(link: &Link) -> bool {
    link.addresses.iter().any(|own| own.family == Family::Ipv4)
}

impl Says for Passes<'_> {
    fn way(&self, engine: &mut Engine<'_>, way: &Way) -> Result<Diagram, Exceeded> {
        let back = |link: &Link| way.links.contains(&link.index);
        match way.kind {
            Kind::Unicast | Kind::Local => self.at(engine, |link| {
                let is_own = way.kind == Kind::Local && !link.conf.accept_local;
                let by_here = back(link) || way.kind == Kind::Local && link.loopback;
                !is_own
                    && (by_here
                        || match link.conf.rp_filter {
                            0 => true,
                            // Without an address there is nothing to compare.
                            _ if !has_address(link) => false,
                            1 => false,
                            _ => true,
                        })
            }),
            Kind::Throw => Ok(Diagram::constant(Leaf::NONE)),
            Kind::Blackhole | Kind::Unreachable | Kind::Prohibit => {
                self.at(engine, |link| link.conf.rp_filter == 0)
            }
            Kind::Other => Ok(Diagram::constant(Leaf::IN.or(MARTIAN))),
            Kind::Broadcast | Kind::Anycast | Kind::Multicast => Ok(Diagram::constant(MARTIAN)),
        }
    }

    fn nowhere(&self, kind: Kind) -> Diagram {
        // Replaced by what `last_resort` says.
        match kind {
            Kind::Other => Diagram::constant(Leaf::IN.or(MARTIAN)),
            _ => Diagram::constant(UNFOUND),
        }
    }
}

/// No route back.
const UNFOUND: Leaf = Leaf::outcome(13);

impl Engine<'_> {
    /// Where packets may come in by their source, for IPv4: `IN`, or [`MARTIAN`].
    pub(super) fn valid_source(&mut self, world: &World) -> Result<Diagram, Exceeded> {
        let routing = world.routing(Family::Ipv4);
        let custom = routing.custom_rules || routing.custom_local;
        let (mut full, mut plain) = (Vec::new(), Vec::new());
        for link in &world.links {
            let by_route = link.conf.rp_filter != 0 || custom && !link.conf.accept_local;
            if by_route { &mut full } else { &mut plain }.push(link.index);
        }
        let mut answer = self.plain_source(world)?;
        if !full.is_empty() {
            let by_route = self.routed_source(world)?;
            let numbers = self.link_numbers(&full);
            let guard = self.arena.field_in(Field::IIF, &numbers, Leaf::IN, Leaf::NONE)?;
            answer = self.where_holds(guard, by_route, answer)?;
        }
        Ok(answer)
    }

    /// The check without a lookup: own addresses are not accepted from elsewhere.
    fn plain_source(&mut self, world: &World) -> Result<Diagram, Exceeded> {
        let lax: Vec<u32> = world
            .links
            .iter()
            .filter(|link| link.conf.accept_local)
            .map(|link| link.index)
            .collect();
        let lax = self.link_numbers(&lax);
        let own = world.own_addresses(Family::Ipv4);
        let own = self.arena.field_in(Field::SOURCE, &own, Leaf::IN, Leaf::NONE)?;
        // The kernel looks these up once it has ever had rules or local routes of its own, and when a
        // packet leaves as it came: then they do not pass.
        let broadcast = world.broadcast_addresses(Family::Ipv4);
        let either = Leaf::IN.or(MARTIAN);
        let others = self.arena.field_in(Field::SOURCE, &broadcast, either, Leaf::IN)?;
        let strict = self.where_holds(own, Diagram::constant(MARTIAN), others)?;
        let guard = self.arena.field_in(Field::IIF, &lax, Leaf::IN, Leaf::NONE)?;
        self.where_holds(guard, Diagram::constant(Leaf::IN), strict)
    }

    /// The check by the route back.
    fn routed_source(&mut self, world: &World) -> Result<Diagram, Exceeded> {
        let passes = Passes { world };
        let none = passes.at(self, |link| link.conf.rp_filter == 0)?;
        let mut answer = self.look_up(world, &Lookup::REVERSE, &passes)?;
        let marked: Vec<u32> = world
            .links
            .iter()
            .filter(|link| link.conf.src_valid_mark)
            .map(|link| link.index)
            .collect();
        if !marked.is_empty() {
            let how = Lookup { marked: true, ..Lookup::REVERSE };
            let by_mark = self.look_up(world, &how, &passes)?;
            let numbers = self.link_numbers(&marked);
            let guard = self.arena.field_in(Field::IIF, &numbers, Leaf::IN, Leaf::NONE)?;
            answer = self.where_holds(guard, by_mark, answer)?;
        }
        self.arena.substitute(answer, UNFOUND, none)
    }

    /// IPv4 packets that are dropped for their addresses alone: [`MARTIAN`], or `IN`.
    pub(super) fn martians(&mut self, world: &World) -> Result<Diagram, Exceeded> {
        let lax: Vec<u32> = world
            .links
            .iter()
            .filter(|link| link.conf.route_localnet)
            .map(|link| link.index)
            .collect();
        let lax = self.link_numbers(&lax);
        let (lo, hi) = Family::Ipv4.loopback();
        let loopback = RangeSet::from(lo..=hi);
        let mut all = Diagram::constant(Leaf::IN);
        // From last to first in the kernel's order.
        for field in [Field::SOURCE, Field::DESTINATION] {
            let guard = self.arena.field_in(field, &loopback, Leaf::IN, Leaf::NONE)?;
            let there = self.arena.field_in(Field::IIF, &lax, Leaf::IN, MARTIAN)?;
            let there = self.arena.intersection(there, all)?;
            all = self.where_holds(guard, there, all)?;
        }
        let zero = RangeSet::one(0);
        let multicast = RangeSet::from(0xe000_0000..=0xefff_ffff);
        let limited = RangeSet::one(u32::MAX.into());
        // Not addressed, except by and to those without an address.
        let to_none = self.arena.field_in(Field::DESTINATION, &zero, Leaf::IN, Leaf::NONE)?;
        let from_none = self.arena.field_in(Field::SOURCE, &zero, Leaf::IN, Leaf::NONE)?;
        let to_all =
            limited.union(&RangeSet::one(0)).union(&RangeSet::from(0xe000_0000..=0xe000_00ff));
        let fine = self.arena.field_in(Field::DESTINATION, &to_all, Leaf::IN, MARTIAN)?;
        let fine = self.arena.intersection(fine, all)?;
        let unaddressed = self.where_holds(to_none, Diagram::constant(MARTIAN), all)?;
        all = self.where_holds(from_none, fine, unaddressed)?;
        let never = multicast.union(&limited);
        let guard = self.arena.field_in(Field::SOURCE, &never, Leaf::IN, Leaf::NONE)?;
        self.where_holds(guard, Diagram::constant(MARTIAN), all)
    }

    /// IPv6 packets that are dropped for their addresses before any hook, likewise.
    pub(super) fn unroutable(&mut self) -> Result<Diagram, Exceeded> {
        let from = RangeSet::of(vec![(1, 1), (0xff << 120, u128::MAX)]);
        // Of multicast, the scopes 0 and 1 (RFC 4291, 2.7).
        let scoped = (0..16_u128).flat_map(|flags| {
            let base = 0xff << 120 | flags << 116;
            [base, base | 1 << 112].map(|lo| (lo, lo | ((1 << 112) - 1)))
        });
        let to: RangeSet = scoped.chain([(1, 1)]).collect();
        let mut all = Diagram::constant(Leaf::IN);
        for (field, values) in [(Field::SOURCE, from), (Field::DESTINATION, to)] {
            let guard = self.arena.field_in(field, &values, Leaf::IN, Leaf::NONE)?;
            all = self.where_holds(guard, Diagram::constant(MARTIAN), all)?;
        }
        Ok(all)
    }

    /// Puts the address of the ingress interface in place of the destination (nf_nat_redirect.c).
    pub(super) fn redirect(&mut self, world: &World, answer: Diagram) -> Result<Diagram, Exceeded> {
        let family = self.family;
        // Without an address the packet is dropped.
        let dropped = Diagram::constant(DROP);
        let mut parts = Vec::new();
        for link in &world.links {
            let number = self.link_numbers(&[link.index]);
            let guard = self.arena.field_in(Field::IIF, &number, Leaf::IN, Leaf::NONE)?;
            let mut of_scope = Vec::new();
            for scope in scopes(family) {
                let mut choices = Vec::new();
                for own in link.addresses.iter().filter(|own| own.family == family) {
                    if scope.contains(own.address) {
                        choices.push(self.arena.restrict(
                            answer,
                            Field::DESTINATION,
                            own.address,
                        )?);
                    }
                }
                let chosen =
                    if choices.is_empty() { dropped } else { self.arena.any_of(choices)? };
                let same = self.arena.field_in(Field::DESTINATION, &scope, Leaf::IN, Leaf::NONE)?;
                of_scope.push(self.arena.intersection(same, chosen)?);
            }
            let chosen = self.arena.first_decided(of_scope)?;
            parts.push(self.arena.intersection(guard, chosen)?);
        }
        let all = self.arena.first_decided(parts)?;
        self.arena.over(all, dropped)
    }
}

/// The addresses that one of this interface is taken for: any of IPv4, those of the same scope of
/// IPv6 (link-local or not).
fn scopes(family: Family) -> Vec<RangeSet> {
    let link_local = RangeSet::from(0xfe80 << 112..=(0xfec0 << 112) - 1);
    match family {
        Family::Ipv4 => vec![RangeSet::all()],
        Family::Ipv6 => vec![link_local.complement(u128::MAX), link_local],
    }
}
