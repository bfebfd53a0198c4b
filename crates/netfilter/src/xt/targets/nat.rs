//! Translations of addresses.

use crate::iptables::extension::Opt;
use crate::ir::Family;
use crate::syntax::address_text;
use crate::xt::options::{Options, dashed, network as network_text};
use crate::xt::reader::Reader;

/// NF_NAT_RANGE_* of linux/netfilter/nf_nat.h.
const MAP_IPS: u32 = 1 << 0;
const PROTO_SPECIFIED: u32 = 1 << 1;
const PROTO_RANDOM: u32 = 1 << 2;
const PERSISTENT: u32 = 1 << 3;
const PROTO_RANDOM_FULLY: u32 = 1 << 4;
const PROTO_OFFSET: u32 = 1 << 5;
const NETMAP: u32 = 1 << 6;
const KNOWN: u32 = (1 << 7) - 1;

/// What all revisions say.
pub(super) struct Range {
    flags: u32,
    addresses: (u128, u128),
    ports: (u16, u16),
    base: u16,
}

/// `struct nf_nat_ipv4_multi_range_compat`: always one range.
pub(super) fn compatible(mut reader: Reader<'_>) -> Option<Range> {
    let (count, flags) = (reader.u32()?, reader.u32()?);
    let addresses = (u128::from(reader.be32()?), u128::from(reader.be32()?));
    let ports = (reader.be16()?, reader.be16()?);
    (count == 1).then_some(Range { flags, addresses, ports, base: 0 })
}

/// `struct nf_nat_range`.
pub(super) fn range(mut reader: Reader<'_>, family: Family) -> Option<Range> {
    let flags = reader.u32()?;
    let addresses = (reader.address(family)?, reader.address(family)?);
    let ports = (reader.be16()?, reader.be16()?);
    Some(Range { flags, addresses, ports, base: 0 })
}

/// `struct nf_nat_range2`: with the port from which offsets are counted.
pub(super) fn range2(reader: Reader<'_>, family: Family) -> Option<Range> {
    let mut last = reader.clone();
    last.seek(40);
    Some(Range { base: last.be16()?, ..range(reader, family)? })
}

impl Range {
    /// Ports as they are written, if the range says any.
    fn ports(&self) -> Option<String> {
        if self.flags & PROTO_SPECIFIED == 0 {
            return None;
        }
        let mut text = dashed(self.ports.0, self.ports.1);
        if self.flags & PROTO_OFFSET != 0 {
            text = format!("{text}/{}", self.base);
        }
        Some(text)
    }

    fn is_sound(&self) -> bool {
        let ordered = self.addresses.0 <= self.addresses.1 || self.flags & MAP_IPS == 0;
        let ports = self.ports.0 <= self.ports.1 || self.flags & PROTO_SPECIFIED == 0;
        self.flags & !KNOWN == 0 && ordered && ports
    }

    /// The options that say how one of the range is chosen.
    fn manner(&self) -> impl Iterator<Item = Opt> {
        let table = [
            (PROTO_RANDOM, "--random"),
            (PROTO_RANDOM_FULLY, "--random-fully"),
            (PERSISTENT, "--persistent"),
        ];
        let flags = self.flags;
        table.into_iter().filter(move |(bit, _)| flags & bit != 0).map(|(_, name)| Opt::bare(name))
    }
}

/// DNAT and SNAT.
pub(super) fn translation(range: &Range, name: &str, family: Family) -> Option<Options> {
    if !range.is_sound() || range.flags & NETMAP != 0 {
        return None;
    }
    let text = |value| address_text(family, value);
    let ports = range.ports();
    let (lo, hi) = range.addresses;
    let mut to = match range.flags & MAP_IPS {
        0 => String::new(),
        _ if lo == hi => text(lo),
        _ => format!("{}-{}", text(lo), text(hi)),
    };
    if family == Family::Ipv6 && ports.is_some() && !to.is_empty() {
        to = format!("[{to}]");
    }
    if let Some(ports) = ports {
        to = format!("{to}:{ports}");
    }
    let option = if name == "DNAT" { "--to-destination" } else { "--to-source" };
    let mut list = vec![Opt::new(option, to)];
    list.extend(range.manner());
    Some(list)
}

/// REDIRECT and MASQUERADE, whose address is the interface's.
pub(super) fn ports(range: &Range) -> Option<Options> {
    if !range.is_sound() || range.flags & (MAP_IPS | NETMAP | PROTO_OFFSET) != 0 {
        return None;
    }
    let mut list: Options =
        range.ports().map(|ports| Opt::new("--to-ports", ports)).into_iter().collect();
    list.extend(range.manner());
    Some(list)
}

/// NETMAP: the first and last address of a network.
pub(super) fn network(range: &Range, family: Family) -> Option<Options> {
    if range.flags & !(MAP_IPS | NETMAP) != 0 || range.flags & MAP_IPS == 0 {
        return None;
    }
    let (lo, hi) = range.addresses;
    let text = network_text(family, lo, family.max_address() & !(lo ^ hi));
    Some(vec![Opt::new("--to", text)])
}

/// `struct ip6t_npt_tginfo`.
pub(super) fn prefix(mut reader: Reader<'_>) -> Option<Options> {
    let (from, to) = (reader.address(Family::Ipv6)?, reader.address(Family::Ipv6)?);
    let (from_length, to_length) = (reader.u8()?, reader.u8()?);
    let text = |address, length| format!("{}/{length}", address_text(Family::Ipv6, address));
    Some(vec![
        Opt::new("--src-pfx", text(from, from_length)),
        Opt::new("--dst-pfx", text(to, to_length)),
    ])
}
