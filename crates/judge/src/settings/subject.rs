//! The host whose settings are judged: what was read of it, in the form that the others here need.

use std::collections::{BTreeMap, BTreeSet};

use facts::{
    ConfigEntry, ConfigFile, ConfigKind, Configuration, KernelState, Link, NetNamespace, Snapshot,
};

/// What is known of the host.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    /// Everything.
    pub snapshot: &'a Snapshot,
    /// Its files.
    pub configuration: &'a Configuration,
    /// The state of its kernel.
    pub state: &'a KernelState,
    /// Its network namespace.
    pub namespace: Option<&'a NetNamespace>,
    /// Its settings now; empty where they are not known.
    pub now: &'a BTreeMap<String, String>,
}

static NO_CONFIGURATION: Configuration = Configuration {
    files: Vec::new(),
    enabled: Vec::new(),
    active: None,
    init: facts::Init::Unknown,
    container: None,
    other_host: false,
};
static NO_STATE: KernelState = KernelState {
    conntrack: None,
    modules: None,
    builtin: Vec::new(),
    memory_kib: None,
    processors: None,
    page_bytes: None,
    sources: Vec::new(),
    selinux: None,
    apparmor: None,
    apparmor_profiles: None,
    denial_logs: Vec::new(),
    denials: Vec::new(),
    read_only: Vec::new(),
    arp_table_full: None,
    nd_table_full: None,
};
static NO_SETTINGS: BTreeMap<String, String> = BTreeMap::new();

impl<'a> Subject<'a> {
    /// The host of a snapshot: its own namespace, or where that could not be looked into the one
    /// that whyopen ran in.
    pub(super) fn of(snapshot: &'a Snapshot) -> Self {
        let all = snapshot.namespaces.items();
        let readable = |n: &&NetNamespace| n.settings.value().is_some();
        let host = all.iter().find(|n| n.host).filter(readable);
        let namespace = host.or_else(|| all.iter().find(|n| n.own).filter(readable));
        let namespace = namespace.or_else(|| all.iter().find(|n| n.host));
        Self {
            snapshot,
            configuration: snapshot.configuration.value().unwrap_or(&NO_CONFIGURATION),
            state: snapshot.kernel_state.value().unwrap_or(&NO_STATE),
            namespace,
            now: namespace.and_then(|n| n.settings.value()).unwrap_or(&NO_SETTINGS),
        }
    }

    /// A setting now.
    pub(super) fn value(&self, path: &str) -> Option<&'a str> {
        self.now.get(path).map(String::as_str)
    }

    /// A setting now, as a number.
    pub(super) fn number(&self, path: &str) -> Option<i64> {
        self.value(path)?.parse().ok()
    }

    /// The interfaces.
    pub(super) fn links(&self) -> &'a [Link] {
        self.namespace.map_or(&[], |n| n.links.items())
    }

    /// The interfaces that have settings, by name.
    pub(super) fn link_names(&self) -> BTreeSet<&'a str> {
        let paths = self.now.keys().filter_map(|path| super::key::of_link(path));
        paths.map(|of| of.link).filter(|link| !matches!(*link, "all" | "default")).collect()
    }

    /// The files of a kind.
    pub(super) fn files(&self, kind: ConfigKind) -> impl Iterator<Item = &'a ConfigFile> + use<'a> {
        self.configuration.files.iter().filter(move |file| file.kind == kind)
    }

    /// A file by its path.
    pub(super) fn file(&self, path: &str) -> Option<&'a ConfigFile> {
        self.configuration.files.iter().find(|file| file.path == path)
    }

    /// Whether a unit or init script starts at boot.
    pub(super) fn is_enabled(&self, unit: &str) -> bool {
        let script = unit.trim_end_matches(".service");
        self.configuration.enabled.iter().any(|name| name == unit || name == script)
    }

    /// Whether a unit runs now; none where that is not known.
    pub(super) fn is_active(&self, unit: &str) -> Option<bool> {
        self.configuration.active.as_ref().map(|all| all.iter().any(|name| name == unit))
    }
}

/// The last value of a key in a file, in any section or in this one.
pub(super) fn last<'f>(
    file: &'f ConfigFile,
    section: Option<&str>,
    key: &str,
) -> Option<&'f ConfigEntry> {
    file.entries
        .iter()
        .rev()
        .find(|e| e.key == key && section.is_none_or(|section| e.section == section))
}
