//! WireGuard, L2TP and FOU over generic netlink (`include/uapi/linux/{genetlink,wireguard,l2tp,fou}.h`).

use std::sync::OnceLock;

use facts::{Gap, NetnsId, Port, Protocol};

use super::super::gap;
use super::{Owned, Owners, OwningLink};
use crate::netlink::{Attributes, Channel, Error, Family, Malformed, Message, Query, Reader, Sink};
use crate::netns::Namespace;

/// The family that tells of the others.
const GENL_ID_CTRL: u16 = 16;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;

const WG_CMD_GET_DEVICE: u8 = 0;
const WGDEVICE_A_IFINDEX: u16 = 1;
const WGDEVICE_A_LISTEN_PORT: u16 = 6;

const L2TP_CMD_TUNNEL_GET: u8 = 4;
const L2TP_ATTR_ENCAP_TYPE: u16 = 2;
const L2TP_ATTR_CONN_ID: u16 = 9;
const L2TP_ATTR_UDP_SPORT: u16 = 26;
const L2TP_ENCAPTYPE_UDP: u16 = 0;

const FOU_CMD_GET: u8 = 3;
const FOU_ATTR_PORT: u16 = 1;

/// `sizeof(struct genlmsghdr)` in bytes: cmd, version, reserved.
const GENL_HDRLEN: usize = 4;

/// The numbers of the families we ask, the same in every namespace; read once. They are looked up in
/// the list of all families, because asking for one by its name loads its module.
#[derive(Debug, Default)]
pub(crate) struct Families(OnceLock<Result<Numbers, Error>>);

/// The numbers, for those that are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Numbers {
    pub(crate) wireguard: Option<u16>,
    pub(crate) l2tp: Option<u16>,
    pub(crate) fou: Option<u16>,
}

impl Families {
    fn numbers(&self) -> Result<Numbers, Error> {
        *self.0.get_or_init(|| {
            let mut sink = Each::new(Numbers::default(), parse_families);
            let query = Query::dump(GENL_ID_CTRL, &[CTRL_CMD_GETFAMILY, 1, 0, 0]);
            Channel::open(Family::Generic)?.run(query, &mut sink)?;
            Ok(sink.value)
        })
    }
}

/// Reads one family from the body of a `CTRL_CMD_NEWFAMILY` message.
pub(crate) fn parse_families(body: &[u8], numbers: &mut Numbers) -> Result<(), Malformed> {
    let (mut id, mut name) = (0, &[][..]);
    for attribute in attributes(body)? {
        let attribute = attribute?;
        match attribute.kind {
            CTRL_ATTR_FAMILY_ID => id = attribute.fields("CTRL_ATTR_FAMILY_ID").u16()?,
            CTRL_ATTR_FAMILY_NAME => name = attribute.value,
            _ => {}
        }
    }
    match name {
        b"wireguard\0" => numbers.wireguard = Some(id),
        b"l2tp\0" => numbers.l2tp = Some(id),
        b"fou\0" => numbers.fou = Some(id),
        _ => {}
    }
    Ok(())
}

/// The port of a WireGuard link. Its answer holds the private key as well, which is not read.
pub(crate) fn wireguard(
    namespace: &Namespace,
    netns: NetnsId,
    link: &OwningLink,
    families: &Families,
    owners: &mut Owners,
) {
    let answer = families.numbers().and_then(|numbers| {
        let Some(family) = numbers.wireguard else { return Ok(None) };
        let mut sink = Each::new(None, parse_wireguard);
        let query = Query::dump(family, &[WG_CMD_GET_DEVICE, 1, 0, 0])
            .with(WGDEVICE_A_IFINDEX, &link.index.0.to_ne_bytes());
        Channel::open(Family::Generic)?.run(query, &mut sink)?;
        Ok(sink.value)
    });
    match answer {
        // Port 0: it has no socket while it is down.
        Ok(port) => {
            if let Some(port) = port.filter(|port| *port != Port(0)) {
                let instance = link.name.clone();
                let owned =
                    Owned { protocol: Protocol::UDP, port, subsystem: "wireguard", instance };
                owners.add(netns, owned, "WireGuard over generic netlink");
            }
        }
        Err(error) => {
            let what = format!("the port of WireGuard link {} of {}", link.name, namespace.label());
            owners.gaps.push(refused(what, "WG_CMD_GET_DEVICE", error));
        }
    }
}

