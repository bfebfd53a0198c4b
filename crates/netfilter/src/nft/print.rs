//! The syntax tree as `nft list ruleset` writes it, for rules that came from the kernel as bytes.

use std::collections::HashMap;

use super::ast::{Compare, Element, Expr, Fib, Operator, Set, Statement, Verdict};
use super::keys::{Read, read};
use super::netlink::ADDRESS_TYPES;
use super::values::Kind;
use crate::ir::{Family, Pattern};
use crate::syntax::{address_text, netmask};

/// Most elements of an anonymous set that are written.
const MOST_ELEMENTS: usize = 16;

/// An expression without what stands on its other side.
pub(super) fn expr(expr: &Expr) -> String {
    Printer { sets: &HashMap::new() }.left(expr)
}

/// A statement, with the sets that it refers to.
pub(super) fn statement(statement: &Statement, sets: &HashMap<String, Set>) -> String {
    Printer { sets }.statement(statement)
}

struct Printer<'a> {
    sets: &'a HashMap<String, Set>,
}

/// What the values of a left side are.
fn kind(left: &Expr) -> Option<Kind> {
    match read(left).read {
        Read::Field(_, kind) | Read::Masked(_, kind, _) => Some(kind),
        _ => None,
    }
}

/// Whether bits are cleared and then inverted, that is set: `mark & 0xfffffffe ^ 0x1`.
fn is_set(left: &Expr, flip: &Expr) -> bool {
    match (left, flip) {
        (Expr::Binary(Operator::And, _, mask), Expr::Number(flip)) => {
            matches!(&**mask, Expr::Number(mask) if mask ^ flip == u128::from(u32::MAX))
        }
        _ => false,
    }
}

fn parts(expr: &Expr) -> &[Expr] {
    match expr {
        Expr::Concat(list) => list,
        single => std::slice::from_ref(single),
    }
}

impl Printer<'_> {
    fn statement(&self, statement: &Statement) -> String {
        match statement {
            Statement::Match(op, left, right) => self.matching(*op, left, right),
            Statement::Verdict(inner) => verdict(inner),
            Statement::Vmap(key, map) => {
                format!("{} vmap {}", self.left(key), self.right(key, map))
            }
            Statement::Mangle(key, value) => {
                format!("{} set {}", self.left(key), self.right(key, value))
            }
            Statement::Nat { text, .. }
            | Statement::History(text)
            | Statement::Takes(text)
            | Statement::Unknown(text) => text.clone(),
            Statement::Reject(with) if with.is_empty() => "reject".to_owned(),
            Statement::Reject(with) => format!("reject with {with}"),
            Statement::NoTrack => "notrack".to_owned(),
            Statement::Update(set) => format!("update @{set}"),
            Statement::Idle | Statement::Steps(_) => String::new(),
        }
    }

    fn matching(&self, op: Compare, left: &Expr, right: &Expr) -> String {
        // Flags: any of them is set, or none of them.
        if let (Expr::Binary(Operator::And, inner, mask), Expr::Number(0)) = (left, right)
            && let (Some(kind), Expr::Number(mask)) = (kind(inner), &**mask)
            && kind.is_flags()
        {
            let bits = bits(kind, *mask, ",");
            match op {
                Compare::Different => return format!("{} {bits}", self.left(inner)),
                Compare::Equal => return format!("{} ! {bits}", self.left(inner)),
                _ => {}
            }
        }
        let sign = match op {
            Compare::Implicit | Compare::Equal => "",
            Compare::Different => "!= ",
            Compare::NoneOf => "! ",
            Compare::Less => "< ",
            Compare::LessOrEqual => "<= ",
            Compare::Greater => "> ",
            Compare::GreaterOrEqual => ">= ",
        };
        let sign = match left {
            Expr::Binary(..) if sign.is_empty() && !matches!(right, Expr::SetRef(_)) => "== ",
            _ => sign,
        };
        format!("{} {sign}{}", self.left(left), self.right(left, right))
    }

    fn left(&self, expr: &Expr) -> String {
        match expr {
            Expr::Payload(header, field) => format!("{header} {field}"),
            Expr::Meta(key) => match key.as_str() {
                "iif" | "oif" | "iifname" | "oifname" | "iifgroup" | "oifgroup" => key.clone(),
                _ => format!("meta {key}"),
            },
            Expr::Ct(key, None) => format!("ct {key}"),
            Expr::Ct(key, Some(direction)) => format!("ct {direction} {key}"),
            Expr::Concat(list) => {
                list.iter().map(|part| self.left(part)).collect::<Vec<_>>().join(" . ")
            }
            Expr::Binary(Operator::Xor, left, flip) if is_set(left, flip) => {
                let inner = if let Expr::Binary(_, inner, _) = &**left { inner } else { left };
                format!("{} | {}", self.left(inner), self.mask(inner, flip))
            }
            Expr::Binary(operator, left, right) => {
                let sign = match operator {
                    Operator::And => "&",
                    Operator::Or => "|",
                    Operator::Xor => "^",
                    Operator::Left => "<<",
                    Operator::Right => ">>",
                };
                format!("{} {sign} {}", self.left(left), self.mask(left, right))
            }
            Expr::Map(key, map) => format!("{} map {}", self.left(key), self.right(key, map)),
            Expr::Fib(fib) => fib.text.clone(),
            Expr::SetRef(_) | Expr::Set(_) => self.right(&Expr::Any, expr),
            other => value(None, other),
        }
    }

    fn mask(&self, left: &Expr, mask: &Expr) -> String {
        match (kind(left), mask) {
            (Some(kind @ Kind::Address(_)), Expr::Number(_)) => value(Some(kind), mask),
            (Some(kind), Expr::Number(number)) if kind.is_flags() => {
                format!("({})", bits(kind, *number, " | "))
            }
            (_, Expr::Number(number)) => format!("{number:#x}"),
            (_, other) => self.left(other),
        }
    }

    fn right(&self, left: &Expr, right: &Expr) -> String {
        match right {
            Expr::SetRef(name) => match self.sets.get(name) {
                Some(set) if set.anonymous => Self::elements(left, &set.elements),
                // A set that is read in two ways has two names in the tree.
                _ => format!("@{}", name.split(' ').next().unwrap_or(name)),
            },
            Expr::Set(elements) if elements.is_empty() => "an interface that is gone".to_owned(),
            Expr::Set(elements) => Self::elements(left, elements),
            Expr::Meta(_) | Expr::Ct(..) | Expr::Payload(..) | Expr::Map(..) | Expr::Binary(..) => {
                self.left(right)
            }
            other => Self::key(left, other),
        }
    }

    fn elements(left: &Expr, elements: &[Element]) -> String {
        let mut list: Vec<String> = elements
            .iter()
            .take(MOST_ELEMENTS)
            .map(|element| {
                let key = Self::key(left, &element.key);
                match &element.data {
                    Some(data) => format!("{key} : {}", value(None, data)),
                    None => key,
                }
            })
            .collect();
        let more = elements.len().saturating_sub(MOST_ELEMENTS);
        if more > 0 {
            list.push(format!("... {more} more"));
        }
        format!("{{ {} }}", list.join(", "))
    }

    fn key(left: &Expr, key: &Expr) -> String {
        if *key == Expr::Any {
            return "*".to_owned();
        }
        let lefts = parts(left);
        let list: Vec<String> = parts(key)
            .iter()
            .enumerate()
            .map(|(at, part)| match lefts.get(at) {
                Some(Expr::Fib(fib)) => routing(fib, part),
                Some(left) => value(kind(left), part),
                None => value(None, part),
            })
            .collect();
        list.join(" . ")
    }
}

