//! The answer about packets that arrive at a host, for many ports at once.

mod classes;
mod entries;
mod witness;

pub use classes::{Classes, Sure};
pub use entries::{Entry, Passage};

use packet_set::{Arena, Diagram, Exceeded, Field, Leaf, RangeSet};

use super::EvaluateError;
use super::chain::{Engine, TARGET};
use super::host::Asked;
use super::interfaces::Interfaces;
use super::outcome::{ACCEPT, ELSEWHERE, Outcome, UNANSWERED};
use crate::ir::{Nat, Note};
use crate::world::World;

/// What is listened at: a socket of this host as packets find it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Listener {
    /// The destinations that lead to it: its bound address, or all of the host's.
    pub addresses: RangeSet,
    /// The interface that it is bound to.
    pub device: Option<String>,
    /// Its port, or the ICMP type.
    pub port: u16,
}

/// Who can reach something, and what becomes of the others: a handle into [`Arrivals`]. Equal
/// handles are equal answers, so that callers can keep what they make of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sources(pub(super) Diagram);

/// A way in: an interface with the sources that can come by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WayIn {
    /// The interface's name.
    pub interface: String,
    /// Who can reach it by this interface.
    pub sources: Sources,
}

/// The answer about packets that arrive at a host: see [`arrivals`](super::arrivals).
///
/// ```
/// use facts::{Address, IfIndex, Link, NetNamespace, NextHop, Part, Prefix, Route, RouteKind};
/// use netfilter::ir::Family;
/// use netfilter::rules::load;
/// use netfilter::symbolic::{Asked, Listener, arrivals};
/// use netfilter::world::World;
/// use packet_set::{Budget, RangeSet};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // A host as `whyopen snapshot` reads it, here with one interface.
/// let namespace: NetNamespace = serde_json::from_str(netfilter::world::EXAMPLE)?;
/// let world = World::of(&namespace);
/// let text = b"table inet filter {
///     chain input {
///         type filter hook input priority filter; policy drop;
///         ct state established,related accept
///         tcp dport { 22, 80 } accept
///         ip saddr 10.0.0.0/8 tcp dport 9100 accept
///     }
/// }
/// ";
/// let ruleset = load(&[("web.nft", text.as_slice())])?;
/// let asked = Asked {
///     family: Family::Ipv4,
///     protocol: 6,
///     ports: RangeSet::from(0..=0xffff),
///     destinations: world.reachable_addresses(Family::Ipv4),
/// };
/// let mut found = arrivals(&ruleset, &world, &asked, Budget::default())?;
/// let any = world.reachable_addresses(Family::Ipv4);
/// let at = |port| Listener { addresses: any.clone(), device: None, port };
/// let sources = found.listeners(&[at(22), at(9100), at(111)])?;
/// assert!(found.everyone_must(sources[0]));
/// let net = RangeSet::from(0x0a00_0000..=0x0aff_ffff);
/// assert_eq!(world.filled(Family::Ipv4, &found.must(sources[1])), net);
/// assert!(!found.anyone_may(sources[2]));
/// // Why: a packet, to be walked through the rules one by one.
/// let packet = found.witness(&at(111), |leaf| !found.may_leaf(leaf)).ok_or("none")?;
/// assert_eq!(packet.iif, "eth0");
/// # Ok(()) }
/// ```
pub struct Arrivals {
    /// Holds the diagrams.
    pub arena: Arena,
    /// Every field of the packets as they arrive; [`Field::OIF`] is the interface that they are asked
    /// to leave by, 0 for delivery to this host.
    pub details: Diagram,
    /// What was not understood on the way and can matter for some of these packets.
    pub unknown: Vec<Note>,
    asked: Asked,
    interfaces: Interfaces,
    targets: Vec<Nat>,
    ways_in: Vec<String>,
    ways_out: Vec<String>,
    /// Source, destination, interfaces, port and translation.
    ways: Diagram,
    /// The same of packets that are delivered here untranslated, as rights.
    local: Diagram,
    spreads: classes::Spreads,
}

/// Some way in is open for some history or what we did not understand.
const MAY: Leaf = Leaf::outcome(1);
/// Some way in is certainly open.
const MUST: Leaf = Leaf::outcome(2);
/// No way in is open.
const NOT_MAY: Leaf = Leaf::outcome(13);
/// No way in is certainly open.
const NOT_MUST: Leaf = Leaf::outcome(14);

