//! One entry as a rule.

use packet_set::Field;

use super::chains::{ACCEPT, DROP, Layout, RETURN};
use super::entry::{Entry, Target};
use crate::ipset::Ipsets;
use crate::iptables::rule::interface;
use crate::ir::{Cond, Doubt, Family, Side, Step, Verdict};
use crate::names;
use crate::syntax::{address_text, masked_address, netmask};
use crate::xt;

/// NF_QUEUE as a verdict of a standard target.
const QUEUE: i32 = -4;

/// Bits of `invflags`: IPT_INV_* and IP6T_INV_*, which agree.
const INV_VIA_IN: u8 = 0x01;
const INV_VIA_OUT: u8 = 0x02;
const INV_SRCIP: u8 = 0x08;
const INV_DSTIP: u8 = 0x10;
const INV_FRAG: u8 = 0x20;
const INV_PROTO: u8 = 0x40;
const INV_KNOWN: u8 = INV_VIA_IN | INV_VIA_OUT | INV_SRCIP | INV_DSTIP | INV_FRAG | INV_PROTO;

/// What a rule does, and its text after the chain's name.
pub(super) struct Read {
    pub(super) steps: Vec<Step>,
    pub(super) text: String,
}

/// `struct ipt_ip` or `struct ip6t_ip6`.
struct Head<'a> {
    family: Family,
    source: (u128, u128),
    destination: (u128, u128),
    names: [&'a [u8]; 2],
    masks: [&'a [u8]; 2],
    protocol: u16,
    /// Whether the protocol is compared: IPv6 has a flag for it.
    asks_protocol: bool,
    fragment: bool,
    goto: bool,
    inverse: u8,
    /// Bits that have no meaning here.
    odd: bool,
}

impl<'a> Head<'a> {
    fn read(bytes: &'a [u8], family: Family) -> Option<Self> {
        let width = usize::from(family.width() / 8);
        let address = |place: usize| {
            let found = bytes.get(place * width..(place + 1) * width)?;
            Some(found.iter().fold(0_u128, |value, byte| value << 8 | u128::from(*byte)))
        };
        let names = 4 * width;
        let array = |place: usize| bytes.get(names + place * 16..names + (place + 1) * 16);
        let tail = bytes.get(names + 64..)?;
        let protocol = u16::from_ne_bytes(*tail.first_chunk()?);
        // IPv6 has the traffic class in between, which the kernel does not compare.
        let skip = usize::from(family == Family::Ipv6);
        let (flags, inverse) = (*tail.get(2 + skip)?, *tail.get(3 + skip)?);
        let v4 = family == Family::Ipv4;
        let (known, goto) = if v4 { (0x03, 0x02) } else { (0x07, 0x04) };
        Some(Self {
            family,
            source: (address(0)?, address(2)?),
            destination: (address(1)?, address(3)?),
            names: [array(0)?, array(1)?],
            masks: [array(2)?, array(3)?],
            protocol,
            asks_protocol: protocol != 0 && (v4 || flags & 0x01 != 0),
            fragment: v4 && flags & 0x01 != 0,
            goto: flags & goto != 0,
            inverse,
            odd: flags & !known != 0 || inverse & !INV_KNOWN != 0,
        })
    }

    fn is_inverse(&self, bit: u8) -> bool {
        self.inverse & bit != 0
    }

    /// The conditions in the order of the text, each with its text.
    fn conds(&self) -> Vec<(Cond, String)> {
        let mut list = Vec::new();
        let addresses = [
            (self.source, Field::SOURCE, "-s", INV_SRCIP),
            (self.destination, Field::DESTINATION, "-d", INV_DSTIP),
        ];
        for ((value, mask), field, option, bit) in addresses {
            let negated = self.is_inverse(bit);
            if mask == 0 && value == 0 && !negated {
                continue;
            }
            let cond = if value & !mask == 0 {
                masked_address(field, self.family, value, mask)
            } else {
                // A bit outside of the mask that no packet has under it.
                Cond::Never
            };
            let text = format!("{option} {}", self.network(value, mask));
            list.push((cond.negate_if(negated), negation(negated, &text)));
        }
        list.extend(self.interfaces());
        if self.asks_protocol {
            let negated = self.is_inverse(INV_PROTO);
            let cond = Cond::is(Field::PROTOCOL, self.protocol.into()).negate_if(negated);
            let name = names::protocol_name(self.protocol, self.family);
            list.push((cond, negation(negated, &format!("-p {name}"))));
        }
        // Of whole packets only the negation holds (ip_tables.c, ip_packet_match).
        let negated = self.is_inverse(INV_FRAG);
        if self.fragment || negated && self.family == Family::Ipv4 {
            let cond = if self.fragment && negated { Cond::Always } else { Cond::Never };
            list.push((cond, negation(negated, "-f")));
        }
        if self.odd {
            let what = "a flag of the entry that is not known".to_owned();
            list.push((Cond::Unknown(what, Doubt::History), String::new()));
        }
        list
    }

    fn interfaces(&self) -> Vec<(Cond, String)> {
        let sides = [(Side::In, "-i", INV_VIA_IN), (Side::Out, "-o", INV_VIA_OUT)];
        let arrays = self.names.into_iter().zip(self.masks);
        let mut list = Vec::new();
        for ((side, option, bit), (name, mask)) in sides.into_iter().zip(arrays) {
            let negated = self.is_inverse(bit);
            let (cond, text) = match xt::interface(name, mask) {
                Some(any) if any.is_empty() && !negated => continue,
                Some(any) if any.is_empty() => (Cond::Always, "+".to_owned()),
                Some(text) => (interface(side, &text), text),
                None => {
                    (Cond::Unknown(format!("{option} with gaps"), Doubt::Packet), "?".to_owned())
                }
            };
            list.push((cond.negate_if(negated), negation(negated, &format!("{option} {text}"))));
        }
        list
    }

    /// `10.0.0.0/8`, always with its length or mask.
    fn network(&self, value: u128, mask: u128) -> String {
        let address = address_text(self.family, value);
        let mut lengths = 0..=self.family.width();
        match lengths.find(|length| netmask(self.family, *length) == Some(mask)) {
            Some(length) => format!("{address}/{length}"),
            None => format!("{address}/{}", address_text(self.family, mask)),
        }
    }
}

fn negation(negated: bool, text: &str) -> String {
    if negated { format!(" ! {text}") } else { format!(" {text}") }
}

/// The rule of an entry.
pub(super) fn read(entry: &Entry<'_>, family: Family, layout: &Layout<'_>, sets: &Ipsets) -> Read {
    let mut text = String::new();
    let mut steps = Vec::new();
    let head = Head::read(entry.head, family);
    let mut conds = Vec::new();
    match &head {
        Some(head) => {
            for (cond, words) in head.conds() {
                conds.push(cond);
                text.push_str(&words);
            }
        }
        None => conds.push(Cond::Unknown("an entry that is too short".to_owned(), Doubt::History)),
    }
    let mut effects = Vec::new();
    for extension in &entry.matches {
        text.push(' ');
        text.push_str(&xt::match_text(extension, sets));
        for step in xt::matching(extension, sets) {
            match step {
                Step::If(cond) => conds.push(cond),
                effect => effects.push(effect),
            }
        }
    }
    conds.retain(|cond| *cond != Cond::Always);
    match conds.len() {
        0 => {}
        1 => steps.extend(conds.pop().map(Step::If)),
        _ => steps.push(Step::If(Cond::All(conds))),
    }
    steps.extend(effects);
    let goto = head.is_some_and(|head| head.goto);
    match &entry.target {
        Target::Standard(verdict) => {
            if let Some((verdict, words)) = standard(entry, *verdict, goto, layout) {
                text.push_str(&words);
                steps.push(Step::verdict(verdict));
            }
        }
        Target::Other(target) => {
            text.push(' ');
            text.push_str(&xt::target_text(target, sets));
            steps.extend(xt::target(target, sets));
        }
        // Within a chain: the kernel drops the packet (ip_tables.c, ipt_error).
        Target::Error(_) => steps.push(Step::verdict(Verdict::Drop)),
    }
    Read { steps, text }
}

/// A verdict with its text; none where the rule has no target, and so jumps to the next entry.
fn standard(
    entry: &Entry<'_>,
    verdict: i32,
    goto: bool,
    layout: &Layout<'_>,
) -> Option<(Verdict, String)> {
    let words = |name: &str| format!(" -{} {name}", if goto { 'g' } else { 'j' });
    let simple = |verdict, name: &str| Some((verdict, format!(" -j {name}")));
    let unknown = |verdict: i32| {
        let text = format!("a verdict of {verdict}");
        Some((Verdict::Unknown(text.clone()), format!(" -j ({text})")))
    };
    match (verdict, usize::try_from(verdict)) {
        (_, Ok(offset)) if offset == entry.next => None,
        (_, Ok(offset)) => match layout.jump(offset) {
            Some((chain, name)) if goto => Some((Verdict::Goto(chain), words(name))),
            Some((chain, name)) => Some((Verdict::Jump(chain), words(name))),
            None => unknown(verdict),
        },
        (ACCEPT, _) => simple(Verdict::Accept, "ACCEPT"),
        (DROP, _) => simple(Verdict::Drop, "DROP"),
        (RETURN, _) => simple(Verdict::Return, "RETURN"),
        (QUEUE, _) => simple(Verdict::Queue("QUEUE".to_owned()), "QUEUE"),
        _ => unknown(verdict),
    }
}
