//! One packet and what the kernel knows of it.

use packet_set::Field;

use crate::ir::{Family, ct_state};

/// The first packet of a connection, at some point of its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Family.
    pub family: Family,
    /// Source address.
    pub source: u128,
    /// Destination address.
    pub destination: u128,
    /// Name of the ingress interface.
    pub iif: String,
    /// Name of the interface that a forwarded packet leaves by; empty where it does not.
    pub oif: String,
    /// Source link-layer address.
    pub mac_source: u128,
    /// Transport protocol (IPPROTO_*).
    pub protocol: u8,
    /// Destination port or ICMP type.
    pub dport: u16,
    /// Source port.
    pub sport: u16,
    /// ICMP code.
    pub icmp_code: u8,
    /// TCP flags.
    pub tcp_flags: u8,
    /// Bytes from the network header on.
    pub length: u16,
    /// Time to live or hop limit.
    pub hop_limit: u8,
    /// Differentiated services code point.
    pub dscp: u8,
    /// PACKET_*.
    pub packet_type: u8,
    /// Packet mark.
    pub mark: u32,
    /// Connection mark.
    pub ct_mark: u32,
    /// One of [`ct_state`].
    pub ct_state: u128,
    /// Bits of [`crate::ir::ct_status`].
    pub ct_status: u32,
    /// Destination as the sender wrote it.
    pub original_destination: u128,
    /// Port as the sender wrote it.
    pub original_dport: u16,
    /// The state that connection tracking gives it.
    pub tracked_state: u128,
    /// Whether it replies to the first packet.
    pub is_reply: bool,
}

impl Packet {
    /// A packet that arrives: a SYN for TCP, 60 bytes, hop limit 64, to this host itself.
    #[must_use]
    pub fn arriving(
        family: Family,
        protocol: u8,
        (source, sport): (u128, u16),
        (destination, dport): (u128, u16),
        iif: &str,
    ) -> Self {
        Self {
            family,
            source,
            destination,
            iif: iif.to_owned(),
            oif: String::new(),
            mac_source: 0x0200_0000_0001,
            protocol,
            dport,
            sport,
            icmp_code: 0,
            tcp_flags: if protocol == 6 { 0x02 } else { 0 },
            length: 60,
            hop_limit: 64,
            dscp: 0,
            packet_type: 0,
            mark: 0,
            ct_mark: 0,
            ct_state: ct_state::INVALID,
            ct_status: 0,
            original_destination: destination,
            original_dport: dport,
            tracked_state: first_state(family, protocol, dport),
            is_reply: false,
        }
    }

    /// The reply of whoever gets this packet: for TCP, SYN and ACK. It has the connection's mark.
    #[must_use]
    pub fn reply(&self) -> Self {
        let has_ports = matches!(self.protocol, 6 | 17 | 33 | 132 | 136);
        // Of echo replies (RFC 792, RFC 4443, 4.2).
        let echo_reply = if self.family == Family::Ipv4 { 0 } else { 129 };
        let (sport, dport) = if has_ports { (self.dport, self.sport) } else { (0, echo_reply) };
        let untracked = self.ct_state == ct_state::UNTRACKED;
        Self {
            source: self.destination,
            destination: self.source,
            iif: String::new(),
            oif: String::new(),
            sport,
            dport,
            tcp_flags: if self.protocol == 6 { 0x12 } else { 0 },
            icmp_code: 0,
            hop_limit: 64,
            packet_type: 0,
            mark: 0,
            ct_state: ct_state::INVALID,
            tracked_state: match (untracked, self.protocol) {
                (false, _) => ct_state::ESTABLISHED,
                // A SYN with ACK opens no connection (nf_conntrack_proto_tcp.c, tcp_new).
                (true, 6) => ct_state::INVALID,
                (true, _) => ct_state::NEW,
            },
            is_reply: true,
            ..self.clone()
        }
    }

    /// Gives a field of the header another value; one that does not fit, and other fields, are left as
    /// they are. Destination and port are those that the sender wrote, too.
    pub(crate) fn set(&mut self, field: Field, value: u128) {
        let (byte, small) = (u8::try_from(value), u16::try_from(value));
        match field {
            Field::SOURCE => self.source = value,
            Field::DESTINATION => {
                self.destination = value;
                self.original_destination = value;
            }
            Field::MAC_SOURCE => self.mac_source = value,
            Field::DPORT => {
                self.dport = small.unwrap_or(self.dport);
                self.original_dport = self.dport;
            }
            Field::SPORT => self.sport = small.unwrap_or(self.sport),
            Field::ICMP_CODE => self.icmp_code = byte.unwrap_or(self.icmp_code),
            Field::LENGTH => self.length = small.unwrap_or(self.length),
            Field::HOP_LIMIT => self.hop_limit = byte.unwrap_or(self.hop_limit),
            Field::DSCP => self.dscp = byte.unwrap_or(self.dscp),
            Field::PACKET_TYPE => self.packet_type = byte.unwrap_or(self.packet_type),
            _ => {}
        }
    }

    /// Whether nothing comes about unless the reply arrives: TCP, DCCP and SCTP.
    #[must_use]
    pub const fn needs_reply(&self) -> bool {
        matches!(self.protocol, 6 | 33 | 132)
    }

    /// The value of a field; 0 for interfaces, which have names here.
    #[must_use]
    pub fn value(&self, field: Field) -> u128 {
        match field {
            Field::FAMILY => self.family.value(),
            Field::SOURCE => self.source,
            Field::DESTINATION => self.destination,
            Field::MAC_SOURCE => self.mac_source,
            Field::PROTOCOL => self.protocol.into(),
            Field::DPORT => self.dport.into(),
            Field::SPORT => self.sport.into(),
            Field::ICMP_CODE => self.icmp_code.into(),
            Field::TCP_FLAGS => self.tcp_flags.into(),
            Field::CT_STATE => self.ct_state,
            Field::MARK => self.mark.into(),
            Field::CT_MARK => self.ct_mark.into(),
            Field::ORIGINAL_DESTINATION => self.original_destination,
            Field::ORIGINAL_DPORT => self.original_dport.into(),
            Field::CT_STATUS => self.ct_status.into(),
            Field::LENGTH => self.length.into(),
            Field::HOP_LIMIT => self.hop_limit.into(),
            Field::DSCP => self.dscp.into(),
            Field::PACKET_TYPE => self.packet_type.into(),
            Field::CT_DIRECTION => self.is_reply.into(),
            _ => 0,
        }
    }
}

/// What connection tracking makes of the first packet of a connection.
fn first_state(family: Family, protocol: u8, port_or_type: u16) -> u128 {
    let Some(types) = ct_state::of_icmp_types(family, protocol) else { return ct_state::NEW };
    let its = |(first, last, _): &&(u8, u8, u128)| {
        (u16::from(*first)..=u16::from(*last)).contains(&port_or_type)
    };
    types.iter().find(its).map_or(ct_state::INVALID, |(_, _, state)| *state)
}
