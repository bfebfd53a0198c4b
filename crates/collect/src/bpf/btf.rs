//! A lean reader of BTF, the kernel's description of its own types
//! (`Documentation/bpf/btf.rst`, `include/uapi/linux/btf.h`).
//!
//! It answers two questions, "at which offset is this member of this structure" and "which id has
//! this function", in one pass that stops when all is answered. General libraries build an index of
//! all 130,000 types first, which takes twenty times as long.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Kinds of types (`BTF_KIND_*`).
mod kind {
    pub(super) const INT: u32 = 1;
    pub(super) const ARRAY: u32 = 3;
    pub(super) const STRUCT: u32 = 4;
    pub(super) const UNION: u32 = 5;
    pub(super) const ENUM: u32 = 6;
    pub(super) const FUNC: u32 = 12;
    pub(super) const FUNC_PROTO: u32 = 13;
    pub(super) const VAR: u32 = 14;
    pub(super) const DATASEC: u32 = 15;
    pub(super) const DECL_TAG: u32 = 17;
    pub(super) const ENUM64: u32 = 19;
}

/// `BTF_MAGIC`, in the byte order of the kernel that wrote it: ours.
const MAGIC: u16 = 0xeb9f;

/// `sizeof(struct btf_type)`: name, info, and size or type.
const TYPE_BYTES: usize = 12;

/// `sizeof(struct btf_member)`: name, type, offset.
const MEMBER_BYTES: usize = 12;

/// Every so many types the place of one is noted, to find types by id again.
const STRIDE: u32 = 64;

/// How deep structures without a name may stand in each other. The kernel's own limit is 32.
const MAX_DEPTH: u32 = 32;

/// Why a question to BTF has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BtfError {
    /// It is not BTF, or ends too early.
    #[error("BTF is malformed: {0}")]
    Malformed(&'static str),
    /// There is no such structure.
    #[error("BTF has no structure {0}")]
    NoStruct(&'static str),
    /// The structure has no such member, or it is a bit field.
    #[error("BTF has no member {1} of structure {0} at a whole byte")]
    NoMember(&'static str, &'static str),
    /// There is no such function.
    #[error("BTF has no function {0}")]
    NoFunction(&'static str),
}

/// BTF as its two sections.
#[derive(Clone, Copy)]
pub(super) struct Btf<'a> {
    types: &'a [u8],
    strings: &'a [u8],
}

/// Answers to one search.
pub(super) struct Answers<'a> {
    btf: Btf<'a>,
    /// Ids of the wanted structures, and where they begin in the section of types.
    structs: BTreeMap<&'static str, (u32, usize)>,
    /// Ids of the wanted functions.
    functions: BTreeMap<&'static str, u32>,
    /// Where the types with the ids 1, 1 + STRIDE, 1 + 2 * STRIDE … begin.
    places: Vec<usize>,
}

/// One type: its place and its three words.
#[derive(Clone, Copy)]
struct Type {
    at: usize,
    name: u32,
    info: u32,
}

impl Type {
    fn kind(self) -> u32 {
        self.info >> 24 & 0x1f
    }

    /// The number of members, parameters or values.
    fn len(self) -> usize {
        (self.info & 0xffff) as usize
    }

    /// `kind_flag`: of a structure, that offsets of members carry the size of bit fields too.
    fn flag(self) -> bool {
        self.info >> 31 != 0
    }

    /// Where the next type begins.
    fn end(self) -> usize {
        let more = match self.kind() {
            kind::INT | kind::VAR | kind::DECL_TAG => 4,
            kind::ARRAY => 12,
            kind::STRUCT | kind::UNION | kind::DATASEC | kind::ENUM64 => self.len() * 12,
            kind::ENUM | kind::FUNC_PROTO => self.len() * 8,
            // PTR, FWD, TYPEDEF, VOLATILE, CONST, RESTRICT, FUNC, FLOAT, TYPE_TAG. A kind from the
            // future may have more; what follows it is then misread, never out of bounds, and the
            // kernel checks every offset that a program uses.
            _ => 0,
        };
        self.at + TYPE_BYTES + more
    }
}

