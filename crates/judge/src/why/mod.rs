//! Why a row is open: what it is, who set it up, whether anything needs it, what closes it and what
//! does not.
//!
//! Input: a judgement, and the answers of the host to [`questions()`]. Output: a [`Why`] of typed
//! statements, each with where it was seen. The rules:
//!
//! * **What is said of this host was read on it.** The base ([`base`]) knows services in general;
//!   which of that applies here is decided by [`need`] and by the settings that were read.
//! * **A service is recognised by its unit, package, executable or name, never by its port.**
//! * **"Not in use" is said only where the base knows everything that could need the service, and
//!   all of it was looked for.** Otherwise it is not known.
//! * What a socket without a port means is a [`Meaning`].

mod ask;
pub mod base;
mod facts_of;
mod futile;
mod index;
pub mod meaning;
pub mod need;
mod reasons;
mod recognise;
#[cfg(all(test, feature = "sample"))]
mod tests;
mod ways;

use facts::{Answer, Connections, Part, Question, State};

use crate::Judgement;
use crate::row::Row;
use base::{Need, Needs, SocketUse};

pub(crate) use ask::may_be_unneeded;
pub use ask::{findings_need, questions};
pub(crate) use facts_of::Facts;
pub use futile::Futile;
pub use index::Sort;
pub use meaning::Meaning;
pub use need::{Outcome, Trace, Unknown};
pub use reasons::Reason;
pub use recognise::Recognised;
pub(crate) use ways::units as closing_units;
pub use ways::{AfterBoot, Change, How, Way};

/// Why a row is open.
#[derive(Debug)]
pub struct Why<'j> {
    /// The service, and by what it was recognised; none: the base does not know it.
    pub recognised: Option<Recognised<'j>>,
    /// What this socket of the service is for, if it has a use of its own.
    pub socket: Option<&'static SocketUse>,
    /// What a socket without a port means.
    pub meaning: Option<Meaning>,
    /// Who set it up, and where that was seen.
    pub reasons: Vec<Reason<'j>>,
    /// Whether anything needs it.
    pub in_use: InUse<'j>,
    /// What closes it, the surest first.
    pub ways: Vec<Way<'j>>,
    /// What does not.
    pub futile: Vec<Futile<'j>>,
}

/// Whether anything needs a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Something does.
    Yes,
    /// Nothing does: everything that could was looked for.
    No,
    /// That is not known.
    Unknown,
}

/// Whether anything needs a row, and why that is said.
#[derive(Clone, Debug)]
pub struct InUse<'j> {
    /// The verdict.
    pub verdict: Verdict,
    /// Each thing that was looked for, what was found first.
    pub because: Vec<Because<'j>>,
}

/// One thing that tells whether a row is needed.
#[derive(Clone, Debug)]
pub enum Because<'j> {
    /// Something that would need it, and whether it is there.
    Need(&'static Need, Outcome<'j>),
    /// Connections that came to it and are open now.
    Connected(&'j Connections),
    /// None are.
    NotConnected,
    /// Whether there are any could not be read.
    ConnectionsUnread(&'j str),
    /// Others may need it, of whom nothing on this host tells.
    Others,
    /// The base does not know the service.
    Unrecognised,
    /// The host was not asked.
    NotAsked,
}

impl<'a> Judgement<'a> {
    /// Why a row is open.
    pub fn why<'j>(&'j self, row: &'j Row<'a>) -> Why<'j> {
        let facts = Facts::of(self, row);
        let in_use = in_use(&facts, row);
        let socket = facts.recognised.and_then(|known| known.service.use_of(row));
        Why {
            recognised: facts.recognised,
            socket,
            meaning: meaning::of(row),
            reasons: reasons::all(&facts, row),
            ways: ways::all(&facts, row, in_use.verdict),
            futile: futile::all(&facts, row),
            in_use,
        }
    }

    /// Which service of the base holds a row.
    pub fn recognise<'j>(&'j self, row: &'j Row<'a>) -> Option<Recognised<'j>> {
        recognise::recognise(self, row)
    }
}

