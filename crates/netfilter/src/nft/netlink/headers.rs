//! Which field of which header some bytes of a packet are.

use super::super::ast::Expr;

/// Where an offset counts from (nf_tables.h, `enum nft_payload_bases`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Base {
    Link,
    Network,
    Transport,
    Inner,
}

/// Bytes of the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) base: Base,
    pub(super) offset: u32,
    pub(super) bytes: u32,
}

/// What is known of the packet where an expression is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Context {
    pub(super) network: Option<Network>,
    /// IPPROTO_*.
    pub(super) transport: Option<u8>,
}

/// A protocol of the network layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Network {
    Ip,
    Ip6,
    Arp,
    Other,
}

/// A field: its name, and where it begins and how long it is, in bits.
type Field = (&'static str, u32, u32);

/// A header: its name in nft, and its fields in order (RFC 791, 8200, 9293, 768, 792, 4443, 9260,
/// 4340, 3828, 2236, 4302, 4303, 3173, 826; IEEE 802.3).
type Header = (&'static str, &'static [Field]);

const ETHER: Header = ("ether", &[("daddr", 0, 48), ("saddr", 48, 48), ("type", 96, 16)]);
const IP: Header = (
    "ip",
    &[
        ("version", 0, 4),
        ("hdrlength", 4, 4),
        ("dscp", 8, 6),
        ("ecn", 14, 2),
        ("length", 16, 16),
        ("id", 32, 16),
        ("frag-off", 48, 16),
        ("ttl", 64, 8),
        ("protocol", 72, 8),
        ("checksum", 80, 16),
        ("saddr", 96, 32),
        ("daddr", 128, 32),
    ],
);
const IP6: Header = (
    "ip6",
    &[
        ("version", 0, 4),
        ("dscp", 4, 6),
        ("ecn", 10, 2),
        ("flowlabel", 12, 20),
        ("length", 32, 16),
        ("nexthdr", 48, 8),
        ("hoplimit", 56, 8),
        ("saddr", 64, 128),
        ("daddr", 192, 128),
    ],
);
const ARP: Header = (
    "arp",
    &[("htype", 0, 16), ("ptype", 16, 16), ("hlen", 32, 8), ("plen", 40, 8), ("operation", 48, 16)],
);
const TCP: Header = (
    "tcp",
    &[
        ("sport", 0, 16),
        ("dport", 16, 16),
        ("sequence", 32, 32),
        ("ackseq", 64, 32),
        ("doff", 96, 4),
        ("reserved", 100, 4),
        ("flags", 104, 8),
        ("window", 112, 16),
        ("checksum", 128, 16),
        ("urgptr", 144, 16),
    ],
);
const UDP: Header =
    ("udp", &[("sport", 0, 16), ("dport", 16, 16), ("length", 32, 16), ("checksum", 48, 16)]);
const UDPLITE: Header =
    ("udplite", &[("sport", 0, 16), ("dport", 16, 16), ("csumcov", 32, 16), ("checksum", 48, 16)]);
const SCTP: Header =
    ("sctp", &[("sport", 0, 16), ("dport", 16, 16), ("vtag", 32, 32), ("checksum", 64, 32)]);
const DCCP: Header = ("dccp", &[("sport", 0, 16), ("dport", 16, 16)]);
const ICMP: Header = (
    "icmp",
    &[("type", 0, 8), ("code", 8, 8), ("checksum", 16, 16), ("id", 32, 16), ("sequence", 48, 16)],
);
const ICMPV6: Header = (
    "icmpv6",
    &[("type", 0, 8), ("code", 8, 8), ("checksum", 16, 16), ("id", 32, 16), ("sequence", 48, 16)],
);
const IGMP: Header =
    ("igmp", &[("type", 0, 8), ("mrt", 8, 8), ("checksum", 16, 16), ("group", 32, 32)]);
const ESP: Header = ("esp", &[("spi", 0, 32), ("sequence", 32, 32)]);
const AH: Header = (
    "ah",
    &[
        ("nexthdr", 0, 8),
        ("hdrlength", 8, 8),
        ("reserved", 16, 16),
        ("spi", 32, 32),
        ("sequence", 64, 32),
    ],
);
/// Any header that begins with ports.
const ANY: Header = ("th", &[("sport", 0, 16), ("dport", 16, 16)]);

/// The header that bytes are in, as far as it is known which one it is.
fn header(base: Base, context: Context) -> Option<Header> {
    Some(match (base, context.network, context.transport) {
        (Base::Link, ..) => ETHER,
        (Base::Network, Some(Network::Ip), _) => IP,
        (Base::Network, Some(Network::Ip6), _) => IP6,
        (Base::Network, Some(Network::Arp), _) => ARP,
        (Base::Transport, network, Some(protocol)) => match (protocol, network) {
            (1, Some(Network::Ip)) => ICMP,
            (58, Some(Network::Ip6)) => ICMPV6,
            (2, Some(Network::Ip)) => IGMP,
            (6, _) => TCP,
            (17, _) => UDP,
            (33, _) => DCCP,
            (50, _) => ESP,
            (51, _) => AH,
            (132, _) => SCTP,
            (136, _) => UDPLITE,
            _ => return None,
        },
        (Base::Transport, _, None) => ANY,
        _ => return None,
    })
}

/// A field of a header that some bytes hold, or a part of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Slice {
    /// The field.
    pub(super) expr: Expr,
    /// Its bits.
    pub(super) bits: u32,
    /// Which of its bits are looked at.
    pub(super) mask: u128,
    /// How a number that the bytes hold becomes one of the field: to the right if positive.
    shift: i64,
}

