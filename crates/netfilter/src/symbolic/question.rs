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
        let asked = &self.packets;
        let usual = 49152;
        let iif = self.interfaces.name(value(Field::IIF).unwrap_or(u128::MAX))?;
        let mut packet = Packet::arriving(
            asked.family,
            asked.protocol,
            (0, asked.source_port.unwrap_or(usual)),
            (0, asked.port),
            &iif,
        );
        if asked.hook == Hook::Forward {
            packet.oif = self.interfaces.name(value(Field::OIF).unwrap_or(u128::MAX))?;
        }
        for (field, value) in path {
            packet.set(field, value);
        }
        Some(packet)
    }
}
