//! The neighbours that can be sent to without being asked for, as rtnetlink(7) tells them.

use facts::{IfIndex, Neighbour};

use crate::ip_family::IpFamily;
use crate::netlink::{Attributes, Malformed, Message, Reader, Sink};

const RTM_NEWNEIGH: u16 = 28;
/// Asks for neighbours (`include/uapi/linux/rtnetlink.h`).
pub(super) const RTM_GETNEIGH: u16 = 30;

// Of a neighbour (`include/uapi/linux/neighbour.h`).
const NDA_DST: u16 = 1;
/// `NUD_REACHABLE`, `NUD_STALE`, `NUD_DELAY`, `NUD_PROBE`, `NUD_NOARP`, `NUD_PERMANENT`: the
/// link-layer address is known (`include/net/neighbour.h`, `NUD_VALID`).
const NUD_VALID: u16 = 0x02 | 0x04 | 0x08 | 0x10 | 0x40 | 0x80;

/// The neighbours of IPv6.
#[derive(Debug, Default)]
pub(super) struct NeighbourSink {
    pub(super) list: Vec<Neighbour>,
}

impl Sink for NeighbourSink {
    fn restart(&mut self) {
        self.list.clear();
    }

    fn message(&mut self, message: &Message<'_>) -> Result<(), Malformed> {
        if message.kind == RTM_NEWNEIGH {
            self.list.extend(parse_neighbour(message.body)?);
        }
        Ok(())
    }
}

/// Reads the body of an `RTM_NEWNEIGH`; none for other families, for groups, and for a neighbour whose
/// link-layer address is not known.
pub(crate) fn parse_neighbour(body: &[u8]) -> Result<Option<Neighbour>, Malformed> {
    // struct ndmsg: ndm_family, pad, ndm_ifindex, ndm_state, ndm_flags, ndm_type.
    let mut fields = Reader::new("ndmsg", body);
    let [family, _pad1, _pad2, _pad3] = fields.take()?;
    let link = IfIndex(fields.u32()?);
    let [low, high, _flags, _type] = fields.take()?;
    let state = u16::from_ne_bytes([low, high]);
    let mut address = None;
    for attribute in Attributes::new(fields.rest()) {
        let attribute = attribute?;
        if attribute.kind == NDA_DST && family == IpFamily::V6.number() {
            let bytes: [u8; 16] = attribute.fields("NDA_DST").take()?;
            address = Some(std::net::Ipv6Addr::from(bytes));
        }
    }
    let known = state & NUD_VALID != 0;
    Ok(address.filter(|address| known && !address.is_multicast()).map(|address| Neighbour {
        link,
        address: address.into(),
        state,
    }))
}
