//! Why a reach is what it is.

use std::fmt;

/// The reason of a verdict. Its strings may hold names that the host chose: escape them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Because {
    /// Nobody asked (`--sockets-only`).
    NotAsked,
    /// It is bound to loopback.
    Loopback,
    /// It is a packet socket without a filter of its own.
    SeesFrames,
    /// It is a packet socket, whose own filter is not known.
    SeesFramesPerhaps,
    /// The kernel did not tell whether an IPv6 socket serves IPv4 too.
    V6OnlyNotTold,
    /// It is bound to an address that no interface has.
    NoAddress,
    /// It is bound to an interface that nothing arrives on.
    NothingArrives,
    /// It takes replies to what its program sends, and nothing else.
    RepliesOnly,
    /// The packet filter decides, and routing.
    Filter,
    /// A rule or a policy decides: which.
    Decides(String),
    /// No rule and no filter stands in the way.
    NothingFilters,
    /// What the host forwards to its namespace decides, and the packet filter there.
    Forwarding,
    /// What it leads to is there, and nothing listens.
    NothingListens,
    /// Only what comes by another interface than its source belongs to is let in.
    ElsewhereOnly,
    /// Which groups this host has joined is not known.
    Groups,
    /// The address lists of a unit decide (`IPAddressAllow=`, `IPAddressDeny=`).
    AddressLists(String),
    /// Other sources have no way here, or no reply comes back to them.
    Routing,
    /// Neighbour discovery is dropped on these interfaces.
    Strangers(Vec<String>),
    /// Something could not be read: what, and why.
    Unread(Vec<(String, String)>),
    /// Something was not understood, or depends on more than the packet.
    Doubts(Vec<String>),
    /// The rules are too entangled for the budget.
    TooMuch(String),
    /// Its accept queue is full.
    QueueFull,
    /// A program outside of netfilter that is not understood stands in the way.
    Program(String),
    /// How packets get into its namespace is not known.
    WayInNotKnown(String),
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAsked => f.write_str("not looked at (--sockets-only)"),
            Self::Loopback => f.write_str("bound to loopback"),
            Self::SeesFrames => f.write_str("a packet socket sees frames before the firewall does"),
            Self::SeesFramesPerhaps => f.write_str(
                "a packet socket sees frames before the firewall does; which of them its own \
                 filter lets through is not known",
            ),
            Self::V6OnlyNotTold => {
                f.write_str("the kernel did not tell whether this IPv6 socket serves IPv4 too")
            }
            Self::NoAddress => f.write_str("no interface has the address that it is bound to"),
            Self::NothingArrives => {
                f.write_str("nothing arrives on any interface that it could be reached by")
            }
            Self::RepliesOnly => f.write_str(
                "takes replies to what its own program sends; whether others get in is not \
                 evaluated",
            ),
            Self::Filter => f.write_str("the packet filter and routing decide"),
            Self::Decides(what) => f.write_str(what),
            Self::NothingFilters => f.write_str("nothing filters it"),
            Self::Forwarding => f.write_str(
                "what the host forwards to its network namespace decides, and the packet filter there",
            ),
            Self::NothingListens => f.write_str("nothing listens where it leads to"),
            Self::ElsewhereOnly => f.write_str(
                "only packets that arrive by another interface than their source belongs to are \
                 let in",
            ),
            Self::Groups => f.write_str(
                "sent to a group, it may get in; which groups this host has joined is \
                             not known",
            ),
            Self::AddressLists(unit) => {
                write!(f, "the address lists of {unit} (IPAddressAllow=, IPAddressDeny=)")
            }
            Self::Routing => {
                f.write_str("others have no route here, or replies to them have none back")
            }
            Self::Strangers(links) => write!(
                f,
                "neighbour discovery is dropped on {}: who does not know this host already cannot \
                 find it",
                links.join(", ")
            ),
            Self::Unread(parts) => {
                for (at, (what, why)) in parts.iter().enumerate() {
                    write!(f, "{}{what} not read: {why}", if at > 0 { "; " } else { "" })?;
                }
                Ok(())
            }
            Self::Doubts(doubts) if doubts.is_empty() => {
                f.write_str("something was not understood, or depends on more than the packet")
            }
            Self::Doubts(doubts) => {
                for (at, doubt) in doubts.iter().take(SHOWN).enumerate() {
                    write!(f, "{}{doubt}", if at > 0 { "; " } else { "" })?;
                }
                match doubts.len().saturating_sub(SHOWN) {
                    0 => Ok(()),
                    more => write!(f, "; and {more} more"),
                }
            }
            Self::TooMuch(error) => f.write_str(error),
            Self::QueueFull => f.write_str(
                "its accept queue is full: new clients time out until its program accepts some",
            ),
            Self::Program(name) => write!(f, "{name}: what it lets through is not known"),
            Self::WayInNotKnown(what) => write!(f, "how packets get in is not known: {what}"),
        }
    }
}

/// How many doubts are named.
const SHOWN: usize = 4;
