//! What a set holds, by its type.

use packet_set::RangeSet;

use super::attribute::{Attributes, Malformed, messages};
use super::element::{Listed, Network};
use super::resolve::{self, OnInterface};
use crate::ir::{Family, Pattern};

/// IPSET_ATTR_* of messages.
const TYPENAME: u16 = 3;
const FAMILY: u16 = 5;
const DATA: u16 = 7;
const ADT: u16 = 8;

/// IPSET_ATTR_* of a head's data.
const MARKMASK: u16 = 11;
const BITMASK: u16 = 12;
const NETMASK: u16 = 20;
const ELEMENTS: u16 = 24;

/// NFPROTO_* of linux/netfilter.h.
const NFPROTO_UNSPEC: u8 = 0;
const NFPROTO_IPV4: u8 = 2;
const NFPROTO_IPV6: u8 = 10;

/// The elements of a set.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    /// Not understood, or not read.
    Unknown,
    /// Of one part.
    Plain(Set, Part, Decided),
    /// Of several parts.
    Joined(Set, Vec<Part>, Vec<Element>),
    /// `hash:net,iface`.
    Interfaces(Set, Vec<OnInterface>),
    /// `list:set`: the names of its members.
    Members(Vec<String>),
}

/// What is the same for all elements.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Set {
    /// None: of both.
    pub(super) family: Option<Family>,
    /// IPSET_TYPE_NOMATCH: types of networks know elements with `nomatch`; of others
    /// `--return-nomatch` changes nothing (ip_set_core.c, ip_set_test).
    pub(super) knows_nomatch: bool,
    /// The bits of marks that count.
    pub(super) mark_mask: u32,
}

/// The values that match, and those that `nomatch` elements hold.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Decided {
    pub(super) matching: RangeSet,
    pub(super) nomatch: RangeSet,
}

/// What one part of an element is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    First,
    Second,
    Port,
    /// Of TCP and UDP, whichever it is.
    AnyPort,
    Mac,
    Mark,
}

/// One element of several parts.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Element {
    pub(super) first: Network,
    pub(super) second: Network,
    pub(super) protocol: u8,
    pub(super) port: u16,
    /// None: any, which the first packet then settles (bitmap:ip,mac).
    pub(super) mac: Option<u128>,
    pub(super) mark: u32,
    pub(super) nomatch: bool,
}

/// What the head of a set says.
#[derive(Debug, Default)]
struct Head {
    kind: String,
    family: u8,
    netmask: Option<u8>,
    mark_mask: Option<u32>,
    bitmask: bool,
    count: Option<u32>,
    /// Whether elements were listed, be it none.
    listed: bool,
}

impl Content {
    /// Reads the messages of one set.
    pub(super) fn read(bytes: &[u8]) -> Self {
        Self::try_read(bytes).unwrap_or(Self::Unknown)
    }

    fn try_read(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut head = Head::default();
        let mut elements = Vec::new();
        for message in messages(bytes) {
            for attribute in message? {
                let attribute = attribute?;
                match attribute.kind {
                    TYPENAME => head.kind = attribute.text(),
                    FAMILY => head.family = attribute.u8()?,
                    DATA => head.data(attribute.nested())?,
                    ADT => {
                        head.listed = true;
                        for element in attribute.nested() {
                            elements.push(Listed::read(element?.nested())?);
                        }
                    }
                    _ => {}
                }
            }
        }
        // Of a set that nothing refers to, only the head is read.
        if !head.listed && head.count != Some(0) || head.bitmask {
            return Err(Malformed);
        }
        head.content(&elements)
    }
}

impl Head {
    fn data(&mut self, attributes: Attributes<'_>) -> Result<(), Malformed> {
        for attribute in attributes {
            let attribute = attribute?;
            match attribute.kind {
                NETMASK => self.netmask = Some(attribute.u8()?),
                MARKMASK => self.mark_mask = Some(attribute.be32()?),
                BITMASK => self.bitmask = true,
                ELEMENTS => self.count = Some(attribute.be32()?),
                _ => {}
            }
        }
        Ok(())
    }

