//! What depends on earlier packets, the time or chance.

use crate::iptables::extension::Opt;
use crate::ir::Family;
use crate::syntax::{address_text, netmask};
use crate::xt::options::{Options, names, network};
use crate::xt::reader::Reader;

/// XT_LIMIT_SCALE: a limit is kept as the time for one packet, in this part of a second.
const SCALE: u64 = 10_000;

/// `5/min`, as iptables prints a time per packet (extensions/libxt_limit.c, print_rate).
fn rate(period: u64, scale: u64) -> String {
    let units =
        [(86400 * scale, "day"), (3600 * scale, "hour"), (60 * scale, "min"), (scale, "sec")];
    if period == 0 {
        return "inf".to_owned();
    }
    let mut best = (86400 * scale / period, "day");
    for (unit, name) in units {
        if period > unit || unit / period < unit % period {
            break;
        }
        best = (unit / period, name);
    }
    format!("{}/{}", best.0, best.1)
}

/// `struct xt_rateinfo`: the rest of it is the kernel's own.
pub(super) fn limit(mut reader: Reader<'_>) -> Option<Options> {
    let (average, burst) = (reader.u32()?, reader.u32()?);
    let mut list = vec![Opt::new("--limit", rate(average.into(), SCALE))];
    list.extend((burst != 5).then(|| Opt::new("--limit-burst", burst)));
    Some(list)
}

/// XT_HASHLIMIT_HASH_*.
const HASHED: [(u32, &str); 4] =
    [(1 << 2, "srcip"), (1 << 3, "srcport"), (1 << 0, "dstip"), (1 << 1, "dstport")];

/// What the three revisions of `xt_hashlimit_mtinfo` share.
struct Hashed<'a> {
    name: &'a str,
    average: u64,
    burst: u64,
    mode: u32,
    masks: (u8, u8),
    scale: u64,
}

fn hashed_fields(data: &[u8], revision: u8) -> Option<Hashed<'_>> {
    let (size, name_size) = match revision {
        1 => (56, 16),
        2 => (304, 255),
        _ => (312, 255),
    };
    let mut reader = Reader::new(data, size)?;
    let name = reader.text(name_size)?;
    if revision == 1 {
        let (mode, average, burst) = (reader.u32()?, reader.u32()?, reader.u32()?);
        reader.seek(44);
        let masks = (reader.u8()?, reader.u8()?);
        let (average, burst) = (average.into(), burst.into());
        return Some(Hashed { name, average, burst, mode, masks, scale: SCALE });
    }
    reader.seek(256);
    let (average, burst, mode) = (reader.u64()?, reader.u64()?, reader.u32()?);
    // The sizes of the table, and the third's interval.
    reader.seek(if revision == 2 { 292 } else { 296 });
    let masks = (reader.u8()?, reader.u8()?);
    Some(Hashed { name, average, burst, mode, masks, scale: 100 * SCALE })
}

/// Bytes per second and a burst (extensions/libxt_hashlimit.c, print_bytes): kept as the cost of 16
/// bytes, in parts of 2^32 a second.
fn bytes(average: u64, burst: u64) -> Option<(String, Option<String>)> {
    let cost = |bytes: u64| u64::from(u32::MAX) / ((bytes >> 4) + 1);
    let units = [(1 << 20, "mb"), (1 << 10, "kb"), (1, "b")];
    let size = u64::from(u32::MAX).checked_div(average)?.checked_sub(1)?.checked_mul(16)?;
    let is_exact = |unit: u64| size >= unit && cost(size & !(unit - 1)) == average;
    let (unit, name) = units.into_iter().find(|(unit, _)| is_exact(*unit)).unwrap_or((1, "b"));
    let value = format!("{}{name}/s", size / unit);
    if burst == 0 {
        return Some((value, None));
    }
    let size = size.checked_mul(burst)?;
    let (unit, name) = units.into_iter().find(|(unit, _)| size >= *unit).unwrap_or((1, "b"));
    Some((value, Some(format!("{}{name}", size / unit))))
}

