//! The way of the reply: whether what is accepted can be answered.
//!
//! The reply is evaluated as a function of the packet that it replies to: what the rules read of it
//! is another field of that packet ([`Engine::place`]). So the answer can stand behind the packet's
//! own path.

use packet_set::{Diagram, Exceeded, Field, Leaf, RangeSet};

use super::EvaluateError;
use super::chain::{Engine, Phase, REPLY_OIF, REPLY_TYPE};
use super::outcome::{ACCEPT, UNANSWERED};
use super::path::{Phases, hook_stages};
use super::route::{Input, Lookup, Says};
use crate::ir::{Family, Hook, Step, ct_state};
use crate::world::{Kind, Way, World};

/// Which way the reply begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    /// This host sends it.
    Here,
    /// It comes back to this host, which forwarded the packet.
    There,
}

/// The way back as a function of the reply's egress interface: `IN` where it leaves by it.
struct WayBack;

impl Says for WayBack {
    fn way(&self, engine: &mut Engine<'_>, way: &Way) -> Result<Diagram, Exceeded> {
        let world = engine.world;
        let numbers = match way.kind {
            Kind::Unicast | Kind::Broadcast => engine.link_numbers(&way.links),
            // To an address of this host.
            Kind::Local => {
                let own: Vec<u32> = world
                    .iter()
                    .flat_map(|world| &world.links)
                    .filter(|link| link.loopback)
                    .map(|link| link.index)
                    .collect();
                engine.link_numbers(&own)
            }
            Kind::Throw => return Ok(Diagram::constant(Leaf::NONE)),
            Kind::Other => return Ok(Diagram::constant(Leaf::IN.or(UNANSWERED))),
            _ => return Ok(Diagram::constant(UNANSWERED)),
        };
        if numbers.is_empty() {
            return Ok(Diagram::constant(UNANSWERED));
        }
        engine.arena.field_in(REPLY_OIF, &numbers, Leaf::IN, Leaf::EMPTY)
    }

    fn nowhere(&self, kind: Kind) -> Diagram {
        Diagram::constant(match kind {
            Kind::Other => Leaf::IN.or(UNANSWERED),
            _ => UNANSWERED,
        })
    }
}

