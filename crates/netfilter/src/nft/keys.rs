//! Left sides: which field of a packet an expression reads, and when it can be read at all.

use packet_set::{Field, RangeSet};

use super::ast::{Doubtful, Expr, Fib, Operator};
use super::values::Kind;
use crate::ir::{Cond, Doubt, Family, Side, ct_state};

/// What an expression reads.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Read {
    /// A field, and the kind of its values.
    Field(Field, Kind),
    /// The bits of a field under a mask.
    Masked(Field, Kind, u128),
    /// The name of an interface.
    Interface(Side),
    /// What the host's routing says.
    Fib(Box<Fib>),
    /// A number that is the same for every packet we ask about.
    Constant(u128),
    /// Not understood.
    Unknown(Doubt),
}

/// A left side: what it reads, and the conditions without which the rule does not match (nft
/// ends a rule when an expression cannot be read).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Key {
    pub(super) read: Read,
    pub(super) needs: Vec<Cond>,
}

fn key(read: Read, needs: Vec<Cond>) -> Key {
    Key { read, needs }
}

fn field(field: Field, kind: Kind) -> Key {
    key(Read::Field(field, kind), Vec::new())
}

fn unknown(doubt: Doubt) -> Key {
    key(Read::Unknown(doubt), Vec::new())
}

fn family(of: Family) -> Cond {
    Cond::is(Field::FAMILY, of.value())
}

fn protocols(list: &[u128]) -> Cond {
    Cond::In(Field::PROTOCOL, list.iter().map(|number| (*number, *number)).collect())
}

/// The packet belongs to a connection: other questions to conntrack have no answer without.
pub(super) fn tracked() -> Cond {
    let without = [ct_state::INVALID, ct_state::UNTRACKED].map(|state| (state, state));
    Cond::Not(Box::new(Cond::In(Field::CT_STATE, RangeSet::of(without.to_vec()))))
}

/// What one expression (not a concatenation) reads.
pub(super) fn read(expr: &Expr) -> Key {
    match expr {
        Expr::Payload(protocol, name) => payload(protocol, name),
        Expr::Meta(name) => meta(name),
        Expr::Ct(name, direction) => ct(name, direction.as_deref()),
        Expr::Binary(Operator::And, left, mask) => masked(left, mask),
        Expr::Fib(fib) => key(Read::Fib(fib.clone()), Vec::new()),
        Expr::Other(_, Doubtful::History) => unknown(Doubt::History),
        _ => unknown(Doubt::Packet),
    }
}

fn masked(left: &Expr, mask: &Expr) -> Key {
    let mut inner = read(left);
    inner.read = match inner.read {
        Read::Field(field, kind) => match mask_value(kind, mask) {
            Some(mask) => Read::Masked(field, kind, mask),
            None => Read::Unknown(Doubt::Packet),
        },
        Read::Constant(value) => match Kind::Number(32).value(mask) {
            Some(mask) => Read::Constant(value & mask),
            None => Read::Unknown(Doubt::Packet),
        },
        Read::Unknown(doubt) => Read::Unknown(doubt),
        Read::Masked(..) | Read::Interface(_) | Read::Fib(_) => Read::Unknown(Doubt::Packet),
    };
    inner
}

fn mask_value(kind: Kind, mask: &Expr) -> Option<u128> {
    kind.value(mask)
}

/// IPPROTO_TCP, _UDP, _DCCP, _SCTP and _UDPLITE: their headers begin with two ports.
const WITH_PORTS: [u128; 5] = [6, 17, 33, 132, 136];

/// Whether a protocol of this number has ports.
pub(super) fn has_ports(number: u128) -> bool {
    WITH_PORTS.contains(&number)
}

/// What the header of a packet is called here of which it was asked before whether it has ports.
pub(super) const PORTS: &str = "ports";

/// Where `th` names a header that does not begin with ports, a comparison is with whatever is
/// there (nft_payload.c reads the transport header of any protocol): we cannot tell.
pub(super) fn other_header(parts: &[Expr], text: &str) -> Option<Cond> {
    let any = |part: &Expr| match part {
        Expr::Payload(protocol, _) => protocol == "th",
        Expr::Binary(_, left, _) => matches!(&**left, Expr::Payload(name, _) if name == "th"),
        _ => false,
    };
    parts.iter().any(any).then(|| {
        let other = Cond::Not(Box::new(protocols(&WITH_PORTS)));
        Cond::All(vec![other, Cond::Unknown(text.to_owned(), Doubt::Packet)])
    })
}

