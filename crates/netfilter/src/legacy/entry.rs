//! Entries: `struct ipt_entry` of linux/netfilter_ipv4/ip_tables.h and `struct ip6t_entry` of
//! linux/netfilter_ipv6/ip6_tables.h, as they lie on 64-bit machines.

use std::borrow::Cow;

use super::Odd;
use crate::ir::Family;
use crate::xt::Extension;

/// One entry.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    /// Where it begins, in bytes from the first.
    pub(super) at: usize,
    /// Where the next one begins.
    pub(super) next: usize,
    /// `struct ipt_ip` or `struct ip6t_ip6`.
    pub(super) head: &'a [u8],
    pub(super) matches: Vec<Extension<'a>>,
    pub(super) target: Target<'a>,
}

/// A target.
#[derive(Debug, Clone)]
pub(super) enum Target<'a> {
    /// XT_STANDARD_TARGET: a verdict, or where to jump.
    Standard(i32),
    /// XT_ERROR_TARGET: the name of a chain that begins here, or the table's end.
    Error(Cow<'a, str>),
    /// One of an extension.
    Other(Extension<'a>),
}

/// Sizes and places within an entry.
struct Shape {
    /// Of `struct ipt_ip` or `struct ip6t_ip6`.
    head: usize,
    /// Where `target_offset` is; `next_offset` follows it.
    offsets: usize,
    /// Of all, without matches and target.
    size: usize,
}

const IPV4: Shape = Shape { head: 84, offsets: 88, size: 112 };
const IPV6: Shape = Shape { head: 136, offsets: 140, size: 168 };

/// `struct xt_entry_match` and `xt_entry_target`: a size, 29 bytes of name, a revision.
const EXTENSION_HEADER: usize = 32;

fn u16_at(bytes: &[u8], at: usize) -> Option<usize> {
    let found = bytes.get(at..)?.first_chunk::<2>()?;
    Some(usize::from(u16::from_ne_bytes(*found)))
}

fn i32_at(bytes: &[u8], at: usize) -> Option<i32> {
    bytes.get(at..)?.first_chunk::<4>().map(|found| i32::from_ne_bytes(*found))
}

/// A C string that fills its array at most.
fn text(bytes: &[u8]) -> Option<&str> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    std::str::from_utf8(bytes.get(..end)?).ok()
}

/// Chains can have any bytes for a name.
fn chain_name(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes.split(|byte| *byte == 0).next().unwrap_or_default())
}

impl<'a> Entry<'a> {
    /// Every entry of a table.
    pub(super) fn all(bytes: &'a [u8], family: Family) -> Result<Vec<Self>, Odd> {
        let mut list = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let entry = Self::read(bytes, at, family)
                .ok_or_else(|| format!("the entry at byte {at} cannot be read"))?;
            at = entry.next;
            list.push(entry);
        }
        Ok(list)
    }

    fn read(bytes: &'a [u8], at: usize, family: Family) -> Option<Self> {
        let shape = match family {
            Family::Ipv4 => IPV4,
            Family::Ipv6 => IPV6,
        };
        let rest = bytes.get(at..)?;
        let (target_at, next) = (u16_at(rest, shape.offsets)?, u16_at(rest, shape.offsets + 2)?);
        let own = rest.get(..next)?;
        let mut extensions = own.get(shape.size..target_at)?;
        let mut matches = Vec::new();
        while !extensions.is_empty() {
            let (one, size) = extension(extensions, family)?;
            matches.push(one);
            extensions = extensions.get(size..)?;
        }
        let (target, size) = extension(own.get(target_at..)?, family)?;
        if target_at + size != next {
            return None;
        }
        let target = match target.name {
            "" => Target::Standard(i32_at(target.data, 0)?),
            "ERROR" => Target::Error(chain_name(target.data)),
            _ => Target::Other(target),
        };
        let head = own.get(..shape.head)?;
        Some(Self { at, next: at + next, head, matches, target })
    }

    /// Whether every packet matches.
    pub(super) fn is_unconditional(&self) -> bool {
        self.matches.is_empty() && self.head.iter().all(|byte| *byte == 0)
    }
}

/// One match or target, and its size with the header.
fn extension(bytes: &[u8], family: Family) -> Option<(Extension<'_>, usize)> {
    let size = u16_at(bytes, 0)?;
    let header = bytes.get(..EXTENSION_HEADER)?;
    let data = bytes.get(EXTENSION_HEADER..size)?;
    let name = text(header.get(2..31)?)?;
    let revision = *header.get(31)?;
    Some((Extension { family, name, revision, data }, size))
}
