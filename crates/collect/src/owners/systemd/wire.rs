//! D-Bus messages as bytes: the few calls that are made, and any reply.
//!
//! The format is that of the D-Bus Specification 0.43, "Type System" and "Message Protocol". Calls
//! are written in little-endian order; replies are read in the order that they name, since a bus
//! passes on what the sender wrote.

mod value;

use value::Reader;
pub(super) use value::Value;

/// The longest message that is read, in bytes. The specification allows 128 MiB; systemd's longest
/// answer to us has about half a kilobyte per unit.
const MESSAGE_LIMIT: usize = 16 << 20;

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
mod tests;
