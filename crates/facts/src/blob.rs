//! Bytes that are kept as they came; base64 (RFC 4648, section 4) in JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::{Serialize, Serializer};

/// Bytes as the kernel gave them.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Blob(pub Vec<u8>);

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        STANDARD.decode(text.as_bytes()).map(Self).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_and_other_text_is_refused() {
        for bytes in [&b""[..], b"\0", b"\xff\xfe\xfd", b"four"] {
            let blob = Blob(bytes.to_vec());
            let text = serde_json::to_string(&blob).unwrap();
            assert_eq!(serde_json::from_str::<Blob>(&text).unwrap(), blob);
        }
        serde_json::from_str::<Blob>("\"not base64\"").unwrap_err();
        serde_json::from_str::<Blob>("[1, 2]").unwrap_err();
    }
}
