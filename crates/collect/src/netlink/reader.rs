//! Reading the fields of a fixed structure, one after another.

use super::Malformed;

/// Walks over the bytes of a C structure of the kernel. Reads past the end are a
/// [`Malformed::Short`] with the structure's name.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    structure: &'static str,
    bytes: &'a [u8],
    length: usize,
}

impl<'a> Reader<'a> {
    /// Begins at the first byte of `bytes`; `structure` is for the error.
    pub fn new(structure: &'static str, bytes: &'a [u8]) -> Self {
        Self { structure, bytes, length: bytes.len() }
    }

    /// The next `N` bytes as they are.
    #[inline]
    pub fn take<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let Some((head, rest)) = self.bytes.split_first_chunk::<N>() else {
            return Err(Malformed::Short {
                structure: self.structure,
                offset: self.length - self.bytes.len(),
                length: self.length,
            });
        };
        self.bytes = rest;
        Ok(*head)
    }

    /// The next byte.
    #[inline]
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        self.take::<1>().map(|[byte]| byte)
    }

    /// The next 2 bytes, host byte order.
    #[inline]
    pub fn u16(&mut self) -> Result<u16, Malformed> {
        self.take().map(u16::from_ne_bytes)
    }

    /// The next 2 bytes, network byte order.
    #[inline]
    pub fn be16(&mut self) -> Result<u16, Malformed> {
        self.take().map(u16::from_be_bytes)
    }

    /// The next 4 bytes, host byte order.
    #[inline]
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        self.take().map(u32::from_ne_bytes)
    }

    /// The next 8 bytes, host byte order.
    #[inline]
    pub fn u64(&mut self) -> Result<u64, Malformed> {
        self.take().map(u64::from_ne_bytes)
    }

    /// What was not read yet.
    #[inline]
    pub fn rest(self) -> &'a [u8] {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_then_the_end() {
        let mut reader = Reader::new("thing", &[7, 0, 80, 9, 9]);
        assert_eq!(reader.u8(), Ok(7));
        assert_eq!(reader.be16(), Ok(80));
        let error = reader.u32().unwrap_err();
        assert_eq!(error.to_string(), "thing: 5 bytes, it ends within the field at byte 3");
        assert_eq!(reader.rest(), [9, 9]);
    }
}