impl<'a> Btf<'a> {
    /// Reads the header.
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, BtfError> {
        let magic = bytes.first_chunk::<2>().copied().map(u16::from_ne_bytes);
        if magic != Some(MAGIC) {
            return Err(BtfError::Malformed("no BTF magic in our byte order"));
        }
        // struct btf_header: magic, version, flags, hdr_len, type_off, type_len, str_off, str_len.
        let word = |at| word(bytes, at).map(|word| word as usize);
        let section = |off, len| {
            let start = word(4)?.checked_add(word(off)?)?;
            bytes.get(start..start.checked_add(word(len)?)?)
        };
        match (section(8, 12), section(16, 20)) {
            (Some(types), Some(strings)) => Ok(Self { types, strings }),
            _ => Err(BtfError::Malformed("a section is out of bounds")),
        }
    }

    /// Looks for structures and functions by name. What is not found shows when it is asked for.
    pub(super) fn search(
        self,
        structs: &[&'static str],
        functions: &[&'static str],
    ) -> Answers<'a> {
        let mut answers = Answers {
            btf: self,
            structs: BTreeMap::new(),
            functions: BTreeMap::new(),
            places: Vec::new(),
        };
        let structs = Names::new(structs);
        let functions = Names::new(functions);
        let mut missing = structs.names.len() + functions.names.len();
        let mut at = 0;
        let mut id = 1;
        while missing > 0
            && let Some(found) = self.type_at(at)
        {
            if id % STRIDE == 1 {
                answers.places.push(at);
            }
            // Of several with one name the first counts.
            match found.kind() {
                kind::STRUCT => {
                    if let Some(name) = structs.find(self.strings, found.name)
                        && let Entry::Vacant(entry) = answers.structs.entry(name)
                    {
                        entry.insert((id, at));
                        missing -= 1;
                    }
                }
                kind::FUNC => {
                    if let Some(name) = functions.find(self.strings, found.name)
                        && let Entry::Vacant(entry) = answers.functions.entry(name)
                    {
                        entry.insert(id);
                        missing -= 1;
                    }
                }
                _ => {}
            }
            at = found.end();
            id += 1;
        }
        answers
    }

    /// The type that begins at this place.
    fn type_at(self, at: usize) -> Option<Type> {
        let words = self.types.get(at..at.checked_add(8)?)?;
        Some(Type { at, name: word(words, 0)?, info: word(words, 4)? })
    }
}

impl Answers<'_> {
    /// The id of a function.
    pub(super) fn function(&self, name: &'static str) -> Result<u32, BtfError> {
        self.functions.get(name).copied().ok_or(BtfError::NoFunction(name))
    }

    /// The id of a structure.
    pub(super) fn structure(&self, name: &'static str) -> Result<u32, BtfError> {
        self.structs.get(name).map(|(id, _)| *id).ok_or(BtfError::NoStruct(name))
    }

    /// The offset of a member in bytes, also inside of structures and unions without a name.
    pub(super) fn offset(
        &self,
        structure: &'static str,
        member: &'static str,
    ) -> Result<i16, BtfError> {
        let &(_, at) = self.structs.get(structure).ok_or(BtfError::NoStruct(structure))?;
        let bits = self.btf.type_at(at).and_then(|found| self.member(found, member, MAX_DEPTH));
        bits.filter(|bits| bits % 8 == 0)
            .and_then(|bits| i16::try_from(bits / 8).ok())
            .ok_or(BtfError::NoMember(structure, member))
    }

    /// The offset of a member in bits.
    fn member(&self, structure: Type, wanted: &str, depth: u32) -> Option<u32> {
        let start = structure.at + TYPE_BYTES;
        let end = start.checked_add(structure.len().checked_mul(MEMBER_BYTES)?)?;
        let members = self.btf.types.get(start..end)?;
        for member in members.chunks_exact(MEMBER_BYTES) {
            let (name, id, offset) = (word(member, 0)?, word(member, 4)?, word(member, 8)?);
            let (offset, bits) =
                if structure.flag() { (offset & 0x00ff_ffff, offset >> 24) } else { (offset, 0) };
            if name == 0 {
                if let Some(depth) = depth.checked_sub(1)
                    && let Some(inner) = self.by_id(id)
                    && matches!(inner.kind(), kind::STRUCT | kind::UNION)
                    && let Some(inner) = self.member(inner, wanted, depth)
                {
                    return offset.checked_add(inner);
                }
            } else if is_string(self.btf.strings, name, wanted) {
                return (bits == 0).then_some(offset);
            }
        }
        None
    }

