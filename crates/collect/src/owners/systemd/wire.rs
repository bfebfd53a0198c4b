//! D-Bus messages as bytes: the few calls that are made, and any reply.
//!
//! The format is that of the D-Bus Specification 0.43, "Type System" and "Message Protocol". Calls
//! are written in little-endian order; replies are read in the order that they name, since a bus
//! passes on what the sender wrote.

/// The longest message that is read, in bytes. The specification allows 128 MiB; systemd's longest
/// answer to us has about half a kilobyte per unit.
const MESSAGE_LIMIT: usize = 16 << 20;

/// How deep containers may nest: 32 arrays and 32 structures, by the specification.
const DEPTH_LIMIT: u8 = 64;

/// The length of a message's fixed part, in bytes.
pub(super) const HEAD: usize = 16;

/// `METHOD_CALL`.
const METHOD_CALL: u8 = 1;
/// `METHOD_RETURN`.
const METHOD_RETURN: u8 = 2;
/// `ERROR`.
const ERROR: u8 = 3;

/// The flag `NO_AUTO_START`: no service is started to answer.
const NO_AUTO_START: u8 = 0x2;

/// Why bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum WireError {
    /// It ends too early, or a length in it points past its end.
    #[error("a D-Bus message ends too early")]
    Truncated,
    /// It is larger than is read.
    #[error("a D-Bus message is larger than {MESSAGE_LIMIT} bytes")]
    TooLarge,
    /// Its byte order, type codes or nesting are not D-Bus.
    #[error("a D-Bus message is malformed")]
    Malformed,
}

/// An argument of a call.
#[derive(Clone, Copy, Debug)]
pub(super) enum Arg<'a> {
    /// A string.
    Text(&'a str),
    /// An array of strings.
    Texts(&'a [&'a str]),
}

/// A method call.
#[derive(Clone, Debug)]
pub(super) struct Call<'a> {
    /// Whose method; none on a connection without a bus.
    pub(super) destination: Option<&'a str>,
    /// Of which object.
    pub(super) path: &'a str,
    /// Of which interface.
    pub(super) interface: &'a str,
    /// Its name.
    pub(super) member: &'a str,
    /// Its arguments.
    pub(super) args: Vec<Arg<'a>>,
}

impl Call<'_> {
    /// The bytes of the call.
    pub(super) fn write(&self, serial: u32) -> Vec<u8> {
        let mut fields = Writer(Vec::new());
        for (code, kind, text) in [
            (1, "o", Some(self.path)),
            (2, "s", Some(self.interface)),
            (3, "s", Some(self.member)),
            (6, "s", self.destination),
        ] {
            if let Some(text) = text {
                fields.field(code, kind);
                fields.text(text);
            }
        }
        message([b'l', METHOD_CALL, NO_AUTO_START, 1], serial, fields, &self.args)
    }
}

/// The bytes of a message with these fields and this body, to which the field `SIGNATURE` is added.
fn message(start: [u8; 4], serial: u32, mut fields: Writer, args: &[Arg<'_>]) -> Vec<u8> {
    let mut body = Writer(Vec::new());
    let mut signature = String::new();
    for arg in args {
        match arg {
            Arg::Text(text) => {
                signature.push('s');
                body.text(text);
            }
            Arg::Texts(texts) => {
                signature.push_str("as");
                body.texts(texts);
            }
        }
    }
    if !signature.is_empty() {
        fields.field(8, "g");
        fields.signature(&signature);
    }
    let mut message = Writer(start.to_vec());
    message.number(body.0.len());
    message.0.extend_from_slice(&serial.to_le_bytes());
    message.number(fields.0.len());
    message.0.extend_from_slice(&fields.0);
    message.align(8);
    message.0.extend_from_slice(&body.0);
    message.0
}

/// Writes values one after the other, each on its own boundary.
struct Writer(Vec<u8>);

impl Writer {
    fn align(&mut self, to: usize) {
        self.0.resize(self.0.len().next_multiple_of(to), 0);
    }

    /// A length, as `u32`. Nothing that we write comes near its end: names and patterns.
    fn number(&mut self, length: usize) {
        self.align(4);
        self.0.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len());
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(0);
    }

    fn texts(&mut self, texts: &[&str]) {
        self.align(4);
        let start = self.0.len();
        self.number(0);
        for text in texts {
            self.text(text);
        }
        let length = u32::try_from(self.0.len() - start - 4).unwrap_or(u32::MAX);
        if let Some(place) = self.0.get_mut(start..start + 4) {
            place.copy_from_slice(&length.to_le_bytes());
        }
    }

    /// The start of a header field: its code and the type of its value.
    fn field(&mut self, code: u8, kind: &str) {
        self.align(8);
        self.0.push(code);
        self.signature(kind);
    }

    fn signature(&mut self, signature: &str) {
        self.0.push(u8::try_from(signature.len()).unwrap_or(u8::MAX));
        self.0.extend_from_slice(signature.as_bytes());
        self.0.push(0);
    }
}

