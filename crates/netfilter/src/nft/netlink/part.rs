//! Values as they lie in registers, in comparisons and in elements of sets.

use facts::Link;

use super::super::ast::{Doubtful, Expr};
use super::attribute::Order;
use super::headers::Slice;
use super::registers::{Form, ones};
use crate::ir::Pattern;

/// The interfaces that there are; none if they are not known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Links<'a>(pub(super) &'a [Link]);

/// An interface by its index.
enum Named {
    /// It has this name.
    Name(String),
    /// No interface has this index: nothing comes from it.
    Nobody,
    /// We do not know the interfaces.
    Unknown,
}

impl Links<'_> {
    fn name(self, index: u128) -> Named {
        if index == 0 {
            // What a packet without an interface is compared with (nft_meta.c, nft_meta_get_eval).
            return Named::Name(String::new());
        }
        if self.0.is_empty() {
            return Named::Unknown;
        }
        match self.0.iter().find(|link| u128::from(link.index.0) == index) {
            Some(link) => Named::Name(link.name.clone()),
            None => Named::Nobody,
        }
    }
}

/// What values of a key mean: how their bytes are to be read, and which bits of the field they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Part {
    pub(super) form: Form,
    /// Number of bytes.
    pub(super) length: usize,
    /// Bits to the right of the value.
    pub(super) shift: u32,
}

impl Part {
    pub(super) fn new(form: Form, length: usize) -> Self {
        Self { form, length, shift: 0 }
    }

    /// The bytes of a field, and bits to the right of it that are always zero.
    pub(super) fn of_slice(slice: &Slice, length: usize) -> Option<Self> {
        let shift = slice.shift_right()?;
        Some(Self { form: Form::Big, length, shift })
    }

    /// The value that bytes hold; none if no value of the key can have them.
    pub(super) fn value(self, bytes: &[u8], order: Order, links: Links<'_>) -> Value {
        let Some(raw) = Order::Big.number(bytes).filter(|_| bytes.len() == self.length) else {
            return Value::Known(opaque(bytes));
        };
        let number = match self.form {
            Form::Host | Form::Index => order.number(bytes).unwrap_or(raw),
            _ => raw,
        };
        match self.form {
            Form::Big | Form::Host => {
                let cut = number & ones_of(self.shift);
                if cut != 0 {
                    return Value::Never;
                }
                Value::Known(Expr::Number(number >> self.shift.min(127)))
            }
            Form::Name => match name(bytes) {
                Some(pattern) => Value::Known(Expr::Interface(pattern)),
                None => Value::Known(opaque(bytes)),
            },
            Form::Index | Form::IndexBig => match links.name(number) {
                Named::Name(name) => Value::Known(Expr::Interface(Pattern::Exact(name))),
                Named::Nobody => Value::Never,
                Named::Unknown => Value::Known(opaque(bytes)),
            },
            Form::EtherType => Value::Known(Expr::Word(match number {
                0x0800 => "ip".to_owned(),
                0x86dd => "ip6".to_owned(),
                0x0806 => "arp".to_owned(),
                0x8100 => "8021q".to_owned(),
                0x88a8 => "8021ad".to_owned(),
                other => format!("{other:#06x}"),
            })),
            Form::NfProto => Value::Known(Expr::Word(match number {
                2 => "ipv4".to_owned(),
                10 => "ipv6".to_owned(),
                3 => "arp".to_owned(),
                7 => "bridge".to_owned(),
                other => format!("{other}"),
            })),
            Form::Opaque => Value::Known(opaque(bytes)),
        }
    }

    /// The values from one to another, both as bytes in the order in which the kernel compares them.
    pub(super) fn span(self, lo: &[u8], hi: &[u8], order: Order, links: Links<'_>) -> Value {
        if lo == hi {
            return self.value(lo, order, links);
        }
        let number = |bytes: &[u8]| Order::Big.number(bytes).filter(|_| bytes.len() == self.length);
        let (Some(first), Some(last)) = (number(lo), number(hi)) else {
            return Value::Known(opaque(lo));
        };
        match self.form {
            Form::Big => {
                let below = ones_of(self.shift);
                let shift = self.shift.min(127);
                // A bound within the bits that are always zero rounds to the next value inside.
                let first = (first >> shift) + u128::from(first & below != 0);
                Value::Known(Expr::Span(first, last >> shift))
            }
            Form::Host if self.length == 1 => Value::Known(Expr::Span(first, last)),
            Form::Name => match begins(lo, hi) {
                Some(pattern) => Value::Known(Expr::Interface(pattern)),
                None => Value::Known(opaque(lo)),
            },
            _ if first == 0 && last == ones(self.length) => Value::Known(Expr::Any),
            _ => Value::Known(opaque(lo)),
        }
    }
}

fn ones_of(bits: u32) -> u128 {
    1_u128.checked_shl(bits).map_or(u128::MAX, |bit| bit - 1)
}

/// What bytes are for a key.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Known(Expr),
    /// Nothing has this value.
    Never,
}

/// Bytes as a number in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::from("0x");
    for byte in bytes {
        let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or('0');
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
    }
    text
}

/// Bytes that are not understood.
pub(super) fn opaque(bytes: &[u8]) -> Expr {
    Expr::Other(hex(bytes), Doubtful::Packet)
}

/// A whole name: up to its first zero, and nothing but zeroes after it. Bytes that are not UTF-8 are
/// not understood: replacing them could make two names the same.
pub(super) fn name(bytes: &[u8]) -> Option<Pattern> {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let (name, rest) = bytes.split_at_checked(end)?;
    if rest.iter().any(|byte| *byte != 0) {
        return None;
    }
    Some(Pattern::Exact(String::from_utf8(name.to_vec()).ok()?))
}

/// The names that begin so: the bytes from `eth\0\0...` to `eth\xff\xff...`.
fn begins(lo: &[u8], hi: &[u8]) -> Option<Pattern> {
    let end = lo.iter().zip(hi).position(|(a, b)| a != b)?;
    let (prefix, zeroes) = lo.split_at_checked(end)?;
    let ones = hi.get(end..)?;
    let is_prefix = zeroes.iter().all(|byte| *byte == 0) && ones.iter().all(|byte| *byte == 0xff);
    let prefix = String::from_utf8(prefix.to_vec()).ok().filter(|_| is_prefix)?;
    (!prefix.contains('\0')).then_some(Pattern::Begins(prefix))
}
