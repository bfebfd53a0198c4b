//! What is asked, and the answer.

use packet_set::{Arena, Diagram, Field};

use super::interfaces::Interfaces;
use super::outcome::Outcome;
use crate::concrete::Packet;
use crate::ir::{Family, Hook, Note};

/// The packets that are asked about: first packets of connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packets {
    /// Family.
    pub family: Family,
    /// To this host or through it.
    pub hook: Hook,
    /// Transport protocol.
    pub protocol: u8,
    /// Destination port, as the sender wrote it.
    pub port: u16,
    /// Source port; none: any.
    pub source_port: Option<u16>,
}

/// The answer: a diagram over [`Field::SOURCE`] and [`Field::DESTINATION`].
pub struct Evaluation {
    /// Holds the diagrams.
    pub arena: Arena,
    /// Source and destination, every other field left open: what may happen on some interface,
    /// with some source port, whatever we did not understand. Destination means the address that
    /// the sender wrote.
    pub rights: Diagram,
    /// The same with every field: interfaces, source port and so on.
    pub details: Diagram,
    /// What was not understood on the way and can matter for these packets.
    pub unknown: Vec<Note>,
    pub(super) interfaces: Interfaces,
    pub(super) packets: Packets,
}

impl Evaluation {
    /// A packet for which this outcome is possible: always the same one, with the smallest
    /// addresses, on the first interface. None if there is none.
    #[must_use]
    pub fn witness(&self, outcome: Outcome) -> Option<Packet> {
        let path = self.arena.witness(self.details, |leaf| leaf.meets(outcome.leaf()))?;
        let value = |field: Field| path.iter().find(|(known, _)| *known == field).map(|(_, v)| *v);
        let small = |field: Field| value(field).and_then(|value| u16::try_from(value).ok());
        let byte = |field: Field| value(field).and_then(|value| u8::try_from(value).ok());
        let asked = &self.packets;
        let usual = 49152;
        let sport = small(Field::SPORT).or(asked.source_port).unwrap_or(usual);
        let iif = self.interfaces.name(value(Field::IIF).unwrap_or(u128::MAX))?;
        let mut packet = Packet::arriving(
            asked.family,
            asked.protocol,
            (value(Field::SOURCE).unwrap_or(0), sport),
            (value(Field::DESTINATION).unwrap_or(0), asked.port),
            &iif,
        );
        if asked.hook == Hook::Forward {
            packet.oif = self.interfaces.name(value(Field::OIF).unwrap_or(u128::MAX))?;
        }
        packet.mac_source = value(Field::MAC_SOURCE).unwrap_or(packet.mac_source);
        packet.icmp_code = byte(Field::ICMP_CODE).unwrap_or(packet.icmp_code);
        packet.length = small(Field::LENGTH).unwrap_or(packet.length);
        packet.hop_limit = byte(Field::HOP_LIMIT).unwrap_or(packet.hop_limit);
        packet.dscp = byte(Field::DSCP).unwrap_or(packet.dscp);
        packet.packet_type = byte(Field::PACKET_TYPE).unwrap_or(packet.packet_type);
        Some(packet)
    }
}