/// What routing says, after `fib ...`.
fn routing(fib: &Fib, part: &Expr) -> String {
    match part {
        Expr::Number(number) if fib.asks_type => {
            let found = ADDRESS_TYPES.iter().find(|(own, _)| own == number);
            found.map_or_else(|| number.to_string(), |(_, name)| (*name).to_owned())
        }
        Expr::Number(0) => "missing".to_owned(),
        Expr::Number(1) => "exists".to_owned(),
        other => value(None, other),
    }
}

fn verdict(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Accept => "accept".to_owned(),
        Verdict::Drop => "drop".to_owned(),
        Verdict::Return => "return".to_owned(),
        Verdict::Continue => "continue".to_owned(),
        Verdict::Jump(chain) => format!("jump {chain}"),
        Verdict::Goto(chain) => format!("goto {chain}"),
        Verdict::Queue(text) => text.clone(),
    }
}

/// A value of a kind.
fn value(kind: Option<Kind>, expr: &Expr) -> String {
    match expr {
        Expr::Number(number) => number_text(kind, *number),
        Expr::Word(word) => word.clone(),
        Expr::Span(lo, hi) if lo == hi => number_text(kind, *lo),
        Expr::Span(lo, hi) => span(kind, *lo, *hi),
        Expr::Address(family, lo, hi) if lo == hi => address_text(*family, *lo),
        Expr::Address(family, lo, hi) => span(Some(Kind::Address(*family)), *lo, *hi),
        Expr::Prefix(base, length) => format!("{}/{length}", value(kind, base)),
        Expr::Range(lo, hi) => format!("{}-{}", value(kind, lo), value(kind, hi)),
        Expr::Interface(Pattern::Exact(name)) => format!("\"{name}\""),
        Expr::Interface(Pattern::Begins(prefix)) => format!("\"{prefix}*\""),
        Expr::Verdict(inner) => verdict(inner),
        Expr::Any => "*".to_owned(),
        Expr::Concat(list) => {
            list.iter().map(|part| value(None, part)).collect::<Vec<_>>().join(" . ")
        }
        Expr::List(list) => list.iter().map(|part| value(kind, part)).collect::<Vec<_>>().join(","),
        Expr::Other(text, _) => text.clone(),
        other => expr_of(other),
    }
}

fn expr_of(other: &Expr) -> String {
    match other {
        Expr::SetRef(name) => format!("@{name}"),
        Expr::Set(_) => "{ ... }".to_owned(),
        _ => expr(other),
    }
}

