//! Routes and routing rules as rtnetlink(7) tells them.

use std::net::IpAddr;

use facts::{IfIndex, NextHop, Prefix, Route, RouteKind, RoutingRule, RuleAction};

use crate::ip_family::IpFamily;
use crate::netlink::{Attribute, Attributes, Malformed, Reader};

// Of a route (`include/uapi/linux/rtnetlink.h`).
const RTA_DST: u16 = 1;
const RTA_SRC: u16 = 2;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_PREFSRC: u16 = 7;
const RTA_MULTIPATH: u16 = 9;
const RTA_TABLE: u16 = 15;
const RTA_VIA: u16 = 18;
const RTA_NH_ID: u16 = 30;
/// In `rtm_flags`: what the kernel remembers of one path, no route.
const RTM_F_CLONED: u32 = 0x200;

// Of a rule (`include/uapi/linux/fib_rules.h`).
const FRA_DST: u16 = 1;
const FRA_SRC: u16 = 2;
const FRA_IIFNAME: u16 = 3;
const FRA_GOTO: u16 = 4;
const FRA_PRIORITY: u16 = 6;
const FRA_FWMARK: u16 = 10;
const FRA_FLOW: u16 = 11;
const FRA_SUPPRESS_IFGROUP: u16 = 13;
const FRA_SUPPRESS_PREFIXLEN: u16 = 14;
const FRA_TABLE: u16 = 15;
const FRA_FWMASK: u16 = 16;
const FRA_OIFNAME: u16 = 17;
const FRA_PAD: u16 = 18;
const FRA_L3MDEV: u16 = 19;
const FRA_UID_RANGE: u16 = 20;
const FRA_PROTOCOL: u16 = 21;
const FRA_IP_PROTO: u16 = 22;
const FRA_SPORT_RANGE: u16 = 23;
const FRA_DPORT_RANGE: u16 = 24;
/// In `flags` of a rule: the opposite.
const FIB_RULE_INVERT: u32 = 2;
/// "No such limit" of the two suppressors, -1.
const NO_LIMIT: u32 = u32::MAX;

/// A route, and what is not kept of it.
#[derive(Debug)]
pub(crate) struct Parsed {
    /// The route itself.
    pub(crate) route: Route,
    /// Its family.
    pub(crate) family: IpFamily,
    /// The number of its next hop (`RTA_NH_ID`).
    pub(crate) next_hop_number: Option<u32>,
}

/// Reads the body of an `RTM_NEWROUTE`; none for other families, and for what is no route.
pub(crate) fn parse_route(body: &[u8]) -> Result<Option<Parsed>, Malformed> {
    // struct rtmsg: rtm_family, rtm_dst_len, rtm_src_len, rtm_tos, rtm_table, rtm_protocol,
    // rtm_scope, rtm_type, rtm_flags.
    let mut fields = Reader::new("rtmsg", body);
    let [number, dst_len, src_len, tos] = fields.take()?;
    let [table, protocol, scope, kind] = fields.take()?;
    let flags = fields.u32()?;
    let Some(family) = IpFamily::of(number) else { return Ok(None) };
    if flags & RTM_F_CLONED != 0 {
        return Ok(None);
    }
    let mut route = Route {
        table: table.into(),
        destination: prefix("rtmsg", family, None, dst_len)?,
        priority: 0,
        kind: route_kind(kind),
        source: None,
        tos,
        scope,
        protocol,
        flags,
        hops: Vec::new(),
        preferred_source: None,
    };
    let mut only = NextHop { link: None, gateway: None, flags: next_hop_flags(flags) };
    let mut next_hop_number = None;
    for attribute in Attributes::new(fields.rest()) {
        let attribute = attribute?;
        match attribute.kind {
            RTA_DST => route.destination = prefix("RTA_DST", family, Some(attribute), dst_len)?,
            RTA_SRC => route.source = Some(prefix("RTA_SRC", family, Some(attribute), src_len)?),
            RTA_OIF => only.link = Some(IfIndex(attribute.fields("RTA_OIF").u32()?)),
            RTA_GATEWAY => only.gateway = Some(address("RTA_GATEWAY", family, attribute)?),
            RTA_VIA => only.gateway = via(attribute)?,
            RTA_PRIORITY => route.priority = attribute.fields("RTA_PRIORITY").u32()?,
            RTA_PREFSRC => {
                route.preferred_source = Some(address("RTA_PREFSRC", family, attribute)?);
            }
            RTA_TABLE => route.table = attribute.fields("RTA_TABLE").u32()?,
            RTA_MULTIPATH => route.hops = multipath(family, attribute.value)?,
            RTA_NH_ID => next_hop_number = Some(attribute.fields("RTA_NH_ID").u32()?),
            _ => {}
        }
    }
    if route.hops.is_empty() && (only.link.is_some() || only.gateway.is_some()) {
        route.hops.push(only);
    }
    if leads_nowhere(route.kind) {
        // IPv6 tells `lo` for them.
        route.hops.clear();
        next_hop_number = None;
    }
    Ok(Some(Parsed { route, family, next_hop_number }))
}

