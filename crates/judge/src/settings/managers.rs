//! Who configures an interface, and which settings it writes when it does.
//!
//! Sources: NetworkManager `src/core/devices/nm-device.c` (`ip6_privacy`, `disable_ipv6`) and
//! nm-settings-nmcli(5); systemd `src/network/networkd-sysctl.c` and systemd.network(5); interfaces(5)
//! and ifupdown's `inet6.defn`; Red Hat's `sysconfig.txt`.

use facts::{ConfigEntry, ConfigFile, ConfigKind, Link};

use super::boot::{Boot, Effect, Source, Stage};
use super::key;
use super::subject::{Subject, last};

/// Who configures an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manager<'a> {
    /// NetworkManager, with this profile; none where it could not be read.
    NetworkManager(Option<&'a ConfigFile>),
    /// systemd-networkd, with this file.
    Networkd(Option<&'a ConfigFile>),
    /// ifup(8), with this file.
    Ifupdown(&'a ConfigFile),
    /// Red Hat's network scripts, with this file.
    Ifcfg(&'a ConfigFile),
    /// netplan, with this file, through NetworkManager or systemd-networkd: known where its files are
    /// and what it makes of them is not.
    Netplan(&'a ConfigFile, Renderer),
    /// Nobody that is known.
    Nobody,
}

/// Through whom netplan configures an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renderer {
    /// systemd-networkd, which is the default.
    Networkd,
    /// NetworkManager.
    NetworkManager,
}

impl Manager<'_> {
    /// Its name; none for nobody.
    pub fn name(&self) -> Option<&'static str> {
        Some(match self {
            Self::NetworkManager(_) | Self::Netplan(_, Renderer::NetworkManager) => {
                "NetworkManager"
            }
            Self::Networkd(_) | Self::Netplan(_, Renderer::Networkd) => "systemd-networkd",
            Self::Ifupdown(_) => "ifupdown",
            Self::Ifcfg(_) => "the network scripts",
            Self::Nobody => return None,
        })
    }
}

/// The line of netplan's files about an interface that counts: of files with one name the one in
/// the first folder, and of all the last in the order of names (netplan-generate(8)).
pub(super) fn netplan<'a>(
    subject: &Subject<'a>,
    link: &str,
    key: &str,
) -> Option<(&'a ConfigFile, &'a ConfigEntry)> {
    let rank = |path: &str| match path {
        path if path.starts_with("/run/") => 0,
        path if path.starts_with("/etc/") => 1,
        _ => 2,
    };
    let name = |path: &'a str| path.rsplit('/').next().unwrap_or_default();
    let mut files: Vec<&ConfigFile> = subject.files(ConfigKind::Netplan).collect();
    files.sort_by_key(|file| (std::cmp::Reverse(name(&file.path)), rank(&file.path)));
    files.dedup_by_key(|file| name(&file.path));
    files.into_iter().find_map(|file| {
        let mut entries = file.entries.iter().rev();
        Some((file, entries.find(|entry| entry.key == key && entry.section == link)?))
    })
}

/// The only profile of NetworkManager for an interface by its name.
fn profile_by_name<'a>(subject: &Subject<'a>, link: &str) -> Option<&'a ConfigFile> {
    let of_link = |file: &&ConfigFile| {
        let name = last(file, Some("connection"), "interface-name");
        let auto = last(file, Some("connection"), "autoconnect").and_then(|e| e.value.as_deref());
        name.and_then(|e| e.value.as_deref()) == Some(link) && auto != Some("false")
    };
    let mut profiles = subject.files(ConfigKind::NetworkManagerProfile).filter(of_link);
    let first = profiles.next()?;
    profiles.next().is_none().then_some(first)
}

