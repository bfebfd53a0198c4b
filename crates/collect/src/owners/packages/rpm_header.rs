//! A package's header in rpm's database: who it is and which files it has.
//!
//! Two big-endian numbers (of index entries, and of data bytes), the entries (tag, type, offset,
//! count, 32 bits each), then the data (rpm `lib/header.c`; tags from `lib/rpmtag.h`).

use super::Owner;

const RPMTAG_NAME: u32 = 1000;
const RPMTAG_VERSION: u32 = 1001;
const RPMTAG_RELEASE: u32 = 1002;
const RPMTAG_EPOCH: u32 = 1003;
const RPMTAG_FILESTATES: u32 = 1029;
const RPMTAG_DIRINDEXES: u32 = 1116;
const RPMTAG_BASENAMES: u32 = 1117;
const RPMTAG_DIRNAMES: u32 = 1118;

const RPM_CHAR_TYPE: u32 = 1;
const RPM_INT32_TYPE: u32 = 4;
const RPM_STRING_TYPE: u32 = 6;
const RPM_STRING_ARRAY_TYPE: u32 = 8;

/// The file is what the package brought (`rpmfileState_e` in `lib/rpmfiles.h`).
const RPMFILE_STATE_NORMAL: u8 = 0;
/// Its architecture's colour is not the preferred one, and yet it is there.
const RPMFILE_STATE_WRONGCOLOR: u8 = 4;

/// A header.
pub(super) struct Header<'a> {
    index: &'a [[u8; 16]],
    data: &'a [u8],
}

/// An entry of the index.
struct Entry<'a> {
    kind: u32,
    count: usize,
    /// The data from its start to the end of all data.
    data: &'a [u8],
}

impl<'a> Header<'a> {
    /// Reads a header; none if its lengths are not those of the bytes.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let entries = usize::try_from(be32(bytes, 0)?).ok()?;
        let length = usize::try_from(be32(bytes, 4)?).ok()?;
        let (index, data) = bytes.get(8..)?.split_at_checked(entries.checked_mul(16)?)?;
        Some(Self { index: index.as_chunks().0, data: data.get(..length)? })
    }

    /// The package.
    pub(super) fn owner(&self) -> Option<Owner> {
        let text = |tag| Some(String::from_utf8_lossy(self.string(tag, 0)?).into_owned());
        let mut version = text(RPMTAG_VERSION).unwrap_or_default();
        if let Some(release) = text(RPMTAG_RELEASE) {
            version = format!("{version}-{release}");
        }
        if let Some(epoch) = self.number(RPMTAG_EPOCH, 0) {
            version = format!("{epoch}:{version}");
        }
        Some(Owner { name: text(RPMTAG_NAME)?, version })
    }

    /// The path of a file by its place in the list, as its folder with a slash at the end, and its
    /// name. None for a file that is listed and yet not this package's on this host: replaced by
    /// another package's, or not installed.
    pub(super) fn file(&self, at: usize) -> Option<[&'a [u8]; 2]> {
        let states = self.entry(RPMTAG_FILESTATES).filter(|entry| entry.kind == RPM_CHAR_TYPE);
        let state = states.and_then(|entry| entry.data.get(at).copied());
        if !matches!(state, None | Some(RPMFILE_STATE_NORMAL | RPMFILE_STATE_WRONGCOLOR)) {
            return None;
        }
        let folder = usize::try_from(self.number(RPMTAG_DIRINDEXES, at)?).ok()?;
        Some([self.string(RPMTAG_DIRNAMES, folder)?, self.string(RPMTAG_BASENAMES, at)?])
    }

    /// The first entry of a tag.
    fn entry(&self, tag: u32) -> Option<Entry<'a>> {
        let bytes = self.index.iter().find(|entry| be32(*entry, 0) == Some(tag))?;
        Some(Entry {
            kind: be32(bytes, 4)?,
            count: usize::try_from(be32(bytes, 12)?).ok()?,
            data: self.data.get(usize::try_from(be32(bytes, 8)?).ok()?..)?,
        })
    }

    /// One string of a tag, which end in zero bytes.
    fn string(&self, tag: u32, at: usize) -> Option<&'a [u8]> {
        let entry = self.entry(tag)?;
        let is_strings = matches!(entry.kind, RPM_STRING_TYPE | RPM_STRING_ARRAY_TYPE);
        if !is_strings || at >= entry.count {
            return None;
        }
        let mut rest = entry.data;
        for _ in 0..at {
            rest = rest.get(memchr::memchr(0, rest)? + 1..)?;
        }
        rest.get(..memchr::memchr(0, rest)?)
    }

    /// One number of a tag.
    fn number(&self, tag: u32, at: usize) -> Option<u32> {
        let entry = self.entry(tag)?;
        if entry.kind != RPM_INT32_TYPE || at >= entry.count {
            return None;
        }
        be32(entry.data, at.checked_mul(4)?)
    }
}

