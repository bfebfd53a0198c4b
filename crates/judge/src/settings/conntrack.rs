//! The table of connection tracking: its size now, by default, and what it costs.
//!
//! Source: kernel `net/netfilter/nf_conntrack_core.c`, `nf_conntrack_init_start`,
//! `nf_ct_alloc_hashtable`; Documentation/networking/nf_conntrack-sysctl.rst.

use facts::{ConfigEntry, ConfigFile, ConfigKind};

use super::kernel::Held;
use super::subject::Subject;

/// The size of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Buckets.
    pub buckets: u64,
    /// Entries at most.
    pub max: u64,
}

/// The size of a pointer to a chain (`struct hlist_head`) on 64 bits.
const HEAD_BYTES: u64 = 8;

/// The usual size of an entry with what the allocator adds: 5.x and 6.x kernels on 64 bits have 256,
/// older ones 320.
const ENTRY_BYTES: u64 = 256;

/// What is known of the table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Tracked connections.
    pub count: Option<u64>,
    /// How many there may be.
    pub max: Option<u64>,
    /// Buckets.
    pub buckets: Option<u64>,
    /// New connections that were dropped because the table was full.
    pub dropped: Option<u64>,
    /// Entries that were removed early to make room.
    pub early_dropped: Option<u64>,
    /// The most memory that entries and buckets can take, in bytes.
    pub memory_bytes: Option<u64>,
    /// Whether the size of an entry is the usual one rather than this kernel's.
    pub memory_is_estimate: bool,
    /// What the size is where nothing is configured.
    pub default: Option<Sizes>,
    /// How many references the module has; none where it is built in or not known.
    pub uses: Option<u32>,
    /// The modules that use it.
    pub used_by: Vec<String>,
    /// Whether it is built into the kernel.
    pub builtin: bool,
}

/// What is known of it; none where the kernel has no connection tracking now.
pub(super) fn table(subject: &Subject<'_>) -> Option<Table> {
    let number = |name: &str| -> Option<u64> {
        let value = subject.value(&format!("net/netfilter/nf_conntrack_{name}"));
        value?.parse().ok()
    };
    let max = number("max");
    let state = subject.state.conntrack.as_ref();
    if max.is_none() && state.is_none() {
        return None;
    }
    let buckets = number("buckets");
    let entry_bytes = state.and_then(|state| state.entry_bytes);
    let memory = max.map(|max| {
        let entries = max.saturating_mul(entry_bytes.unwrap_or(ENTRY_BYTES));
        entries.saturating_add(buckets.unwrap_or(0).saturating_mul(HEAD_BYTES))
    });
    let modules = subject.state.modules.as_deref().unwrap_or_default();
    let module = modules.iter().find(|module| module.name == "nf_conntrack");
    Some(Table {
        count: state.and_then(|state| state.count).or_else(|| number("count")),
        max,
        buckets,
        dropped: state.and_then(|state| state.dropped),
        early_dropped: state.and_then(|state| state.early_dropped),
        memory_bytes: memory,
        memory_is_estimate: entry_bytes.is_none(),
        default: default_max(subject),
        uses: module.and_then(|module| module.uses),
        used_by: module.map(|module| module.used_by.clone()).unwrap_or_default(),
        builtin: super::modules::is_builtin(subject, "nf_conntrack"),
    })
}

/// Where the size of the table is set for when it is made.
pub(super) fn hashsize<'a>(subject: &Subject<'a>) -> Option<(&'a ConfigFile, &'a ConfigEntry)> {
    let mut files: Vec<&ConfigFile> = subject.files(ConfigKind::Modprobe).collect();
    files.sort_by_key(|file| file.path.rsplit('/').next());
    let files = files.into_iter().chain(subject.files(ConfigKind::CommandLine));
    let all = files.flat_map(|file| file.entries.iter().map(move |entry| (file, entry)));
    let set =
        all.filter(|(_, entry)| entry.key == "nf_conntrack.hashsize" && entry.value.is_some());
    set.last()
}

/// The size of the table when the kernel makes it, from its own rule for this version, memory and
/// `hashsize`; none where one of them is not known.
pub(super) fn default_max(subject: &Subject<'_>) -> Option<Sizes> {
    let (major, minor) = version(&subject.snapshot.host.kernel)?;
    let page = subject.state.page_bytes.unwrap_or(4096);
    let given = hashsize(subject).and_then(|(_, entry)| entry.value.as_deref()?.parse().ok());
    let bytes = subject.state.memory_kib?.saturating_mul(1024);
    Some(sizes((major, minor), bytes, page, given))
}

fn sizes(version: (u32, u32), memory_bytes: u64, page_bytes: u64, hashsize: Option<u64>) -> Sizes {
    const GIB: u64 = 1 << 30;
    // What a bucket's chain has at most; 5.15 changed both this and the steps.
    let modern = version >= (5, 15);
    let (factor, wanted) = if let Some(size) = hashsize.filter(|size| *size > 0) {
        (8, size)
    } else {
        let (big, medium, least) =
            if modern { (262_144, 65_536, 1024) } else { (65_536, 16_384, 32) };
        // 4.0 made the step at 4 GiB.
        let has_big = version >= (4, 0);
        let wanted = if has_big && memory_bytes > 4 * GIB {
            big
        } else if memory_bytes > GIB {
            medium
        } else {
            (memory_bytes / 16384 / HEAD_BYTES).max(least)
        };
        (if modern { 1 } else { 4 }, wanted)
    };
    // Whole pages of buckets.
    let buckets = wanted.next_multiple_of((page_bytes / HEAD_BYTES).max(1));
    Sizes { buckets, max: buckets.saturating_mul(factor) }
}

/// A default as a value of the kernel's own.
pub(super) fn held(sizes: Option<&Sizes>, of: impl Fn(&Sizes) -> u64) -> Held {
    match sizes {
        Some(sizes) => Held::known(of(sizes).to_string()),
        None => Held::unsure("its default follows from the memory and kernel, which are not known"),
    }
}

/// The first two numbers of a kernel's release.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_own_rule() {
        const MIB: u64 = 1 << 20;
        let check = |version, mib: u64, hashsize, buckets, max| {
            let found = sizes(version, mib * MIB, 4096, hashsize);
            assert_eq!((found.buckets, found.max), (buckets, max), "{version:?} {mib}");
        };
        check((6, 18), 24_000, None, 262_144, 262_144);
        check((6, 1), 2_000, None, 65_536, 65_536);
        check((6, 1), 900, None, 7_680, 7_680);
        check((6, 1), 64, None, 1_024, 1_024);
        check((6, 1), 900, Some(262_144), 262_144, 2_097_152);
        check((6, 1), 900, Some(1000), 1024, 8192);
        check((5, 10), 8_000, None, 65_536, 262_144);
        check((3, 10), 8_000, None, 16_384, 65_536);
        check((2, 6), 512, None, 4_096, 16_384);
    }

    #[test]
    fn versions() {
        assert_eq!(version("2.6.32-754.el6.x86_64"), Some((2, 6)));
        assert_eq!(version("6.18.44-fc"), Some((6, 18)));
        assert_eq!(version("what"), None);
    }
}
