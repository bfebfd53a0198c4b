//! The rows of an SQLite database: records of typed values.

/// A value of a row. Floating-point numbers are not told from nulls: no table that is read here has
/// any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Value {
    /// Null, or a floating-point number.
    Null,
    /// A whole number.
    Integer(i64),
    /// Text in UTF-8, or a blob.
    Bytes(Vec<u8>),
}

impl Value {
    /// The number.
    pub(in super::super) fn integer(&self) -> Option<i64> {
        if let Self::Integer(number) = self { Some(*number) } else { None }
    }

    /// The bytes.
    pub(in super::super) fn bytes(&self) -> Option<&[u8]> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }
}

/// Reads a variable-length integer and moves past it: up to nine bytes, seven bits in each of the
/// first eight, the most significant first.
pub(super) fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for at in 0..9 {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        if at == 8 {
            return Some(value << 8 | u64::from(*byte));
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    Some(value)
}

/// Reads a record ("Record Format"): the length of its header, a serial type for each column, then
/// the columns' bytes.
pub(super) fn record(bytes: &[u8]) -> Option<Vec<Value>> {
    let mut head = bytes;
    let length = usize::try_from(varint(&mut head)?).ok()?;
    let taken = bytes.len() - head.len();
    let mut types = head.get(..length.checked_sub(taken)?)?;
    let mut body = bytes.get(length..)?;
    let mut values = Vec::new();
    while !types.is_empty() {
        values.push(value(varint(&mut types)?, &mut body)?);
    }
    Some(values)
}

/// Reads the value of a serial type and moves past it.
fn value(kind: u64, body: &mut &[u8]) -> Option<Value> {
    let mut take = |length: usize| {
        let (taken, rest) = body.split_at_checked(length)?;
        *body = rest;
        Some(taken)
    };
    let width = match kind {
        0 => return Some(Value::Null),
        1..=4 => usize::try_from(kind).ok()?,
        5 => 6,
        6 => 8,
        7 => return take(8).map(|_| Value::Null),
        8 => return Some(Value::Integer(0)),
        9 => return Some(Value::Integer(1)),
        10 | 11 => return None,
        _ => {
            let length = usize::try_from((kind - 12) / 2).ok()?;
            return take(length).map(|bytes| Value::Bytes(bytes.to_vec()));
        }
    };
    let bytes = take(width)?;
    // Two's complement: the first byte carries the sign.
    let start = if bytes.first().is_some_and(|byte| byte & 0x80 != 0) { -1 } else { 0 };
    Some(Value::Integer(bytes.iter().fold(start, |value: i64, byte| value << 8 | i64::from(*byte))))
}
