//! One packet from somewhere to this host, step by step: `whyopen explain`.
//!
//! Input: a [`Judgement`] and a [`Question`]; output: an [`Explanation`], typed. The rules are walked
//! by [`netfilter::concrete::journeys`]; here the question is completed (which interface, which
//! address), the socket is looked for, and a packet that is sent on to a container is followed there.

mod socket;
#[cfg(all(test, feature = "sample"))]
mod tests;

pub use socket::Delivery;

use std::fmt;
use std::net::IpAddr;

use netfilter::concrete::{Event, Journey, Packet, interface_towards, journeys};
use netfilter::ir::{Family, Reject};
use netfilter::symbolic::Outcome;
use netfilter::syntax::{address, address_text};

use crate::Judgement;
use crate::reach::{ClientSees, Home};

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The client.
    pub from: IpAddr,
    /// The destination that it uses; none: an address of this host.
    pub to: Option<IpAddr>,
    /// The port; 0 for protocols without ports.
    pub port: u16,
    /// IPPROTO_*.
    pub protocol: u8,
    /// The interface that the packet arrives on; none: the one that leads back to the client.
    pub interface: Option<String>,
}

/// Why a question cannot be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// The snapshot holds no network namespace that packets arrive in.
    NoNamespace,
    /// Source and destination are of different families.
    Families,
    /// This host has no address of the family that others can reach.
    NoAddress,
    /// There is no such interface, or nothing arrives on it.
    NoInterface(String),
    /// No route leads to the client, so that the interface cannot be told.
    NoWayTo(IpAddr),
    /// The client is this host itself.
    Itself(IpAddr),
    /// The rules cannot be walked.
    Rules(String),
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoNamespace => f.write_str("no network namespace was read"),
            Self::Families => f.write_str("source and destination are of different families"),
            Self::NoAddress => f.write_str("this host has no address of that family"),
            Self::NoInterface(name) => write!(f, "nothing arrives on an interface {name}"),
            Self::NoWayTo(address) => {
                write!(f, "no route leads to {address}: say the interface with --in")
            }
            Self::Itself(address) => {
                write!(f, "{address} is an address of this host; ask for a client elsewhere")
            }
            Self::Rules(why) => f.write_str(why),
        }
    }
}

/// Whether it is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opens {
    /// It is.
    Open,
    /// It is not.
    Blocked,
    /// We cannot tell.
    Unknown,
}

/// One step of the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The packet arrives.
    Arrives {
        /// The namespace, if it is not the first one.
        namespace: Option<String>,
        /// The interface.
        interface: String,
        /// The interface was not given: the route back leads there.
        guessed: bool,
    },
    /// Something happened on the way.
    Event(Event),
    /// It is delivered.
    Delivered(Delivery),
    /// It leaves, and what becomes of it elsewhere is not known.
    Leaves(String),
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The packet as it arrives.
    pub packet: Packet,
    /// Whether it is open.
    pub opens: Opens,
    /// What the client sees.
    pub sees: ClientSees,
    /// Who decided, in words: a rule, a policy, routing or the socket.
    pub decided_by: Option<String>,
    /// The steps, in order. Where several ways are possible, those of one of them.
    pub steps: Vec<Step>,
    /// What was not understood or depends on more than the packet.
    pub unknown: Vec<String>,
}

/// Most namespaces that a packet is followed through.
const MOST_HOPS: usize = 4;

/// Answers a question.
///
/// # Errors
/// [`NoAnswer`], with the reason.
pub fn explain(judgement: &Judgement<'_>, question: &Question) -> Result<Explanation, NoAnswer> {
    // Packets arrive in the host's namespace, or in ours where that was not read.
    let place = (0..judgement.namespaces.len())
        .find(|at| judgement.namespaces.get(*at).is_some_and(|one| one.fact.is_some()))
        .ok_or(NoAnswer::NoNamespace)?;
    let home = judgement.home(place).ok_or(NoAnswer::NoNamespace)?;
    let (packet, guessed) = complete(home, question)?;
    let mut own = Explanation {
        packet: packet.clone(),
        opens: Opens::Blocked,
        sees: ClientSees::TimedOut,
        decided_by: None,
        steps: Vec::new(),
        unknown: Vec::new(),
    };
    let end = own.follow(judgement, place, &packet, guessed, MOST_HOPS)?;
    own.opens = end.opens;
    own.sees = end.sees;
    own.decided_by = end.decided_by;
    own.among_strangers(home);
    if !own.unknown.is_empty() && !end.sure {
        own.opens = Opens::Unknown;
        own.sees = ClientSees::Mixed;
    }
    own.unknown.sort();
    own.unknown.dedup();
    Ok(own)
}

