//! Who can reach a row, seen from outside of this host.
//!
//! Input: the namespace's packet filter, routes and settings, and the socket. Output: a [`Reach`] for
//! each address family. It has three values: `must` holds the sources that are certainly let in, `may`
//! those that are not certainly kept out. Blocked is said only where `may` is empty; what is not known
//! or not understood is named ([`Because`]).
//!
//! All rows of a namespace, family and protocol share one evaluation, which is made when the first of
//! them is asked about.

mod all;
mod answers;
mod arrival;
mod because;
mod combine;
mod cover;
mod entries;
mod evaluate;
mod home;
mod inner;
mod leads;
mod listener;
pub(crate) mod lists;
mod reason;
mod regions;
mod sources;
#[cfg(all(test, feature = "sample"))]
mod tests;

pub(crate) use all::Reaches;
pub use arrival::{Arrival, Wire, arrival};
pub use because::Because;
pub use entries::Entry;
pub(crate) use entries::all as entries;
pub(crate) use home::Home;
pub(crate) use reason::{of as reason, plausible};
pub use sources::Sources;

/// The verdict about one family of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Every source.
    Open,
    /// Some sources.
    Part,
    /// Only neighbours: sources that reach this host without a router.
    OnLink,
    /// Only this host itself.
    HostOnly,
    /// No source.
    Blocked,
    /// Not known, or not for certain; [`Reach::because`] says why.
    Unknown,
}

/// What a client sees that is not certainly let in, or that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClientSees {
    /// A connection.
    Connected,
    /// Whatever the program answers; there are no connections.
    Answered,
    /// A refusal, as from a closed port.
    Refused,
    /// Nothing.
    TimedOut,
    /// The host or port is said to be unreachable.
    Unreachable,
    /// The firewall is said to forbid it.
    Prohibited,
    /// One thing or another, depending on the source, or on more.
    Mixed,
}

/// Who can reach a row over one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The verdict.
    pub verdict: Verdict,
    /// Sources that are certainly let in.
    pub must: Sources,
    /// Sources that are not certainly kept out.
    pub may: Sources,
    /// What a client sees; none where that is not known.
    pub client_sees: Option<ClientSees>,
    /// Why, in short; see [`Reason`] for more.
    pub because: Because,
}

/// Why a reach is what it is, in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The rule or policy that decides, as a reader finds it again.
    pub decided_by: Option<String>,
    /// Why.
    pub because: Because,
    /// The same for each interface that packets arrive on.
    pub ways: Vec<Way>,
}

/// Who can reach a row by one interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// The interface.
    pub interface: String,
    /// See [`Reach::must`].
    pub must: Sources,
    /// See [`Reach::may`].
    pub may: Sources,
    /// See [`Reason::decided_by`].
    pub decided_by: Option<String>,
    /// The translation on the way, if there is one.
    pub translated: Option<String>,
    /// A packet that is let in, or else one that is not, in words.
    pub witness: Option<String>,
}

/// Why reach and what happens at the next boot are unknown where nobody asked for them.
pub const SOCKETS_ONLY: &str = "not looked at (--sockets-only)";

impl Reach {
    /// Nothing is known, for this reason.
    pub(crate) fn unknown(wire: Wire, because: Because) -> Self {
        Self {
            verdict: Verdict::Unknown,
            must: Sources::none(wire),
            may: Sources::all(wire),
            client_sees: None,
            because,
        }
    }

    /// No source elsewhere, for this reason.
    pub(crate) fn nobody(wire: Wire, verdict: Verdict, because: Because) -> Self {
        Self {
            verdict,
            must: Sources::none(wire),
            may: Sources::none(wire),
            client_sees: None,
            because,
        }
    }
}
