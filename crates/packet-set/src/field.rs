//! What of a packet a diagram can look at, and in which order.

/// A field of a packet, or of what the kernel knows about it.
///
/// The number is the field's place in every diagram: smaller numbers are nearer to the root. The
/// order matters for size and time, not for the result. It was measured: the source first; with
/// the source last the same rules cost three to seven times as much.
///
/// Values are unsigned numbers of up to 128 bits. Addresses are in host byte order (the first
/// octet is the most significant); IPv4 addresses take the values below 2^32. Where a field has
/// fewer values than numbers, its **last** value stands for all larger numbers too.
///
/// Numbers from [`Field::FREE`] on have no meaning here; callers use them for what only they know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Field(u8);

impl Field {
    /// 0: IPv4, 1: IPv6.
    pub const FAMILY: Self = Self(0);
    /// Source address.
    pub const SOURCE: Self = Self(1);
    /// Destination address, as rules see it at this point (after any translation).
    pub const DESTINATION: Self = Self(2);
    /// Ingress interface: a number that the caller gives to each name it knows.
    pub const IIF: Self = Self(3);
    /// Egress interface, numbered likewise.
    pub const OIF: Self = Self(4);
    /// Source link-layer address, 48 bits.
    pub const MAC_SOURCE: Self = Self(5);
    /// Transport protocol (IPPROTO_*).
    pub const PROTOCOL: Self = Self(6);
    /// Destination port, or the ICMP type.
    pub const DPORT: Self = Self(7);
    /// Source port.
    pub const SPORT: Self = Self(8);
    /// ICMP code.
    pub const ICMP_CODE: Self = Self(9);
    /// TCP flags as in the header's octet 13 (FIN is bit 0).
    pub const TCP_FLAGS: Self = Self(10);
    /// Connection tracking state, numbered by the caller.
    pub const CT_STATE: Self = Self(11);
    /// Packet mark.
    pub const MARK: Self = Self(12);
    /// Connection mark.
    pub const CT_MARK: Self = Self(13);
    /// Destination address before translation.
    pub const ORIGINAL_DESTINATION: Self = Self(14);
    /// Destination port before translation.
    pub const ORIGINAL_DPORT: Self = Self(15);
    /// Bits of the connection's status, numbered by the caller.
    pub const CT_STATUS: Self = Self(16);
    /// Length of the packet in bytes, from the network header.
    pub const LENGTH: Self = Self(17);
    /// IPv4 time to live, or IPv6 hop limit.
    pub const HOP_LIMIT: Self = Self(18);
    /// Differentiated services code point, 6 bits.
    pub const DSCP: Self = Self(19);
    /// Link-layer packet type (PACKET_*, linux/if_packet.h).
    pub const PACKET_TYPE: Self = Self(20);
    /// Whether the packet goes the way of the connection's first packet (0) or back (1).
    pub const CT_DIRECTION: Self = Self(21);
    /// Whether an IPv6 packet has extension headers before its transport header: 0 without, 1 with.
    pub const EXTENSIONS: Self = Self(22);
    /// The first number that belongs to the caller.
    pub const FREE: u8 = 32;

    /// The field with this place in the order; places up to 253 can be used.
    #[must_use]
    pub const fn at(place: u8) -> Self {
        Self(place)
    }

    /// The field's place in the order.
    #[must_use]
    pub const fn place(self) -> u8 {
        self.0
    }
}
