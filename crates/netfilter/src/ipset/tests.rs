//! Sets as Linux 6.18 lists them, ones of types that it was built without, and ones that no kernel
//! lists.

use packet_set::Field;

use super::*;
use crate::concrete::Packet;

fn sets() -> Ipsets {
    let dumps: Vec<IpsetDump> =
        serde_json::from_str(include_str!("../../tests/fixtures/ipset.json")).unwrap();
    Ipsets::of(&dumps)
}

fn index(sets: &Ipsets, name: &str) -> u16 {
    *sets.sets.iter().find(|(_, set)| set.name == name).unwrap().0
}

/// A match on the sides `src,dst`.
fn asked(sets: &Ipsets, name: &str, sides: &str) -> Asked {
    let bits = sides.split(',').enumerate().map(|(at, side)| u8::from(side == "src") << (at + 1));
    let count = u8::try_from(sides.split(',').count()).unwrap();
    let [low, high] = index(sets, name).to_ne_bytes();
    crate::xt::asked(&[low, high, count, bits.sum()], 1).unwrap()
}

/// Whether a condition holds for a packet; none where it is unknown.
fn holds(cond: &Cond, packet: &Packet) -> Option<bool> {
    let all = |parts: &[Cond], stop: bool| {
        let mut unknown = false;
        for part in parts {
            match holds(part, packet) {
                Some(found) if found == stop => return Some(stop),
                None => unknown = true,
                Some(_) => {}
            }
        }
        (!unknown).then_some(!stop)
    };
    match cond {
        Cond::Always => Some(true),
        Cond::Never => Some(false),
        Cond::In(field, values) => Some(values.contains(packet.value(*field))),
        Cond::Masked { field, mask, values } => Some(values.contains(packet.value(*field) & mask)),
        Cond::Interface(_, names) => Some(names.iter().any(|name| name.matches(&packet.iif))),
        Cond::Tuple(fields, entries) => Some(entries.iter().any(|entry| {
            let value = |field: &Field| packet.value(*field);
            fields.iter().zip(entry).all(|(f, (lo, hi))| (*lo..=*hi).contains(&value(f)))
        })),
        Cond::All(parts) => all(parts, false),
        Cond::Any(parts) => all(parts, true),
        Cond::Not(inner) => holds(inner, packet).map(|found| !found),
        Cond::Unknown(..) | Cond::Fib(_) => None,
    }
}

/// `10.1.2.3:tcp:80 -> 192.0.2.1:22 eth0`: what a packet is.
fn packet(text: &str) -> Packet {
    let words: Vec<&str> = text.split(' ').collect();
    let ports = |word: &str| word.parse::<u16>().unwrap();
    let protocol = match words[1] {
        "tcp" => 6,
        "udp" => 17,
        "icmp" => 1,
        other => other.parse().unwrap(),
    };
    let (family, source) = crate::syntax::address(words[0]).unwrap();
    let (_, destination) = crate::syntax::address(words[3]).unwrap();
    let (from, to) = ((source, ports(words[2])), (destination, ports(words[4])));
    Packet::arriving(family, protocol, from, to, words.get(5).unwrap_or(&"eth0"))
}

fn check_with(sets: &Ipsets, asked: &Asked, text: &str, expect: Option<bool>) {
    let packet = packet(text);
    let cond = sets.cond(asked, packet.family, "the match");
    assert_eq!(holds(&cond, &packet), expect, "{text} in {}: {cond:?}", sets.name(asked.index));
}

fn check(name: &str, sides: &str, text: &str, expect: bool) {
    let sets = sets();
    check_with(&sets, &asked(&sets, name, sides), text, Some(expect));
}

#[test]
fn addresses() {
    for (source, expect) in
        [("10.1.2.3", true), ("10.1.2.4", false), ("192.0.2.3", true), ("192.0.2.4", false)]
    {
        check("ip4", "src", &format!("{source} tcp 1 9.9.9.9 2"), expect);
        check("ip4", "dst", &format!("9.9.9.9 tcp 1 {source} 2"), expect);
    }
    check("ip4mask", "src", "10.1.2.255 tcp 1 9.9.9.9 2", true);
    check("ip4mask", "src", "10.1.3.0 tcp 1 9.9.9.9 2", false);
    check("ip6", "src", "fd01:2::3 tcp 1 fd00::1 2", true);
    check("bmip", "src", "10.1.2.9 tcp 1 9.9.9.9 2", true);
    check("bmip", "src", "10.1.2.10 tcp 1 9.9.9.9 2", false);
    check("bmnet", "src", "10.1.2.200 tcp 1 9.9.9.9 2", true);
    check("bmnet", "src", "10.1.3.0 tcp 1 9.9.9.9 2", false);
    check("empty", "src", "10.1.2.3 tcp 1 9.9.9.9 2", false);
}