impl Explanation {
    /// Where neighbours do not find each other, what would be let in does not get there, or is not
    /// answered.
    fn among_strangers(&mut self, home: &Home) {
        let mut silent = home.world.silent().iter();
        let is_six = self.packet.family == Family::Ipv6;
        let silence = silent.find(|one| is_six && one.interface == self.packet.iif);
        let Some(silence) = silence.filter(|_| self.opens == Opens::Open) else { return };
        let why = format!("neighbour discovery is dropped on {}", silence.interface);
        if silence.complete && self.packet.needs_reply() {
            self.opens = Opens::Blocked;
            self.sees = ClientSees::Unreachable;
            self.decided_by = Some(why);
        } else {
            self.opens = Opens::Unknown;
            self.sees = ClientSees::Mixed;
            self.unknown.push(why);
        }
    }
}

/// The packet that is asked about, and whether its interface was found by the route back.
fn complete(home: &Home, question: &Question) -> Result<(Packet, bool), NoAnswer> {
    let world = &home.world;
    let number = |one: IpAddr| address(&one.to_string()).ok_or(NoAnswer::NoAddress);
    let (family, source) = number(question.from)?;
    if world.local_addresses(family).contains(source) {
        return Err(NoAnswer::Itself(question.from));
    }
    let interface = match &question.interface {
        Some(name) if world.ways_in(family).contains(&name.as_str()) => name.clone(),
        Some(name) => return Err(NoAnswer::NoInterface(name.clone())),
        None => interface_towards(world, family, source)
            .filter(|name| world.ways_in(family).contains(&name.as_str()))
            .ok_or(NoAnswer::NoWayTo(question.from))?,
    };
    let destination = match question.to {
        Some(to) => {
            let (of, value) = number(to)?;
            if of != family {
                return Err(NoAnswer::Families);
            }
            value
        }
        None => world.address_at(family, &interface, source).ok_or(NoAnswer::NoAddress)?,
    };
    let usual = 49152;
    let has_ports = matches!(question.protocol, 6 | 17 | 33 | 132 | 136);
    let port = match question.protocol {
        1 => 8,
        58 => 128,
        _ => question.port,
    };
    let sport = if has_ports { usual } else { 0 };
    let mut packet = Packet::arriving(
        family,
        question.protocol,
        (source, sport),
        (destination, port),
        &interface,
    );
    if world.broadcast_addresses(family).contains(destination) {
        packet.packet_type = 1;
    }
    Ok((packet, question.interface.is_none()))
}

/// How it ends in one namespace.
struct End {
    opens: Opens,
    sees: ClientSees,
    decided_by: Option<String>,
    /// Whatever is unknown, it ends so.
    sure: bool,
}

impl Explanation {
    /// Follows a packet in a namespace, and on from there.
    fn follow(
        &mut self,
        judgement: &Judgement<'_>,
        place: usize,
        packet: &Packet,
        guessed: bool,
        hops: usize,
    ) -> Result<End, NoAnswer> {
        let home = judgement.home(place).ok_or(NoAnswer::NoNamespace)?;
        let namespace = judgement.namespaces.get(place);
        self.steps.push(Step::Arrives {
            namespace: namespace.filter(|_| hops < MOST_HOPS).map(|one| one.label.clone()),
            interface: packet.iif.clone(),
            guessed,
        });
        let outside = doubts(home, packet);
        let certain = outside.is_empty();
        self.unknown.extend(outside);
        let walk = |device: Option<&str>| {
            journeys(&home.ruleset, &home.world_of(device), packet)
                .map_err(|error| NoAnswer::Rules(error.to_string()))
        };
        let mut found = walk(None)?;
        let here = found.list.iter().find(|one| one.out.is_none());
        let delivery = here.map(|one| socket::deliver(judgement, place, &one.packet));
        // The reply of a socket that is bound to an interface leaves by it.
        if let Some(Delivery::Socket(bound)) = &delivery
            && bound.has_device
        {
            found = walk(Some(&packet.iif))?;
        }
        if found.list.len() > 1 || !found.complete {
            self.unknown.extend(found.asked.iter().cloned());
        }
        let ends: Vec<Outcome> = found.list.iter().map(|one| one.outcome).collect();
        let one_end = ends.len() == 1 && found.complete;
        let Some(first) = found.list.into_iter().next() else {
            return Err(NoAnswer::Rules("no way was found".to_owned()));
        };
        let (back, there): (Vec<Event>, Vec<Event>) =
            first.events.iter().cloned().partition(Event::is_of_reply);
        self.steps.extend(there.into_iter().map(Step::Event));
        let mut end = self.end(judgement, place, &first, hops)?;
        self.steps.extend(back.into_iter().map(Step::Event));
        end.sure &= certain && one_end;
        Ok(end)
    }

