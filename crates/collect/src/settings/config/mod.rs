//! The files that configure the kernel's settings, and what starts at boot.
//!
//! Input: a folder that is a host's root, this one's or another's. Output: the lines that bear on
//! settings, with file and number. Links are followed as the host would, never out of the folder.

mod places;
pub(super) mod syntax;
mod tree;

use facts::{ConfigFile, ConfigKind, Configuration, Gap, Init, Part, Remedy, setting_path};

use places::Place;
use syntax::Parsed;
pub(super) use tree::Tree;

/// How closely to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// What the first screen needs.
    Usual,
    /// Every unit and script that may set something.
    All,
}

/// Reads the configuration.
pub(super) fn read(tree: &Tree, depth: Depth) -> Part<Configuration> {
    let mut reading = Reading { tree, files: Vec::new(), denied: Vec::new(), gaps: Vec::new() };
    for place in places::ALL.iter().filter(|place| depth == Depth::All || !place.costly) {
        reading.place(place);
    }
    reading.ufw();
    reading.kube_proxy();
    reading.drop_ins(depth);
    let Reading { mut files, denied, mut gaps, .. } = reading;
    files.sort_unstable();
    files.dedup_by(|a, b| a.path == b.path && a.kind == b.kind);
    if !denied.is_empty() {
        let what = format!("configuration of kernel settings: {}", listed(&denied));
        gaps.push(Gap::new(what, "open: permission denied").remedied_by(Remedy::Root));
    }
    let configuration = Configuration {
        files,
        enabled: enabled(tree),
        active: active(tree),
        init: init(tree),
        container: tree.text("/run/systemd/container").ok().map(|name| name.trim().to_owned()),
        other_host: !tree.is_own(),
    };
    Part::with_gaps(configuration, gaps)
}

/// The settings of the network that files name, by path. Never a secret.
pub(super) fn named_paths(configuration: &Configuration) -> Vec<String> {
    let named = |kind| {
        use ConfigKind::{CommandLine, Commands, Sysctl, UfwSysctl};
        matches!(kind, Sysctl | UfwSysctl | CommandLine | Commands)
    };
    let files = configuration.files.iter().filter(|file| named(file.kind));
    let entries = files.flat_map(|file| &file.entries).filter(|entry| entry.value.is_some());
    let mut paths: Vec<String> = entries
        .map(|entry| entry.key.trim_start_matches('-').trim_start_matches("sysctl."))
        .map(setting_path)
        .filter(|path| path.starts_with("net/") && !path.contains(['*', '?', '[']))
        .filter(|path| !path.split('/').any(|part| part == ".."))
        .filter(|path| !["secret", "key"].iter().any(|word| path.ends_with(word)))
        .collect();
    paths.sort_unstable();
    paths.dedup();
    paths
}

/// Some names, and how many more.
fn listed(names: &[String]) -> String {
    let text = names.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(3) {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}

struct Reading<'t> {
    tree: &'t Tree,
    files: Vec<ConfigFile>,
    denied: Vec<String>,
    gaps: Vec<Gap>,
}

