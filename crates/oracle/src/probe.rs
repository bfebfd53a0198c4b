//! A packet that the kernel and the evaluators are asked about.

use std::fmt;

use netfilter::concrete::Packet;
use netfilter::ir::Family;
use netfilter::syntax::address_text;
use serde::{Deserialize, Serialize};

/// IPPROTO_ICMP.
pub(crate) const ICMP: u8 = 1;
/// IPPROTO_TCP.
pub(crate) const TCP: u8 = 6;
/// IPPROTO_UDP.
pub(crate) const UDP: u8 = 17;
/// IPPROTO_ICMPV6.
pub(crate) const ICMPV6: u8 = 58;

/// Bytes of payload after every transport header.
pub(crate) const PAYLOAD: u16 = 8;

/// Source link-layer address of packets that are not given another one.
pub(crate) const MAC: u64 = 0x0200_0000_0001;

/// The first packet of a connection, as it arrives.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Probe {
    /// IPv6 rather than IPv4.
    pub v6: bool,
    /// Name of the ingress interface.
    pub iif: String,
    /// Source address, as text.
    pub source: String,
    /// Destination address, as text.
    pub destination: String,
    /// Transport protocol (IPPROTO_*).
    pub protocol: u8,
    /// Source port; 0 for protocols without ports.
    pub sport: u16,
    /// Destination port, or the type of an ICMP message.
    pub dport: u16,
    /// Code of an ICMP message.
    pub icmp_code: u8,
    /// Time to live or hop limit.
    pub hop_limit: u8,
    /// Differentiated services code point.
    pub dscp: u8,
    /// Source link-layer address.
    pub mac: u64,
}

impl Probe {
    /// Family of the packet.
    #[must_use]
    pub fn family(&self) -> Family {
        if self.v6 { Family::Ipv6 } else { Family::Ipv4 }
    }

    /// The source as a number.
    #[must_use]
    pub fn source_number(&self) -> u128 {
        number(&self.source)
    }

    /// The destination as a number.
    #[must_use]
    pub fn destination_number(&self) -> u128 {
        number(&self.destination)
    }

    /// Whether the protocol has ports.
    #[must_use]
    pub fn has_ports(&self) -> bool {
        matches!(self.protocol, TCP | UDP)
    }

    /// Bytes of the transport header.
    #[must_use]
    pub fn transport_bytes(&self) -> u16 {
        match self.protocol {
            TCP => 20,
            _ => 8,
        }
    }

    /// Bytes from the network header on.
    #[must_use]
    pub fn length(&self) -> u16 {
        let network = if self.v6 { 40 } else { 20 };
        network + self.transport_bytes() + PAYLOAD
    }

    /// The packet as the concrete evaluator takes it; `oif` is the way out, empty for input.
    #[must_use]
    pub fn packet(&self, oif: &str) -> Packet {
        let mut packet = Packet::arriving(
            self.family(),
            self.protocol,
            (self.source_number(), self.sport),
            (self.destination_number(), self.dport),
            &self.iif,
        );
        oif.clone_into(&mut packet.oif);
        packet.mac_source = self.mac.into();
        packet.icmp_code = self.icmp_code;
        packet.length = self.length();
        packet.hop_limit = self.hop_limit;
        packet.dscp = self.dscp;
        packet
    }
}

/// An address as a number; 0 for what is none, which no probe holds.
fn number(text: &str) -> u128 {
    netfilter::syntax::address(text).map_or(0, |(_, value)| value)
}

/// The text of an address of the family.
#[must_use]
pub(crate) fn text(v6: bool, value: u128) -> String {
    address_text(if v6 { Family::Ipv6 } else { Family::Ipv4 }, value)
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { iif, source, destination, sport, dport, icmp_code, .. } = self;
        match self.protocol {
            TCP => write!(f, "tcp SYN {source} port {sport} -> {destination} port {dport}")?,
            UDP => write!(f, "udp {source} port {sport} -> {destination} port {dport}")?,
            ICMP | ICMPV6 => {
                write!(f, "icmp type {dport} code {icmp_code} {source} -> {destination}")?;
            }
            other => write!(f, "protocol {other} {source} -> {destination}")?,
        }
        write!(f, " in {iif}, ttl {}, dscp {}, mac {:012x}", self.hop_limit, self.dscp, self.mac)
    }
}
