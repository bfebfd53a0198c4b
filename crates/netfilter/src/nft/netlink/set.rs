//! Sets and maps, and their elements for those who look something up in them.

use std::collections::HashMap;

use super::super::ast::{Element, Expr, Set, Verdict};
use super::attribute::{Attributes, Fields, Messages, Odd, Order};
use super::part::{Links, Part, Value, opaque};
use super::verdict;
use crate::ir::Family;

/// Family and table, and the table's sets by name.
pub(super) type Sets<'a> = HashMap<(u8, String), HashMap<String, Declared<'a>>>;

/// NFT_SET_* (nf_tables.h, `enum nft_set_flags`).
pub(super) mod flags {
    pub(in super::super) const ANONYMOUS: u32 = 0x01;
    pub(in super::super) const INTERVAL: u32 = 0x04;
    pub(in super::super) const TIMEOUT: u32 = 0x10;
    pub(in super::super) const EVAL: u32 = 0x20;
    /// All that are known.
    pub(in super::super) const ALL: u32 = 0x1ff;
}

/// `NFT_DATA_VERDICT`.
const DATA_VERDICT: u32 = 0xffff_ff00;

/// A set as it was declared, with its elements as they came.
#[derive(Debug, Default)]
pub(super) struct Declared<'a> {
    pub(super) flags: u32,
    pub(super) key_bytes: usize,
    pub(super) data_bytes: usize,
    /// Whether the data of its elements are verdicts.
    pub(super) verdicts: bool,
    /// What about it is not understood.
    pub(super) odd: Option<Odd>,
    /// Lists of elements.
    elements: Vec<&'a [u8]>,
}

impl Declared<'_> {
    pub(super) fn is_anonymous(&self) -> bool {
        self.flags & flags::ANONYMOUS != 0
    }
}

/// How the data of an element is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Data {
    /// Not at all: only whether the key is there.
    None,
    Verdict,
    /// An address and a port: where each begins, and where the upper ends of ranges do.
    Target {
        family: Family,
        address: Option<(usize, usize)>,
        port: Option<(usize, usize)>,
    },
}

/// NFTA_SET_* (nf_tables.h, `enum nft_set_attributes`).
const NFTA_SET_TABLE: u16 = 1;
const NFTA_SET_NAME: u16 = 2;
const NFTA_SET_FLAGS: u16 = 3;
const NFTA_SET_KEY_LEN: u16 = 5;
const NFTA_SET_DATA_TYPE: u16 = 6;
const NFTA_SET_DATA_LEN: u16 = 7;
/// NFTA_SET_TYPE and NFTA_SET_COUNT are newer than most headers, and tell how it is stored.
const NFTA_SET_LAST: u16 = 20;

/// Reads all sets with their elements; what is torn is told.
pub(super) fn read<'a>(sets: &'a [u8], elements: &'a [u8], order: Order) -> (Sets<'a>, Vec<Odd>) {
    let mut found = Sets::new();
    let mut odd = Vec::new();
    for message in Messages::new(sets, order) {
        let result = message.and_then(|message| {
            let (table, name, set) = declared(message.attributes, order)?;
            found.entry((message.family, table)).or_default().insert(name, set);
            Ok(())
        });
        odd.extend(result.err());
    }
    for message in Messages::new(elements, order) {
        let result = message.and_then(|message| {
            // Table, set, elements, the set's number in a transaction.
            let list = Fields::read(message.attributes, order, 4)?;
            let table = found.get_mut(&(message.family, list.text(1)?));
            let set = table.and_then(|sets| sets.get_mut(&list.text(2).ok()?));
            if let (Some(set), Some(bytes)) = (set, list.get(3)) {
                set.elements.push(bytes);
            }
            Ok(())
        });
        odd.extend(result.err());
    }
    (found, odd)
}

fn declared(bytes: &[u8], order: Order) -> Result<(String, String, Declared<'_>), Odd> {
    // An attribute that is not known must not hide the set: its name is needed to doubt it.
    let mut names = (None, None);
    for attribute in Attributes::new(bytes, order) {
        match attribute? {
            (NFTA_SET_TABLE, value) => names.0 = Some(super::attribute::text(value)),
            (NFTA_SET_NAME, value) => names.1 = Some(super::attribute::text(value)),
            _ => {}
        }
    }
    let (Some(table), Some(name)) = names else { return Err(Odd::Value(NFTA_SET_NAME)) };
    let read = || {
        let fields = Fields::read(bytes, order, NFTA_SET_LAST)?;
        let size = |kind| Ok(fields.u32(kind)?.and_then(|n| usize::try_from(n).ok()).unwrap_or(0));
        let flags = fields.u32(NFTA_SET_FLAGS)?.unwrap_or(0);
        Ok(Declared {
            flags,
            key_bytes: size(NFTA_SET_KEY_LEN)?,
            data_bytes: size(NFTA_SET_DATA_LEN)?,
            verdicts: fields.u32(NFTA_SET_DATA_TYPE)? == Some(DATA_VERDICT),
            odd: (flags & !flags::ALL != 0).then_some(Odd::Value(NFTA_SET_FLAGS)),
            elements: Vec::new(),
        })
    };
    let set = read().unwrap_or_else(|odd| Declared { odd: Some(odd), ..Declared::default() });
    Ok((table, name, set))
}

