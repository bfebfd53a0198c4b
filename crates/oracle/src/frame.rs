//! Probes as Ethernet frames, with right checksums, and what can be read back from a packet.

use crate::probe::{ICMP, ICMPV6, PAYLOAD, Probe, TCP, UDP};

/// What tells a probe's packet from all others: the identification of IPv4 (RFC 791) or the flow
/// label of IPv6 (RFC 8200), which no rule rewrites. Never 0: what the kernel sends has that.
pub(crate) type Id = u16;

/// The frame of a probe, to the device with this link-layer address.
pub(crate) fn frame(probe: &Probe, device: u64, id: Id) -> Vec<u8> {
    let mut frame = Vec::with_capacity(128);
    frame.extend(mac(device));
    frame.extend(mac(probe.mac));
    // ETH_P_IP and ETH_P_IPV6 (linux/if_ether.h).
    frame.extend(if probe.v6 { [0x86, 0xdd] } else { [0x08, 0x00] });
    let addresses = addresses(probe);
    let transport = transport(probe, &addresses);
    frame.extend(network(probe, &addresses, id));
    frame.extend(transport);
    frame
}

fn mac(value: u64) -> impl Iterator<Item = u8> {
    value.to_be_bytes().into_iter().skip(2)
}

/// Source and destination as they stand in the header.
fn addresses(probe: &Probe) -> Vec<u8> {
    let skip = if probe.v6 { 0 } else { 12 };
    [probe.source_number(), probe.destination_number()]
        .into_iter()
        .flat_map(|address| address.to_be_bytes().into_iter().skip(skip))
        .collect()
}

fn network(probe: &Probe, addresses: &[u8], id: Id) -> Vec<u8> {
    let traffic_class = probe.dscp << 2;
    let mut header = Vec::with_capacity(40);
    if probe.v6 {
        header.extend([0x60 | (traffic_class >> 4), traffic_class << 4]);
        header.extend(id.to_be_bytes());
        header.extend((probe.transport_bytes() + PAYLOAD).to_be_bytes());
        header.extend([probe.protocol, probe.hop_limit]);
        header.extend(addresses);
        return header;
    }
    header.extend([0x45, traffic_class]);
    header.extend(probe.length().to_be_bytes());
    header.extend(id.to_be_bytes());
    // Don't fragment; no offset.
    header.extend([0x40, 0, probe.hop_limit, probe.protocol, 0, 0]);
    header.extend(addresses);
    let sum = checksum(&[&header]).to_be_bytes();
    set(&mut header, 10, sum);
    header
}

fn transport(probe: &Probe, addresses: &[u8]) -> Vec<u8> {
    let (mut bytes, place) = match probe.protocol {
        TCP => (tcp(probe), Some(16)),
        UDP => (udp(probe), Some(6)),
        ICMP | ICMPV6 => (icmp(probe), Some(2)),
        // A security parameters index or whatever the protocol has there.
        _ => (vec![0, 0, 1, 0, 0, 0, 0, 1], None),
    };
    bytes.extend(*b"probe...");
    if let Some(place) = place {
        let length = u32::try_from(bytes.len()).unwrap_or(0).to_be_bytes();
        let pseudo = [addresses, &length, &[0, 0, 0, probe.protocol]].concat();
        let sum = match probe.protocol {
            ICMP => checksum(&[&bytes]),
            _ => checksum(&[&pseudo, &bytes]),
        };
        // For UDP a sum of 0 would mean "none" (RFC 768).
        let sum = if sum == 0 { 0xffff } else { sum };
        set(&mut bytes, place, sum.to_be_bytes());
    }
    bytes
}

/// A SYN (RFC 9293, 3.1).
fn tcp(probe: &Probe) -> Vec<u8> {
    let mut header = Vec::with_capacity(20);
    header.extend(probe.sport.to_be_bytes());
    header.extend(probe.dport.to_be_bytes());
    header.extend(0x0102_0304_u32.to_be_bytes());
    header.extend([0; 4]);
    header.extend([0x50, 0x02, 0xff, 0xff, 0, 0, 0, 0]);
    header
}

fn udp(probe: &Probe) -> Vec<u8> {
    let mut header = Vec::with_capacity(8);
    header.extend(probe.sport.to_be_bytes());
    header.extend(probe.dport.to_be_bytes());
    header.extend((8 + PAYLOAD).to_be_bytes());
    header.extend([0, 0]);
    header
}

/// Type and code, then an identifier and a sequence number.
fn icmp(probe: &Probe) -> Vec<u8> {
    let kind = u8::try_from(probe.dport).unwrap_or(0);
    vec![kind, probe.icmp_code, 0, 0, 0x12, 0x34, 0, 1]
}

fn set(bytes: &mut [u8], at: usize, value: [u8; 2]) {
    for (to, from) in bytes.iter_mut().skip(at).zip(value) {
        *to = from;
    }
}

/// The Internet checksum of pieces of even length (RFC 1071).
fn checksum(pieces: &[&[u8]]) -> u16 {
    let mut sum: u64 = 0;
    for pair in pieces.iter().flat_map(|piece| piece.chunks(2)) {
        let [high, low] = [pair.first(), pair.get(1)].map(|byte| byte.copied().unwrap_or(0));
        sum += u64::from(u16::from_be_bytes([high, low]));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

/// What a packet says at some point of its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) id: Id,
    pub(crate) v6: bool,
    pub(crate) destination: u128,
    pub(crate) protocol: u8,
    pub(crate) dport: u16,
}

/// Reads a packet from its network header on; none if it is not one of ours.
pub(crate) fn read(packet: &[u8]) -> Option<Seen> {
    let v6 = packet.first()? >> 4 == 6;
    let word = |at: usize| Some(u16::from_be_bytes([*packet.get(at)?, *packet.get(at + 1)?]));
    let address = |at: usize, bytes: usize| {
        let piece = packet.get(at..at + bytes)?;
        Some(piece.iter().fold(0_u128, |value, byte| value << 8 | u128::from(*byte)))
    };
    let (id, destination, protocol, header) = if v6 {
        (word(2)?, address(24, 16)?, *packet.get(6)?, 40)
    } else {
        (word(4)?, address(16, 4)?, *packet.get(9)?, 20)
    };
    let dport = match protocol {
        TCP | UDP => word(header + 2)?,
        ICMP | ICMPV6 => u16::from(*packet.get(header)?),
        _ => 0,
    };
    Some(Seen { id, v6, destination, protocol, dport })
}
