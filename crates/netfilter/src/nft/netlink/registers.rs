//! The registers of a rule, and what each of them holds at a moment.
//!
//! There are 16 of four bytes, which can also be named as four of 16 bytes (nf_tables.h, `enum
//! nft_registers`; nf_tables_api.c, nft_parse_register). Register 0 is the verdict.

use super::super::ast::{Doubtful, Expr};
use super::headers::Load;
use super::part::Part;

/// `NFT_REG_VERDICT`.
pub(super) const VERDICT: u32 = 0;

/// How the bytes in a register tell a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Form {
    /// A number, the most significant byte first.
    Big,
    /// A number in the order of the host.
    Host,
    /// The name of an interface, 16 bytes with zeroes at the end.
    Name,
    /// The index of an interface, in the order of the host.
    Index,
    /// The index of an interface, the most significant byte first.
    IndexBig,
    /// A protocol of the network layer by its number on Ethernet (linux/if_ether.h), big endian.
    EtherType,
    /// A protocol of the network layer by its NFPROTO_* (linux/netfilter.h), one byte.
    NfProto,
    /// Bytes that nothing is known of.
    Opaque,
}

/// Where the bytes in a register come from.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Source {
    /// The rule itself.
    Constant(Vec<u8>),
    /// The packet.
    Header(Load),
    /// What an expression reads.
    Read(Expr),
    /// The data of the element that was found: the key, the map, and how the key is read.
    Mapped(Expr, String, Vec<Part>),
}

/// What some bytes in registers hold: `((source >> right << left) & mask) ^ flip`, as numbers in the
/// order that the form says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Held {
    pub(super) source: Source,
    pub(super) form: Form,
    /// Number of bytes.
    pub(super) length: usize,
    pub(super) mask: Option<u128>,
    pub(super) flip: u128,
    pub(super) left: u32,
    pub(super) right: u32,
}

impl Held {
    pub(super) fn new(source: Source, form: Form, length: usize) -> Self {
        Self { source, form, length, mask: None, flip: 0, left: 0, right: 0 }
    }

    /// Bytes that nothing is known of but what they are called.
    pub(super) fn opaque(name: String, length: usize) -> Self {
        let source = Source::Read(Expr::Other(name, Doubtful::History));
        Self::new(source, Form::Opaque, length)
    }

    /// Whether it was shifted or inverted.
    pub(super) fn is_shifted(&self) -> bool {
        self.flip != 0 || self.left != 0 || self.right != 0
    }

    /// For a comparison with a number: which bits of the source are compared, and with what. None if
    /// the number has bits that can never be there.
    pub(super) fn compared_with(&self, number: u128) -> Option<(u128, u128)> {
        let seen = self.mask.unwrap_or_else(|| self.ones());
        let number = number ^ self.flip;
        let back = |bits: u128| {
            let moved = bits.checked_shr(self.left)?.checked_shl(self.right)?;
            Some(moved & self.ones())
        };
        let (mask, wanted) = (back(seen)?, back(number)?);
        let again = wanted.checked_shr(self.right)?.checked_shl(self.left)?;
        (again == number && wanted & !mask == 0).then_some((mask, wanted))
    }

    /// All bits of it.
    pub(super) fn ones(&self) -> u128 {
        ones(self.length)
    }
}

/// All bits of some bytes.
pub(super) fn ones(bytes: usize) -> u128 {
    u32::try_from(bytes.saturating_mul(8))
        .ok()
        .and_then(|bits| 1_u128.checked_shl(bits))
        .map_or(u128::MAX, |bit| bit - 1)
}

/// The first four-byte register of a number in an attribute.
fn place(register: u32) -> Option<usize> {
    match register {
        1..=4 => usize::try_from((register - 1) * 4).ok(),
        8..=23 => usize::try_from(register - 8).ok(),
        _ => None,
    }
}

/// The registers of a rule: what was written, by the place where it begins.
#[derive(Debug, Default)]
pub(super) struct Registers {
    written: Vec<(usize, Held)>,
}

fn words(bytes: usize) -> usize {
    bytes.div_ceil(4).max(1)
}

impl Registers {
    /// Writes; whatever it overlaps is gone.
    pub(super) fn set(&mut self, register: u32, held: Held) {
        let Some(at) = place(register) else { return };
        let end = at + words(held.length);
        self.written.retain(|(other, old)| *other >= end || other + words(old.length) <= at);
        self.written.push((at, held));
    }

    /// Forgets everything: an expression that is not known may have written anywhere.
    pub(super) fn forget(&mut self) {
        self.written.clear();
    }

    /// What begins at a register.
    pub(super) fn get(&self, register: u32) -> Option<&Held> {
        let at = place(register)?;
        self.written.iter().find(|(other, _)| *other == at).map(|(_, held)| held)
    }

    /// What a register is a part of, and how many bytes after its beginning it is.
    pub(super) fn within(&self, register: u32) -> Option<(&Held, usize)> {
        let at = place(register)?;
        self.written
            .iter()
            .find(|(other, held)| *other <= at && at < other + words(held.length))
            .map(|(other, held)| (held, (at - other) * 4))
    }

    /// The values that lie one after another from a register on, `length` bytes together. Each takes
    /// whole registers, but the last may end within one.
    pub(super) fn run(&self, register: u32, length: usize) -> Option<Vec<&Held>> {
        let mut at = place(register)?;
        let mut left = length;
        let mut list = Vec::new();
        while left > 0 {
            let (_, held) = self.written.iter().find(|(other, _)| *other == at)?;
            let taken = words(held.length) * 4;
            if held.length > left {
                return None;
            }
            list.push(held);
            at += taken / 4;
            left = left.saturating_sub(taken);
        }
        Some(list)
    }
}
