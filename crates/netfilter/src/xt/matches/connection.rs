//! What connection tracking knows.

use crate::iptables::extension::Opt;
use crate::ir::Family;
use crate::xt::options::{Options, names, network, span};
use crate::xt::reader::Reader;

/// XT_CONNTRACK_STATE_BIT of `enum ip_conntrack_info`, and the bits besides those.
const STATES: [(u32, &str); 7] = [
    (1 << 0, "INVALID"),
    (1 << 3, "NEW"),
    (1 << 2, "RELATED"),
    (1 << 1, "ESTABLISHED"),
    (1 << 8, "UNTRACKED"),
    (1 << 6, "SNAT"),
    (1 << 7, "DNAT"),
];

/// The bits of `enum ip_conntrack_status` that have options.
const STATUSES: [(u32, &str); 4] =
    [(1 << 0, "EXPECTED"), (1 << 1, "SEEN_REPLY"), (1 << 2, "ASSURED"), (1 << 3, "CONFIRMED")];

/// XT_CONNTRACK_*: the bits of `match_flags` and `invert_flags`.
const STATE: u16 = 1 << 0;
const PROTO: u16 = 1 << 1;
const STATUS: u16 = 1 << 6;
const EXPIRES: u16 = 1 << 7;
const DIRECTION: u16 = 1 << 12;
/// Written as the match `state`.
const STATE_ALIAS: u16 = 1 << 13;
const KNOWN: u16 = (1 << 14) - 1;

const ADDRESSES: [(u16, &str); 4] = [
    (1 << 2, "--ctorigsrc"),
    (1 << 3, "--ctorigdst"),
    (1 << 4, "--ctreplsrc"),
    (1 << 5, "--ctrepldst"),
];

const PORTS: [(u16, &str); 4] = [
    (1 << 8, "--ctorigsrcport"),
    (1 << 9, "--ctorigdstport"),
    (1 << 10, "--ctreplsrcport"),
    (1 << 11, "--ctrepldstport"),
];

/// `struct xt_conntrack_mtinfo1`, `2` and `3`: the second has wider masks, the third ranges of
/// ports in host byte order.
pub(super) fn conntrack(mut reader: Reader<'_>, family: Family, revision: u8) -> Option<Options> {
    let mut addresses = [(0, 0); 4];
    for address in &mut addresses {
        *address = (reader.address(family)?, reader.address(family)?);
    }
    let expires = (reader.u32()?, reader.u32()?);
    let protocol = reader.u16()?;
    let mut ports = [(0, 0); 4];
    for (lo, hi) in &mut ports {
        *lo = if revision == 3 { reader.u16()? } else { reader.be16()? };
        *hi = *lo;
    }
    let (flags, inverse) = (reader.u16()?, reader.u16()?);
    let (states, statuses) = if revision == 1 {
        (reader.u8()?.into(), reader.u8()?.into())
    } else {
        (reader.u16()?.into(), reader.u16()?.into())
    };
    if revision == 3 {
        for (_, hi) in &mut ports {
            *hi = reader.u16()?;
        }
    }
    if (flags | inverse) & !KNOWN != 0 || inverse & !flags != 0 {
        return None;
    }
    let option = |bit: u16, name, value| Opt::new(name, value).negate_if(inverse & bit != 0);
    let mut list = Options::new();
    if flags & STATE != 0 {
        let name = if flags == STATE | STATE_ALIAS { "--state" } else { "--ctstate" };
        list.push(option(STATE, name, names(states, &STATES)?));
    }
    if flags & PROTO != 0 {
        list.push(option(PROTO, "--ctproto", protocol.to_string()));
    }
    for ((bit, name), (address, mask)) in ADDRESSES.into_iter().zip(addresses) {
        if flags & bit != 0 {
            list.push(option(bit, name, network(family, address, mask)));
        }
    }
    for ((bit, name), (lo, hi)) in PORTS.into_iter().zip(ports) {
        if flags & bit != 0 && lo > hi {
            return None;
        }
        if flags & bit != 0 {
            list.push(option(bit, name, span(lo, hi)));
        }
    }
    if flags & STATUS != 0 {
        let none = statuses == 0;
        let value = if none { "NONE".to_owned() } else { names(statuses, &STATUSES)? };
        list.push(option(STATUS, "--ctstatus", value));
    }
    if flags & EXPIRES != 0 {
        list.push(option(EXPIRES, "--ctexpire", span(expires.0, expires.1)));
    }
    if flags & DIRECTION != 0 {
        let direction = if inverse & DIRECTION != 0 { "REPLY" } else { "ORIGINAL" };
        list.push(Opt::new("--ctdir", direction));
    }
    Some(list)
}

/// `struct xt_state_info`: XT_STATE_UNTRACKED is where the other match has SNAT.
pub(super) fn state(mut reader: Reader<'_>) -> Option<Options> {
    let mut table = STATES;
    for entry in &mut table {
        match entry.1 {
            "UNTRACKED" => entry.0 = 1 << 6,
            "SNAT" | "DNAT" => entry.0 = 0,
            _ => {}
        }
    }
    let value = names(reader.u32()?, &table)?;
    Some(vec![Opt::new("--state", value)])
}

/// `struct xt_connbytes_info`; a range that ends before it begins is the negation.
pub(super) fn bytes(mut reader: Reader<'_>) -> Option<Options> {
    let (from, to) = (reader.u64()?, reader.u64()?);
    let what = match reader.u8()? {
        0 => "packets",
        1 => "bytes",
        2 => "avgpkt",
        _ => return None,
    };
    let direction = match reader.u8()? {
        0 => "original",
        1 => "reply",
        2 => "both",
        _ => return None,
    };
    let (lo, hi, negated) = if from > to { (to, from, true) } else { (from, to, false) };
    Some(vec![
        Opt::new("--connbytes", format!("{lo}:{hi}")).negate_if(negated),
        Opt::new("--connbytes-mode", what),
        Opt::new("--connbytes-dir", direction),
    ])
}

/// `struct xt_connlabel_mtinfo`: XT_CONNLABEL_OP_INVERT and _SET.
pub(super) fn label(mut reader: Reader<'_>) -> Option<Options> {
    let (bit, flags) = (reader.u16()?, reader.u16()?);
    if flags & !0x03 != 0 {
        return None;
    }
    let mut list = vec![Opt::new("--label", bit).negate_if(flags & 1 != 0)];
    list.extend((flags & 2 != 0).then(|| Opt::bare("--set")));
    Some(list)
}

/// `struct xt_helper_info`.
pub(super) fn helper(mut reader: Reader<'_>) -> Option<Options> {
    let (inverse, name) = (reader.i32()?, reader.text(30)?);
    Some(vec![Opt::new("--helper", name).negate_if(inverse != 0)])
}