fn payload(protocol: &str, name: &str) -> Key {
    const TCP: u128 = 6;
    const UDP: u128 = 17;
    const DCCP: u128 = 33;
    const SCTP: u128 = 132;
    const UDPLITE: u128 = 136;
    let v4 = || vec![family(Family::Ipv4)];
    let v6 = || vec![family(Family::Ipv6)];
    let one = |place, kind, needs| key(Read::Field(place, kind), needs);
    let address4 = Kind::Address(Family::Ipv4);
    let address6 = Kind::Address(Family::Ipv6);
    match (protocol, name) {
        ("ip", "saddr") => one(Field::SOURCE, address4, v4()),
        ("ip", "daddr") => one(Field::DESTINATION, address4, v4()),
        ("ip", "protocol") => one(Field::PROTOCOL, Kind::Protocol, v4()),
        ("ip", "ttl") => one(Field::HOP_LIMIT, Kind::Number(8), v4()),
        ("ip", "dscp") => one(Field::DSCP, Kind::Dscp, v4()),
        ("ip", "length") => one(Field::LENGTH, Kind::Number(16), v4()),
        ("ip", "version") => key(Read::Constant(4), v4()),
        // Whole packets: neither more fragments nor an offset.
        ("ip", "frag-off") => one_fragment(v4()),
        ("ip6", "saddr") => one(Field::SOURCE, address6, v6()),
        ("ip6", "daddr") => one(Field::DESTINATION, address6, v6()),
        ("ip6", "nexthdr") => one(Field::PROTOCOL, Kind::Protocol, v6()),
        ("ip6", "hoplimit") => one(Field::HOP_LIMIT, Kind::Number(8), v6()),
        ("ip6", "dscp") => one(Field::DSCP, Kind::Dscp, v6()),
        ("ip6", "version") => key(Read::Constant(6), v6()),
        ("tcp" | "udp" | "udplite" | "sctp" | "dccp" | "th" | PORTS, "sport" | "dport") => {
            let list: &[u128] = match protocol {
                "tcp" => &[TCP],
                "udp" => &[UDP],
                "udplite" => &[UDPLITE],
                "sctp" => &[SCTP],
                "dccp" => &[DCCP],
                _ => &WITH_PORTS,
            };
            let place = if name == "sport" { Field::SPORT } else { Field::DPORT };
            one(place, Kind::Port, vec![protocols(list)])
        }
        ("tcp", "flags") => one(Field::TCP_FLAGS, Kind::TcpFlags, vec![protocols(&[TCP])]),
        ("icmp", "type") => icmp(Field::DPORT, Kind::IcmpType, Family::Ipv4, 1),
        ("icmp", "code") => icmp(Field::ICMP_CODE, Kind::IcmpCode, Family::Ipv4, 1),
        ("icmpv6", "type") => icmp(Field::DPORT, Kind::Icmpv6Type, Family::Ipv6, 58),
        ("icmpv6", "code") => icmp(Field::ICMP_CODE, Kind::Icmpv6Code, Family::Ipv6, 58),
        ("ether", "saddr") => one(Field::MAC_SOURCE, Kind::Mac, Vec::new()),
        ("ether", "type") => field(Field::FAMILY, Kind::Layer3),
        // Not understood, but only where there is such a header.
        ("ip" | "icmp", _) => key(Read::Unknown(Doubt::Packet), v4()),
        ("ip6" | "icmpv6", _) => key(Read::Unknown(Doubt::Packet), v6()),
        ("tcp", _) => key(Read::Unknown(Doubt::Packet), vec![protocols(&[TCP])]),
        ("udp", _) => key(Read::Unknown(Doubt::Packet), vec![protocols(&[UDP])]),
        ("sctp", _) => key(Read::Unknown(Doubt::Packet), vec![protocols(&[SCTP])]),
        _ => unknown(Doubt::Packet),
    }
}

fn one_fragment(needs: Vec<Cond>) -> Key {
    key(Read::Constant(0), needs)
}

fn icmp(place: Field, kind: Kind, of: Family, protocol: u128) -> Key {
    key(Read::Field(place, kind), vec![family(of), protocols(&[protocol])])
}

fn meta(name: &str) -> Key {
    match name {
        "iif" | "iifname" => key(Read::Interface(Side::In), Vec::new()),
        "oif" | "oifname" => key(Read::Interface(Side::Out), Vec::new()),
        "nfproto" | "protocol" => field(Field::FAMILY, Kind::Layer3),
        "l4proto" => field(Field::PROTOCOL, Kind::Protocol),
        "mark" => field(Field::MARK, Kind::Number(32)),
        "length" => field(Field::LENGTH, Kind::Number(16)),
        "pkttype" => field(Field::PACKET_TYPE, Kind::PacketType),
        "time" | "hour" | "day" | "random" | "cpu" => unknown(Doubt::History),
        _ => unknown(Doubt::Packet),
    }
}

fn ct(name: &str, direction: Option<&str>) -> Key {
    let with = |place, kind| key(Read::Field(place, kind), vec![tracked()]);
    let address =
        |place, of| key(Read::Field(place, Kind::Address(of)), vec![tracked(), family(of)]);
    match (name, direction) {
        ("state", _) => field(Field::CT_STATE, Kind::CtState),
        ("status", _) => with(Field::CT_STATUS, Kind::CtStatus),
        ("mark", _) => with(Field::CT_MARK, Kind::Number(32)),
        ("direction", _) => with(Field::CT_DIRECTION, Kind::CtDirection),
        ("l3proto", _) => with(Field::FAMILY, Kind::Layer3),
        ("protocol", _) => with(Field::PROTOCOL, Kind::Protocol),
        ("ip saddr", Some("original")) => address(Field::SOURCE, Family::Ipv4),
        ("ip6 saddr", Some("original")) => address(Field::SOURCE, Family::Ipv6),
        ("ip daddr", Some("original")) => address(Field::ORIGINAL_DESTINATION, Family::Ipv4),
        ("ip6 daddr", Some("original")) => address(Field::ORIGINAL_DESTINATION, Family::Ipv6),
        ("ip saddr", Some("reply")) => address(Field::DESTINATION, Family::Ipv4),
        ("ip6 saddr", Some("reply")) => address(Field::DESTINATION, Family::Ipv6),
        ("proto-dst", Some("original")) => with(Field::ORIGINAL_DPORT, Kind::Port),
        ("proto-src", Some("original")) => with(Field::SPORT, Kind::Port),
        ("proto-src", Some("reply")) => with(Field::DPORT, Kind::Port),
        ("bytes" | "packets" | "avgpkt" | "expiration", _) => unknown(Doubt::History),
        _ => unknown(Doubt::Packet),
    }
}
