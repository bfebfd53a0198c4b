//! Messages and attributes of ipset (linux/netlink.h, linux/netfilter/ipset/ip_set.h).

/// NLA_TYPE_MASK: without NLA_F_NESTED and NLA_F_NET_BYTEORDER.
const NLA_TYPE_MASK: u16 = 0x3fff;
/// `struct nlmsghdr` and `struct nfgenmsg` after it.
const HEADERS: usize = 20;

const fn align(length: usize) -> usize {
    length.saturating_add(3) & !3
}

/// What is wrong with bytes that are no attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// The attributes of every message of a listing, one iterator for each.
pub(super) fn messages(bytes: &[u8]) -> impl Iterator<Item = Result<Attributes<'_>, Malformed>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let length = rest
            .first_chunk::<4>()
            .and_then(|length| usize::try_from(u32::from_ne_bytes(*length)).ok());
        let body = length.and_then(|length| rest.get(HEADERS..length));
        let next = length.map_or(rest.len(), align).min(rest.len());
        rest = if body.is_some() { rest.get(next..).unwrap_or_default() } else { &[] };
        Some(body.map(|bytes| Attributes { bytes }).ok_or(Malformed))
    })
}

/// One attribute.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attribute<'a> {
    pub(super) kind: u16,
    pub(super) value: &'a [u8],
}

/// Attributes one after the other. Ends after the first that cannot be read.
#[derive(Debug, Clone)]
pub(super) struct Attributes<'a> {
    bytes: &'a [u8],
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.bytes.is_empty() {
            return None;
        }
        let item = self.read();
        if item.is_none() {
            self.bytes = &[];
        }
        Some(item.ok_or(Malformed))
    }
}

impl<'a> Attributes<'a> {
    fn read(&mut self) -> Option<Attribute<'a>> {
        let [l0, l1, k0, k1] = *self.bytes.first_chunk()?;
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let value = self.bytes.get(4..length)?;
        let step = align(length).min(self.bytes.len());
        self.bytes = self.bytes.get(step..)?;
        Some(Attribute { kind: u16::from_ne_bytes([k0, k1]) & NLA_TYPE_MASK, value })
    }
}

impl<'a> Attribute<'a> {
    /// The attributes within.
    pub(super) fn nested(self) -> Attributes<'a> {
        Attributes { bytes: self.value }
    }

    pub(super) fn u8(self) -> Result<u8, Malformed> {
        match *self.value {
            [byte] => Ok(byte),
            _ => Err(Malformed),
        }
    }

    pub(super) fn be16(self) -> Result<u16, Malformed> {
        self.value.try_into().map(u16::from_be_bytes).map_err(|_| Malformed)
    }

    pub(super) fn be32(self) -> Result<u32, Malformed> {
        self.value.try_into().map(u32::from_be_bytes).map_err(|_| Malformed)
    }

    /// A number in network byte order, of any size up to 16 bytes.
    pub(super) fn number(self) -> Result<u128, Malformed> {
        if self.value.len() > 16 {
            return Err(Malformed);
        }
        Ok(self.value.iter().fold(0, |value, byte| value << 8 | u128::from(*byte)))
    }

    /// A string, up to its closing zero. What is not UTF-8 is replaced.
    pub(super) fn text(self) -> String {
        let end = self.value.iter().position(|byte| *byte == 0).unwrap_or(self.value.len());
        String::from_utf8_lossy(self.value.get(..end).unwrap_or_default()).into_owned()
    }
}