/// Reads the port from the body of a `WG_CMD_GET_DEVICE` message.
pub(crate) fn parse_wireguard(body: &[u8], port: &mut Option<Port>) -> Result<(), Malformed> {
    for attribute in attributes(body)? {
        let attribute = attribute?;
        if attribute.kind == WGDEVICE_A_LISTEN_PORT {
            *port = Some(Port(attribute.fields("WGDEVICE_A_LISTEN_PORT").u16()?));
        }
    }
    Ok(())
}

/// L2TP tunnels and FOU receive ports, where the kernel has them.
pub(crate) fn tunnels(namespace: &Namespace, families: &Families, owners: &mut Owners) {
    let numbers = match families.numbers() {
        Ok(numbers) => numbers,
        Err(error) => {
            let what = "sockets of L2TP and FOU".to_owned();
            owners.gaps.push(refused(what, "CTRL_CMD_GETFAMILY", error));
            return;
        }
    };
    let asked = [
        (numbers.l2tp, L2TP_CMD_TUNNEL_GET, parse_l2tp as Parse<Vec<Owned>>, "L2TP"),
        (numbers.fou, FOU_CMD_GET, parse_fou, "FOU"),
    ];
    for (family, command, parse, name) in asked {
        let Some(family) = family else { continue };
        let mut sink = Each::new(vec![], parse);
        let answer = Channel::open(Family::Generic).and_then(|mut channel| {
            channel.run(Query::dump(family, &[command, 1, 0, 0]), &mut sink)
        });
        for owned in sink.value {
            owners.add(namespace.id, owned, &format!("{name} over generic netlink"));
        }
        if let Err(error) = answer {
            let what = format!("sockets of {name} in {}", namespace.label());
            owners.gaps.push(refused(what, name, error));
        }
    }
}

/// Reads a tunnel from the body of an `L2TP_CMD_TUNNEL_GET` message.
pub(crate) fn parse_l2tp(body: &[u8], owned: &mut Vec<Owned>) -> Result<(), Malformed> {
    let (mut encapsulation, mut tunnel, mut port) = (None, 0, 0);
    for attribute in attributes(body)? {
        let attribute = attribute?;
        match attribute.kind {
            L2TP_ATTR_ENCAP_TYPE => {
                encapsulation = Some(attribute.fields("L2TP_ATTR_ENCAP_TYPE").u16()?);
            }
            L2TP_ATTR_CONN_ID => tunnel = attribute.fields("L2TP_ATTR_CONN_ID").u32()?,
            L2TP_ATTR_UDP_SPORT => port = attribute.fields("L2TP_ATTR_UDP_SPORT").u16()?,
            _ => {}
        }
    }
    // Tunnels straight over IP have no port.
    if encapsulation == Some(L2TP_ENCAPTYPE_UDP) && port != 0 {
        owned.push(Owned {
            protocol: Protocol::UDP,
            port: Port(port),
            subsystem: "l2tp",
            instance: format!("tunnel {tunnel}"),
        });
    }
    Ok(())
}

/// Reads a port from the body of a `FOU_CMD_GET` message.
pub(crate) fn parse_fou(body: &[u8], owned: &mut Vec<Owned>) -> Result<(), Malformed> {
    for attribute in attributes(body)? {
        let attribute = attribute?;
        if attribute.kind == FOU_ATTR_PORT {
            let port = Port(attribute.fields("FOU_ATTR_PORT").be16()?);
            let instance = String::new();
            owned.push(Owned { protocol: Protocol::UDP, port, subsystem: "fou", instance });
        }
    }
    Ok(())
}

/// The attributes after the generic header.
fn attributes(body: &[u8]) -> Result<Attributes<'_>, Malformed> {
    let mut fields = Reader::new("genlmsghdr", body);
    let _header: [u8; GENL_HDRLEN] = fields.take()?;
    Ok(Attributes::new(fields.rest()))
}

fn refused(what: String, request: &str, error: Error) -> Gap {
    gap(what, format!("generic netlink, {request}: {error}"), error.is_denied())
}

/// Reads one message into a value.
type Parse<T> = fn(&[u8], &mut T) -> Result<(), Malformed>;

/// Pours every message of a reply through one function.
struct Each<T> {
    value: T,
    parse: Parse<T>,
}

impl<T: Default> Each<T> {
    fn new(value: T, parse: Parse<T>) -> Self {
        Self { value, parse }
    }
}

impl<T: Default> Sink for Each<T> {
    fn restart(&mut self) {
        self.value = T::default();
    }

    fn message(&mut self, message: &Message<'_>) -> Result<(), Malformed> {
        (self.parse)(message.body, &mut self.value)
    }
}