    /// What becomes of the packet at the end of its way through the rules.
    fn end(
        &mut self,
        judgement: &Judgement<'_>,
        place: usize,
        journey: &Journey,
        hops: usize,
    ) -> Result<End, NoAnswer> {
        let by_rules = || decider_words(&journey.decider);
        let needs_reply = journey.packet.needs_reply();
        let blocked = |sees: ClientSees, by: Option<String>| End {
            opens: Opens::Blocked,
            sees,
            decided_by: by.or_else(|| Some("routing".to_owned())),
            sure: true,
        };
        match journey.outcome {
            Outcome::Unanswered if needs_reply => {
                return Ok(blocked(ClientSees::TimedOut, by_rules()));
            }
            // A datagram is there without an answer.
            Outcome::Accepted | Outcome::Unanswered => {}
            Outcome::Dropped | Outcome::NoRoute | Outcome::Martian => {
                return Ok(blocked(ClientSees::TimedOut, by_rules()));
            }
            Outcome::Rejected(kind) => {
                let sees = match kind {
                    Reject::Port | Reject::Reset => ClientSees::Refused,
                    Reject::Unreachable => ClientSees::Unreachable,
                    Reject::Prohibited => ClientSees::Prohibited,
                };
                return Ok(blocked(sees, by_rules()));
            }
        }
        if let Some(out) = &journey.out {
            return self.leave(judgement, place, journey, out, hops);
        }
        let delivery = socket::deliver(judgement, place, &journey.packet);
        let ended = match &delivery {
            Delivery::Nobody => (Opens::Blocked, ClientSees::Refused, "no socket is open there"),
            Delivery::QueueFull(_) => {
                (Opens::Blocked, ClientSees::TimedOut, "its accept queue is full")
            }
            Delivery::KeptOut(..) => {
                (Opens::Blocked, ClientSees::TimedOut, "the address lists of its unit")
            }
            Delivery::Unknown(why) => {
                self.unknown.push(why.clone());
                (Opens::Unknown, ClientSees::Mixed, "the socket")
            }
            Delivery::Socket(_) if needs_reply => (Opens::Open, ClientSees::Connected, ""),
            Delivery::Kernel | Delivery::Socket(_) if journey.outcome == Outcome::Unanswered => {
                (Opens::Open, ClientSees::TimedOut, "")
            }
            Delivery::Kernel | Delivery::Socket(_) => (Opens::Open, ClientSees::Answered, ""),
        };
        let sure = !matches!(delivery, Delivery::Unknown(_));
        self.steps.push(Step::Delivered(delivery));
        let (opens, sees, words) = ended;
        let decided_by = if words.is_empty() { by_rules() } else { Some(words.to_owned()) };
        Ok(End { opens, sees, decided_by, sure })
    }

    /// Goes on in the namespace that holds the destination, if one does.
    fn leave(
        &mut self,
        judgement: &Judgement<'_>,
        place: usize,
        journey: &Journey,
        out: &str,
        hops: usize,
    ) -> Result<End, NoAnswer> {
        let packet = &journey.packet;
        let holders: Vec<(usize, String)> = (0..judgement.namespaces.len())
            .filter(|at| *at != place)
            .filter_map(|at| {
                let world = &judgement.home(at)?.world;
                Some((at, world.interface_with(packet.family, packet.destination)?.to_owned()))
            })
            .collect();
        if let ([(at, interface)], true) = (holders.as_slice(), hops > 0) {
            let next = Packet::arriving(
                packet.family,
                packet.protocol,
                (packet.source, packet.sport),
                (packet.destination, packet.dport),
                interface,
            );
            return self.follow(judgement, *at, &next, false, hops - 1);
        }
        self.steps.push(Step::Leaves(out.to_owned()));
        let to = address_text(packet.family, packet.destination);
        self.unknown.push(format!("what becomes of it behind {out}, at {to}"));
        let decided_by = decider_words(&journey.decider);
        Ok(End { opens: Opens::Unknown, sees: ClientSees::Mixed, decided_by, sure: false })
    }
}

/// What stands in the way and is not walked.
fn doubts(home: &Home, packet: &Packet) -> Vec<String> {
    let notes = home.ruleset.notes.iter().chain(home.world.doubts());
    let mut list: Vec<String> =
        notes.map(|note| format!("{}: {}", note.place, note.what)).collect();
    list.extend(home.unread.iter().map(|(what, why)| format!("{what}: {why}")));
    let here = |link: &Option<String>| link.as_ref().is_none_or(|name| *name == packet.iif);
    let programs = home.programs.iter().filter(|program| here(&program.link));
    list.extend(programs.map(|program| program.label.clone()));
    list.extend(netfilter::concrete::not_walked(&home.ruleset, packet));
    list
}

/// A rule or policy in words, `inet filter input handle 7` or `policy of inet filter input`; none
/// where nobody is in the way.
#[must_use]
pub fn decider_words(decider: &netfilter::concrete::Decider) -> Option<String> {
    use netfilter::concrete::Decider;
    match decider {
        Decider::Rule { chain, place, .. } => Some(match place.handle {
            Some(handle) => format!("{chain} handle {handle}"),
            None => format!("{chain} {place}"),
        }),
        Decider::Policy { chain } => Some(format!("policy of {chain}")),
        Decider::Nobody => None,
    }
}

/// The packet's ends as the client writes them: source, destination and port.
#[must_use]
pub fn ends(packet: &Packet) -> (String, String, Option<u16>) {
    let has_ports = matches!(packet.protocol, 6 | 17 | 33 | 132 | 136);
    let text = |value| address_text(packet.family, value);
    (
        text(packet.source),
        text(packet.original_destination),
        has_ports.then_some(packet.original_dport),
    )
}
