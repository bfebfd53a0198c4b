//! Links whose driver holds a UDP socket in the kernel.

use facts::{IfIndex, Port};

use super::super::rtnetlink::FullLink;
use crate::netlink::{Attributes, Malformed};

/// Attributes of the kinds (`include/uapi/linux/if_link.h`), both in network byte order.
const IFLA_VXLAN_PORT: u16 = 15;
const IFLA_GENEVE_PORT: u16 = 5;
const IFLA_BAREUDP_PORT: u16 = 1;

/// The ports of a GTP link that makes its own sockets (`GTP0_PORT`, `GTP1U_PORT` in
/// `include/net/gtp.h`); the driver has no others.
const GTP_PORTS: [Port; 2] = [Port(3386), Port(2152)];

/// A link whose driver holds sockets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OwningLink {
    /// Its index.
    pub(crate) index: IfIndex,
    /// Its name.
    pub(crate) name: String,
    /// The driver's module.
    pub(crate) subsystem: &'static str,
    /// Its UDP ports, of IPv4, IPv6 or both; none yet for WireGuard.
    pub(crate) udp_ports: Vec<Port>,
    /// The number of the namespace it was made in, if that is another one; its sockets are there.
    pub(crate) made_in: Option<i32>,
}

impl OwningLink {
    /// Whether its port has to be asked from WireGuard.
    pub(crate) fn is_wireguard(&self) -> bool {
        self.subsystem == "wireguard"
    }
}

/// Picks the links that have sockets.
pub(crate) fn owning_link(full: &FullLink<'_>) -> Result<Option<OwningLink>, Malformed> {
    let (subsystem, udp_ports) = match full.link.kind.as_str() {
        "vxlan" => ("vxlan", port(full.data, IFLA_VXLAN_PORT, "IFLA_VXLAN_PORT")?),
        "geneve" => ("geneve", port(full.data, IFLA_GENEVE_PORT, "IFLA_GENEVE_PORT")?),
        "bareudp" => ("bareudp", port(full.data, IFLA_BAREUDP_PORT, "IFLA_BAREUDP_PORT")?),
        "gtp" => ("gtp", GTP_PORTS.to_vec()),
        "wireguard" => ("wireguard", vec![]),
        _ => return Ok(None),
    };
    Ok(Some(OwningLink {
        index: full.link.index,
        name: full.link.name.clone(),
        subsystem,
        udp_ports,
        made_in: full.made_in,
    }))
}

/// The port in the attributes of a kind.
fn port(data: &[u8], kind: u16, structure: &'static str) -> Result<Vec<Port>, Malformed> {
    for attribute in Attributes::new(data) {
        let attribute = attribute?;
        if attribute.kind == kind {
            return Ok(vec![Port(attribute.fields(structure).be16()?)]);
        }
    }
    Ok(vec![])
}
