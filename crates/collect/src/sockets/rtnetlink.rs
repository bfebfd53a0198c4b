//! Links and addresses as rtnetlink(7) tells them.

use facts::{Address, IfIndex, Link, OtherNetns};

use super::transport::IpFamily;
use crate::netlink::{Attribute, Attributes, Malformed, Reader};

/// Message types (`include/uapi/linux/rtnetlink.h`).
pub(crate) const RTM_NEWLINK: u16 = 16;
/// Asks for links.
pub(crate) const RTM_GETLINK: u16 = 18;
/// An address.
pub(crate) const RTM_NEWADDR: u16 = 20;
/// Asks for addresses.
pub(crate) const RTM_GETADDR: u16 = 22;
/// The number by which this namespace knows another.
pub(crate) const RTM_NEWNSID: u16 = 88;
/// Asks for that number.
pub(crate) const RTM_GETNSID: u16 = 90;

/// Of `RTM_GETLINK` (`include/uapi/linux/if_link.h`).
pub(crate) const IFLA_EXT_MASK: u16 = 29;
/// In `IFLA_EXT_MASK`: without statistics, which are two thirds of the answer.
pub(crate) const RTEXT_FILTER_SKIP_STATS: u32 = 1 << 3;

/// Of a link (`include/uapi/linux/if_link.h`).
const IFLA_IFNAME: u16 = 3;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_LINK_NETNSID: u16 = 37;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_VRF_TABLE: u16 = 1;
const IFLA_XDP: u16 = 43;
const IFLA_XDP_ATTACHED: u16 = 2;
const IFLA_XDP_PROG_ID: u16 = 4;
/// The last of the program numbers by mode (`IFLA_XDP_HW_PROG_ID`).
const IFLA_XDP_HW_PROG_ID: u16 = 7;

/// Of `ifi_flags` (`include/uapi/linux/if.h`).
const IFF_UP: u32 = 1;
const IFF_LOOPBACK: u32 = 1 << 3;
const IFF_POINTOPOINT: u32 = 1 << 4;
const IFF_NOARP: u32 = 1 << 7;
const IFF_LOWER_UP: u32 = 1 << 16;

/// Of an address (`include/uapi/linux/if_addr.h`).
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_CACHEINFO: u16 = 6;
const IFA_FLAGS: u16 = 8;
/// A lifetime without end.
const INFINITY_LIFE_TIME: u32 = u32::MAX;

/// Of `RTM_NEWNSID` (`include/uapi/linux/net_namespace.h`).
const NETNSA_NSID: u16 = 1;
/// Of `RTM_GETNSID`: a descriptor of the other namespace.
pub(crate) const NETNSA_FD: u16 = 3;

/// A link, and what is not kept of it.
#[derive(Clone, Debug)]
pub(crate) struct FullLink<'a> {
    /// The link itself.
    pub(crate) link: Link,
    /// The number of the namespace it was made in, if that is another one.
    pub(crate) made_in: Option<i32>,
    /// `IFLA_INFO_DATA`: attributes of its kind.
    pub(crate) data: &'a [u8],
    /// `IFLA_AF_SPEC`: its settings, for each address family.
    pub(crate) af_spec: &'a [u8],
    /// The XDP programs on it.
    pub(crate) xdp: Xdp,
}

/// What a link tells of XDP programs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Xdp {
    /// Whether there is one (`IFLA_XDP_ATTACHED`).
    pub(crate) attached: bool,
    /// The numbers of the programs, each once.
    pub(crate) programs: Vec<u32>,
}

/// Reads the body of an `RTM_NEWLINK`.
pub(crate) fn parse_link(body: &[u8]) -> Result<FullLink<'_>, Malformed> {
    // struct ifinfomsg: ifi_family, pad, ifi_type, ifi_index, ifi_flags, ifi_change.
    let mut fields = Reader::new("ifinfomsg", body);
    let [_family, _pad, _type0, _type1] = fields.take()?;
    let (index, flags, _change) = (fields.u32()?, fields.u32()?, fields.u32()?);
    let link = Link {
        index: IfIndex(index),
        name: String::new(),
        kind: String::new(),
        up: flags & IFF_UP != 0,
        loopback: flags & IFF_LOOPBACK != 0,
        carrier: Some(flags & IFF_LOWER_UP != 0),
        no_arp: flags & IFF_NOARP != 0,
        point_to_point: flags & IFF_POINTOPOINT != 0,
        ..Link::default()
    };
    let mut full = FullLink { link, made_in: None, data: &[], af_spec: &[], xdp: Xdp::default() };
    for attribute in Attributes::new(fields.rest()) {
        let attribute = attribute?;
        match attribute.kind {
            IFLA_IFNAME => full.link.name = attribute.text(),
            IFLA_LINK_NETNSID => {
                let id = attribute.fields("IFLA_LINK_NETNSID").take()?;
                full.made_in = Some(i32::from_ne_bytes(id));
            }
            IFLA_LINK => full.link.lower = some_index(attribute.fields("IFLA_LINK").u32()?),
            IFLA_MASTER => full.link.master = some_index(attribute.fields("IFLA_MASTER").u32()?),
            IFLA_LINKINFO => full.note_info(attribute)?,
            IFLA_AF_SPEC => full.af_spec = attribute.value,
            IFLA_XDP => full.xdp = parse_xdp(attribute)?,
            _ => {}
        }
    }
    full.link.lower_netns = full.made_in.map(OtherNetns::NotFound);
    if full.link.kind == "vrf" {
        for attribute in Attributes::new(full.data) {
            let attribute = attribute?;
            if attribute.kind == IFLA_VRF_TABLE {
                full.link.vrf_table = Some(attribute.fields("IFLA_VRF_TABLE").u32()?);
            }
        }
    }
    Ok(full)
}