/// `struct xt_hashlimit_mtinfo1`, `2` and `3`.
pub(super) fn hashed(data: &[u8], revision: u8) -> Option<Options> {
    const INVERT: u32 = 1 << 4;
    const BYTES: u32 = 1 << 5;
    const RATE_MATCH: u32 = 1 << 6;
    let Hashed { name, average, burst, mode, masks, scale } = hashed_fields(data, revision)?;
    if mode & !0x7f != 0 {
        return None;
    }
    let option = if mode & INVERT != 0 { "--hashlimit-above" } else { "--hashlimit-upto" };
    let (value, burst) = match (mode & RATE_MATCH != 0, mode & BYTES != 0) {
        (false, false) => (rate(average, scale), Some(burst.to_string())),
        (false, true) => bytes(average, burst)?,
        (true, _) => (average.to_string(), (burst != 0).then(|| burst.to_string())),
    };
    let mut list = vec![Opt::new(option, value)];
    list.extend(burst.map(|burst| Opt::new("--hashlimit-burst", burst)));
    if mode & 0x0f != 0 {
        list.push(Opt::new("--hashlimit-mode", names(mode & 0x0f, &HASHED)?));
    }
    list.push(Opt::new("--hashlimit-name", name));
    list.extend((masks.0 < 32).then(|| Opt::new("--hashlimit-srcmask", masks.0)));
    list.extend((masks.1 < 32).then(|| Opt::new("--hashlimit-dstmask", masks.1)));
    list.extend((mode & RATE_MATCH != 0).then(|| Opt::bare("--hashlimit-rate-match")));
    Some(list)
}

/// `struct xt_recent_mtinfo` and `xt_recent_mtinfo_v1`: XT_RECENT_* in `check_set`.
pub(super) fn recent(mut reader: Reader<'_>, family: Family, revision: u8) -> Option<Options> {
    let (seconds, hits) = (reader.u32()?, reader.u32()?);
    let (flags, inverse) = (reader.u8()?, reader.u8()?);
    let name = reader.text(200)?;
    let side = reader.u8()?;
    let action = match flags & 0x0f {
        0x01 => "--rcheck",
        0x02 => "--set",
        0x04 => "--update",
        0x08 => "--remove",
        _ => return None,
    };
    if flags & !0x3f != 0 || side > 1 {
        return None;
    }
    let mut list = vec![Opt::bare(action).negate_if(inverse != 0)];
    list.extend((seconds != 0).then(|| Opt::new("--seconds", seconds)));
    list.extend((flags & 0x20 != 0).then(|| Opt::bare("--reap")));
    list.extend((hits != 0).then(|| Opt::new("--hitcount", hits)));
    list.extend((flags & 0x10 != 0).then(|| Opt::bare("--rttl")));
    list.push(Opt::new("--name", name));
    if revision == 1 {
        reader.seek(212);
        list.push(Opt::new("--mask", address_text(family, reader.address(family)?)));
    }
    list.push(Opt::bare(if side == 0 { "--rsource" } else { "--rdest" }));
    Some(list)
}

/// `struct xt_connlimit_info`: XT_CONNLIMIT_INVERT and _DADDR.
pub(super) fn connections(mut reader: Reader<'_>, family: Family) -> Option<Options> {
    let mask = reader.address(family)?;
    let (limit, flags) = (reader.u32()?, reader.u32()?);
    if flags & !0x03 != 0 {
        return None;
    }
    let option = if flags & 1 != 0 { "--connlimit-upto" } else { "--connlimit-above" };
    let length = (0..=family.width()).find(|length| netmask(family, *length) == Some(mask));
    let mask = length.map_or_else(|| network(family, 0, mask), |length| length.to_string());
    let side = if flags & 2 != 0 { "--connlimit-daddr" } else { "--connlimit-saddr" };
    Some(vec![Opt::new(option, limit), Opt::new("--connlimit-mask", mask), Opt::bare(side)])
}

/// `struct xt_quota_info`: XT_QUOTA_INVERT.
pub(super) fn quota(mut reader: Reader<'_>) -> Option<Options> {
    let flags = reader.u32()?;
    reader.seek(8);
    let bytes = reader.u64()?;
    (flags <= 1).then(|| vec![Opt::new("--quota", bytes).negate_if(flags == 1)])
}

/// `struct xt_statistic_info`: XT_STATISTIC_MODE_RANDOM and _NTH; XT_STATISTIC_INVERT.
pub(super) fn statistic(mut reader: Reader<'_>) -> Option<Options> {
    let (mode, flags) = (reader.u16()?, reader.u16()?);
    let first = reader.u32()?;
    let second = reader.u32()?;
    if flags > 1 {
        return None;
    }
    let negated = flags == 1;
    match mode {
        0 => {
            // The probability in parts of 2^31, printed with 11 digits (libxt_statistic.c).
            let probability = f64::from(first) / f64::from(0x8000_0000_u32);
            let text = format!("{probability:.11}");
            Some(vec![
                Opt::new("--mode", "random"),
                Opt::new("--probability", text).negate_if(negated),
            ])
        }
        1 => Some(vec![
            Opt::new("--mode", "nth"),
            Opt::new("--every", u64::from(first) + 1).negate_if(negated),
            Opt::new("--packet", second),
        ]),
        _ => None,
    }
}