/// A value of any type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
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
    pub(super) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The number.
    pub(super) fn number(&self) -> Option<u64> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }

    /// The items.
    pub(super) fn list(&self) -> Option<&[Value]> {
        if let Self::List(items) = self { Some(items) } else { None }
    }

    /// The value in a variant, or the value itself.
    pub(super) fn inner(&self) -> &Value {
        if let Self::Variant(inner) = self { inner } else { self }
    }
}

/// A message that was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// An answer.
    Return {
        /// The serial of the call.
        to: u32,
        /// The results.
        body: Vec<Value>,
    },
    /// A refusal.
    Error {
        /// The serial of the call.
        to: u32,
        /// The error's name and its text, if it has one.
        text: String,
    },
    /// A signal or a call: nothing for us.
    Other,
}

/// The length of the whole message that begins with `head`, in bytes; none if `head` is shorter than
/// [`HEAD`].
pub(super) fn length(head: &[u8]) -> Result<Option<usize>, WireError> {
    let Some(head) = head.first_chunk::<HEAD>() else { return Ok(None) };
    let big_endian = byte_order(head)?;
    let mut reader = Reader { bytes: head, at: 4, big_endian };
    let body = reader.length()?;
    reader.at = 12;
    let fields = reader.length()?;
    let length = HEAD + fields.next_multiple_of(8) + body;
    if length > MESSAGE_LIMIT { Err(WireError::TooLarge) } else { Ok(Some(length)) }
}

/// Reads one whole message.
pub(super) fn read(bytes: &[u8]) -> Result<Message, WireError> {
    let big_endian = byte_order(bytes)?;
    let mut reader = Reader { bytes, at: 12, big_endian };
    let fields = reader.value(&mut b"a(yv)".as_slice(), 0)?;
    reader.align(8)?;
    let field = |code: u64| {
        fields.list().unwrap_or_default().iter().find_map(|field| match field.list()? {
            [Value::Number(found), value] if *found == code => Some(value.inner()),
            _ => None,
        })
    };
    let kind = bytes.get(1).copied().ok_or(WireError::Truncated)?;
    if kind != METHOD_RETURN && kind != ERROR {
        return Ok(Message::Other);
    }
    let to = field(5).and_then(Value::number).and_then(|serial| u32::try_from(serial).ok());
    let to = to.ok_or(WireError::Malformed)?;
    let mut signature = field(8).and_then(Value::text).unwrap_or_default().as_bytes();
    let mut body = Vec::new();
    while !signature.is_empty() {
        body.push(reader.value(&mut signature, 0)?);
    }
    if kind == METHOD_RETURN {
        return Ok(Message::Return { to, body });
    }
    let name = field(4).and_then(Value::text).unwrap_or("error");
    let text = match body.first().and_then(Value::text) {
        Some(text) => format!("{name}: {text}"),
        None => name.to_owned(),
    };
    Ok(Message::Error { to, text })
}

/// Whether a message is in big-endian order.
fn byte_order(bytes: &[u8]) -> Result<bool, WireError> {
    match bytes.first() {
        Some(b'l') => Ok(false),
        Some(b'B') => Ok(true),
        Some(_) => Err(WireError::Malformed),
        None => Err(WireError::Truncated),
    }
}

/// Reads values one after the other. Boundaries count from the start of the message; the body begins
/// on a multiple of 8.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    big_endian: bool,
}