/// An index that names an interface.
fn some_index(index: u32) -> Option<IfIndex> {
    Some(IfIndex(index)).filter(|index| index.0 != 0)
}

/// Reads `IFLA_XDP`.
fn parse_xdp(info: Attribute<'_>) -> Result<Xdp, Malformed> {
    let mut xdp = Xdp::default();
    for attribute in info.nested() {
        let attribute = attribute?;
        match attribute.kind {
            // XDP_ATTACHED_NONE is 0.
            IFLA_XDP_ATTACHED => xdp.attached = attribute.fields("IFLA_XDP_ATTACHED").u8()? != 0,
            IFLA_XDP_PROG_ID..=IFLA_XDP_HW_PROG_ID => {
                xdp.programs.push(attribute.fields("IFLA_XDP_PROG_ID").u32()?);
            }
            _ => {}
        }
    }
    // The only program of all modes is told twice: as such, and by its mode.
    xdp.programs.retain(|program| *program != 0);
    xdp.programs.sort_unstable();
    xdp.programs.dedup();
    Ok(xdp)
}

impl<'a> FullLink<'a> {
    fn note_info(&mut self, info: Attribute<'a>) -> Result<(), Malformed> {
        for attribute in info.nested() {
            let attribute = attribute?;
            match attribute.kind {
                IFLA_INFO_KIND => self.link.kind = attribute.text(),
                IFLA_INFO_DATA => self.data = attribute.value,
                _ => {}
            }
        }
        Ok(())
    }
}

/// Reads the body of an `RTM_NEWADDR`; none for other families than IPv4 and IPv6.
pub(crate) fn parse_address(body: &[u8]) -> Result<Option<Address>, Malformed> {
    // struct ifaddrmsg: ifa_family, ifa_prefixlen, ifa_flags, ifa_scope, ifa_index.
    let mut fields = Reader::new("ifaddrmsg", body);
    let [number, prefix_len, flags, scope] = fields.take()?;
    let link = IfIndex(fields.u32()?);
    let Some(family) = IpFamily::of(number) else { return Ok(None) };
    let (mut flags, mut local, mut address) = (u32::from(flags), None, None);
    let (mut preferred_s, mut valid_s) = (None, None);
    for attribute in Attributes::new(fields.rest()) {
        let attribute = attribute?;
        match attribute.kind {
            IFA_LOCAL => local = Some(parse_ip("IFA_LOCAL", family, attribute)?),
            IFA_ADDRESS => address = Some(parse_ip("IFA_ADDRESS", family, attribute)?),
            // The same bits as in the header, and those that do not fit there.
            IFA_FLAGS => flags = attribute.fields("IFA_FLAGS").u32()?,
            IFA_CACHEINFO => {
                let mut info = attribute.fields("ifa_cacheinfo");
                preferred_s = Some(info.u32()?).filter(|&s| s != INFINITY_LIFE_TIME);
                valid_s = Some(info.u32()?).filter(|&s| s != INFINITY_LIFE_TIME);
            }
            _ => {}
        }
    }
    // On point-to-point links `IFA_ADDRESS` is the peer's.
    let Some(address) = local.or(address) else {
        return Err(Malformed::Value { structure: "ifaddrmsg", field: "addresses", value: 0 });
    };
    Ok(Some(Address { link, address, prefix_len, scope, flags, preferred_s, valid_s }))
}

fn parse_ip(
    structure: &'static str,
    family: IpFamily,
    attribute: Attribute<'_>,
) -> Result<std::net::IpAddr, Malformed> {
    let mut fields = attribute.fields(structure);
    match family {
        IpFamily::V4 => Ok(std::net::Ipv4Addr::from(fields.take::<4>()?).into()),
        IpFamily::V6 => Ok(family.address(fields.take()?)),
    }
}

/// Reads the body of an `RTM_NEWNSID`; none while the namespace has no number
/// (`NETNSA_NSID_NOT_ASSIGNED`).
pub(crate) fn parse_nsid(body: &[u8]) -> Result<Option<i32>, Malformed> {
    let mut fields = Reader::new("rtgenmsg", body);
    // struct rtgenmsg is one byte; attributes begin at the next multiple of 4.
    let _family: [u8; 4] = fields.take()?;
    let mut number = None;
    for attribute in Attributes::new(fields.rest()) {
        let attribute = attribute?;
        if attribute.kind == NETNSA_NSID {
            number = Some(i32::from_ne_bytes(attribute.fields("NETNSA_NSID").take()?));
        }
    }
    Ok(number.filter(|&n| n >= 0))
}
