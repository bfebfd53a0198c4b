//! Comments, and matches that look into the packet by an expression of their own.

use std::fmt::Write as _;

use crate::iptables::extension::Opt;
use crate::xt::options::{Options, hex};
use crate::xt::reader::Reader;

/// `struct xt_comment_info`.
pub(super) fn comment(mut reader: Reader<'_>) -> Option<Options> {
    Some(vec![Opt::new("--comment", reader.text(256)?)])
}

/// `struct xt_string_info`: XT_STRING_FLAG_INVERT and _IGNORECASE.
pub(super) fn string(mut reader: Reader<'_>) -> Option<Options> {
    let (from, to) = (reader.u16()?, reader.u16()?);
    let algorithm = reader.text(16)?;
    let pattern = reader.slice(128)?;
    let (length, flags) = (usize::from(reader.u8()?), reader.u8()?);
    if flags & !0x03 != 0 {
        return None;
    }
    let pattern = pattern.get(..length)?;
    let negated = flags & 1 != 0;
    let is_plain = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
    let mut list = if pattern.iter().all(is_plain) {
        let text = String::from_utf8_lossy(pattern);
        vec![Opt::new("--string", text).negate_if(negated)]
    } else {
        vec![Opt::new("--hex-string", format!("|{}|", hex(pattern))).negate_if(negated)]
    };
    list.push(Opt::new("--algo", algorithm));
    list.extend((from != 0).then(|| Opt::new("--from", from)));
    list.extend((to != u16::MAX).then(|| Opt::new("--to", to)));
    list.extend((flags & 2 != 0).then(|| Opt::bare("--icase")));
    Some(list)
}

/// `struct xt_u32`: eleven tests of 180 bytes, each with eleven places (a number and the operator
/// after it, XT_U32_*) and eleven ranges.
pub(super) fn words(mut reader: Reader<'_>) -> Option<Options> {
    let mut test = reader.clone();
    reader.seek(1980);
    let (count, inverse) = (reader.u8()?, reader.u8()?);
    if count > 11 || inverse > 1 {
        return None;
    }
    let tests: Option<Vec<String>> = (0..usize::from(count))
        .map(|at| {
            test.seek(at * 180);
            one_test(&test)
        })
        .collect();
    Some(vec![Opt::new("--u32", tests?.join("&&")).negate_if(inverse == 1)])
}

fn one_test(reader: &Reader<'_>) -> Option<String> {
    let (mut places, mut values, mut counts) = (reader.clone(), reader.clone(), reader.clone());
    values.skip(88);
    counts.skip(176);
    let (numbers, ranges) = (counts.u8()?, counts.u8()?);
    if numbers > 11 || ranges > 11 {
        return None;
    }
    let mut text = String::new();
    for at in 0..numbers {
        let (number, operator) = (places.u32()?, places.u32()?);
        // The operator is one byte, before three that mean nothing; it belongs to this place.
        let [operator, ..] = operator.to_ne_bytes();
        text.push_str(match (at, operator) {
            (0, _) => "",
            (_, 0) => "&",
            (_, 1) => "<<",
            (_, 2) => ">>",
            (_, 3) => "@",
            _ => return None,
        });
        let _ = write!(text, "{number:#x}");
    }
    let mut list = Vec::new();
    for _ in 0..ranges {
        let (lo, hi) = (values.u32()?, values.u32()?);
        list.push(if lo == hi { format!("{lo:#x}") } else { format!("{lo:#x}:{hi:#x}") });
    }
    Some(format!("{text}={}", list.join(",")))
}

/// `struct xt_bpf_info` and `xt_bpf_info_v1`: a classic program, or the path of a pinned one.
pub(super) fn program(data: &[u8], revision: u8) -> Option<Options> {
    let mut reader = Reader::new(data, 528)?;
    let mode = if revision == 0 { 0 } else { reader.u16()? };
    let count = usize::from(reader.u16()?);
    reader.seek(if revision == 0 { 4 } else { 8 });
    match mode {
        0 if count <= 64 => {
            let mut text = count.to_string();
            for _ in 0..count {
                let (code, yes, no) = (reader.u16()?, reader.u8()?, reader.u8()?);
                let value = reader.u32()?;
                let _ = write!(text, ",{code} {yes} {no} {value}");
            }
            Some(vec![Opt::new("--bytecode", text)])
        }
        1 => Some(vec![Opt::new("--object-pinned", reader.text(512)?)]),
        2 => Some(vec![Opt::bare("--object-fd")]),
        _ => None,
    }
}

/// `struct xt_l2tp_info`: XT_L2TP_TID, _SID, _VERSION and _TYPE.
pub(super) fn l2tp(mut reader: Reader<'_>) -> Option<Options> {
    let (tunnel, session) = (reader.u32()?, reader.u32()?);
    let (version, kind, flags) = (reader.u8()?, reader.u8()?, reader.u8()?);
    if flags & !0x0f != 0 {
        return None;
    }
    let kind = if kind == 0 { "control" } else { "data" };
    let table = [
        (1, "--tid", tunnel.to_string()),
        (2, "--sid", session.to_string()),
        (4, "--pversion", version.to_string()),
        (8, "--type", kind.to_owned()),
    ];
    let wanted = table.into_iter().filter(|(bit, ..)| flags & bit != 0);
    Some(wanted.map(|(_, name, value)| Opt::new(name, value)).collect())
}
