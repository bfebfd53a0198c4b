//! Messages and attributes: iterators over bytes that may be anything.

use super::{Malformed, Reader, align};

/// The size of `struct nlmsghdr` in bytes.
const HEADER: usize = 16;
/// The size of `struct nlattr` in bytes.
const ATTRIBUTE_HEADER: usize = 4;
/// `NLA_TYPE_MASK`: without `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER`.
const NLA_TYPE_MASK: u16 = 0x3fff;

/// One message of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// `nlmsg_type`.
    pub kind: u16,
    /// `nlmsg_flags`.
    pub flags: u16,
    /// `nlmsg_seq`: the number of the query it answers.
    pub sequence: u32,
    /// What follows the header: a structure of the family, then attributes.
    pub body: &'a [u8],
    /// All of it, from its header on, without the padding after it.
    pub whole: &'a [u8],
}

/// The messages of a received datagram. Ends after the first error.
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Messages<'a> {
    /// Reads from the first byte of a datagram.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    fn read(&mut self) -> Result<Message<'a>, Malformed> {
        let (offset, left) = (self.offset, self.bytes.len());
        let Some(header) = self.bytes.first_chunk::<HEADER>() else {
            return Err(Malformed::ShortHeader { offset, left });
        };
        let mut fields = Reader::new("nlmsghdr", header);
        let length = usize::try_from(fields.u32()?).unwrap_or(usize::MAX);
        let (kind, flags, sequence) = (fields.u16()?, fields.u16()?, fields.u32()?);
        let (Some(body), Some(whole)) = (self.bytes.get(HEADER..length), self.bytes.get(..length))
        else {
            return Err(Malformed::MessageLength { offset, length, left });
        };
        self.skip(length);
        Ok(Message { kind, flags, sequence, body, whole })
    }

    /// Goes past a message; the padding after the last one may be missing.
    fn skip(&mut self, length: usize) {
        let step = align(length).min(self.bytes.len());
        self.bytes = self.bytes.get(step..).unwrap_or_default();
        self.offset += step;
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, Malformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.bytes.is_empty() {
            return None;
        }
        let item = self.read();
        if item.is_err() {
            self.bytes = &[];
        }
        Some(item)
    }
}

/// One attribute (`struct nlattr`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// `nla_type` without its two flag bits.
    pub kind: u16,
    /// Its payload.
    pub value: &'a [u8],
}

impl<'a> Attribute<'a> {
    /// Its payload as a structure.
    #[inline]
    pub fn fields(&self, structure: &'static str) -> Reader<'a> {
        Reader::new(structure, self.value)
    }

    /// The attributes nested in it.
    #[inline]
    pub fn nested(&self) -> Attributes<'a> {
        Attributes::new(self.value)
    }

    /// Its payload as a string, up to the first NUL; what is not UTF-8 is replaced.
    pub fn text(&self) -> String {
        let text = self.value.split(|&byte| byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(text).into_owned()
    }
}

/// The attributes of a message. Ends after the first error.
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Attributes<'a> {
    /// Reads from the first byte after the family's structure.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    #[inline]
    fn read(&mut self) -> Result<Attribute<'a>, Malformed> {
        let (offset, left) = (self.offset, self.bytes.len());
        let Some(&[l0, l1, k0, k1]) = self.bytes.first_chunk::<ATTRIBUTE_HEADER>() else {
            return Err(Malformed::AttributeLength { offset, length: 0, left });
        };
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let Some(value) = self.bytes.get(ATTRIBUTE_HEADER..length) else {
            return Err(Malformed::AttributeLength { offset, length, left });
        };
        let step = align(length).min(left);
        self.bytes = self.bytes.get(step..).unwrap_or_default();
        self.offset += step;
        Ok(Attribute { kind: u16::from_ne_bytes([k0, k1]) & NLA_TYPE_MASK, value })
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, Malformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.bytes.is_empty() {
            return None;
        }
        let item = self.read();
        if item.is_err() {
            self.bytes = &[];
        }
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A message header with its body.
    fn message(length: u32, body: &[u8]) -> Vec<u8> {
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(20_u16.to_ne_bytes());
        bytes.extend(2_u16.to_ne_bytes());
        bytes.extend(1_u32.to_ne_bytes());
        bytes.extend(0_u32.to_ne_bytes());
        bytes.extend(body);
        bytes
    }

    fn check(bytes: &[u8], expect: &[Result<&[u8], &str>]) {
        let got: Vec<_> = Messages::new(bytes)
            .map(|item| item.map(|m| m.body).map_err(|error| error.to_string()))
            .collect();
        let expect: Vec<_> = expect
            .iter()
            .map(|item| item.map_err(|text| format!("netlink reply, {text}")))
            .collect();
        assert_eq!(got, expect);
    }

    #[test]
    fn whole_messages() {
        check(&[], &[]);
        check(&message(16, &[]), &[Ok(&[])]);
        let two = [message(18, &[1, 2, 0, 0]), message(17, &[3])].concat();
        check(&two, &[Ok(&[1, 2]), Ok(&[3])]);
    }

    #[test]
    fn hostile_messages() {
        check(&[1, 2, 3], &[Err("byte 0: 3 bytes where a message header has 16")]);
        for length in [0, 15] {
            let text = format!("byte 0: message length {length}, of 20 bytes left");
            check(&message(length, &[0; 4]), &[Err(&text)]);
        }
        check(&message(21, &[0; 4]), &[Err("byte 0: message length 21, of 20 bytes left")]);
        check(
            &message(u32::MAX, &[0; 4]),
            &[Err("byte 0: message length 4294967295, of 20 bytes left")],
        );
        let cut = [message(16, &[]), vec![16, 0]].concat();
        check(&cut, &[Ok(&[]), Err("byte 16: 2 bytes where a message header has 16")]);
    }

    fn check_attributes(bytes: &[u8], expect: &[Result<(u16, &[u8]), &str>]) {
        let got: Vec<_> = Attributes::new(bytes)
            .map(|item| item.map(|a| (a.kind, a.value)).map_err(|error| error.to_string()))
            .collect();
        let expect: Vec<_> = expect
            .iter()
            .map(|item| item.map_err(|text| format!("netlink attribute, {text}")))
            .collect();
        assert_eq!(got, expect);
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn attributes() {
        check_attributes(&[], &[]);
        check_attributes(&[5, 0, 1, 0, 9, 0, 0, 0, 4, 0, 2, 0x80], &[Ok((1, &[9])), Ok((2, &[]))]);
        // The padding of the last one may be missing.
        check_attributes(&[5, 0, 1, 0, 9], &[Ok((1, &[9]))]);
        for length in [0, 3] {
            let text = format!("byte 0: length {length}, of 8 bytes left");
            check_attributes(&[length, 0, 1, 0, 0, 0, 0, 0], &[Err(&text)]);
        }
        check_attributes(
            &[4, 0, 1, 0, 9, 0, 2, 0, 0, 0],
            &[Ok((1, &[])), Err("byte 4: length 9, of 6 bytes left")],
        );
        check_attributes(&[4, 0], &[Err("byte 0: length 0, of 2 bytes left")]);
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            // Each step consumes at least a header.
            prop_assert!(Messages::new(&bytes).count() <= bytes.len() / HEADER + 1);
            prop_assert!(Attributes::new(&bytes).count() <= bytes.len() / ATTRIBUTE_HEADER + 1);
        }
    }
}