    fn content(&self, listed: &[Listed]) -> Result<Content, Malformed> {
        use Part::{AnyPort, First, Mac, Mark, Port, Second};
        let family = match self.family {
            NFPROTO_UNSPEC => None,
            NFPROTO_IPV4 => Some(Family::Ipv4),
            NFPROTO_IPV6 => Some(Family::Ipv6),
            _ => return Err(Malformed),
        };
        let mark_mask = self.mark_mask.unwrap_or(u32::MAX);
        let knows_nomatch = self.kind.contains("net");
        let set = Set { family, knows_nomatch, mark_mask };
        let parts: &[Part] = match self.kind.as_str() {
            "hash:ip" | "hash:net" | "bitmap:ip" => &[First],
            "bitmap:port" => &[AnyPort],
            "hash:mac" => &[Mac],
            "hash:ip,port" | "hash:net,port" => &[First, Port],
            "hash:ip,port,ip" | "hash:ip,port,net" | "hash:net,port,net" => &[First, Port, Second],
            "hash:net,net" => &[First, Second],
            "hash:ip,mac" | "bitmap:ip,mac" => &[First, Mac],
            "hash:ip,mark" => &[First, Mark],
            "hash:net,iface" => {
                let elements: Result<_, _> =
                    listed.iter().map(|one| self.on_interface(one)).collect();
                return elements.map(|elements| Content::Interfaces(set, elements));
            }
            "list:set" => {
                let names = listed.iter().map(|one| one.member.clone()).collect::<Option<_>>();
                return names.map(Content::Members).ok_or(Malformed);
            }
            _ => return Err(Malformed),
        };
        if let [part] = *parts {
            return Ok(Content::Plain(set, part, self.plain(part, listed)?));
        }
        // A netmask that is not of the elements themselves is of the first address alone.
        if self.netmask.is_some() && !self.kind.starts_with("hash:ip,") {
            return Err(Malformed);
        }
        let elements: Result<_, _> = listed.iter().map(|one| self.element(parts, one)).collect();
        Ok(Content::Joined(set, parts.to_vec(), elements?))
    }

    fn plain(&self, part: Part, listed: &[Listed]) -> Result<Decided, Malformed> {
        let one = |value: u128| Network { lo: value, hi: value, length: 0 };
        let value = |element: &Listed| match part {
            Part::AnyPort => element.port.map(|port| one(port.into())).ok_or(Malformed),
            Part::Mac => element.mac.map(one).ok_or(Malformed),
            _ => element.first(self.netmask),
        };
        let list: Result<Vec<_>, Malformed> =
            listed.iter().map(|element| Ok((value(element)?, element.nomatch))).collect();
        Ok(resolve::longest(&list?))
    }

    fn element(&self, parts: &[Part], listed: &Listed) -> Result<Element, Malformed> {
        let nothing = Network { lo: 0, hi: 0, length: 0 };
        let has = |part| parts.contains(&part);
        let ports = has(Part::Port).then(|| listed.protocol.zip(listed.port).ok_or(Malformed));
        let (protocol, port) = ports.transpose()?.unwrap_or_default();
        let needs_mac = has(Part::Mac) && self.kind.starts_with("hash");
        if needs_mac && listed.mac.is_none() || has(Part::Mark) && listed.mark.is_none() {
            return Err(Malformed);
        }
        Ok(Element {
            first: listed.first(self.netmask)?,
            second: if has(Part::Second) { listed.second()? } else { nothing },
            protocol,
            port,
            mac: listed.mac,
            mark: listed.mark.unwrap_or_default(),
            nomatch: listed.nomatch,
        })
    }

    fn on_interface(&self, listed: &Listed) -> Result<OnInterface, Malformed> {
        let name = listed.interface.clone().ok_or(Malformed)?;
        Ok(OnInterface {
            network: listed.first(self.netmask)?,
            pattern: if listed.wildcard { Pattern::Begins(name) } else { Pattern::Exact(name) },
            physical: listed.physical,
            nomatch: listed.nomatch,
        })
    }
}