impl Arrivals {
    pub(super) fn new(
        engine: Engine<'_>,
        world: &World,
        asked: Asked,
        details: Diagram,
    ) -> Result<Self, EvaluateError> {
        let mut arena = engine.arena;
        let kept =
            [Field::SOURCE, Field::DESTINATION, Field::IIF, Field::OIF, Field::DPORT, TARGET];
        let ways = arena.keep(details, |field| kept.contains(&field))?;
        let here = arena.restrict(ways, Field::OIF, Interfaces::NONE)?;
        let plain = arena.restrict(here, TARGET, 0)?;
        let names = |list: Vec<&str>| list.into_iter().map(str::to_owned).collect();
        let mut own = Self {
            arena,
            details,
            unknown: engine.unknown.into_iter().collect(),
            ways_in: names(world.ways_in(asked.family)),
            ways_out: world.links.iter().map(|link| link.name.clone()).collect(),
            asked,
            interfaces: engine.interfaces,
            targets: engine.targets.unwrap_or_default(),
            ways,
            local: plain,
            spreads: classes::Spreads::default(),
        };
        own.local = own.rights(plain)?;
        Ok(own)
    }

    /// The diagrams, all of the packets, and the interfaces.
    pub(super) fn into_parts(self) -> (Arena, Diagram, Interfaces) {
        (self.arena, self.details, self.interfaces)
    }

    /// Whether packets with this leaf of [`Self::details`] may be accepted. Where the protocol needs a
    /// reply, only if that gets out.
    #[must_use]
    pub fn may_leaf(&self, leaf: Leaf) -> bool {
        leaf.meets(self.accepted())
    }

    /// Whether packets with this leaf of [`Self::details`] are certainly accepted.
    #[must_use]
    pub fn must_leaf(&self, leaf: Leaf) -> bool {
        !leaf.is_empty() && leaf.without(self.accepted()).is_empty()
    }

    fn accepted(&self) -> Leaf {
        if self.asked.needs_reply() { ACCEPT } else { ACCEPT.or(UNANSWERED) }
    }

    /// What each leaf allows, beside what it holds.
    fn rights(&mut self, diagram: Diagram) -> Result<Diagram, Exceeded> {
        let accepted = self.accepted();
        self.arena.map_leaves(diagram, |leaf| {
            let elsewhere = leaf.meets(ELSEWHERE);
            let here = leaf.without(ELSEWHERE);
            if here.meets(accepted) {
                let sure = !elsewhere && here.without(accepted).is_empty();
                here.or(MAY).or(if sure { MUST } else { Leaf::EMPTY })
            } else {
                here
            }
        })
    }

    /// After the union over the ways: what is not there, as outcomes of its own.
    fn complete(&mut self, diagram: Diagram) -> Result<Diagram, Exceeded> {
        self.arena.map_leaves(diagram, |leaf| {
            if leaf.is_empty() {
                return leaf;
            }
            let not = |has: Leaf, no: Leaf| if leaf.meets(has) { Leaf::EMPTY } else { no };
            leaf.or(not(MAY, NOT_MAY)).or(not(MUST, NOT_MUST))
        })
    }

    /// `IN` for what a listener is addressed by.
    fn addressed(
        &mut self,
        addresses: &RangeSet,
        device: Option<&str>,
    ) -> Result<Diagram, Exceeded> {
        let by = match device {
            None => Diagram::constant(Leaf::IN),
            Some(name) => {
                let number = self.number(name);
                self.arena.field_in(Field::IIF, &number, Leaf::IN, Leaf::EMPTY)?
            }
        };
        let to = self.arena.field_in(Field::DESTINATION, addresses, Leaf::IN, Leaf::EMPTY)?;
        self.arena.intersection(to, by)
    }

    pub(super) fn number(&self, name: &str) -> RangeSet {
        self.interfaces.matching(&crate::ir::Pattern::Exact(name.to_owned()))
    }