/// Who configures an interface.
pub(super) fn of<'a>(subject: &Subject<'a>, link: &Link) -> Manager<'a> {
    let index = link.index.0.to_string();
    let state = |kind| subject.files(kind).find(|f| f.path.rsplit('/').next() == Some(&index));
    if let Some(state) = state(ConfigKind::NetworkManagerDevice) {
        let uuid = last(state, None, "connection-uuid").and_then(|e| e.value.as_deref());
        let managed = last(state, None, "managed").and_then(|e| e.value.as_deref());
        if !matches!(managed, Some("false" | "unmanaged")) && uuid.is_some() {
            let of_uuid = |file: &&ConfigFile| {
                last(file, Some("connection"), "uuid").and_then(|e| e.value.as_deref()) == uuid
            };
            return Manager::NetworkManager(
                subject.files(ConfigKind::NetworkManagerProfile).find(of_uuid),
            );
        }
    }
    if let Some(state) = state(ConfigKind::NetworkdLink) {
        let admin = last(state, None, "ADMIN_STATE").and_then(|e| e.value.as_deref());
        if admin.is_some_and(|admin| admin != "unmanaged") {
            let file = last(state, None, "NETWORK_FILE").and_then(|e| e.value.as_deref());
            return Manager::Networkd(file.and_then(|path| subject.file(path)));
        }
    }
    let has_stanza = |file: &&ConfigFile| {
        file.entries
            .iter()
            .any(|e| e.key == "iface" && e.section.split(' ').next() == Some(&link.name))
    };
    if let Some(file) = subject.files(ConfigKind::Ifupdown).find(has_stanza) {
        return Manager::Ifupdown(file);
    }
    let name = format!("/etc/sysconfig/network-scripts/ifcfg-{}", link.name);
    if let Some(file) = subject.file(&name) {
        return Manager::Ifcfg(file);
    }
    if let Some((file, _)) = netplan(subject, &link.name, "id") {
        let renderer = netplan(subject, &link.name, "renderer")
            .or_else(|| netplan(subject, "network", "renderer"));
        return match renderer.and_then(|(_, entry)| entry.value.as_deref()) {
            Some("NetworkManager") => Manager::Netplan(file, Renderer::NetworkManager),
            _ => Manager::Netplan(file, Renderer::Networkd),
        };
    }
    // It has not activated it yet, or only the files of the host are known.
    let unit = "NetworkManager.service";
    if subject.is_enabled(unit) || subject.is_active(unit) == Some(true) {
        let managed = state(ConfigKind::NetworkManagerDevice)
            .and_then(|state| last(state, None, "managed")?.value.as_deref());
        if !matches!(managed, Some("false" | "unmanaged"))
            && let Some(profile) = profile_by_name(subject, &link.name)
        {
            return Manager::NetworkManager(Some(profile));
        }
    }
    Manager::Nobody
}

/// Where a value really comes from: netplan's line, where the file was made from it.
fn origin<'f>(
    subject: &Subject<'f>,
    link: &str,
    made: (&'f str, u32),
    key: &str,
) -> (&'f str, u32) {
    if !is_made_by_netplan(made.0) {
        return made;
    }
    netplan(subject, link, key).map_or(made, |(file, entry)| (file.path.as_str(), entry.line))
}

/// Whether netplan makes a file anew at each boot.
pub(super) fn is_made_by_netplan(path: &str) -> bool {
    path.contains("/netplan-") || path.contains("-netplan-")
}

/// Plays what all of them write at boot.
pub(super) fn apply(subject: &Subject<'_>, boot: &mut Boot) {
    // Since 1.42 it configures the loopback interface as well.
    if subject.is_enabled("NetworkManager.service") {
        for name in ["disable_ipv6", "accept_ra", "use_tempaddr", "addr_gen_mode"] {
            let path = format!("net/ipv6/conf/lo/{name}");
            boot.kernel.doubt(&path, "NetworkManager may configure the loopback interface as well");
        }
    }
    for link in subject.links().iter().filter(|link| !link.loopback) {
        let mut writes = Writes { link, boot };
        match of(subject, link) {
            Manager::NetworkManager(profile) => {
                let starts = subject.is_enabled("NetworkManager.service");
                writes.network_manager(subject, profile, starts);
            }
            Manager::Networkd(file) => writes.networkd(subject, file),
            Manager::Ifupdown(file) => writes.ifupdown(file),
            Manager::Ifcfg(file) => writes.ifcfg(subject, file),
            Manager::Netplan(file, renderer) => writes.netplan(subject, file, renderer),
            Manager::Nobody => {}
        }
    }
}

struct Writes<'w> {
    link: &'w Link,
    boot: &'w mut Boot,
}

