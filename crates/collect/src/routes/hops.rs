//! Next hops that have a number of their own (ip-nexthop(8)), and groups of them.

use std::collections::HashMap;

use facts::{IfIndex, NextHop, Route, RouteKind};

use super::parse::address;
use crate::ip_family::IpFamily;
use crate::netlink::{Attributes, Malformed, Message, Query, Reader, Sink};

// Message types (`include/uapi/linux/rtnetlink.h`).
const RTM_NEWNEXTHOP: u16 = 104;
const RTM_GETNEXTHOP: u16 = 106;

// Of a next hop (`include/uapi/linux/nexthop.h`).
const NHA_ID: u16 = 1;
const NHA_GROUP: u16 = 2;
const NHA_BLACKHOLE: u16 = 4;
const NHA_OIF: u16 = 5;
const NHA_GATEWAY: u16 = 6;
/// The size of `struct nexthop_grp`: id, weight, and two that are reserved.
const NEXTHOP_GRP_BYTES: usize = 8;

/// What a number stands for.
#[derive(Clone, Debug)]
enum Entry {
    One(NextHop),
    Blackhole,
    Group(Vec<u32>),
}

/// Every next hop with a number.
#[derive(Clone, Debug, Default)]
pub(crate) struct NextHops(HashMap<u32, Entry>);

/// Where a number leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Resolved {
    /// Out by these ways.
    Hops(Vec<NextHop>),
    /// Nowhere: packets are dropped.
    Blackhole,
}

impl Resolved {
    /// Completes a route that names the number.
    pub(crate) fn apply(self, route: &mut Route) {
        match self {
            Self::Hops(hops) => route.hops = hops,
            Self::Blackhole => route.kind = RouteKind::Blackhole,
        }
    }
}

/// Asks for all of them.
pub(crate) fn query() -> Query {
    // struct nhmsg of zeroes.
    Query::dump(RTM_GETNEXTHOP, &[0; 8])
}

impl NextHops {
    /// Where a number leads; none if it or a member of its group is not listed. Groups hold no
    /// groups (kernel `net/ipv4/nexthop.c`, `valid_group_nh`).
    pub(crate) fn resolve(&self, number: u32) -> Option<Resolved> {
        match self.0.get(&number)? {
            Entry::One(hop) => Some(Resolved::Hops(vec![*hop])),
            Entry::Blackhole => Some(Resolved::Blackhole),
            Entry::Group(members) => {
                let hops: Option<Vec<NextHop>> = members
                    .iter()
                    .map(|member| match self.0.get(member) {
                        Some(Entry::One(hop)) => Some(*hop),
                        _ => None,
                    })
                    .collect();
                hops.filter(|hops| !hops.is_empty()).map(Resolved::Hops)
            }
        }
    }
}

impl Sink for NextHops {
    fn restart(&mut self) {
        self.0.clear();
    }

    fn message(&mut self, message: &Message<'_>) -> Result<(), Malformed> {
        if message.kind == RTM_NEWNEXTHOP {
            parse_next_hop(message.body, self)?;
        }
        Ok(())
    }
}

/// Reads the body of an `RTM_NEWNEXTHOP`.
pub(crate) fn parse_next_hop(body: &[u8], into: &mut NextHops) -> Result<(), Malformed> {
    // struct nhmsg: nh_family, nh_scope, nh_protocol, resvd, nh_flags.
    let mut fields = Reader::new("nhmsg", body);
    let [family, _scope, _protocol, _reserved] = fields.take()?;
    let flags = fields.u32()?;
    let (mut number, mut blackhole, mut group) = (None, false, None);
    let [low, ..] = flags.to_le_bytes();
    let mut hop = NextHop { link: None, gateway: None, flags: low };
    for attribute in Attributes::new(fields.rest()) {
        let attribute = attribute?;
        match attribute.kind {
            NHA_ID => number = Some(attribute.fields("NHA_ID").u32()?),
            NHA_BLACKHOLE => blackhole = true,
            NHA_OIF => hop.link = Some(IfIndex(attribute.fields("NHA_OIF").u32()?)),
            NHA_GATEWAY => {
                let family = IpFamily::of(family);
                hop.gateway = family.map(|f| address("NHA_GATEWAY", f, attribute)).transpose()?;
            }
            NHA_GROUP => {
                let members = attribute.value.chunks_exact(NEXTHOP_GRP_BYTES);
                let member = |bytes| Reader::new("nexthop_grp", bytes).u32();
                group = Some(members.map(member).collect::<Result<Vec<u32>, _>>()?);
            }
            _ => {}
        }
    }
    let Some(number) = number else { return Ok(()) };
    let entry = match group {
        Some(members) => Entry::Group(members),
        None if blackhole => Entry::Blackhole,
        None => Entry::One(hop),
    };
    into.0.insert(number, entry);
    Ok(())
}