#[test]
fn the_longest_network_decides() {
    let sets = sets();
    let plain = asked(&sets, "net4", "src");
    let mut others = plain.clone();
    others.return_nomatch = true;
    let mut negated = plain.clone();
    negated.negated = true;
    for (source, expect, nomatch) in [
        ("10.9.0.1", true, false),
        ("10.1.9.1", false, true),
        ("10.1.2.9", true, false),
        ("10.1.2.3", false, true),
        ("11.0.0.1", false, false),
    ] {
        let text = format!("{source} tcp 1 9.9.9.9 2");
        check_with(&sets, &plain, &text, Some(expect));
        check_with(&sets, &others, &text, Some(nomatch));
        check_with(&sets, &negated, &text, Some(!expect));
    }
}

#[test]
fn types_without_nomatch_return_what_matches() {
    let sets = sets();
    for (name, sides) in [("ip4", "src"), ("bmip", "src"), ("ipport", "src,dst")] {
        let mut asked = asked(&sets, name, sides);
        asked.return_nomatch = true;
        check_with(&sets, &asked, "10.1.2.3 tcp 5 9.9.9.9 80", Some(true));
    }
}

#[test]
fn ports_and_protocols() {
    check("ipport", "src,dst", "10.1.2.3 tcp 5 9.9.9.9 80", true);
    check("ipport", "src,dst", "10.1.2.3 tcp 80 9.9.9.9 5", false);
    check("ipport", "src,src", "10.1.2.3 tcp 80 9.9.9.9 5", true);
    check("ipport", "src,dst", "10.1.2.3 udp 5 9.9.9.9 80", false);
    check("ipport", "src,dst", "10.1.2.3 udp 5 9.9.9.9 53", true);
    check("ipport", "src,dst", "10.1.2.3 icmp 0 9.9.9.9 8", true);
    check("ipport", "src,src", "10.1.2.3 icmp 0 9.9.9.9 8", true);
    check("ipport", "src,dst", "10.1.2.3 icmp 0 9.9.9.9 13", false);
    check("ipport", "src,dst", "10.1.2.3 47 0 9.9.9.9 0", true);
    check("bmport", "dst", "10.1.2.3 tcp 5 9.9.9.9 81", true);
    check("bmport", "dst", "10.1.2.3 udp 5 9.9.9.9 82", false);
    check("bmport", "dst", "10.1.2.3 132 5 9.9.9.9 22", false);
}

#[test]
fn networks_with_more_parts() {
    check("netport", "src,dst", "10.2.0.1 tcp 5 9.9.9.9 22", true);
    check("netport", "src,dst", "10.1.0.1 tcp 5 9.9.9.9 22", false);
    check("netport", "src,dst", "10.1.0.1 tcp 5 9.9.9.9 80", true);
    check("netport", "src,dst", "10.2.0.1 tcp 5 9.9.9.9 80", false);
    check("ipportip", "src,dst,dst", "10.1.2.3 tcp 5 192.0.2.1 80", true);
    check("ipportip", "src,dst,src", "10.1.2.3 tcp 5 192.0.2.1 80", false);
    check("ipportnet", "src,dst,dst", "10.1.2.3 tcp 5 192.0.2.6 80", true);
    check("ipportnet", "src,dst,dst", "10.1.2.3 tcp 5 192.0.2.7 80", false);
}

#[test]
fn the_longest_network_decides_for_every_interface() {
    check("netiface", "src,src", "10.9.0.1 tcp 5 9.9.9.9 22 eth0", true);
    check("netiface", "src,src", "10.9.0.1 tcp 5 9.9.9.9 22 eth1", false);
    check("netiface", "src,src", "10.1.0.1 tcp 5 9.9.9.9 22 eth1", true);
    // The shorter one for eth0 is not asked.
    check("netiface", "src,src", "10.1.0.1 tcp 5 9.9.9.9 22 eth0", false);
    check("netiface", "src,src", "10.1.2.1 tcp 5 9.9.9.9 22 eth0", false);
    check("netiface", "src,src", "10.2.0.1 tcp 5 9.9.9.9 22 wg7", true);
    check("netiface", "src,src", "10.2.0.1 tcp 5 9.9.9.9 22 eth0", false);
}