impl Writes<'_> {
    fn write(
        &mut self,
        name: &str,
        value: Option<&str>,
        from: (&str, u32),
        stage: Stage,
        effect: Effect,
    ) {
        let path = format!("net/ipv6/conf/{}/{name}", self.link.name);
        if self.boot.kernel.get(&path).is_none() {
            return;
        }
        self.boot.apply(Source {
            path,
            file: from.0.to_owned(),
            line: from.1,
            value: value.map(str::to_owned),
            stage,
            effect,
        });
    }

    fn network_manager(
        &mut self,
        subject: &Subject<'_>,
        profile: Option<&ConfigFile>,
        starts: bool,
    ) {
        let effect = || {
            if starts {
                Effect::Applies
            } else {
                Effect::NotStarted("NetworkManager.service".to_owned())
            }
        };
        let stage = Stage::NetworkManager;
        let Some(profile) = profile else {
            let why = || Effect::Perhaps("NetworkManager's profile could not be read".to_owned());
            for name in ["disable_ipv6", "accept_ra", "use_tempaddr", "addr_gen_mode"] {
                self.write(name, None, ("NetworkManager.service", 0), stage, why());
            }
            return;
        };
        let shared = last(profile, Some("ipv4"), "method");
        if let Some(entry) = shared.filter(|entry| entry.value.as_deref() == Some("shared")) {
            self.boot.apply(Source {
                path: "net/ipv4/ip_forward".to_owned(),
                file: profile.path.clone(),
                line: entry.line,
                value: Some("1".to_owned()),
                stage,
                effect: effect(),
            });
        }
        let method = last(profile, Some("ipv6"), "method");
        let line = method.map_or(0, |entry| entry.line);
        let from = (profile.path.as_str(), line);
        match method.and_then(|entry| entry.value.as_deref()).unwrap_or("auto") {
            "ignore" => {}
            "disabled" => self.write("disable_ipv6", Some("1"), from, stage, effect()),
            method => {
                self.write("disable_ipv6", Some("0"), from, stage, effect());
                self.write("accept_ra", Some("0"), from, stage, effect());
                let why =
                    || Effect::Perhaps("NetworkManager makes the addresses itself".to_owned());
                self.write("addr_gen_mode", None, from, stage, why());
                if method == "shared" {
                    self.write("forwarding", Some("1"), from, stage, effect());
                }
                self.privacy(subject, profile, effect());
            }
        }
    }

    /// `ipv6.ip6-privacy`: the profile, else the default of NetworkManager's configuration, else the
    /// kernel's `default`.
    fn privacy(&mut self, subject: &Subject<'_>, profile: &ConfigFile, effect: Effect) {
        let stage = Stage::NetworkManager;
        let set = last(profile, Some("ipv6"), "ip6-privacy").filter(|e| is_privacy(e));
        if let Some(entry) = set {
            let from = (profile.path.as_str(), entry.line);
            let from = origin(subject, &self.link.name, from, "ipv6-privacy");
            return self.write("use_tempaddr", entry.value.as_deref(), from, stage, effect);
        }
        if let Some((file, entry)) = manager_default(subject, "ipv6.ip6-privacy") {
            let narrowed = last(file, Some(&entry.section), "match-device").is_some();
            let effect = if narrowed {
                Effect::Perhaps(
                    "whether match-device means this interface is not judged".to_owned(),
                )
            } else {
                effect
            };
            let from = (file.path.as_str(), entry.line);
            return self.write("use_tempaddr", entry.value.as_deref(), from, stage, effect);
        }
        let default = self.boot.kernel.value("net/ipv6/conf/default/use_tempaddr");
        let default = default.map(str::to_owned);
        let effect = if default.is_none() {
            Effect::Perhaps("NetworkManager follows net.ipv6.conf.default.use_tempaddr".to_owned())
        } else {
            effect
        };
        let from = (profile.path.as_str(), 0);
        self.write("use_tempaddr", default.as_deref(), from, stage, effect);
    }

    fn networkd(&mut self, subject: &Subject<'_>, file: Option<&ConfigFile>) {
        let stage = Stage::Networkd;
        let Some(file) = file else {
            let why = || Effect::Perhaps("systemd-networkd's file could not be read".to_owned());
            for name in ["accept_ra", "use_tempaddr"] {
                self.write(name, None, ("systemd-networkd.service", 0), stage, why());
            }
            return;
        };
        let starts = subject.is_enabled("systemd-networkd.service");
        let effect = || {
            if starts {
                Effect::Applies
            } else {
                Effect::NotStarted("systemd-networkd.service".to_owned())
            }
        };
        let from = |entry: Option<&ConfigEntry>| (file.path.as_str(), entry.map_or(0, |e| e.line));
        let own = last(file, Some("Network"), "IPv6PrivacyExtensions");
        let conf = || {
            let mut files = subject.files(ConfigKind::NetworkdConf);
            files.find_map(|file| {
                Some((file, last(file, Some("Network"), "IPv6PrivacyExtensions")?))
            })
        };
        match (own, conf()) {
            (Some(entry), _) => {
                let value = networkd_privacy(entry.value.as_deref().unwrap_or_default());
                if let Some(value) = value {
                    let from = origin(subject, &self.link.name, from(Some(entry)), "ipv6-privacy");
                    self.write("use_tempaddr", Some(value), from, stage, effect());
                }
            }
            (None, Some((conf, entry))) => {
                let value = networkd_privacy(entry.value.as_deref().unwrap_or_default());
                if let Some(value) = value {
                    let from = (conf.path.as_str(), entry.line);
                    self.write("use_tempaddr", Some(value), from, stage, effect());
                }
            }
            // systemd.network(5): the default is "no".
            (None, None) => self.write("use_tempaddr", Some("0"), from(None), stage, effect()),
        }
        // It does router discovery itself (networkd-sysctl.c, link_set_ipv6_accept_ra).
        self.write("accept_ra", Some("0"), from(None), stage, effect());
        let forwards = ["IPForward", "IPv4Forwarding", "IPv6Forwarding"];
        for name in forwards.iter().filter_map(|name| last(file, Some("Network"), name)) {
            let why = "what this turns on differs among the versions of systemd".to_owned();
            self.write("forwarding", None, from(Some(name)), stage, Effect::Perhaps(why));
        }
    }

    fn ifupdown(&mut self, file: &ConfigFile) {
        let starts = file.entries.iter().filter(|e| e.key == "auto").any(|e| {
            e.value.as_deref().unwrap_or_default().split_whitespace().any(|l| l == self.link.name)
        });
        let effect = || {
            if starts {
                Effect::Applies
            } else {
                Effect::NotStarted(format!("ifup {}", self.link.name))
            }
        };
        let mine: Vec<&ConfigEntry> = file
            .entries
            .iter()
            .filter(|e| e.section.split(' ').next() == Some(self.link.name.as_str()))
            .collect();
        for entry in &mine {
            let name = match entry.key.as_str() {
                "privext" => "use_tempaddr",
                "accept_ra" => "accept_ra",
                "autoconf" => "autoconf",
                _ => continue,
            };
            let (from, effect) = ((file.path.as_str(), entry.line), effect());
            self.write(name, entry.value.as_deref(), from, Stage::Ifupdown, effect);
        }
        for entry in mine.iter().filter(|e| e.key.contains(['.', '/']) && e.value.is_some()) {
            self.boot.apply(Source {
                path: key::path_of(&entry.key),
                file: file.path.clone(),
                line: entry.line,
                value: entry.value.clone(),
                stage: Stage::Ifupdown,
                effect: effect(),
            });
        }
        // Its own defaults (ifupdown's inet6.defn).
        let stanza = mine.iter().find(|e| e.key == "iface" && e.section.contains(" inet6 "));
        let said = |name: &str| mine.iter().any(|entry| entry.key == name);
        let defaults: &[(&str, &str)] = match stanza.and_then(|e| e.section.rsplit(' ').next()) {
            Some("auto") => &[("accept_ra", "2"), ("autoconf", "1")],
            Some("static") => &[("autoconf", "0")],
            Some(_) => {
                let (line, why) =
                    (stanza.map_or(0, |entry| entry.line), "ifup has its own default");
                for name in ["accept_ra", "autoconf"].iter().filter(|name| !said(name)) {
                    let effect = Effect::Perhaps(why.to_owned());
                    self.write(name, None, (file.path.as_str(), line), Stage::Ifupdown, effect);
                }
                &[]
            }
            None => &[],
        };
        for (name, value) in defaults.iter().filter(|(name, _)| !said(name)) {
            let from = (file.path.as_str(), stanza.map_or(0, |entry| entry.line));
            self.write(name, Some(value), from, Stage::Ifupdown, effect());
        }
    }

    /// Red Hat's `sysconfig.txt`. What else than privacy the scripts set differs among their versions.
    fn ifcfg(&mut self, subject: &Subject<'_>, file: &ConfigFile) {
        let stage = Stage::Ifcfg;
        let privacy = last(file, None, "IPV6_PRIVACY");
        if let Some(entry) = privacy.filter(|e| e.value.as_deref() == Some("rfc3041")) {
            let from = (file.path.as_str(), entry.line);
            self.write("use_tempaddr", Some("2"), from, stage, Effect::Applies);
        }
        let global = subject.file("/etc/sysconfig/network");
        for (variable, name) in [("IPV6FORWARDING", "forwarding"), ("IPV6_AUTOCONF", "accept_ra")] {
            let said = [Some(file), global].into_iter().flatten();
            let Some((place, entry)) =
                said.into_iter().find_map(|f| Some((f, last(f, None, variable)?)))
            else {
                continue;
            };
            let value = if entry.value.as_deref() == Some("yes") { "1" } else { "0" };
            let why = format!("{variable} makes it so in some versions of the network scripts");
            let from = (place.path.as_str(), entry.line);
            self.write(name, Some(value), from, stage, Effect::Perhaps(why));
        }
    }

    /// What netplan makes of its files for either.
    fn netplan(&mut self, subject: &Subject<'_>, file: &ConfigFile, renderer: Renderer) {
        let (unit, stage) = match renderer {
            Renderer::Networkd => ("systemd-networkd.service", Stage::Networkd),
            Renderer::NetworkManager => ("NetworkManager.service", Stage::NetworkManager),
        };
        let effect = || {
            if subject.is_enabled(unit) || renderer == Renderer::Networkd {
                // netplan's generator has systemd-networkd started where it is needed.
                Effect::Applies
            } else {
                Effect::NotStarted(unit.to_owned())
            }
        };
        let whole = (file.path.as_str(), 0);
        self.write("accept_ra", Some("0"), whole, stage, effect());
        let privacy = netplan(subject, &self.link.name, "ipv6-privacy");
        let is_on = |entry: &ConfigEntry| {
            matches!(entry.value.as_deref(), Some("true" | "yes" | "on" | "y"))
        };
        match (privacy, renderer) {
            (Some((file, entry)), _) => {
                let value = if is_on(entry) { "2" } else { "0" };
                let from = (file.path.as_str(), entry.line);
                self.write("use_tempaddr", Some(value), from, stage, effect());
            }
            (None, Renderer::Networkd) => {
                self.write("use_tempaddr", Some("0"), whole, stage, effect());
            }
            (None, Renderer::NetworkManager) => {
                let why =
                    "NetworkManager follows its own default, or that of the kernel".to_owned();
                self.write("use_tempaddr", None, whole, stage, Effect::Perhaps(why));
            }
        }
    }
}