/// Whether a route has no way out by its nature.
fn leads_nowhere(kind: RouteKind) -> bool {
    use RouteKind::{Blackhole, Prohibit, Throw, Unreachable};
    matches!(kind, Blackhole | Unreachable | Prohibit | Throw)
}

/// The flags of a next hop (`RTNH_F_*`), which a route with a single one has among its own.
#[expect(clippy::cast_possible_truncation, reason = "the low eight bits are meant")]
fn next_hop_flags(flags: u32) -> u8 {
    flags as u8
}

/// Reads the next hops of a route, one `struct rtnexthop` after the other.
fn multipath(family: IpFamily, bytes: &[u8]) -> Result<Vec<NextHop>, Malformed> {
    let mut hops = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        // struct rtnexthop: rtnh_len, rtnh_flags, rtnh_hops, rtnh_ifindex.
        let mut fields = Reader::new("rtnexthop", rest);
        let length = fields.u16()?;
        let [flags, _weight] = fields.take()?;
        let index = fields.u32()?;
        let Some(own) = rest.get(RTNEXTHOP_BYTES..length.into()) else {
            let value = length.into();
            return Err(Malformed::Value { structure: "rtnexthop", field: "rtnh_len", value });
        };
        let mut hop = NextHop { link: Some(IfIndex(index)), gateway: None, flags };
        for attribute in Attributes::new(own) {
            let attribute = attribute?;
            match attribute.kind {
                RTA_GATEWAY => hop.gateway = Some(address("RTA_GATEWAY", family, attribute)?),
                RTA_VIA => hop.gateway = via(attribute)?,
                _ => {}
            }
        }
        hops.push(hop);
        // Each is padded to four bytes (RTNH_ALIGN).
        let step = crate::netlink::align(length.into());
        rest = rest.get(step..).unwrap_or_default();
    }
    Ok(hops)
}

/// The size of `struct rtnexthop`.
const RTNEXTHOP_BYTES: usize = 8;

/// Reads a `struct rtvia`: a gateway of a family of its own; none for families other than IP.
fn via(attribute: Attribute<'_>) -> Result<Option<IpAddr>, Malformed> {
    let mut fields = attribute.fields("rtvia");
    let family = fields.u16()?;
    let rest = Attribute { kind: attribute.kind, value: fields.rest() };
    let family = u8::try_from(family).ok().and_then(IpFamily::of);
    family.map(|family| address("rtvia", family, rest)).transpose()
}

/// The type of a route (`RTN_*`).
pub(super) fn route_kind(number: u8) -> RouteKind {
    match number {
        1 => RouteKind::Unicast,
        2 => RouteKind::Local,
        3 => RouteKind::Broadcast,
        4 => RouteKind::Anycast,
        5 => RouteKind::Multicast,
        6 => RouteKind::Blackhole,
        7 => RouteKind::Unreachable,
        8 => RouteKind::Prohibit,
        9 => RouteKind::Throw,
        other => RouteKind::Other(other),
    }
}