/// XT_TIME_ALL_WEEKDAYS: Monday is bit 1.
const WEEKDAYS: [(u32, &str); 7] = [
    (1 << 1, "Mon"),
    (1 << 2, "Tue"),
    (1 << 3, "Wed"),
    (1 << 4, "Thu"),
    (1 << 5, "Fri"),
    (1 << 6, "Sat"),
    (1 << 7, "Sun"),
];

fn clock(seconds: u32) -> String {
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Seconds since 1970 as a date, by the years of 400 that begin with March.
fn date(seconds: u32) -> String {
    let days = seconds / 86400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let leap = day_of_era / 1460 + day_of_era / 146_096 - day_of_era / 36524;
    let year_of_era = (day_of_era - leap) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + u32::from(month <= 2);
    format!("{year}-{month:02}-{day:02}T{}", clock(seconds % 86400))
}

/// `struct xt_time_info`.
pub(super) fn time(mut reader: Reader<'_>) -> Option<Options> {
    let dates = (reader.u32()?, reader.u32()?);
    let hours = (reader.u32()?, reader.u32()?);
    let monthdays = reader.u32()?;
    let (weekdays, flags) = (u32::from(reader.u8()?), reader.u8()?);
    if flags & !0x03 != 0 {
        return None;
    }
    let mut list = Options::new();
    if hours != (0, 86399) {
        list.push(Opt::new("--timestart", clock(hours.0)));
        list.push(Opt::new("--timestop", clock(hours.1)));
    }
    if monthdays != 0xffff_fffe {
        let days: Vec<String> =
            (1..32).filter(|day| monthdays & 1 << day != 0).map(|day| day.to_string()).collect();
        list.push(Opt::new("--monthdays", days.join(",")));
    }
    if weekdays != 0xfe {
        list.push(Opt::new("--weekdays", names(weekdays & 0xfe, &WEEKDAYS)?));
    }
    list.extend((dates.0 != 0).then(|| Opt::new("--datestart", date(dates.0))));
    list.extend((dates.1 < 0x7fff_ffff).then(|| Opt::new("--datestop", date(dates.1))));
    list.extend((flags & 1 != 0).then(|| Opt::bare("--kerneltz")));
    list.extend((flags & 2 != 0).then(|| Opt::bare("--contiguous")));
    Some(list)
}

/// `struct xt_rateest_match_info`.
pub(super) fn estimate(mut reader: Reader<'_>) -> Option<Options> {
    let (first, second) = (reader.text(16)?, reader.text(16)?);
    let (flags, mode) = (reader.u16()?, reader.u16()?);
    let (bytes1, packets1) = (reader.u32()?, reader.u32()?);
    let (bytes2, packets2) = (reader.u32()?, reader.u32()?);
    let comparison = match mode {
        1 => "--rateest-eq",
        2 => "--rateest-lt",
        3 => "--rateest-gt",
        _ => return None,
    };
    if flags & !0x3f != 0 {
        return None;
    }
    let relative = flags & 0x04 != 0;
    let mut list = Options::new();
    list.extend((flags & 0x08 != 0).then(|| Opt::bare("--rateest-delta")));
    list.push(Opt::new(if relative { "--rateest1" } else { "--rateest" }, first));
    list.push(Opt::bare(comparison).negate_if(flags & 1 != 0));
    list.extend(relative.then(|| Opt::new("--rateest2", second)));
    let rates = [
        (0x10, "--rateest-bps1", bytes1),
        (0x20, "--rateest-pps1", packets1),
        (0x10, "--rateest-bps2", bytes2),
        (0x20, "--rateest-pps2", packets2),
    ];
    for (bit, name, value) in rates {
        list.extend((flags & bit != 0).then(|| Opt::new(name, value)));
    }
    Some(list)
}

/// `struct xt_nfacct_match_info` and `xt_nfacct_match_info_v1`.
pub(super) fn account(mut reader: Reader<'_>) -> Option<Options> {
    Some(vec![Opt::new("--nfacct-name", reader.text(32)?)])
}