fn span(kind: Option<Kind>, lo: u128, hi: u128) -> String {
    if let Some(Kind::Address(family)) = kind
        && let Some(length) = prefix_length(family, lo, hi)
    {
        return format!("{}/{length}", address_text(family, lo));
    }
    format!("{}-{}", number_text(kind, lo), number_text(kind, hi))
}

fn prefix_length(family: Family, lo: u128, hi: u128) -> Option<u8> {
    (0..=family.width()).find(|length| {
        netmask(family, *length)
            .is_some_and(|mask| lo & !mask == 0 && lo | (family.max_address() & !mask) == hi)
    })
}

fn number_text(kind: Option<Kind>, number: u128) -> String {
    let named = |table: &[(u128, &str)]| {
        let found = table.iter().find(|(own, _)| *own == number);
        found.map_or_else(|| number.to_string(), |(_, name)| (*name).to_owned())
    };
    match kind {
        Some(Kind::Address(family)) if number <= family.max_address() => {
            address_text(family, number)
        }
        Some(Kind::Protocol) => named(&PROTOCOLS),
        Some(Kind::IcmpType) => named(&ICMP),
        Some(Kind::Icmpv6Type) => named(&ICMPV6),
        Some(Kind::PacketType) => named(&PACKET_TYPES),
        Some(Kind::CtDirection) => named(&[(0, "original"), (1, "reply")]),
        Some(kind) if kind.is_flags() => {
            bits(kind, number, if kind == Kind::TcpFlags { " | " } else { "," })
        }
        Some(Kind::Number(32)) => format!("{number:#010x}"),
        Some(Kind::Dscp) => format!("{number:#04x}"),
        Some(Kind::Mac) => {
            let octets: Vec<String> = (0..6)
                .rev()
                .map(|place| format!("{:02x}", (number >> (8 * place)) & 0xff))
                .collect();
            octets.join(":")
        }
        _ => number.to_string(),
    }
}

/// Flags by name; the number where one has none.
fn bits(kind: Kind, number: u128, between: &str) -> String {
    let table: &[(u128, &str)] = match kind {
        Kind::CtState => &STATES,
        Kind::CtStatus => &STATUSES,
        _ => &TCP_FLAGS,
    };
    let known = table.iter().fold(0, |all, (bit, _)| all | bit);
    if number == 0 || number & !known != 0 {
        return format!("{number:#x}");
    }
    let list: Vec<&str> =
        table.iter().filter(|(bit, _)| number & bit != 0).map(|(_, name)| *name).collect();
    list.join(between)
}

/// IPPROTO_* (linux/in.h).
const PROTOCOLS: [(u128, &str); 11] = [
    (1, "icmp"),
    (2, "igmp"),
    (6, "tcp"),
    (17, "udp"),
    (33, "dccp"),
    (47, "gre"),
    (50, "esp"),
    (51, "ah"),
    (58, "ipv6-icmp"),
    (132, "sctp"),
    (136, "udplite"),
];

/// RFC 792 and its successors.
const ICMP: [(u128, &str); 11] = [
    (0, "echo-reply"),
    (3, "destination-unreachable"),
    (4, "source-quench"),
    (5, "redirect"),
    (8, "echo-request"),
    (9, "router-advertisement"),
    (10, "router-solicitation"),
    (11, "time-exceeded"),
    (12, "parameter-problem"),
    (13, "timestamp-request"),
    (14, "timestamp-reply"),
];

/// RFC 4443, 4861, 2710, 3810.
const ICMPV6: [(u128, &str); 15] = [
    (1, "destination-unreachable"),
    (2, "packet-too-big"),
    (3, "time-exceeded"),
    (4, "parameter-problem"),
    (128, "echo-request"),
    (129, "echo-reply"),
    (130, "mld-listener-query"),
    (131, "mld-listener-report"),
    (132, "mld-listener-done"),
    (133, "nd-router-solicit"),
    (134, "nd-router-advert"),
    (135, "nd-neighbor-solicit"),
    (136, "nd-neighbor-advert"),
    (137, "nd-redirect"),
    (143, "mld2-listener-report"),
];

/// PACKET_* (linux/if_packet.h).
const PACKET_TYPES: [(u128, &str); 4] =
    [(0, "host"), (1, "broadcast"), (2, "multicast"), (3, "other")];

/// NF_CT_STATE_BIT (linux/netfilter/nf_conntrack_common.h).
const STATES: [(u128, &str); 5] =
    [(1, "invalid"), (2, "established"), (4, "related"), (8, "new"), (64, "untracked")];

/// IPS_* of the same file.
const STATUSES: [(u128, &str); 7] = [
    (1, "expected"),
    (2, "seen-reply"),
    (4, "assured"),
    (8, "confirmed"),
    (16, "snat"),
    (32, "dnat"),
    (512, "dying"),
];

/// RFC 9293, 3.1.
const TCP_FLAGS: [(u128, &str); 8] = [
    (1, "fin"),
    (2, "syn"),
    (4, "rst"),
    (8, "psh"),
    (16, "ack"),
    (32, "urg"),
    (64, "ecn"),
    (128, "cwr"),
];