/// A big-endian number of 32 bits.
fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A header with these entries: tag, type, count, data.
    fn header(entries: &[(u32, u32, u32, &[u8])]) -> Vec<u8> {
        let (mut index, mut data) = (Vec::new(), Vec::new());
        for (tag, kind, count, bytes) in entries {
            let offset = u32::try_from(data.len()).unwrap();
            for number in [*tag, *kind, offset, *count] {
                index.extend_from_slice(&number.to_be_bytes());
            }
            data.extend_from_slice(bytes);
        }
        let lengths = [entries.len(), data.len()].map(|n| u32::try_from(n).unwrap().to_be_bytes());
        [lengths.concat(), index, data].concat()
    }

    #[test]
    fn a_package_and_its_files() {
        let states: &[u8] = &[0, 1, 4];
        let entries: [(u32, u32, u32, &[u8]); 8] = [
            (RPMTAG_NAME, 6, 1, b"nginx\0"),
            (RPMTAG_VERSION, 6, 1, b"1.24\0"),
            (RPMTAG_RELEASE, 6, 1, b"1.fc39\0"),
            (RPMTAG_EPOCH, 4, 1, &[0, 0, 0, 2]),
            (RPMTAG_FILESTATES, 1, 3, states),
            (RPMTAG_DIRINDEXES, 4, 3, &[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1]),
            (RPMTAG_BASENAMES, 8, 3, b"a\0b\0c\0"),
            (RPMTAG_DIRNAMES, 8, 2, b"/usr/bin/\0/usr/sbin/\0"),
        ];
        let bytes = header(&entries);
        let read = Header::parse(&bytes).unwrap();
        let owner = read.owner().unwrap();
        assert_eq!((owner.name.as_str(), owner.version.as_str()), ("nginx", "2:1.24-1.fc39"));
        let file = |at| read.file(at).map(|parts| String::from_utf8(parts.concat()).unwrap());
        // The second was replaced by another package's.
        assert_eq!(
            [0, 1, 2, 3, usize::MAX].map(file),
            [Some("/usr/bin/a".into()), None, Some("/usr/sbin/c".into()), None, None]
        );
        assert!(Header::parse(&bytes[..bytes.len() - 1]).is_none());
        assert!(Header::parse(b"\xff\xff\xff\xff\xff\xff\xff\xff").is_none());
        assert!(Header::parse(&header(&entries[1..])).unwrap().owner().is_none());
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            super::super::fuzz_rpm(&bytes);
        }

        #[test]
        fn any_entries(
            entries in proptest::collection::vec(
                (prop_oneof![1000..1004_u32, 1116..1119_u32, Just(1029)], 0..10_u32, any::<u32>(),
                 proptest::collection::vec(any::<u8>(), 0..9)), 0..9),
        ) {
            let entries: Vec<_> = entries.iter().map(|(t, k, c, d)| (*t, *k, *c, d.as_slice())).collect();
            super::super::fuzz_rpm(&header(&entries));
        }
    }
}