impl Engine<'_> {
    /// What becomes of packets that were accepted here: [`ACCEPT`] where the reply gets out.
    pub(super) fn reply_from_here(&mut self, world: &World) -> Result<Diagram, EvaluateError> {
        self.reply(world, From::Here)
    }

    /// The same of packets that were forwarded, whose reply is forwarded back.
    pub(super) fn reply_through(&mut self, world: &World) -> Result<Diagram, EvaluateError> {
        self.reply(world, From::There)
    }

    fn reply(&mut self, world: &World, from: From) -> Result<Diagram, EvaluateError> {
        let tracked = self.reply_with(world, from, ct_state::ESTABLISHED)?;
        let untracked = RangeSet::one(ct_state::UNTRACKED);
        let possible = self.universes.get(&Phase::Input).and_then(|one| one.of(Field::CT_STATE));
        if possible.is_some_and(|set| !set.contains(ct_state::UNTRACKED)) {
            return Ok(tracked);
        }
        // What replies to a packet that was not tracked belongs to no connection; a SYN with ACK opens
        // none (nf_conntrack_proto_tcp.c, tcp_new).
        let state = if self.protocol == 6 { ct_state::INVALID } else { ct_state::NEW };
        let unknown = self.reply_with(world, from, state)?;
        let guard = self.arena.field_in(Field::CT_STATE, &untracked, Leaf::IN, Leaf::NONE)?;
        Ok(self.where_holds(guard, unknown, tracked)?)
    }

    fn reply_with(
        &mut self,
        world: &World,
        from: From,
        state: u128,
    ) -> Result<Diagram, EvaluateError> {
        self.tracked_state = state;
        let answer = match from {
            From::Here => self.sent(world)?,
            From::There => self.returned(world)?,
        };
        self.tracked_state = ct_state::NEW;
        self.phase = Phase::Translated;
        let mut answer = self.arena.restrict(answer, Field::CT_STATE, ct_state::INVALID)?;
        if from == From::There || !world.mark_accept {
            answer = self.arena.restrict(answer, Field::MARK, 0)?;
        }
        // What is the reply's own is no field of the packet that it replies to.
        let mut own = vec![
            Field::MAC_SOURCE,
            Field::ICMP_CODE,
            Field::TCP_FLAGS,
            Field::LENGTH,
            Field::HOP_LIMIT,
            Field::DSCP,
            Field::PACKET_TYPE,
            REPLY_OIF,
            REPLY_TYPE,
        ];
        own.extend(self.doubts.fields());
        Ok(self.arena.keep(answer, |field| !own.contains(&field))?)
    }

    /// Routed, OUTPUT, POSTROUTING.
    fn sent(&mut self, world: &World) -> Result<Diagram, EvaluateError> {
        let how = Lookup {
            to: Field::SOURCE,
            from: Field::DESTINATION,
            input: Input::Host,
            marked: world.mark_accept,
            source_port: Field::DPORT,
            destination_port: Field::SPORT,
            of_socket: true,
            link: Field::IIF,
            bound: world.bound,
        };
        let stages = hook_stages(&self.tables, Hook::Postrouting, Phases::all(Phase::Reply));
        let mut answer = self.pass(&stages, Diagram::constant(ACCEPT))?;
        if self.marks_anew(Hook::Output) {
            // A new mark makes it be routed again (netfilter.c, ip_route_me_harder).
            self.phase = Phase::Translated;
            let by_mark = self.way_back(world, &Lookup { marked: true, ..how })?;
            let again = self.arena.substitute(by_mark, Leaf::IN, answer)?;
            let again = self.arena.project(again, REPLY_OIF)?;
            answer = self.arena.either(answer, again)?;
        }
        let phases =
            Phases { raw: Some(Phase::ReplyRaw), tracked: Phase::Reply, translated: Phase::Reply };
        let stages = hook_stages(&self.tables, Hook::Output, phases);
        let answer = self.pass(&stages, answer)?;
        let answer = self.lost(answer)?;
        self.phase = Phase::Translated;
        let back = self.way_back(world, &how)?;
        Ok(self.arena.substitute(back, Leaf::IN, answer)?)
    }

    /// The way of what a socket of this host sends.
    fn way_back(&mut self, world: &World, how: &Lookup) -> Result<Diagram, Exceeded> {
        match (how.bound, self.family) {
            // Where no route leads by that interface, neighbours are looked for there.
            (Some(bound), Family::Ipv4) => {
                let number = self.link_numbers(&[bound]);
                self.arena.field_in(REPLY_OIF, &number, Leaf::IN, Leaf::EMPTY)
            }
            _ => self.look_up(world, how, &WayBack),
        }
    }

    /// PREROUTING, routed, FORWARD, POSTROUTING.
    fn returned(&mut self, world: &World) -> Result<Diagram, EvaluateError> {
        let how = Lookup {
            to: Field::SOURCE,
            from: Field::DESTINATION,
            input: Input::Of(Field::OIF),
            marked: true,
            source_port: Field::DPORT,
            destination_port: Field::SPORT,
            of_socket: false,
            link: Field::OIF,
            bound: None,
        };
        let phases = Phases::all(Phase::BackForward);
        let stages = hook_stages(&self.tables, Hook::Postrouting, phases);
        let answer = self.pass(&stages, Diagram::constant(ACCEPT))?;
        let stages = hook_stages(&self.tables, Hook::Forward, phases);
        let answer = self.pass(&stages, answer)?;
        self.phase = Phase::Translated;
        let back = self.look_up(world, &how, &WayBack)?;
        let mut answer = self.arena.substitute(back, Leaf::IN, answer)?;
        if self.family == Family::Ipv4 {
            let routers: Vec<u32> = world
                .links
                .iter()
                .filter(|link| link.conf.forwarding)
                .map(|link| link.index)
                .collect();
            let routers = self.link_numbers(&routers);
            let guard = self.arena.field_in(Field::OIF, &routers, Leaf::IN, UNANSWERED)?;
            answer = self.arena.intersection(guard, answer)?;
        }
        let phases =
            Phases { raw: Some(Phase::BackRaw), tracked: Phase::Back, translated: Phase::Back };
        let stages = hook_stages(&self.tables, Hook::Prerouting, phases);
        let answer = self.pass(&stages, answer)?;
        Ok(self.lost(answer)?)
    }

    /// However a reply is lost, the packet is not answered.
    fn lost(&mut self, answer: Diagram) -> Result<Diagram, Exceeded> {
        let kept = ACCEPT.or(Leaf::NONE).or(Leaf::IN);
        self.arena.map_leaves(answer, |leaf| {
            let others = leaf.without(kept);
            let accepted = leaf.without(others);
            if others.is_empty() { accepted } else { accepted.or(UNANSWERED) }
        })
    }

    /// Whether rules of a hook write the packet's mark, and routing reads it.
    fn marks_anew(&self, hook: Hook) -> bool {
        let routing = self.world.map(|world| world.routing(self.family));
        let reads = routing.is_some_and(|one| one.rules.iter().any(|rule| rule.mark.is_some()));
        let at_hook = self.tables.iter().any(|table| {
            table
                .chains
                .iter()
                .any(|chain| chain.base.as_ref().is_some_and(|base| base.hook == hook))
        });
        let writes = |step: &Step| matches!(step, Step::Set(Field::MARK, _));
        reads && at_hook && super::setup::steps(&self.tables).any(writes)
    }
}