/// One element as it came.
struct Raw<'a> {
    key: Option<&'a [u8]>,
    key_end: Option<&'a [u8]>,
    data: Option<&'a [u8]>,
    /// It is where an interval ends, and not in the set itself.
    is_end: bool,
    /// Whether it is there and matches is not certain: it expires, or has a limit.
    doubtful: bool,
}

/// NFTA_SET_ELEM_* (nf_tables.h, `enum nft_set_elem_attributes`).
mod element {
    pub(super) const KEY: u16 = 1;
    pub(super) const DATA: u16 = 2;
    pub(super) const FLAGS: u16 = 3;
    pub(super) const TIMEOUT: u16 = 4;
    pub(super) const EXPIRATION: u16 = 5;
    pub(super) const EXPR: u16 = 7;
    pub(super) const KEY_END: u16 = 10;
    pub(super) const EXPRESSIONS: u16 = 11;
    /// NFT_SET_ELEM_INTERVAL_END and NFT_SET_ELEM_CATCHALL.
    pub(super) const INTERVAL_END: u32 = 1;
    pub(super) const CATCHALL: u32 = 2;
}

fn raw(bytes: &[u8], order: Order) -> Result<Raw<'_>, Odd> {
    let fields = Fields::read(bytes, order, element::EXPRESSIONS)?;
    let value = |kind| match fields.get(kind) {
        // NFTA_DATA_VALUE.
        Some(inner) => Fields::read(inner, order, 2)?.need(1).map(Some),
        None => Ok(None),
    };
    let flags = fields.u32(element::FLAGS)?.unwrap_or(0);
    if flags & !(element::INTERVAL_END | element::CATCHALL) != 0 {
        return Err(Odd::Value(element::FLAGS));
    }
    let catches_all = flags & element::CATCHALL != 0;
    let lasts = fields.get(element::EXPIRATION).is_none()
        && fields.u64(element::TIMEOUT)?.unwrap_or(0) == 0;
    let key = if catches_all { None } else { Some(value(element::KEY)?.ok_or(Odd::Value(1))?) };
    Ok(Raw {
        key,
        key_end: value(element::KEY_END)?,
        data: fields.get(element::DATA),
        is_end: flags & element::INTERVAL_END != 0,
        doubtful: !lasts || limits(&fields)?,
    })
}