#[test]
fn link_layer_addresses() {
    let text = "10.1.2.3 tcp 5 9.9.9.9 80";
    check("bmmac", "src,src", text, true);
    check("bmmac", "src,src", "10.1.2.5 tcp 5 9.9.9.9 80", false);
    let sets = sets();
    // The first packet fills it in.
    check_with(&sets, &asked(&sets, "bmmac", "src,src"), "10.1.2.4 tcp 5 9.9.9.9 80", None);
    // Of the destination it is not known.
    check_with(&sets, &asked(&sets, "bmmac", "src,dst"), text, None);
}

#[test]
fn lists_hold_what_their_members_hold() {
    check("list", "src", "10.1.2.3 tcp 5 9.9.9.9 22", true);
    check("list", "src", "11.1.2.3 tcp 22 9.9.9.9 5", true);
    check("list", "src", "11.1.2.3 tcp 5 9.9.9.9 22", false);
}

#[test]
fn of_another_family_or_with_too_few_sides() {
    check("ip4", "src", "fd00::1 tcp 5 fd00::2 22", false);
    check("ipport", "src", "10.1.2.3 tcp 5 9.9.9.9 80", false);
    // One too many is not looked at.
    check("ip4", "src,dst", "10.1.2.3 tcp 5 9.9.9.9 80", true);
}

#[test]
fn what_depends_on_history() {
    let mut sets = sets();
    let text = "10.1.2.3 tcp 5 9.9.9.9 22";
    let mut counted = asked(&sets, "ip4", "src");
    counted.counters.push(("packets", 4, 5));
    check_with(&sets, &counted, text, None);
    check_with(&sets, &counted, "11.1.2.3 tcp 5 9.9.9.9 22", Some(false));
    // Written into through the list, too.
    sets.doubt(index(&sets, "list"));
    for name in ["ip4", "list"] {
        check_with(&sets, &asked(&sets, name, "src"), text, None);
    }
    let mut nobodys = asked(&sets, "ip4", "src");
    nobodys.index = 999;
    check_with(&sets, &nobodys, text, None);
}

/// An attribute.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = u16::try_from(value.len() + 4).unwrap().to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// A set of this type with these elements, in the one message that lists it.
fn set(kind: &str, data: &[u8], elements: &[Vec<u8>]) -> Ipsets {
    let list: Vec<u8> = elements.iter().flat_map(|element| attribute(7, element)).collect();
    let name = [kind.as_bytes(), &[0]].concat();
    let parts = [attribute(3, &name), attribute(5, &[2]), attribute(7, data), attribute(8, &list)];
    let body = parts.concat();
    let mut bytes = u32::try_from(body.len() + 20).unwrap().to_ne_bytes().to_vec();
    bytes.resize(20, 0);
    bytes.extend(body);
    let messages = facts::Blob(bytes);
    Ipsets::of(&[IpsetDump { name: "s".to_owned(), index: 0, messages }])
}

fn ip(kind: u16, address: [u8; 4]) -> Vec<u8> {
    attribute(kind, &attribute(1, &address))
}

#[test]
fn types_that_this_kernel_lacks() {
    let mac = [2, 0, 0, 0, 0, 1];
    let sets = set("hash:mac", &[], &[attribute(17, &mac)]);
    check_with(&sets, &asked(&sets, "s", "src"), "10.1.2.3 tcp 5 9.9.9.9 22", Some(true));
    let sets = set("hash:ip,mac", &[], &[[ip(1, [10, 1, 2, 3]), attribute(17, &mac)].concat()]);
    let both = asked(&sets, "s", "src,src");
    check_with(&sets, &both, "10.1.2.3 tcp 5 9.9.9.9 22", Some(true));
    check_with(&sets, &both, "10.1.2.4 tcp 5 9.9.9.9 22", Some(false));

    let network = |first: [u8; 4], length: u8, second: [u8; 4], length2: u8, nomatch: bool| {
        let mut bytes = [ip(1, first), attribute(3, &[length]), ip(20, second)].concat();
        bytes.extend(attribute(21, &[length2]));
        if nomatch {
            bytes.extend(attribute(8, &4_u32.to_be_bytes()));
        }
        bytes
    };
    let elements = [
        network([10, 0, 0, 0], 8, [192, 0, 2, 0], 24, false),
        network([10, 1, 0, 0], 16, [192, 0, 2, 0], 25, true),
        network([10, 1, 2, 0], 24, [192, 0, 0, 0], 16, false),
    ];
    let sets = set("hash:net,net", &[], &elements);
    let both = asked(&sets, "s", "src,dst");
    for (source, destination, expect) in [
        ("10.9.0.1", "192.0.2.1", true),
        ("10.9.0.1", "192.0.3.1", false),
        ("10.1.0.1", "192.0.2.1", false),
        ("10.1.0.1", "192.0.2.200", true),
        ("10.1.2.1", "192.0.2.1", true),
        ("10.1.2.1", "192.0.9.1", true),
    ] {
        let text = format!("{source} tcp 5 {destination} 22");
        check_with(&sets, &both, &text, Some(expect));
    }

    let marked = |mark: u32| [ip(1, [10, 1, 2, 3]), attribute(10, &mark.to_be_bytes())].concat();
    let sets =
        set("hash:ip,mark", &attribute(11, &0xff_u32.to_be_bytes()), &[marked(0), marked(5)]);
    check_with(&sets, &asked(&sets, "s", "src,src"), "10.1.2.3 tcp 5 9.9.9.9 22", Some(true));
    let sets = set("hash:ip,mark", &[], &[marked(5)]);
    check_with(&sets, &asked(&sets, "s", "src,src"), "10.1.2.3 tcp 5 9.9.9.9 22", Some(false));
}