/// Whether anything needs a row.
pub(crate) fn in_use<'j>(facts: &Facts<'j>, row: &'j Row<'_>) -> InUse<'j> {
    let judgement = facts.judgement;
    let mut because: Vec<Because<'j>> = Vec::new();
    if row.socket.state == State::Listen {
        because.extend(connections(judgement, row));
    }
    let service = facts.recognised.map(|known| known.service);
    let needs = service.into_iter().flat_map(|service| &service.need);
    let needs = needs.filter(|need| need.only.fits(row, facts.is_activated));
    because.extend(needs.map(|need| {
        let outcome = need::look(judgement, &need.check);
        Because::Need(need, of_device(judgement, row, outcome))
    }));
    because.sort_by_key(Because::rank);
    let verdict = match because.first() {
        Some(Because::Need(_, Outcome::Found(_)) | Because::Connected(_)) => Verdict::Yes,
        _ if service.is_none_or(|service| service.needs == Needs::Open) => Verdict::Unknown,
        _ if because.iter().any(Because::is_open) => Verdict::Unknown,
        // Something was looked for: of a socket without needs of its own nothing is known.
        _ if because.iter().any(Because::is_absent) => Verdict::No,
        _ => Verdict::Unknown,
    };
    match service {
        None => because.push(Because::Unrecognised),
        Some(service) => {
            let told = because.iter().any(|b| matches!(b, Because::Need(..)));
            if verdict != Verdict::Yes && (service.needs == Needs::Open || !told) {
                because.push(Because::Others);
            }
        }
    }
    if matches!(judgement.snapshot.evidence, Part::NotAsked) {
        because.push(Because::NotAsked);
    }
    InUse { verdict, because }
}

/// For a socket that is bound to an interface, of NetworkManager's profiles those that are active there.
fn of_device<'j>(judgement: &Judgement<'_>, row: &Row<'_>, outcome: Outcome<'j>) -> Outcome<'j> {
    let namespace = judgement.namespace_of(row);
    let link = row.socket.device.and_then(|device| namespace?.link(device));
    let (Some(link), Outcome::Found(mut traces)) = (link, outcome.clone()) else { return outcome };
    traces.retain(|trace| match trace {
        Trace::Profile(profile) => profile.active_on.contains(&link.name),
        _ => true,
    });
    if traces.is_empty() { Outcome::Absent } else { Outcome::Found(traces) }
}

impl Because<'_> {
    /// What tells more comes first.
    fn rank(&self) -> u8 {
        match self {
            Self::Need(_, Outcome::Found(_)) => 0,
            Self::Connected(_) => 1,
            Self::Need(_, Outcome::Unknown(_)) => 2,
            Self::Need(_, Outcome::Absent) => 3,
            _ => 4,
        }
    }

    /// Whether something that would need the row was looked for in vain.
    fn is_absent(&self) -> bool {
        matches!(self, Self::Need(_, Outcome::Absent))
    }

    /// Whether it leaves it open whether something needs the row.
    fn is_open(&self) -> bool {
        matches!(self, Self::Need(_, Outcome::Unknown(_)))
    }
}

/// The connections that came to a row's port.
fn connections<'j>(judgement: &'j Judgement<'_>, row: &Row<'_>) -> Option<Because<'j>> {
    let part = judgement.snapshot.answer(&Question::Connections);
    let socket = row.socket;
    let is_it = |c: &&Connections| {
        (c.netns, c.protocol, c.port) == (socket.netns, socket.protocol, socket.local.port)
    };
    let found = match part.value() {
        Some(Answer::Connections { found }) => found.iter().find(is_it),
        _ => None,
    };
    match (found, part) {
        (Some(found), _) => Some(Because::Connected(found)),
        (None, Part::Known { .. }) => Some(Because::NotConnected),
        (None, Part::NotAsked) => None,
        (None, part) => part.gaps().first().map(|gap| Because::ConnectionsUnread(&gap.why)),
    }
}
