//! Values in D-Bus messages ("Marshaling (Wire Format)"): any type, in either byte order.

use super::{MESSAGE_LIMIT, WireError};

/// How deep containers may nest: 32 arrays and 32 structures, by the specification.
const DEPTH_LIMIT: u8 = 64;

/// A value of any type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Value {
    /// An integer or a truth value; of the signed and the floating-point types only the bits.
    Number(u64),
    /// A string, an object path or a signature.
    Text(String),
    /// An array, a structure, or an entry of a dictionary.
    List(Vec<Value>),
    /// A value that carries its type.
    Variant(Box<Value>),
}

impl Value {
    /// The text.
    pub(in super::super) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The number.
    pub(in super::super) fn number(&self) -> Option<u64> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }

    /// The items.
    pub(in super::super) fn list(&self) -> Option<&[Value]> {
        if let Self::List(items) = self { Some(items) } else { None }
    }

    /// The value in a variant, or the value itself.
    pub(in super::super) fn inner(&self) -> &Value {
        if let Self::Variant(inner) = self { inner } else { self }
    }
}

/// Reads values one after the other. Boundaries count from the start of the message; the body begins
/// on a multiple of 8.
pub(super) struct Reader<'a> {
    /// The whole message.
    pub(super) bytes: &'a [u8],
    /// The place of the next value.
    pub(super) at: usize,
    /// The order of the bytes of numbers.
    pub(super) big_endian: bool,
}

impl Reader<'_> {
    /// Moves to a multiple of `to`.
    pub(super) fn align(&mut self, to: usize) -> Result<(), WireError> {
        self.at = self.at.next_multiple_of(to);
        if self.at > self.bytes.len() { Err(WireError::Truncated) } else { Ok(()) }
    }

    fn take(&mut self, length: usize) -> Result<&[u8], WireError> {
        let end = self.at.checked_add(length).ok_or(WireError::Truncated)?;
        let taken = self.bytes.get(self.at..end).ok_or(WireError::Truncated)?;
        self.at = end;
        Ok(taken)
    }

    /// An integer of `width` bytes, on a multiple of its width.
    pub(super) fn number(&mut self, width: usize) -> Result<u64, WireError> {
        self.align(width)?;
        let big_endian = self.big_endian;
        let fold = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
        let bytes = self.take(width)?;
        Ok(if big_endian { bytes.iter().fold(0, fold) } else { bytes.iter().rev().fold(0, fold) })
    }

    /// A length, which no message can exceed.
    pub(super) fn length(&mut self) -> Result<usize, WireError> {
        let length = usize::try_from(self.number(4)?).map_err(|_| WireError::TooLarge)?;
        if length > MESSAGE_LIMIT { Err(WireError::TooLarge) } else { Ok(length) }
    }

    /// A text of a length that was read, with the zero byte after it. D-Bus has UTF-8 only; a bus
    /// checks it, a peer need not.
    fn text(&mut self, length: usize) -> Result<Value, WireError> {
        let text = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.take(1)?;
        Ok(Value::Text(text))
    }

    /// One value of the first type of `signature`, which is moved past it.
    pub(super) fn value(&mut self, signature: &mut &[u8], depth: u8) -> Result<Value, WireError> {
        if depth > DEPTH_LIMIT {
            return Err(WireError::Malformed);
        }
        let (code, rest) = signature.split_first().ok_or(WireError::Malformed)?;
        *signature = rest;
        match code {
            b'y' => self.number(1).map(Value::Number),
            b'n' | b'q' => self.number(2).map(Value::Number),
            b'b' | b'i' | b'u' | b'h' => self.number(4).map(Value::Number),
            b'x' | b't' | b'd' => self.number(8).map(Value::Number),
            b's' | b'o' => {
                let length = self.length()?;
                self.text(length)
            }
            b'g' => {
                let length = usize::try_from(self.number(1)?).unwrap_or_default();
                self.text(length)
            }
            b'v' => {
                let length = usize::try_from(self.number(1)?).unwrap_or_default();
                let Value::Text(inner) = self.text(length)? else {
                    return Err(WireError::Malformed);
                };
                let mut inner = inner.as_bytes();
                let value = self.value(&mut inner, depth + 1)?;
                if inner.is_empty() {
                    Ok(Value::Variant(Box::new(value)))
                } else {
                    Err(WireError::Malformed)
                }
            }
            b'a' => self.array(signature, depth + 1),
            b'(' | b'{' => {
                let close = if *code == b'(' { b')' } else { b'}' };
                self.align(8)?;
                let mut items = Vec::new();
                while signature.first() != Some(&close) {
                    items.push(self.value(signature, depth + 1)?);
                }
                *signature = signature.get(1..).unwrap_or_default();
                // An empty structure would have no bytes, and an array of them no end.
                if items.is_empty() { Err(WireError::Malformed) } else { Ok(Value::List(items)) }
            }
            _ => Err(WireError::Malformed),
        }
    }

    /// An array whose elements are of the first type of `signature`.
    fn array(&mut self, signature: &mut &[u8], depth: u8) -> Result<Value, WireError> {
        let length = self.length()?;
        let element = *signature;
        skip_type(signature, depth)?;
        // The padding to the first element is there also if there is none, and is not counted.
        self.align(match element.first() {
            Some(b'x' | b't' | b'd' | b'(' | b'{') => 8,
            Some(b'b' | b'i' | b'u' | b'h' | b's' | b'o' | b'a') => 4,
            Some(b'n' | b'q') => 2,
            _ => 1,
        })?;
        let end = self.at + length;
        let mut items = Vec::new();
        while self.at < end {
            items.push(self.value(&mut { element }, depth)?);
        }
        if self.at == end { Ok(Value::List(items)) } else { Err(WireError::Malformed) }
    }
}

/// Moves a signature past its first type.
fn skip_type(signature: &mut &[u8], depth: u8) -> Result<(), WireError> {
    if depth > DEPTH_LIMIT {
        return Err(WireError::Malformed);
    }
    let (code, rest) = signature.split_first().ok_or(WireError::Malformed)?;
    *signature = rest;
    match code {
        b'a' => skip_type(signature, depth + 1),
        b'(' | b'{' => {
            let close = if *code == b'(' { b')' } else { b'}' };
            while signature.first() != Some(&close) {
                skip_type(signature, depth + 1)?;
            }
            *signature = signature.get(1..).unwrap_or_default();
            Ok(())
        }
        b'y' | b'n' | b'q' | b'b' | b'i' | b'u' | b'h' | b'x' | b't' | b'd' | b's' | b'o'
        | b'g' | b'v' => Ok(()),
        _ => Err(WireError::Malformed),
    }
}
