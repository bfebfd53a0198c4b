//! The fields of a C structure, one after the other.

use crate::ir::Family;

/// Walks over a structure whose size is known. Numbers are in the byte order of the machine unless
/// a name says otherwise. The layout is that of a 64-bit kernel; another one has other sizes, and
/// is refused for that.
#[derive(Debug, Clone)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// A structure of `size` bytes. The kernel pads it to eight (`XT_ALIGN`), with bytes that it
    /// never reads itself. None if the size is another.
    pub(super) fn new(bytes: &'a [u8], size: usize) -> Option<Self> {
        let padded = size.next_multiple_of(8);
        (size..=padded).contains(&bytes.len()).then_some(Self { bytes, at: 0 })
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let found = self.bytes.get(self.at..)?.first_chunk::<N>()?;
        self.skip(N);
        Some(*found)
    }

    /// Goes on at this offset.
    pub(super) fn seek(&mut self, at: usize) {
        self.at = at;
    }

    /// Goes past so many bytes.
    pub(super) fn skip(&mut self, size: usize) {
        self.at = self.at.saturating_add(size);
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.take::<1>().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_ne_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_ne_bytes)
    }

    pub(super) fn i32(&mut self) -> Option<i32> {
        self.take().map(i32::from_ne_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_ne_bytes)
    }

    /// In network byte order.
    pub(super) fn be16(&mut self) -> Option<u16> {
        self.take().map(u16::from_be_bytes)
    }

    /// In network byte order.
    pub(super) fn be32(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    /// An Ethernet address.
    pub(super) fn mac(&mut self) -> Option<[u8; 6]> {
        self.take()
    }

    /// An address of this family in a `union nf_inet_addr` (linux/netfilter.h), 16 bytes.
    pub(super) fn address(&mut self, family: Family) -> Option<u128> {
        let bytes = self.take::<16>()?;
        let [a, b, c, d, ..] = bytes;
        Some(match family {
            Family::Ipv4 => u32::from_be_bytes([a, b, c, d]).into(),
            Family::Ipv6 => u128::from_be_bytes(bytes),
        })
    }

    /// A C string in an array of this many bytes. None if it is not closed, or is not UTF-8: what
    /// the tools would print of it is not certain then.
    pub(super) fn text(&mut self, size: usize) -> Option<&'a str> {
        let array = self.bytes.get(self.at..self.at.checked_add(size)?)?;
        self.skip(size);
        let end = array.iter().position(|byte| *byte == 0)?;
        std::str::from_utf8(array.get(..end)?).ok()
    }

    /// So many bytes as they are.
    pub(super) fn slice(&mut self, size: usize) -> Option<&'a [u8]> {
        let found = self.bytes.get(self.at..self.at.checked_add(size)?)?;
        self.skip(size);
        Some(found)
    }
}