fn is_privacy(entry: &ConfigEntry) -> bool {
    matches!(entry.value.as_deref(), Some("0" | "1" | "2"))
}

/// systemd.network(5), `IPv6PrivacyExtensions=`; none: the kernel's value stays.
fn networkd_privacy(value: &str) -> Option<&'static str> {
    match value {
        "kernel" => None,
        "prefer-public" => Some("1"),
        "yes" | "true" | "1" | "on" | "y" | "t" => Some("2"),
        _ => Some("0"),
    }
}

/// A default of connections in NetworkManager's configuration: the file that goes before the others
/// (NetworkManager.conf(5)).
fn manager_default<'a>(
    subject: &Subject<'a>,
    name: &str,
) -> Option<(&'a ConfigFile, &'a ConfigEntry)> {
    let rank = |path: &str| match path {
        path if path.starts_with("/etc/NetworkManager/conf.d/") => 3,
        "/etc/NetworkManager/NetworkManager.conf" => 2,
        path if path.starts_with("/run/") => 1,
        _ => 0,
    };
    let mut files: Vec<&ConfigFile> = subject.files(ConfigKind::NetworkManagerConf).collect();
    files.sort_by_key(|file| (rank(&file.path), file.path.as_str()));
    files.iter().rev().find_map(|file| {
        let mut entries = file.entries.iter().rev();
        let entry = entries.find(|e| e.key == name && e.section.starts_with("connection"))?;
        is_privacy(entry).then_some((*file, entry))
    })
}
