//! Matches that ask the host's routing: `addrtype` and `rpfilter`.

use packet_set::{Field, RangeSet};

use super::extension::Extension;
use crate::ir::{Cond, Doubt, Family, Fib, FibAsk, Pattern, Side};

/// net/netfilter/xt_addrtype.c: both sides, each with types and a negation of its own.
pub(super) fn address_type(extension: &Extension) -> Cond {
    let has = |name: &str| extension.option(name).is_some();
    let side = match (has("--limit-iface-in"), has("--limit-iface-out")) {
        (true, false) => Some(Side::In),
        (false, true) => Some(Side::Out),
        (false, false) => None,
        (true, true) => return unknown(extension),
    };
    let mut all = Vec::new();
    for option in &extension.options {
        let address = match option.name.as_str() {
            "--src-type" => Field::SOURCE,
            "--dst-type" => Field::DESTINATION,
            "--limit-iface-in" | "--limit-iface-out" => continue,
            _ => return unknown(extension),
        };
        let names = option.value().map(|list| list.split(',').map(Fib::type_bit));
        let bits = names.and_then(|mut bits| bits.try_fold(0, |all, bit| Some(all | bit?)));
        let Some(bits) = bits else { return unknown(extension) };
        let mut asked = vec![option.clone().negate_if(option.negated)];
        asked.extend(extension.options.iter().filter(|o| o.name.starts_with("--limit")).cloned());
        let text = Extension { name: extension.name.clone(), options: asked }.text();
        let asks = FibAsk::AddressType(bits);
        let fib = Fib { address, side, with_mark: false, asks, text: format!("-m {text}") };
        all.push(Cond::Fib(Box::new(fib)).negate_if(option.negated));
    }
    match <[Cond; 1]>::try_from(all) {
        Ok([only]) => only,
        Err(list) => Cond::All(list),
    }
}

/// net/ipv4/netfilter/ipt_rpfilter.c and net/ipv6/netfilter/ip6t_rpfilter.c.
pub(super) fn reverse_path(extension: &Extension, family: Family) -> Cond {
    let has = |name: &str| extension.option(name).is_some();
    let known = ["--loose", "--validmark", "--accept-local", "--invert"];
    if extension.options.iter().any(|option| !known.contains(&option.name.as_str())) {
        return unknown(extension);
    }
    let mut asked = extension.clone();
    asked.options.retain(|option| option.name != "--invert");
    let fib = Cond::Fib(Box::new(Fib {
        address: Field::SOURCE,
        side: Some(Side::In),
        with_mark: has("--validmark"),
        asks: FibAsk::ReversePath { loose: has("--loose"), accept_local: has("--accept-local") },
        text: format!("-m {}", asked.text()),
    }));
    let loopback = Cond::Interface(Side::In, vec![Pattern::Exact("lo".to_owned())]);
    let passes = match family {
        // The unspecified address is not looked up.
        Family::Ipv6 => Cond::Any(vec![loopback, Cond::is(Field::SOURCE, 0), fib]),
        // Nor is one of network 0, to a multicast address: it passes to those of this link.
        Family::Ipv4 => {
            let nobody = Cond::In(Field::SOURCE, RangeSet::from(0..=0x00ff_ffff));
            let to = |lo, hi| Cond::In(Field::DESTINATION, RangeSet::from(lo..=hi));
            let local = Cond::All(vec![nobody.clone(), to(0xe000_0000, 0xe000_00ff)]);
            let any = Cond::All(vec![nobody, to(0xe000_0000, 0xefff_ffff)]);
            let looked_up = Cond::All(vec![Cond::Not(Box::new(any)), fib]);
            Cond::Any(vec![loopback, local, looked_up])
        }
    };
    passes.negate_if(has("--invert"))
}

fn unknown(extension: &Extension) -> Cond {
    Cond::Unknown(format!("-m {}", extension.text()), Doubt::Packet)
}
