//! What a rule asks of the host's routing: `fib` of nft, `addrtype` and `rpfilter` of iptables.

use packet_set::Field;

use super::cond::{Pattern, Side};

/// A question to the host's routing about an address of the packet. Without a host, it is an
/// unknown condition that depends on the packet alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Fib {
    /// [`Field::SOURCE`] or [`Field::DESTINATION`].
    pub address: Field,
    /// Only as this interface of the packet sees it (`fib saddr . iif`, `--limit-iface-in`).
    pub side: Option<Side>,
    /// Whether the packet's mark takes part in the choice of the routing table.
    pub with_mark: bool,
    /// What is asked.
    pub asks: FibAsk,
    /// As it is written; what is said where it cannot be answered.
    pub text: String,
}

/// What is asked of the host's routing.
#[derive(Debug, Clone, PartialEq)]
pub enum FibAsk {
    /// Whether the address is of one of these types: for each a bit, `1 << RTN_*` (linux/rtnetlink.h).
    /// As nft asks it (nft_fib_ipv4.c, nft_fib_ipv6.c).
    Type(u16),
    /// The same as `addrtype` asks it, which differs for IPv6 (xt_addrtype.c).
    AddressType(u16),
    /// Whether the route to the address leads out of an interface, of one of these names where there
    /// are any, of the packet's where [`Fib::side`] names it (`fib saddr . iif oif exists`).
    Route(Vec<Pattern>),
    /// Whether a packet from here may have arrived on its interface (xt_rpfilter.c).
    ReversePath {
        /// By any interface (`--loose`).
        loose: bool,
        /// Also from an address of this host (`--accept-local`).
        accept_local: bool,
    },
}

impl Fib {
    /// `RTN_UNICAST` as a bit of [`FibAsk::Type`].
    pub const UNICAST: u16 = 1 << 1;
    /// `RTN_LOCAL`.
    pub const LOCAL: u16 = 1 << 2;
    /// `RTN_BROADCAST`.
    pub const BROADCAST: u16 = 1 << 3;
    /// `RTN_ANYCAST`.
    pub const ANYCAST: u16 = 1 << 4;
    /// `RTN_MULTICAST`.
    pub const MULTICAST: u16 = 1 << 5;

    /// The bit of a type by its name, as nft and iptables write it; `None` for no such type.
    #[must_use]
    pub fn type_bit(name: &str) -> Option<u16> {
        let names = [
            "unspec",
            "unicast",
            "local",
            "broadcast",
            "anycast",
            "multicast",
            "blackhole",
            "unreachable",
            "prohibit",
            "throw",
            "nat",
            "xresolve",
        ];
        let lower = name.to_ascii_lowercase();
        names.iter().position(|known| *known == lower).map(|at| 1 << at)
    }
}