/// Whether an expression of the element decides whether a packet matches it (nft_set_elem_update_expr).
fn limits(fields: &Fields<'_>) -> Result<bool, Odd> {
    let order = fields.order;
    let decides = |bytes| {
        let name = Fields::read(bytes, order, 2)?.text(1)?;
        Ok(!matches!(name.as_str(), "counter" | "last"))
    };
    if let Some(bytes) = fields.get(element::EXPR) {
        return decides(bytes);
    }
    for attribute in Attributes::new(fields.get(element::EXPRESSIONS).unwrap_or_default(), order) {
        if decides(attribute?.1)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Reads the elements of a set for keys of these parts.
pub(super) struct Reading<'a> {
    pub(super) parts: &'a [Part],
    pub(super) data: Data,
    pub(super) order: Order,
    pub(super) links: Links<'a>,
}

impl Reading<'_> {
    /// The set as the syntax tree has it. What is not understood is in it as an element that may be
    /// anything.
    pub(super) fn set(&self, declared: &Declared<'_>) -> Set {
        let elements = self.elements(declared).unwrap_or_else(|odd| {
            let key = Expr::Other(odd.to_string(), super::super::ast::Doubtful::History);
            vec![Element { key, data: None, expires: true }]
        });
        Set {
            elements,
            dynamic: declared.flags & flags::EVAL != 0,
            timeout: declared.flags & flags::TIMEOUT != 0,
            anonymous: declared.is_anonymous(),
        }
    }

    fn elements(&self, declared: &Declared<'_>) -> Result<Vec<Element>, Odd> {
        if let Some(odd) = declared.odd {
            return Err(odd);
        }
        // An element takes some 40 bytes.
        let bytes = declared.elements.iter().map(|bytes| bytes.len()).sum::<usize>();
        let mut list = Vec::with_capacity(bytes / 40);
        for bytes in &declared.elements {
            for attribute in Attributes::new(bytes, self.order) {
                list.push(raw(attribute?.1, self.order)?);
            }
        }
        let pairs = declared.flags & flags::INTERVAL != 0
            && list.iter().all(|element| element.key_end.is_none());
        if pairs {
            return self.intervals(list);
        }
        // A hash has no order of its own.
        list.sort_by_key(|found| found.key);
        let mut elements = Vec::with_capacity(list.len());
        for found in list.iter().filter(|found| !found.is_end) {
            elements.extend(self.element(found, found.key, found.key_end.or(found.key))?);
        }
        Ok(elements)
    }

    /// Intervals as two elements each, of which the second is the first that is outside
    /// (nft_set_rbtree.c). The kernel lists them in any order.
    fn intervals(&self, mut list: Vec<Raw<'_>>) -> Result<Vec<Element>, Odd> {
        list.sort_by_key(|found| (found.key, !found.is_end));
        let mut elements = Vec::with_capacity(list.len() / 2 + 1);
        let mut rest = list.iter().peekable();
        while let Some(found) = rest.next() {
            let Some(key) = found.key.filter(|_| !found.is_end) else {
                if !found.is_end {
                    elements.extend(self.element(found, None, None)?);
                }
                continue;
            };
            let last = match rest.peek().and_then(|next| next.key) {
                Some(next) => before(next),
                None => vec![0xff; key.len()],
            };
            elements.extend(self.element(found, Some(key), Some(&last))?);
        }
        Ok(elements)
    }

    /// None for an element that matches nothing.
    fn element(
        &self,
        found: &Raw<'_>,
        lo: Option<&[u8]>,
        hi: Option<&[u8]>,
    ) -> Result<Option<Element>, Odd> {
        let key = match (lo, hi) {
            (Some(lo), Some(hi)) => match self.key(lo, hi) {
                Some(key) => key,
                None => return Ok(None),
            },
            _ => Expr::Any,
        };
        Ok(Some(Element { key, data: self.data(found)?, expires: found.doubtful }))
    }

    fn key(&self, lo: &[u8], hi: &[u8]) -> Option<Expr> {
        let mut list = Vec::with_capacity(self.parts.len());
        let mut at = 0;
        for part in self.parts {
            let end = at + part.length;
            let (Some(first), Some(last)) = (lo.get(at..end), hi.get(at..end)) else {
                return Some(opaque(lo));
            };
            match part.span(first, last, self.order, self.links) {
                Value::Known(expr) => list.push(expr),
                Value::Never => return None,
            }
            at = end.next_multiple_of(4);
        }
        if list.len() == 1 { list.pop() } else { Some(Expr::Concat(list)) }
    }

    fn data(&self, found: &Raw<'_>) -> Result<Option<Expr>, Odd> {
        let Some(inner) = found.data else { return Ok(None) };
        let fields = Fields::read(inner, self.order, 2)?;
        Ok(Some(match self.data {
            Data::None => return Ok(None),
            Data::Verdict => Expr::Verdict(verdict::read(&fields)?.unwrap_or(Verdict::Continue)),
            Data::Target { family, address, port } => {
                let bytes = fields.need(1)?;
                target(bytes, family, address, port)
            }
        }))
    }
}

/// The number before, as bytes of the same length. Nothing is before zero.
fn before(bytes: &[u8]) -> Vec<u8> {
    let mut own = bytes.to_vec();
    for byte in own.iter_mut().rev() {
        let (less, borrow) = byte.overflowing_sub(1);
        *byte = less;
        if !borrow {
            break;
        }
    }
    own
}

/// The address and port that the data of a map hold.
fn target(
    bytes: &[u8],
    family: Family,
    address: Option<(usize, usize)>,
    port: Option<(usize, usize)>,
) -> Expr {
    let number =
        |at: usize, length: usize| Order::Big.number(bytes.get(at..at.checked_add(length)?)?);
    let width = usize::from(family.width() / 8);
    let read = || {
        let address = match address {
            Some((lo, hi)) => Some(Expr::Address(family, number(lo, width)?, number(hi, width)?)),
            None => None,
        };
        let port = match port {
            Some((lo, hi)) => Some(Expr::Span(number(lo, 2)?, number(hi, 2)?)),
            None => None,
        };
        match (address, port) {
            (Some(address), Some(port)) => Some(Expr::Concat(vec![address, port])),
            (Some(only), None) | (None, Some(only)) => Some(only),
            (None, None) => None,
        }
    };
    read().unwrap_or_else(|| opaque(bytes))
}