impl Reader<'_> {
    fn align(&mut self, to: usize) -> Result<(), WireError> {
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
    fn number(&mut self, width: usize) -> Result<u64, WireError> {
        self.align(width)?;
        let big_endian = self.big_endian;
        let fold = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
        let bytes = self.take(width)?;
        Ok(if big_endian { bytes.iter().fold(0, fold) } else { bytes.iter().rev().fold(0, fold) })
    }

    fn length(&mut self) -> Result<usize, WireError> {
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
    fn value(&mut self, signature: &mut &[u8], depth: u8) -> Result<Value, WireError> {
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

/// The bytes of an answer, for tests.
#[cfg(test)]
pub(super) fn reply(to: u32, args: &[Arg<'_>]) -> Vec<u8> {
    let mut fields = Writer(Vec::new());
    fields.field(5, "u");
    fields.align(4);
    fields.0.extend_from_slice(&to.to_le_bytes());
    message([b'l', METHOD_RETURN, 0, 1], 1, fields, args)
}

/// Parses arbitrary bytes as a message.
pub(in super::super) fn fuzz(bytes: &[u8]) {
    let _ = length(bytes);
    let _ = read(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_bytes_of_a_call() {
        let call = Call {
            destination: None,
            path: "/a",
            interface: "b.c",
            member: "D",
            args: vec![Arg::Text("xy"), Arg::Texts(&["z"])],
        };
        let expect: &[&[u8]] = &[
            b"l\x01\x02\x01\x12\0\0\0\x07\0\0\0\x3f\0\0\0",
            b"\x01\x01o\0\x02\0\0\0/a\0\0\0\0\0\0",
            b"\x02\x01s\0\x03\0\0\0b.c\0\0\0\0\0",
            b"\x03\x01s\0\x01\0\0\0D\0\0\0\0\0\0\0",
            b"\x08\x01g\0\x03sas\0\0\0\0\0\0\0\0",
            b"\x02\0\0\0xy\0\0\x06\0\0\0\x01\0\0\0z\0",
        ];
        let mut expect = expect.concat();
        // The last field ends before its padding.
        let fields = 16 + 16 + 16 + 9;
        expect[12] = fields;
        let body = expect.split_off(expect.len() - 18);
        expect.truncate(16 + usize::from(fields).next_multiple_of(8));
        expect.extend_from_slice(&body);
        assert_eq!(call.write(7), expect);
        assert_eq!(length(&expect), Ok(Some(expect.len())));
    }

    #[test]
    fn values_of_every_type() {
        let check = |signature: &str, bytes: &[u8], expect: &str| {
            let mut reader = Reader { bytes, at: 0, big_endian: false };
            let mut rest = signature.as_bytes();
            let found = reader.value(&mut rest, 0);
            let told = found.map_or_else(|error| error.to_string(), |value| format!("{value:?}"));
            assert_eq!(told, expect, "{signature}");
        };
        check("y", b"\x07", "Number(7)");
        check("q", b"\x07\x01", "Number(263)");
        check("u", b"\x07\0\0", "a D-Bus message ends too early");
        check("t", b"\x01\0\0\0\0\0\0\x80", "Number(9223372036854775809)");
        check("s", b"\x01\0\0\0a\0", "Text(\"a\")");
        check("s", b"\xff\0\0\0a\0", "a D-Bus message ends too early");
        check("s", b"\xff\xff\xff\xffa\0", "a D-Bus message is larger than 16777216 bytes");
        check("g", b"\x02as\0", "Text(\"as\")");
        check("v", b"\x01y\0\x05", "Variant(Number(5))");
        check("v", b"\x02yy\0\x05\x06", "a D-Bus message is malformed");
        check("ay", b"\x02\0\0\0\x05\x06", "List([Number(5), Number(6)])");
        check("a(yy)", b"\x02\0\0\0\0\0\0\0\x05\x06", "List([List([Number(5), Number(6)])])");
        check("at", b"\0\0\0\0\0\0\0\0", "List([])");
        check("a()", b"\x02\0\0\0\0\0\0\0\x05\x06", "a D-Bus message is malformed");
        check("a{sv}", b"\0\0\0\0\0\0\0\0", "List([])");
        check("(y", b"\x01", "a D-Bus message is malformed");
        check("?", b"\x01", "a D-Bus message is malformed");
        check(&"a".repeat(200), &[0; 800], "a D-Bus message is malformed");
        check(&"(".repeat(200), &[0; 800], "a D-Bus message is malformed");
    }

    #[test]
    fn both_byte_orders() {
        let mut reader = Reader { bytes: b"\x01\x02\0\0\0\0\0\x03", at: 0, big_endian: true };
        assert_eq!(reader.number(2), Ok(0x0102));
        assert_eq!(reader.number(4), Ok(3));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(text in ".{0,20}", texts in proptest::collection::vec(".{0,9}", 0..5)) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let call = Call { destination: Some("a.b"), path: "/p", interface: "i.f", member: "M",
                args: vec![Arg::Texts(&texts), Arg::Text(&text)] };
            let bytes = reply(3, &call.args);
            let list = texts.iter().map(|text| Value::Text((*text).to_owned())).collect();
            prop_assert_eq!(length(&bytes), Ok(Some(bytes.len())));
            prop_assert_eq!(
                read(&bytes),
                Ok(Message::Return { to: 3, body: vec![Value::List(list), Value::Text(text.clone())] })
            );
            prop_assert_eq!(read(&call.write(3)), Ok(Message::Other));
        }

        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200), order in "[lB]", kind in 1..4_u8) {
            let _ = length(&bytes);
            let _ = read(&bytes);
            let mut headed = vec![order.as_bytes()[0], kind, 0, 1];
            headed.extend_from_slice(&bytes);
            let _ = length(&headed);
            let _ = read(&headed);
        }

        #[test]
        fn any_bytes_of_any_type(bytes in proptest::collection::vec(0..20_u8, 0..100), signature in "[ybnqiuxtdsogvha(){}]{0,9}") {
            let mut reader = Reader { bytes: &bytes, at: 0, big_endian: false };
            let _ = reader.value(&mut signature.as_bytes(), 0);
        }
    }
}