/// Reads the body of an `RTM_NEWRULE`; none for other families.
pub(crate) fn parse_rule(body: &[u8]) -> Result<Option<RoutingRule>, Malformed> {
    // struct fib_rule_hdr: family, dst_len, src_len, tos, table, res1, res2, action, flags.
    let mut fields = Reader::new("fib_rule_hdr", body);
    let [number, dst_len, src_len, tos] = fields.take()?;
    let [table, _, _, action] = fields.take()?;
    let flags = fields.u32()?;
    let Some(family) = IpFamily::of(number) else { return Ok(None) };
    let mut rule = RoutingRule {
        ipv6: family == IpFamily::V6,
        priority: 0,
        action: RuleAction::Nop,
        invert: flags & FIB_RULE_INVERT != 0,
        source: None,
        destination: None,
        input: None,
        output: None,
        mark: None,
        tos,
        protocol: None,
        source_ports: None,
        destination_ports: None,
        users: None,
        l3mdev: false,
        suppress_prefix_len: None,
        unknown: Vec::new(),
    };
    let (mut table, mut target) = (u32::from(table), 0);
    // A mark without a mask is told with one of all bits.
    let (mut mark, mut mask) = (None, None);
    for attribute in Attributes::new(fields.rest()) {
        let attribute = attribute?;
        let ports = |structure| -> Result<Option<(u16, u16)>, Malformed> {
            let mut range = attribute.fields(structure);
            Ok(Some((range.u16()?, range.u16()?)))
        };
        match attribute.kind {
            FRA_DST => {
                rule.destination = Some(prefix("FRA_DST", family, Some(attribute), dst_len)?);
            }
            FRA_SRC => rule.source = Some(prefix("FRA_SRC", family, Some(attribute), src_len)?),
            FRA_IIFNAME => rule.input = Some(attribute.text()),
            FRA_OIFNAME => rule.output = Some(attribute.text()),
            FRA_GOTO => target = attribute.fields("FRA_GOTO").u32()?,
            FRA_PRIORITY => rule.priority = attribute.fields("FRA_PRIORITY").u32()?,
            FRA_FWMARK => mark = Some(attribute.fields("FRA_FWMARK").u32()?),
            FRA_FWMASK => mask = Some(attribute.fields("FRA_FWMASK").u32()?),
            FRA_TABLE => table = attribute.fields("FRA_TABLE").u32()?,
            FRA_L3MDEV => rule.l3mdev = attribute.fields("FRA_L3MDEV").u8()? != 0,
            FRA_UID_RANGE => {
                let mut range = attribute.fields("fib_rule_uid_range");
                rule.users = Some((range.u32()?, range.u32()?));
            }
            FRA_IP_PROTO => rule.protocol = Some(attribute.fields("FRA_IP_PROTO").u8()?),
            FRA_SPORT_RANGE => rule.source_ports = ports("FRA_SPORT_RANGE")?,
            FRA_DPORT_RANGE => rule.destination_ports = ports("FRA_DPORT_RANGE")?,
            FRA_SUPPRESS_PREFIXLEN => {
                let length = attribute.fields("FRA_SUPPRESS_PREFIXLEN").u32()?;
                rule.suppress_prefix_len = Some(length).filter(|length| *length != NO_LIMIT);
            }
            FRA_SUPPRESS_IFGROUP => {
                if attribute.fields("FRA_SUPPRESS_IFGROUP").u32()? != NO_LIMIT {
                    rule.unknown.push(attribute.kind);
                }
            }
            // Who made it, padding, and realms, which are for accounting: none of them decides.
            FRA_PROTOCOL | FRA_PAD | FRA_FLOW => {}
            other => rule.unknown.push(other),
        }
    }
    if mark.is_some() || mask.is_some() {
        rule.mark = Some((mark.unwrap_or(0), mask.unwrap_or(u32::MAX)));
    }
    rule.action = rule_action(action, table, target);
    rule.unknown.sort_unstable();
    Ok(Some(rule))
}

/// What a rule does (`FR_ACT_*`).
fn rule_action(number: u8, table: u32, target: u32) -> RuleAction {
    match number {
        1 => RuleAction::Table(table),
        2 => RuleAction::Goto(target),
        3 => RuleAction::Nop,
        6 => RuleAction::Blackhole,
        7 => RuleAction::Unreachable,
        8 => RuleAction::Prohibit,
        other => RuleAction::Other(other),
    }
}

/// A prefix whose address may be missing: then it is all zeroes.
fn prefix(
    structure: &'static str,
    family: IpFamily,
    attribute: Option<Attribute<'_>>,
    len: u8,
) -> Result<Prefix, Malformed> {
    if len > family.bits() {
        let value = len.into();
        return Err(Malformed::Value { structure, field: "prefix length", value });
    }
    let address = match attribute {
        Some(attribute) => address(structure, family, attribute)?,
        None => family.address([0; 16]),
    };
    Ok(Prefix { address, len })
}

/// An address of a family.
pub(super) fn address(
    structure: &'static str,
    family: IpFamily,
    attribute: Attribute<'_>,
) -> Result<IpAddr, Malformed> {
    let mut fields = attribute.fields(structure);
    match family {
        IpFamily::V4 => Ok(std::net::Ipv4Addr::from(fields.take::<4>()?).into()),
        IpFamily::V6 => Ok(family.address(fields.take()?)),
    }
}