    /// The type with this id, if the search went past it or near to it.
    fn by_id(&self, id: u32) -> Option<Type> {
        let index = id.checked_sub(1)?;
        let place = usize::try_from(index / STRIDE).ok()?;
        let mut found = self.btf.type_at(*self.places.get(place)?)?;
        for _ in 0..index % STRIDE {
            found = self.btf.type_at(found.end())?;
        }
        Some(found)
    }
}

/// Names to look for. Nearly all of 70,000 questions are answered by the first two letters.
struct Names<'n> {
    names: &'n [&'static str],
    /// The first two bytes of each name, sorted.
    starts: Vec<[u8; 2]>,
}

impl<'n> Names<'n> {
    fn new(names: &'n [&'static str]) -> Self {
        let starts =
            names.iter().filter_map(|name| name.as_bytes().first_chunk()).copied().collect();
        Self { names, starts }
    }

    /// Which of the names stands at this place of the strings.
    fn find(&self, strings: &[u8], at: u32) -> Option<&'static str> {
        let start = strings.get(at as usize..)?.first_chunk::<2>()?;
        if !self.starts.contains(start) {
            return None;
        }
        self.names.iter().copied().find(|name| is_string(strings, at, name))
    }
}

/// Whether the string at this place is this one.
fn is_string(strings: &[u8], at: u32, expect: &str) -> bool {
    strings
        .get(at as usize..)
        .and_then(|rest| rest.strip_prefix(expect.as_bytes()))
        .is_some_and(|rest| rest.first() == Some(&0))
}

