//! The packet filter of a host with many services, each open to other networks.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Rules, prefixes in the set, and listeners; those have the ports from [`FIRST_PORT`] on.
const RULES: u32 = 10_000;
const PREFIXES: u32 = 50_000;
const LISTENERS: u32 = 200;
/// That of the load.
const FIRST_PORT: u32 = 10_000;

/// xorshift64*: the same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
        u32::try_from((bits * u64::from(limit)) >> 32).unwrap_or(0)
    }

    fn net4(&mut self) -> String {
        let length = 14 + self.below(19);
        let address = self.below(u32::MAX) & (u32::MAX << (32 - length));
        format!("ip saddr {}/{length}", Ipv4Addr::from_bits(address))
    }

    fn net6(&mut self) -> String {
        let net = 0x2a << 120 | u128::from(self.below(u32::MAX)) << 80;
        format!("ip6 saddr {}/48", Ipv6Addr::from_bits(net))
    }
}

/// Everyone may reach a third of the ports, and networks each of them; half of the rules, and the
/// set, keep networks out.
pub(super) fn ruleset() -> String {
    let mut random = Random(0xf125);
    let mut text =
        String::from("table inet f {\nset s { type ipv4_addr; flags interval; elements = {\n");
    for at in 0..PREFIXES {
        // Never adjacent, so that they stay apart.
        let address = 0x0100_0000 + at * 0x800 + random.below(7) * 0x100;
        let _ = writeln!(text, "{}/24,", Ipv4Addr::from_bits(address));
    }
    text.push_str("} }\nchain input {\ntype filter hook input priority 0; policy drop;\n");
    text.push_str("ct state established,related accept\nip saddr @s drop\n");
    text.push_str("icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept\n");
    for _ in 0..RULES {
        let port = FIRST_PORT + random.below(LISTENERS);
        let rule = match random.below(10) {
            0..5 => format!("{} drop", random.net4()),
            5 => format!("{} drop", random.net6()),
            6 => format!("{} tcp dport {port} accept", random.net6()),
            7 => format!("{} udp dport {port} accept", random.net4()),
            _ => format!("{} tcp dport {port} accept", random.net4()),
        };
        text.push_str(&rule);
        text.push('\n');
    }
    for port in (FIRST_PORT..FIRST_PORT + LISTENERS).step_by(3) {
        let _ = writeln!(text, "meta l4proto {{ tcp, udp }} th dport {port} accept");
    }
    text.push_str("}\n}\n");
    text
}
