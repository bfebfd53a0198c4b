//! The address filter of systemd: what `IPAddressAllow=` and `IPAddressDeny=` became.
//!
//! systemd builds a program for each direction (src/core/bpf-firewall.c, `bpf_firewall_compile_bpf`).
//! It keeps in register 8 whether an address was allowed (1) or denied (2): for each list it looks
//! the peer's address up in a map of prefixes and sets the bit if it is there; for the word `any` it
//! sets the bit without looking. At the end the packet is dropped if register 8 is 2: denied, and not
//! allowed. The lists are in the maps, but `any` is only in the program, so its instructions are read.

use facts::{AddressFilter, Prefix};

/// The names of the programs (systemd 249 and later).
const NAMES: [&str; 2] = ["sd_fw_ingress", "sd_fw_egress"];

/// A map of prefixes (`enum bpf_map_type`).
pub(super) const BPF_MAP_TYPE_LPM_TRIE: u32 = 11;

/// `ACCESS_ALLOWED` of systemd.
const ALLOWED: u64 = 1;
/// `ACCESS_DENIED` of systemd.
const DENIED: u64 = 2;

// Instructions (`Documentation/bpf/standardization/instruction-set.rst`).
/// A 64-bit constant, in two instructions.
const LD_IMM64: u8 = 0x18;
/// In the source register of it: the constant is a map.
const BPF_PSEUDO_MAP_FD: u8 = 1;
/// `wN |= K`.
const OR32_K: u8 = 0x44;
/// `rN |= K`.
const OR64_K: u8 = 0x47;
/// `if rN == K goto`.
const JEQ_K: u8 = 0x15;
/// `if rN != K goto`.
const JNE_K: u8 = 0x55;
/// `rN = K`.
const MOV64_K: u8 = 0xb7;

/// Whether a program is called as the filter is.
pub(super) fn is_name(name: &str) -> bool {
    NAMES.contains(&name)
}

/// Something that the program asks of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lookup {
    /// The map that it looks in; none: every address is meant.
    map: Option<u32>,
    /// The bit that it sets.
    verdict: u64,
}

/// One instruction.
#[derive(Clone, Copy, Debug)]
struct Instruction {
    code: u8,
    destination: u8,
    source: u8,
    offset: i16,
    constant: i32,
}

impl Instruction {
    fn read(bytes: &[u8]) -> Option<Self> {
        let &[code, registers, o0, o1, c0, c1, c2, c3] = bytes.first_chunk::<8>()?;
        // The registers share a byte, whose halves lie as the byte order has it.
        let (low, high) = (registers & 0xf, registers >> 4);
        let little = cfg!(target_endian = "little");
        Some(Self {
            code,
            destination: if little { low } else { high },
            source: if little { high } else { low },
            offset: i16::from_ne_bytes([o0, o1]),
            constant: i32::from_ne_bytes([c0, c1, c2, c3]),
        })
    }

    fn is(self, code: u8, destination: u8, constant: i32) -> bool {
        self.code == code && self.destination == destination && self.constant == constant
    }
}

/// What a program asks, in its order; none if it is not built as systemd builds its filter.
pub(super) fn lookups(program: &[u8]) -> Option<Vec<Lookup>> {
    let mut lookups = Vec::new();
    let mut map = None;
    let mut before: [Option<Instruction>; 2] = [None; 2];
    let mut decides = false;
    for bytes in program.chunks(8) {
        let now = Instruction::read(bytes)?;
        match now.code {
            LD_IMM64 if now.source == BPF_PSEUDO_MAP_FD => {
                map = Some(now.constant.cast_unsigned());
            }
            OR32_K | OR64_K if now.destination == 8 => {
                let verdict = u64::try_from(now.constant).ok()?;
                if !matches!(verdict, ALLOWED | DENIED) || decides {
                    return None;
                }
                let [last, _] = before;
                let found = last.is_some_and(|i| i.is(JEQ_K, 0, 0) && i.offset == 1);
                let lookup = if found { map.take().map(Some)? } else { None };
                lookups.push(Lookup { map: lookup, verdict });
            }
            // r0 = 1; if r8 != ACCESS_DENIED skip; r0 = 0
            MOV64_K if now.is(MOV64_K, 0, 0) => {
                let [last, second] = before;
                decides |= last.is_some_and(|i| i.is(JNE_K, 8, 2) && i.offset == 1)
                    && second.is_some_and(|i| i.is(MOV64_K, 0, 1));
            }
            _ => {}
        }
        let [last, _] = before;
        before = [Some(now), last];
    }
    decides.then_some(lookups)
}

impl Lookup {
    /// Adds what it says to a filter. `entries` reads a map; none if it cannot, or if an entry is
    /// not what systemd writes.
    pub(super) fn add_to(
        self,
        filter: &mut AddressFilter,
        entries: impl FnOnce(u32) -> Option<Vec<(Prefix, u64)>>,
    ) -> Option<()> {
        let list = if self.verdict == ALLOWED { &mut filter.allow } else { &mut filter.deny };
        let Some(map) = self.map else {
            list.extend(EVERYTHING);
            return Some(());
        };
        for (prefix, verdict) in entries(map)? {
            // The program does not look at the value: being there is enough.
            if verdict != self.verdict {
                return None;
            }
            list.push(prefix);
        }
        Some(())
    }
}

/// Every address of both families.
const EVERYTHING: [Prefix; 2] = [
    Prefix { address: std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), len: 0 },
    Prefix { address: std::net::IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED), len: 0 },
];

/// An entry of a map: `struct bpf_lpm_trie_key` with an address of 4 or 16 bytes, and a verdict.
pub(super) fn entry(key: &[u8], value: &[u8]) -> Option<(Prefix, u64)> {
    let (len, address) = key.split_first_chunk::<4>()?;
    let len = u8::try_from(u32::from_ne_bytes(*len)).ok()?;
    let address = match address.len() {
        4 if len <= 32 => std::net::Ipv4Addr::from(*address.first_chunk::<4>()?).into(),
        16 if len <= 128 => std::net::Ipv6Addr::from(*address.first_chunk::<16>()?).into(),
        _ => return None,
    };
    let verdict = u64::from_ne_bytes(value.try_into().ok()?);
    Some((Prefix { address, len }, verdict))
}
