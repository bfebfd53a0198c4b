//! Writing a query.

use super::{NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, align};

/// A message to the kernel: a header, a structure of the family, attributes.
#[derive(Clone, Debug)]
pub struct Query {
    bytes: Vec<u8>,
}

impl Query {
    /// Asks for a whole table. `kind` is the family's message type, `body` its structure.
    pub fn dump(kind: u16, body: &[u8]) -> Self {
        Self::new(kind, NLM_F_REQUEST | NLM_F_DUMP, body)
    }

    /// Asks for one thing; the answer ends with an acknowledgement.
    pub fn get(kind: u16, body: &[u8]) -> Self {
        Self::new(kind, NLM_F_REQUEST | NLM_F_ACK, body)
    }

    fn new(kind: u16, flags: u16, body: &[u8]) -> Self {
        let mut bytes = vec![0; 4];
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&flags.to_ne_bytes());
        // nlmsg_seq, filled when it is sent, and nlmsg_pid, which the kernel does not read.
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(body);
        Self { bytes }
    }

    /// Adds an attribute. `value` longer than 65,531 bytes does not fit and is cut to that.
    #[must_use]
    pub fn with(mut self, kind: u16, value: &[u8]) -> Self {
        self.pad();
        let room = usize::from(u16::MAX) - 4;
        let value = value.get(..room).unwrap_or(value);
        let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        self
    }

    /// The bytes to send, with this sequence number.
    pub(super) fn numbered(&mut self, sequence: u32) -> &[u8] {
        self.pad();
        let length = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        for (at, value) in [(0, length), (8, sequence)] {
            if let Some(field) = self.bytes.get_mut(at..at + 4) {
                field.copy_from_slice(&value.to_ne_bytes());
            }
        }
        &self.bytes
    }

    fn pad(&mut self) {
        self.bytes.resize(align(self.bytes.len()), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Attribute, Attributes, Messages};
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let mut query = Query::dump(20, &[1, 2, 3, 4]).with(3, &[9]).with(5, b"name\0");
        let bytes = query.numbered(7);
        let message = Messages::new(bytes).next().unwrap().unwrap();
        assert_eq!((message.kind, message.flags, message.sequence), (20, 0x301, 7));
        let attributes: Vec<_> = Attributes::new(&message.body[4..]).map(Result::unwrap).collect();
        assert_eq!(attributes[0], Attribute { kind: 3, value: &[9] });
        assert_eq!(attributes[1].text(), "name");
        assert_eq!(attributes.len(), 2);
    }
}
