//! Entry points for fuzzing: each parses arbitrary bytes as one of the inputs of this room, and
//! must not panic, hang, or use memory out of proportion.

use facts::{Format, Key};

use super::formats;

/// A configuration file, in every format.
pub fn config(bytes: &[u8]) {
    for format in
        [Format::Words, Format::Ini, Format::Samba, Format::Yaml, Format::Json, Format::Braces]
    {
        for (section, key) in [("", "*"), ("a", "b"), ("", "a.b")] {
            let (section, key) = (section.to_owned(), key.to_owned());
            formats::values(bytes, &Key { files: Vec::new(), format, section, key });
        }
    }
    super::mentions::fuzz(bytes);
}

/// fstab(5) and exports(5).
pub fn tables(bytes: &[u8]) {
    super::mounts::fstab(bytes, "");
    super::exports::parse(bytes, "");
}

/// A profile of NetworkManager.
pub fn profile(bytes: &[u8]) {
    super::profiles::parse(bytes, "");
}

/// What the portmapper answers.
pub fn portmapper(bytes: &[u8]) {
    super::portmapper::fuzz(bytes);
}

/// dpkg's status and apt's extended_states.
pub fn package_states(bytes: &[u8]) {
    super::packages::fuzz(bytes);
}