#[test]
fn what_is_not_known_is_unknown() {
    let check = |kind: &str, data: &[u8], element: Vec<u8>| {
        let sets = set(kind, data, &[element]);
        let asked = asked(&sets, "s", "src,src,src");
        check_with(&sets, &asked, "10.1.2.3 tcp 5 9.9.9.9 22", None);
    };
    let address = || ip(1, [10, 1, 2, 3]);
    check("hash:geo", &[], address());
    check("hash:ip", &attribute(12, &[0; 8]), address());
    check("hash:ip", &[], [address(), attribute(31, &[0])].concat());
    check("hash:ip", &[], [address(), attribute(8, &(1_u32 << 14).to_be_bytes())].concat());
    check("hash:ip", &[], attribute(1, &[]));
    check("hash:ip", &attribute(20, &[33]), address());
    check("hash:ip,port", &[], address());
    check("hash:net,net", &[], address());
    check("hash:mac", &[], address());
    check("hash:net,iface", &[], address());
    check("list:set", &[], address());
    check("hash:ip", &[], vec![9, 0, 1]);
}

#[test]
fn heads_alone_are_no_empty_sets() {
    let sets = sets();
    let dumps: Vec<IpsetDump> =
        serde_json::from_str(include_str!("../../tests/fixtures/ipset.json")).unwrap();
    let full = dumps.iter().find(|dump| dump.name == "ip4").unwrap();
    // Without the list of elements: cut off behind the head's data.
    let bytes = &full.messages.0;
    let at = bytes.windows(2).rposition(|two| two == (8_u16 | 0x8000).to_ne_bytes()).unwrap() - 2;
    let mut cut = bytes[..at].to_vec();
    cut[..4].copy_from_slice(&u32::try_from(at).unwrap().to_ne_bytes());
    let head = IpsetDump { messages: facts::Blob(cut), ..full.clone() };
    let cut = Ipsets::of(&[head]);
    check_with(&cut, &asked(&sets, "ip4", "src"), "11.1.2.3 tcp 5 9.9.9.9 22", None);
}

#[test]
fn any_byte_may_be_another() {
    let dumps: Vec<IpsetDump> =
        serde_json::from_str(include_str!("../../tests/fixtures/ipset.json")).unwrap();
    let sets = sets();
    let questions: Vec<Asked> =
        dumps.iter().map(|dump| asked(&sets, &dump.name, "src,src,src")).collect();
    for (dump, asked) in dumps.iter().zip(&questions) {
        for at in 0..dump.messages.0.len() {
            let mut changed = dump.clone();
            changed.messages.0[at] ^= 0xff;
            let _ = Ipsets::of(&[changed]).cond(asked, Family::Ipv4, "");
        }
        for end in 0..dump.messages.0.len() {
            let mut torn = dump.clone();
            torn.messages.0.truncate(end);
            let _ = Ipsets::of(&[torn]).cond(asked, Family::Ipv4, "");
        }
    }
}

#[test]
fn contradicting_elements_of_one_network() {
    let element = |flags: u32, name: &[u8]| {
        [
            ip(1, [10, 0, 0, 0]),
            attribute(3, &[8]),
            attribute(23, name),
            attribute(8, &flags.to_be_bytes()),
        ]
        .concat()
    };
    let sets = set("hash:net,iface", &[], &[element(4, b"eth0\0"), element(1 << 7, b"eth\0")]);
    let asked = asked(&sets, "s", "src,src");
    check_with(&sets, &asked, "10.1.2.3 tcp 5 9.9.9.9 22", None);
}