impl Reading<'_> {
    fn place(&mut self, place: &Place) {
        // Where /lib is a link, its files are those of /usr/lib.
        if place.path.starts_with("/lib/") && self.tree.link("/lib").is_some() {
            return;
        }
        if !place.folder {
            return self.file(place, place.path);
        }
        match self.tree.names(place.path) {
            Ok(names) => {
                for name in names.iter().filter(|name| place.takes(name)) {
                    self.file(place, &format!("{}/{name}", place.path));
                }
            }
            Err(error) if tree::is_denied(error) => self.denied.push(place.path.to_owned()),
            Err(error) if tree::is_absent(error) => {}
            Err(error) => self.gap(place.path, error),
        }
    }

    fn file(&mut self, place: &Place, path: &str) {
        let leads_to = self.tree.link(path);
        let text = match self.tree.text(path) {
            Ok(text) => text,
            // A link to /dev/null, which takes the place of others of its name.
            Err(rustix::io::Errno::INVAL) if leads_to.as_deref() == Some("/dev/null") => {
                String::new()
            }
            Err(error) if tree::is_denied(error) => return self.denied.push(path.to_owned()),
            Err(error) if tree::is_absent(error) => return,
            Err(rustix::io::Errno::INVAL) => return,
            Err(error) => return self.gap(path, error),
        };
        let Parsed { entries, odd } = (place.parse)(&text);
        let tells = !entries.is_empty() || !odd.is_empty() || place.presence || leads_to.is_some();
        if tells || (text.trim().is_empty() && place.kind == ConfigKind::Sysctl) {
            let (path, kind, empty) = (path.to_owned(), place.kind, text.is_empty());
            self.files.push(ConfigFile { path, kind, leads_to, empty, entries, odd });
        }
    }

    /// The file that ufw's own configuration names.
    fn ufw(&mut self) {
        let named = self.files.iter().find(|file| file.path == "/etc/default/ufw");
        let entry = named.and_then(|file| file.entries.iter().find(|e| e.key == "IPT_SYSCTL"));
        let Some(path) = entry.and_then(|entry| entry.value.clone()) else { return };
        if path.starts_with('/') {
            self.file(&places::UFW_SYSCTL, &path);
        }
    }

    /// The kubelet puts the configuration of kube-proxy, which is a pod, into a volume of it
    /// (`volumes/kubernetes.io~configmap/NAME`, as kubeadm names it).
    fn kube_proxy(&mut self) {
        const PODS: &str = "/var/lib/kubelet/pods";
        for pod in self.tree.names(PODS).unwrap_or_default() {
            let volumes = format!("{PODS}/{pod}/volumes/kubernetes.io~configmap");
            self.file(&places::KUBE_PROXY, &format!("{volumes}/kube-proxy/config.conf"));
        }
    }

    /// What is added to units.
    fn drop_ins(&mut self, depth: Depth) {
        let folders: &[&str] = match depth {
            Depth::Usual => &["/etc/systemd/system"],
            Depth::All => &["/etc/systemd/system", "/usr/lib/systemd/system"],
        };
        for folder in folders {
            for name in self.tree.names(folder).unwrap_or_default() {
                if !name.ends_with(".service.d") {
                    continue;
                }
                let folder = format!("{folder}/{name}");
                for file in self.tree.names(&folder).unwrap_or_default() {
                    if places::DROP_IN.takes(&file) {
                        self.file(&places::DROP_IN, &format!("{folder}/{file}"));
                    }
                }
            }
        }
    }

    fn gap(&mut self, path: &str, error: rustix::io::Errno) {
        self.gaps.push(Gap::new(format!("what {path} sets"), format!("open {path}: {error}")));
    }
}

/// Where systemd looks for units.
const UNIT_FOLDERS: [&str; 4] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// The units that others pull in, and the init scripts of the usual runlevels.
fn enabled(tree: &Tree) -> Vec<String> {
    let mut units = Vec::new();
    for folder in UNIT_FOLDERS {
        for name in tree.names(folder).unwrap_or_default() {
            if matches!(name.rsplit_once('.'), Some((_, "wants" | "requires"))) {
                units.extend(tree.names(&format!("{folder}/{name}")).unwrap_or_default());
            }
        }
    }
    for folder in ["/etc/rc3.d", "/etc/rc.d/rc3.d", "/etc/rc2.d", "/etc/rcS.d"] {
        let names = tree.names(folder).unwrap_or_default();
        // S08iptables: started, in this order (init(8) of SysV).
        let script = |name: &String| Some(name.strip_prefix('S')?.get(2..)?.to_owned());
        units.extend(names.iter().filter_map(script));
    }
    units.sort_unstable();
    units.dedup();
    units
}

/// The units that run: systemd keeps a link for each (`src/core/unit.c`, `unit_export_invocation_id`).
fn active(tree: &Tree) -> Option<Vec<String>> {
    let names = tree.names("/run/systemd/units").ok()?;
    Some(names.iter().filter_map(|n| n.strip_prefix("invocation:").map(str::to_owned)).collect())
}

fn init(tree: &Tree) -> Init {
    if ["/run/systemd/system", "/usr/lib/systemd/systemd", "/lib/systemd/systemd"]
        .iter()
        .any(|path| tree.exists(path))
    {
        Init::Systemd
    } else if ["/etc/rc.d/rc.sysinit", "/etc/rc.sysinit"].iter().any(|path| tree.exists(path)) {
        Init::RcSysinit
    } else {
        Init::Unknown
    }
}