/// A 32-bit word in our byte order.
fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk::<4>()?;
    Some(u32::from_ne_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// BTF in the making.
    #[derive(Default)]
    struct Blob {
        types: Vec<u8>,
        strings: Vec<u8>,
    }

    impl Blob {
        fn string(&mut self, text: &str) -> u32 {
            if self.strings.is_empty() {
                self.strings.push(0);
            }
            if text.is_empty() {
                return 0;
            }
            let at = u32::try_from(self.strings.len()).unwrap();
            self.strings.extend(text.bytes().chain([0]));
            at
        }

        fn words(&mut self, words: &[u32]) {
            self.types.extend(words.iter().flat_map(|word| word.to_ne_bytes()));
        }

        /// A type with what follows it.
        fn other(&mut self, kind: u32, name: &str, more: &[u32], len: u32) -> &mut Self {
            let name = self.string(name);
            self.words(&[name, kind << 24 | len, 0]);
            self.words(more);
            self
        }

        /// A structure or union with members `(name, type, offset)`.
        fn composite(
            &mut self,
            kind: u32,
            flag: bool,
            name: &str,
            members: &[(&str, u32, u32)],
        ) -> &mut Self {
            let name = self.string(name);
            let len = u32::try_from(members.len()).unwrap();
            self.words(&[name, u32::from(flag) << 31 | kind << 24 | len, 0]);
            for (name, id, offset) in members {
                let name = self.string(name);
                self.words(&[name, *id, *offset]);
            }
            self
        }

        fn bytes(&self) -> Vec<u8> {
            let len = |section: &[u8]| u32::try_from(section.len()).unwrap();
            let mut bytes = MAGIC.to_ne_bytes().to_vec();
            bytes.extend([1, 0]);
            for word in [24, 0, len(&self.types), len(&self.types), len(&self.strings)] {
                bytes.extend(word.to_ne_bytes());
            }
            bytes.extend(&self.types);
            bytes.extend(&self.strings);
            bytes
        }
    }

    /// One of everything, so that a wrong length of any kind loses what comes behind it.
    fn blob() -> Vec<u8> {
        let mut blob = Blob::default();
        blob.other(kind::INT, "int", &[32], 0)
            .other(2, "", &[], 0)
            .other(kind::ARRAY, "", &[1, 1, 4], 0)
            .composite(kind::UNION, true, "", &[("in_union", 1, 0), ("", 5, 32)])
            .composite(kind::STRUCT, true, "", &[("deep", 1, 16), ("bits", 1, 3 << 24 | 8)])
            .other(kind::ENUM, "e", &[0, 0, 0, 1], 2)
            .other(7, "fwd", &[], 0)
            .other(8, "typedef", &[], 0)
            .other(kind::FUNC_PROTO, "", &[0, 1], 1)
            .other(kind::VAR, "v", &[0], 0)
            .other(kind::DATASEC, "d", &[1, 2, 3, 4, 5, 6], 2)
            .other(16, "float", &[], 0)
            .other(kind::DECL_TAG, "t", &[0], 0)
            .other(kind::ENUM64, "e64", &[0, 1, 2], 1)
            .other(kind::FUNC, "wanted", &[], 0)
            .composite(
                kind::STRUCT,
                true,
                "outer",
                &[("first", 1, 0), ("", 4, 64), ("flags", 1, 1 << 24 | 128), ("last", 1, 192)],
            )
            .composite(kind::STRUCT, false, "outer", &[("first", 1, 800)])
            .composite(kind::STRUCT, false, "old", &[("far", 1, 0x0100_0000), ("odd", 1, 7)])
            .composite(kind::STRUCT, false, "outermost", &[("first", 1, 8)]);
        blob.bytes()
    }

    const STRUCTS: &[&str] = &["outer", "old", "absent"];
    const FUNCTIONS: &[&str] = &["wanted", "outer"];

    /// Checks the offset of a member in bytes; none for an error.
    fn check(structure: &'static str, member: &'static str, expect: Option<i16>) {
        let bytes = blob();
        let found = Btf::new(&bytes).unwrap().search(STRUCTS, FUNCTIONS);
        assert_eq!(found.offset(structure, member).ok(), expect, "{structure}.{member}");
    }

    #[test]
    fn members() {
        check("outer", "first", Some(0));
        check("outer", "in_union", Some(8));
        check("outer", "deep", Some(14));
        check("outer", "bits", None);
        check("outer", "flags", None);
        check("outer", "last", Some(24));
        check("outer", "none", None);
        check("old", "odd", None);
        // More bytes than a load can reach.
        check("old", "far", None);
        check("absent", "first", None);
    }

    #[test]
    fn ids() {
        let bytes = blob();
        let found = Btf::new(&bytes).unwrap().search(STRUCTS, FUNCTIONS);
        assert_eq!(found.function("wanted"), Ok(15));
        assert_eq!(found.structure("outer"), Ok(16));
        assert_eq!(found.function("outer"), Err(BtfError::NoFunction("outer")));
        assert_eq!(found.structure("absent"), Err(BtfError::NoStruct("absent")));
    }

    #[test]
    fn a_union_that_holds_itself_ends() {
        let mut blob = Blob::default();
        blob.composite(kind::STRUCT, true, "outer", &[("", 2, 0)]).composite(
            kind::UNION,
            true,
            "",
            &[("", 2, 0)],
        );
        let bytes = blob.bytes();
        let found = Btf::new(&bytes).unwrap().search(&["outer"], &["absent"]);
        assert_eq!(found.offset("outer", "x"), Err(BtfError::NoMember("outer", "x")));
    }

    #[test]
    fn the_running_kernel_has_what_bpftool_shows() {
        let bytes = std::fs::read("/sys/kernel/btf/vmlinux").unwrap();
        let layout = crate::bpf::layout::Layout::of(Btf::new(&bytes).unwrap()).unwrap();
        // Fixed by include/net/sock.h: two pairs of addresses and ports come first.
        assert_eq!((layout.sock_family, layout.sock_state), (16, 18));
        assert_eq!(layout.task_tgid - layout.task_pid, 4);
    }

    proptest! {
        #[test]
        fn hostile_bytes_do_not_panic(at in 0_usize..900, bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut blob = blob();
            for (to, from) in blob.iter_mut().skip(at).zip(&bytes) {
                *to = *from;
            }
            crate::bpf::fuzz_btf(&blob);
            crate::bpf::fuzz_btf(&bytes);
        }
    }
}