impl Slice {
    /// The field's own value, without bits outside of what is looked at, of a number of the bytes.
    pub(super) fn value(&self, number: u128) -> u128 {
        shifted(number, self.shift) & self.mask
    }

    /// Whether all of the field is looked at.
    pub(super) fn is_whole(&self) -> bool {
        self.mask == low(self.bits)
    }

    /// The length of the prefix that is looked at, if it is one.
    pub(super) fn prefix(&self) -> Option<u8> {
        let free = self.mask.trailing_zeros();
        let length = self.bits.checked_sub(free)?;
        (shifted(low(length), -i64::from(free)) == self.mask).then(|| u8::try_from(length).ok())?
    }

    /// Bits to the right of the field in what was loaded, if all of it is looked at: then a range of
    /// the bytes is a range of the field.
    pub(super) fn shift_right(&self) -> Option<u32> {
        u32::try_from(self.shift).ok().filter(|_| self.is_whole())
    }
}

/// To the right if positive.
fn shifted(number: u128, by: i64) -> u128 {
    match u32::try_from(by.unsigned_abs()) {
        Ok(by_bits) if by >= 0 => number.checked_shr(by_bits).unwrap_or(0),
        Ok(by_bits) => number.checked_shl(by_bits).unwrap_or(0),
        Err(_) => 0,
    }
}

fn low(bits: u32) -> u128 {
    1_u128.checked_shl(bits).map_or(u128::MAX, |bit| bit - 1)
}

/// The fields that the bits under the mask are in, in the packet's order. None if some of them are in
/// no field that is known.
pub(super) fn slices(load: Load, mask: u128, context: Context) -> Option<Vec<Slice>> {
    let (name, fields) = header(load.base, context)?;
    let begin = load.offset.checked_mul(8)?;
    let length = load.bytes.checked_mul(8).filter(|bits| *bits <= 128)?;
    let end = begin.checked_add(length)?;
    let mut rest = mask & low(length);
    let mut list = Vec::new();
    for (field, first, bits) in fields {
        let last = first + bits;
        if last <= begin || *first >= end {
            continue;
        }
        // Bits to the right of the field in what was loaded, negative where the field goes on.
        let shift = i64::from(end) - i64::from(last);
        let inside = shifted(low(*bits), -shift) & low(length);
        let looked = rest & inside;
        rest &= !inside;
        if looked != 0 {
            let expr = Expr::Payload(name.to_owned(), (*field).to_owned());
            list.push(Slice { expr, bits: *bits, mask: shifted(looked, shift), shift });
        }
    }
    (rest == 0 && !list.is_empty()).then_some(list)
}

/// Bytes without a name, as nft writes them: base, offset and length in bits.
pub(super) fn raw(load: Load) -> String {
    let base = match load.base {
        Base::Link => "ll",
        Base::Network => "nh",
        Base::Transport => "th",
        Base::Inner => "ih",
    };
    let bits = |bytes: u32| u64::from(bytes) * 8;
    format!("@{base},{},{}", bits(load.offset), bits(load.bytes))
}
