//! The reach of rows that are evaluated together.

use std::cell::RefCell;

use facts::{Family, Kind, Protocol};
use netfilter::symbolic::Arrivals;

use super::all::Key;
use super::answers::Answers;
use super::home::Home;
use super::listener::{self, Asks};
use super::{Arrival, Because, Reach, Verdict, Wire, lists};
use crate::Judgement;
use crate::row::{Row, Scope};

/// The reach of rows, and what they were evaluated with.
#[derive(Debug, Default)]
pub(crate) struct Evaluated {
    /// One for each row, in their order.
    pub(crate) reaches: Vec<Reach>,
    /// What was asked of each; none for those whose reach was known beforehand.
    pub(super) asks: Vec<Option<Asks>>,
    /// What is on the wire.
    pub(super) protocol: Option<Protocol>,
    /// The evaluation; none if none was needed or it failed.
    pub(super) arrivals: Option<Kept>,
}

impl Evaluated {
    /// Nothing is known of so many rows, for this reason.
    pub(super) fn unknown(wire: Wire, because: &Because, rows: usize) -> Self {
        Self {
            reaches: vec![Reach::unknown(wire, because.clone()); rows],
            asks: vec![None; rows],
            protocol: None,
            arrivals: None,
        }
    }
}

/// The evaluation of many ports at once.
pub(super) struct Kept(pub(super) RefCell<Arrivals>);

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Arrivals")
    }
}

/// The reach of each of these rows, in their order.
pub(super) fn group(judgement: &Judgement<'_>, key: Key, rows: &[&Row<'_>]) -> Evaluated {
    let Some(home) = judgement.home(key.namespace) else { return Evaluated::default() };
    let namespace = judgement.namespaces.get(key.namespace);
    let known: Vec<Result<Asks, Reach>> = rows
        .iter()
        .map(|row| match beforehand(row, key.wire, home) {
            Some(reach) => Err(reach),
            None => listener::asks(row, key.wire, home, namespace),
        })
        .collect();
    let list: Vec<Option<&Asks>> = known.iter().map(|asks| asks.as_ref().ok()).collect();
    let answer = match key.protocol {
        Some(protocol) if list.iter().any(Option::is_some) => {
            Some(Answers::of(home, key.wire, protocol, &list))
        }
        _ => None,
    };
    let mut evaluated = Evaluated { protocol: key.protocol, ..Evaluated::default() };
    let mut answers = match answer {
        Some(Ok(answers)) => Some(answers),
        Some(Err(error)) => {
            let unknown = Reach::unknown(key.wire, Because::TooMuch(error.to_string()));
            evaluated.reaches =
                known.into_iter().map(|asks| asks.err().unwrap_or(unknown.clone())).collect();
            evaluated.asks = vec![None; evaluated.reaches.len()];
            return evaluated;
        }
        None => None,
    };
    for (at, (asks, row)) in known.iter().cloned().zip(rows).enumerate() {
        let (reach, asks) = match (asks, &mut answers) {
            (Err(reach), _) => (reach, None),
            (Ok(asks), Some(answers)) => {
                let own = lists::of(judgement, row, key.wire);
                (answers.reach(at, row, &own), Some(asks))
            }
            (Ok(_), None) => (Reach::unknown(key.wire, Because::NotAsked), None),
        };
        evaluated.reaches.push(reach);
        evaluated.asks.push(asks);
    }
    evaluated.arrivals = answers.map(|answers| Kept(RefCell::new(answers.into_arrivals())));
    evaluated
}

/// What is known without asking the packet filter.
fn beforehand(row: &Row<'_>, wire: Wire, home: &Home) -> Option<Reach> {
    if row.arrival(wire) == Arrival::Unknown {
        return Some(Reach::unknown(wire, Because::V6OnlyNotTold));
    }
    // `::1` is never taken from elsewhere (ip6_input.c, ip6_rcv_core).
    let is_taken = wire == Wire::Ipv4 && home.world.takes_loopback();
    if row.scope == Scope::Loopback && !is_taken {
        return Some(match home.chooser().filter(|_| row.port().is_some()) {
            Some(chooser) => Reach::unknown(wire, Because::Program(chooser.to_owned())),
            None => Reach::nobody(wire, Verdict::HostOnly, Because::Loopback),
        });
    }
    if row.socket.family == Family::Packet {
        return Some(Reach::unknown(wire, Because::SeesFramesPerhaps));
    }
    if row.socket.kind == Kind::Ping {
        return Some(Reach::unknown(wire, Because::RepliesOnly));
    }
    if !home.unread.is_empty() {
        return Some(Reach::unknown(wire, Because::Unread(home.unread.clone())));
    }
    None
}