    /// Who can reach each of these, untranslated. Ports that were not asked about are reached by
    /// nobody.
    ///
    /// # Errors
    /// The budget does not suffice.
    pub fn listeners(&mut self, list: &[Listener]) -> Result<Vec<Sources>, EvaluateError> {
        let mut found = vec![Sources(Diagram::constant(Leaf::EMPTY)); list.len()];
        for ((addresses, device), members) in classes::groups(list) {
            let part = self.part(addresses, device)?;
            let part = self.complete(part)?;
            let ports: Vec<u128> = members.iter().map(|(_, port)| *port).collect();
            let each = self.arena.restrict_each(part, Field::DPORT, &ports)?;
            for ((at, _), sources) in members.iter().zip(each) {
                if let Some(place) = found.get_mut(*at) {
                    *place = Sources(sources);
                }
            }
        }
        Ok(found)
    }

    /// Source and port of what is delivered untranslated to some addresses, by an interface.
    fn part(
        &mut self,
        addresses: &RangeSet,
        device: Option<&str>,
    ) -> Result<Diagram, EvaluateError> {
        let guard = self.addressed(addresses, device)?;
        let part = self.arena.intersection(guard, self.local)?;
        let kept = [Field::SOURCE, Field::DPORT];
        Ok(self.arena.keep(part, |field| kept.contains(&field))?)
    }

    /// Who can reach it by which interface; those that nobody can come by are left out.
    ///
    /// # Errors
    /// The budget does not suffice.
    pub fn ways_in(&mut self, listener: &Listener) -> Result<Vec<WayIn>, EvaluateError> {
        let guard = self.addressed(&listener.addresses, listener.device.as_deref())?;
        let part = self.arena.intersection(guard, self.local)?;
        let part = self.arena.restrict(part, Field::DPORT, listener.port.into())?;
        let kept = [Field::SOURCE, Field::IIF];
        let part = self.arena.keep(part, |field| kept.contains(&field))?;
        let mut list = Vec::new();
        for interface in self.ways_in.clone() {
            let Some((number, _)) = self.number(&interface).iter().next() else { continue };
            let sources = self.arena.restrict(part, Field::IIF, number)?;
            let sources = Sources(self.complete(sources)?);
            if self.anyone_may(sources) {
                list.push(WayIn { interface, sources });
            }
        }
        Ok(list)
    }

    /// Whether someone may reach it.
    #[must_use]
    pub fn anyone_may(&self, sources: Sources) -> bool {
        self.arena.outcomes(sources.0).meets(MAY)
    }

    /// Whether everyone ([`World::anyone`]) certainly reaches it.
    #[must_use]
    pub fn everyone_must(&self, sources: Sources) -> bool {
        let all = self.arena.outcomes(sources.0);
        all.meets(MUST) && !all.meets(NOT_MUST)
    }

    /// Whether everyone may reach it.
    #[must_use]
    pub fn everyone_may(&self, sources: Sources) -> bool {
        let all = self.arena.outcomes(sources.0);
        all.meets(MAY) && !all.meets(NOT_MAY)
    }

    /// Those who certainly reach it, by some way in.
    #[must_use]
    pub fn must(&self, sources: Sources) -> RangeSet {
        self.ranges(sources, MUST)
    }

    /// Those who may reach it.
    #[must_use]
    pub fn may(&self, sources: Sources) -> RangeSet {
        self.ranges(sources, MAY)
    }

    fn ranges(&self, sources: Sources, wanted: Leaf) -> RangeSet {
        let max = self.asked.family.max_address();
        self.arena.ranges(sources.0, Field::SOURCE, max, |leaf| leaf.meets(wanted))
    }

    /// What becomes of packets of some source.
    #[must_use]
    pub fn outcomes(&self, sources: Sources) -> Vec<Outcome> {
        let all = self.arena.outcomes(sources.0);
        Outcome::ALL.into_iter().filter(|one| all.meets(one.leaf())).collect()
    }

    /// What becomes of packets of those who do not reach it.
    #[must_use]
    pub fn refusals(&self, sources: Sources) -> Vec<Outcome> {
        let mut all = Leaf::EMPTY;
        for (_, _, child) in self.arena.edges(sources.0, Field::SOURCE) {
            let leaf = child.as_constant().unwrap_or(Leaf::EMPTY);
            if !leaf.meets(MAY) {
                all = all.or(leaf);
            }
        }
        Outcome::ALL.into_iter().filter(|one| all.meets(one.leaf())).collect()
    }
}
