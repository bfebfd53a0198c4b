//! One element as it is listed.

use super::attribute::{Attributes, Malformed};
use crate::ir::Family;

/// IPSET_ATTR_* of elements.
const IP: u16 = 1;
const CIDR: u16 = 3;
const PORT: u16 = 4;
const PROTO: u16 = 7;
const CADT_FLAGS: u16 = 8;
const MARK: u16 = 10;
const ETHER: u16 = 17;
const NAME: u16 = 18;
const IP2: u16 = 20;
const CIDR2: u16 = 21;
const IFACE: u16 = 23;
/// What says nothing of which packets match: IPSET_ATTR_TIMEOUT, _BYTES, _PACKETS, _COMMENT,
/// _SKBMARK, _SKBPRIO, _SKBQUEUE and _PAD.
const OTHER: [u16; 8] = [6, 24, 25, 26, 27, 28, 29, 30];

/// IPSET_ATTR_IPADDR_IPV4 and _IPV6, within an address.
const IPV4: u16 = 1;
const IPV6: u16 = 2;

/// IPSET_FLAG_* of IPSET_ATTR_CADT_FLAGS.
const PHYSDEV: u32 = 1 << 1;
const NOMATCH: u32 = 1 << 2;
const IFACE_WILDCARD: u32 = 1 << 7;
/// Those of sets and lists, that say nothing of which packets match: _BEFORE, _WITH_COUNTERS,
/// _WITH_COMMENT, _WITH_FORCEADD and _WITH_SKBINFO.
const OTHER_FLAGS: u32 = 1 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6;

/// An address with the length of its prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Network {
    pub(super) lo: u128,
    pub(super) hi: u128,
    /// The longer, the earlier it decides.
    pub(super) length: u8,
}

/// What is listed of one element.
#[derive(Debug, Clone, Default)]
pub(super) struct Listed {
    pub(super) first: Option<(Family, u128)>,
    pub(super) first_length: Option<u8>,
    pub(super) second: Option<(Family, u128)>,
    pub(super) second_length: Option<u8>,
    pub(super) protocol: Option<u8>,
    pub(super) port: Option<u16>,
    pub(super) mark: Option<u32>,
    pub(super) mac: Option<u128>,
    pub(super) interface: Option<String>,
    pub(super) member: Option<String>,
    pub(super) physical: bool,
    pub(super) nomatch: bool,
    pub(super) wildcard: bool,
}

impl Listed {
    /// Reads the attributes of an element. One that is not known may change what it means.
    pub(super) fn read(attributes: Attributes<'_>) -> Result<Self, Malformed> {
        let mut own = Self::default();
        for attribute in attributes {
            let attribute = attribute?;
            match attribute.kind {
                IP => own.first = Some(address(attribute.nested())?),
                IP2 => own.second = Some(address(attribute.nested())?),
                CIDR => own.first_length = Some(attribute.u8()?),
                CIDR2 => own.second_length = Some(attribute.u8()?),
                PORT => own.port = Some(attribute.be16()?),
                PROTO => own.protocol = Some(attribute.u8()?),
                MARK => own.mark = Some(attribute.be32()?),
                ETHER => own.mac = Some(attribute.number()?),
                IFACE => own.interface = Some(attribute.text()),
                NAME => own.member = Some(attribute.text()),
                CADT_FLAGS => own.flags(attribute.be32()?)?,
                kind if OTHER.contains(&kind) => {}
                // Ranges (IPSET_ATTR_IP_TO, _PORT_TO) are never listed.
                _ => return Err(Malformed),
            }
        }
        Ok(own)
    }

    fn flags(&mut self, flags: u32) -> Result<(), Malformed> {
        self.physical = flags & PHYSDEV != 0;
        self.nomatch = flags & NOMATCH != 0;
        self.wildcard = flags & IFACE_WILDCARD != 0;
        let known = PHYSDEV | NOMATCH | IFACE_WILDCARD | OTHER_FLAGS;
        if flags & !known == 0 { Ok(()) } else { Err(Malformed) }
    }

    /// The first address, with the prefix of the element or else of the set.
    pub(super) fn first(&self, of_set: Option<u8>) -> Result<Network, Malformed> {
        network(self.first, self.first_length.or(of_set))
    }

    /// The second address.
    pub(super) fn second(&self) -> Result<Network, Malformed> {
        network(self.second, self.second_length)
    }
}

fn address(attributes: Attributes<'_>) -> Result<(Family, u128), Malformed> {
    for attribute in attributes {
        let attribute = attribute?;
        match (attribute.kind, attribute.value.len()) {
            (IPV4, 4) => return Ok((Family::Ipv4, attribute.number()?)),
            (IPV6, 16) => return Ok((Family::Ipv6, attribute.number()?)),
            _ => {}
        }
    }
    Err(Malformed)
}

fn network(address: Option<(Family, u128)>, length: Option<u8>) -> Result<Network, Malformed> {
    let (family, address) = address.ok_or(Malformed)?;
    let length = length.unwrap_or(family.width());
    let mask = crate::syntax::netmask(family, length).ok_or(Malformed)?;
    let lo = address & mask;
    Ok(Network { lo, hi: lo | (family.max_address() & !mask), length })
}
