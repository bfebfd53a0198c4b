//! Messages and attributes of nfnetlink in saved bytes, which may be anything.
//!
//! Headers are in the byte order of the host that was read (linux/netlink.h); what nf_tables puts
//! into attributes is big endian, unless it is the content of a register.

use std::fmt;

/// The byte order of the host that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

impl Order {
    /// Told by the first message: its length has its zeroes last or first.
    pub(super) fn of(bytes: &[u8]) -> Self {
        match bytes.first_chunk::<4>() {
            Some(head) if u32::from_be_bytes(*head) < u32::from_le_bytes(*head) => Self::Big,
            _ => Self::Little,
        }
    }

    fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }

    fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }

    /// Up to 16 bytes as a number of this order; none for more.
    pub(super) fn number(self, bytes: &[u8]) -> Option<u128> {
        let fold = |all: u128, byte: &u8| all << 8 | u128::from(*byte);
        (bytes.len() <= 16).then(|| match self {
            Self::Little => bytes.iter().rev().fold(0, fold),
            Self::Big => bytes.iter().fold(0, fold),
        })
    }
}

/// Why something could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Odd {
    /// A length that does not fit into what it is in.
    Torn,
    /// An attribute that this version does not know.
    Attribute(u16),
    /// An attribute that is missing, or has another size than it must have.
    Value(u16),
}

impl fmt::Display for Odd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Torn => f.write_str("its bytes are torn"),
            Self::Attribute(kind) => write!(f, "attribute {kind} is not known"),
            Self::Value(kind) => write!(f, "attribute {kind} has no such value"),
        }
    }
}

/// Everything is padded to four bytes (NLMSG_ALIGNTO, NLA_ALIGNTO).
fn padded(length: usize) -> usize {
    length.saturating_add(3) & !3
}

/// One message: the family of its `struct nfgenmsg`, and its attributes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message<'a> {
    pub(super) family: u8,
    pub(super) attributes: &'a [u8],
}

/// The messages of a dump. Ends after the first error.
pub(super) struct Messages<'a> {
    bytes: &'a [u8],
    order: Order,
}

impl<'a> Messages<'a> {
    pub(super) fn new(bytes: &'a [u8], order: Order) -> Self {
        Self { bytes, order }
    }

    /// The bytes of the messages that were not read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    /// `struct nlmsghdr` has 16 bytes, of which the first four are the length, and `struct nfgenmsg`
    /// has four.
    fn read(&mut self) -> Option<Message<'a>> {
        let length = self.order.u32(*self.bytes.first_chunk::<4>()?);
        let length = usize::try_from(length).ok()?;
        let body = self.bytes.get(16..length)?;
        let (head, attributes) = body.split_first_chunk::<4>()?;
        self.bytes = self.bytes.get(padded(length)..).unwrap_or_default();
        Some(Message { family: head[0], attributes })
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, Odd>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.bytes.is_empty() {
            return None;
        }
        let message = self.read();
        if message.is_none() {
            self.bytes = &[];
        }
        Some(message.ok_or(Odd::Torn))
    }
}

/// The attributes in some bytes: number and payload. Ends after the first error.
pub(super) struct Attributes<'a> {
    bytes: &'a [u8],
    order: Order,
}

impl<'a> Attributes<'a> {
    pub(super) fn new(bytes: &'a [u8], order: Order) -> Self {
        Self { bytes, order }
    }

    /// `struct nlattr`: length and type, whose two highest bits are flags.
    fn read(&mut self) -> Option<(u16, &'a [u8])> {
        let [l0, l1, k0, k1] = *self.bytes.first_chunk::<4>()?;
        let length = usize::from(self.order.u16([l0, l1]));
        let value = self.bytes.get(4..length)?;
        self.bytes = self.bytes.get(padded(length)..).unwrap_or_default();
        Some((self.order.u16([k0, k1]) & 0x3fff, value))
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<(u16, &'a [u8]), Odd>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.bytes.is_empty() {
            return None;
        }
        let attribute = self.read();
        if attribute.is_none() {
            self.bytes = &[];
        }
        Some(attribute.ok_or(Odd::Torn))
    }
}

/// One more than the largest number of an attribute of nf_tables.
const MOST: usize = 24;

/// The attributes of one object, by number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a> {
    list: [Option<&'a [u8]>; MOST],
    pub(super) order: Order,
}

impl<'a> Fields<'a> {
    /// Reads them; `last` is the highest number that is known.
    pub(super) fn read(bytes: &'a [u8], order: Order, last: u16) -> Result<Self, Odd> {
        let mut own = Self { list: [None; MOST], order };
        for attribute in Attributes::new(bytes, order) {
            let (kind, value) = attribute?;
            let place = own.list.get_mut(usize::from(kind)).filter(|_| kind <= last);
            *place.ok_or(Odd::Attribute(kind))? = Some(value);
        }
        Ok(own)
    }

    /// The payload of an attribute, if it is there.
    pub(super) fn get(&self, kind: u16) -> Option<&'a [u8]> {
        self.list.get(usize::from(kind)).copied().flatten()
    }

    pub(super) fn need(&self, kind: u16) -> Result<&'a [u8], Odd> {
        self.get(kind).ok_or(Odd::Value(kind))
    }

    fn fixed<const N: usize>(&self, kind: u16) -> Result<Option<[u8; N]>, Odd> {
        match self.get(kind) {
            None => Ok(None),
            Some(value) => value.try_into().map(Some).map_err(|_| Odd::Value(kind)),
        }
    }

    /// A number of one byte.
    pub(super) fn u8(&self, kind: u16) -> Result<Option<u8>, Odd> {
        Ok(self.fixed::<1>(kind)?.map(|[byte]| byte))
    }

    /// A number of two bytes, big endian.
    pub(super) fn u16(&self, kind: u16) -> Result<Option<u16>, Odd> {
        Ok(self.fixed(kind)?.map(u16::from_be_bytes))
    }

    /// A number of four bytes, big endian.
    pub(super) fn u32(&self, kind: u16) -> Result<Option<u32>, Odd> {
        Ok(self.fixed(kind)?.map(u32::from_be_bytes))
    }

    /// A number of four bytes that must be there.
    pub(super) fn number(&self, kind: u16) -> Result<u32, Odd> {
        self.u32(kind)?.ok_or(Odd::Value(kind))
    }

    /// A number of eight bytes, big endian.
    pub(super) fn u64(&self, kind: u16) -> Result<Option<u64>, Odd> {
        Ok(self.fixed(kind)?.map(u64::from_be_bytes))
    }

    /// A string up to its NUL; what is not UTF-8 is replaced.
    pub(super) fn text(&self, kind: u16) -> Result<String, Odd> {
        self.need(kind).map(text)
    }

    /// The attributes inside one that must be there.
    pub(super) fn nested(&self, kind: u16, last: u16) -> Result<Self, Odd> {
        Self::read(self.need(kind)?, self.order, last)
    }
}

/// A string up to its NUL; what is not UTF-8 is replaced.
pub(super) fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}
