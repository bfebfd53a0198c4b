//! What the settings will be after a boot: every source that sets something, in the order in which
//! they are applied, written to a kernel that just started.

use std::collections::{BTreeMap, BTreeSet};

use facts::{ConfigEntry, ConfigFile, ConfigKind, Init};

use super::kernel::{self, Held, Kernel};
use super::order::{self, NotRead, Reader};
use super::subject::{Subject, last};
use super::{conntrack, early, engines, managers};
use super::{key, modules};

/// Who applies a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The kernel, from its command line.
    CommandLine,
    /// The kernel, when the module is loaded with this option.
    Module,
    /// systemd-sysctl at boot, or what stands for it.
    Sysctl,
    /// ufw, whenever it starts.
    Ufw,
    /// NetworkManager, whenever it activates a connection.
    NetworkManager,
    /// systemd-networkd, whenever it configures an interface.
    Networkd,
    /// ifup(8).
    Ifupdown,
    /// Red Hat's network scripts.
    Ifcfg,
    /// Docker, when it starts.
    Docker,
    /// kube-proxy, when it starts.
    KubeProxy,
    /// A service, when it starts.
    Service,
    /// A script that runs on some occasion.
    Script,
}

/// What a line does at a boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It sets the value.
    Applies,
    /// It sets a value that another one changes after it.
    Overridden,
    /// Its file is not read: this one takes its place.
    Masked(String),
    /// Only `sysctl --system` reads it, not what sets settings at boot.
    ByHandOnly,
    /// The key is not there yet when it is applied: it comes with this module, later.
    BeforeModule(&'static str),
    /// There is no such key.
    NoSuchKey,
    /// It says what an earlier line of the same key says already.
    Repeated,
    /// Nobody on this host can write it.
    ReadOnly,
    /// Who would apply it does not start at boot.
    NotStarted(String),
    /// Whether it is applied, or before or after others, is not known.
    Perhaps(String),
}

/// A line that sets a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The setting's path below `/proc/sys`.
    pub path: String,
    /// The file.
    pub file: String,
    /// The line's number; 0 where it is the file as a whole.
    pub line: u32,
    /// To what; none where that is not told.
    pub value: Option<String>,
    /// Who applies it.
    pub stage: Stage,
    /// What it does at a boot.
    pub effect: Effect,
}

/// A boot.
#[derive(Debug)]
pub(super) struct Boot {
    /// Every source, in the order of their application.
    pub sources: Vec<Source>,
    /// The settings after it.
    pub kernel: Kernel,
    /// What `sysctl --system` would make of the settings of now, where that is read in another way;
    /// positions refer to `sources` in no way.
    pub by_hand: Option<Kernel>,
    /// Settings that nobody on this host can write; `net` for all.
    read_only: Vec<String>,
}

/// Plays a boot of the host.
pub(super) fn boot(subject: &Subject<'_>) -> Boot {
    let paths = known_paths(subject);
    let links: Vec<String> = subject.link_names().into_iter().map(str::to_owned).collect();
    let mut boot = Boot {
        sources: Vec::new(),
        kernel: Kernel::fresh(paths.iter().map(String::as_str), links.clone(), late_links(subject)),
        by_hand: by_hand(subject, &paths, links),
        read_only: subject.state.read_only.clone(),
    };
    boot.defaults(subject);
    early::command_line(subject, &mut boot);
    early::module_options(subject, &mut boot);
    early::when_loaded(subject, &mut boot, true);
    boot.sysctl(subject, &paths);
    early::when_loaded(subject, &mut boot, false);
    boot.ufw(subject);
    boot.load_lists(subject);
    managers::apply(subject, &mut boot);
    engines::docker(subject, &mut boot);
    engines::kube_proxy(subject, &mut boot);
    boot.commands(subject, &paths);
    boot.overridden();
    boot
}

/// The settings that there are or may be: those of now, and those that come with a module and are
/// configured. Of another host those with a known default.
fn known_paths(subject: &Subject<'_>) -> Vec<String> {
    let mut paths: BTreeSet<String> = subject.now.keys().cloned().collect();
    let other = subject.now.is_empty() || subject.configuration.other_host;
    for file in &subject.configuration.files {
        if !matches!(file.kind, ConfigKind::Sysctl | ConfigKind::UfwSysctl | ConfigKind::Commands) {
            continue;
        }
        for entry in file.entries.iter().filter(|entry| entry.section.is_empty()) {
            let path = key::path_of(entry.key.trim_start_matches('-'));
            let of_net = path.starts_with("net/") && !key::is_glob(&path);
            if of_net && (other || kernel::module_of(&path).is_some()) {
                paths.insert(path);
            }
        }
    }
    if subject.now.is_empty() {
        // What those who configure interfaces write to, on a host of which only files are known.
        let links = subject.links().iter().map(|link| link.name.as_str());
        for link in links.chain(["all", "default"]) {
            for name in ["accept_ra", "autoconf", "disable_ipv6", "forwarding", "use_tempaddr"] {
                paths.insert(format!("net/ipv6/conf/{link}/{name}"));
            }
        }
    }
    paths.into_iter().collect()
}

/// Whether udev has the settings of an interface set again when it appears.
fn set_when_it_appears(subject: &Subject<'_>) -> bool {
    let rules = subject.files(ConfigKind::Udev).flat_map(|file| &file.entries);
    rules.into_iter().any(|entry| {
        entry.section == "net"
            && matches!(entry.key.as_str(), "*" | "!lo")
            && entry.value.as_deref().is_none_or(|p| p.is_empty() || p.contains("/conf/$name"))
    }) && subject.configuration.container.is_none()
}

/// Interfaces that services make after the settings are set. That of a container is there before its
/// first program.
fn late_links(subject: &Subject<'_>) -> BTreeSet<String> {
    let given = |kind: &str| {
        subject.configuration.container.is_some() && matches!(kind, "veth" | "macvlan" | "ipvlan")
    };
    let late = subject.links().iter().filter(|l| !l.kind.is_empty() && !given(&l.kind));
    late.map(|link| link.name.clone()).collect()
}

/// `sysctl --system` on the settings of now; none where it reads what a boot reads, in the same order.
fn by_hand(subject: &Subject<'_>, paths: &[String], links: Vec<String>) -> Option<Kernel> {
    let known: Vec<&str> = paths.iter().map(String::as_str).collect();
    let writes = order::writes(subject.configuration, Reader::Procps, &known);
    let at_boot = order::writes(subject.configuration, Reader::Systemd, &known);
    let same = |(a, b): (&(String, order::Line<'_>), &(String, order::Line<'_>))| {
        a.0 == b.0 && a.1.value() == b.1.value()
    };
    if writes.len() == at_boot.len() && writes.iter().zip(&at_boot).all(same) {
        return None;
    }
    let now = subject.now.iter().map(|(path, value)| (path.clone(), value.clone()));
    let mut kernel = Kernel::running(now, links);
    for (path, line) in writes {
        if let Some(value) = line.value() {
            kernel.write(&path, value, 0);
        }
    }
    Some(kernel)
}

impl Boot {
    /// Notes a source and does what it does.
    pub(super) fn apply(&mut self, source: Source) {
        let at = self.sources.len();
        let mut source = source;
        let is_fixed = self.read_only.iter().any(|path| path == "net" || *path == source.path);
        if is_fixed && source.stage >= Stage::Sysctl && source.effect == Effect::Applies {
            self.kernel.doubt(&source.path, "only the host that runs this container can set it");
            source.effect = Effect::ReadOnly;
        }
        match (&source.effect, &source.value) {
            (Effect::Applies, Some(value)) if self.kernel.write(&source.path, value, at) => {}
            (Effect::Applies, Some(_)) => source.effect = Effect::NoSuchKey,
            (Effect::Applies, None) => {
                self.kernel.doubt(&source.path, "what is written there is not told");
            }
            (Effect::Perhaps(why), value) => {
                let old = self.kernel.value(&source.path);
                let same = old.zip(value.as_deref()).is_some_and(|(a, b)| key::same_value(a, b));
                if !same {
                    self.kernel.doubt(&source.path, why);
                }
            }
            _ => {}
        }
        self.sources.push(source);
    }

    pub(super) fn line(
        &mut self,
        file: &ConfigFile,
        entry: &ConfigEntry,
        path: &str,
        stage: Stage,
        effect: Effect,
    ) {
        self.apply(Source {
            path: path.to_owned(),
            file: file.path.clone(),
            line: entry.line,
            value: entry.value.clone(),
            stage,
            effect,
        });
    }

    /// Defaults that depend on the host.
    fn defaults(&mut self, subject: &Subject<'_>) {
        let max = conntrack::default_max(subject);
        for path in ["net/netfilter/nf_conntrack_max", "net/nf_conntrack_max"] {
            if self.kernel.get(path).is_some() {
                self.kernel.set_default(path, conntrack::held(max.as_ref(), |sizes| sizes.max));
            }
        }
        let path = "net/netfilter/nf_conntrack_buckets";
        if self.kernel.get(path).is_some() {
            self.kernel.set_default(path, conntrack::held(max.as_ref(), |sizes| sizes.buckets));
        }
        // 5.4 raised it (net/core/net_namespace.c, net_defaults_init_net).
        if subject.snapshot.host.kernel.starts_with(['2', '3', '4']) {
            self.kernel.set_default("net/core/somaxconn", Held::known("128".to_owned()));
        }
        // The state of the table is no setting.
        self.kernel.doubt("net/netfilter/nf_conntrack_count", "it is no setting");
        // What a distribution's kernel or a virtual machine has by default may differ; the loopback
        // interface is set up before anything is set.
        let of_loopback = |folder: &str| {
            let start = format!("net/{folder}/conf/lo/");
            let rest = subject.now.range(start.clone()..);
            rest.map(|(path, _)| path).take_while(move |path| path.starts_with(&start))
        };
        for path in of_loopback("ipv4").chain(of_loopback("ipv6")) {
            if let Some(value) = subject.value(path)
                && kernel::default_of(path).is_none_or(|default| !key::same_value(default, value))
            {
                self.kernel.doubt(path, "the loopback interface gets values of its own");
            }
        }
    }

    /// The files of sysctl.d, and those that are not read.
    fn sysctl(&mut self, subject: &Subject<'_>, paths: &[String]) {
        let configuration = subject.configuration;
        let known: Vec<&str> = paths.iter().map(String::as_str).collect();
        let reader = match configuration.init {
            Init::RcSysinit => Reader::RcSysinit,
            Init::Systemd | Init::Unknown => Reader::Systemd,
        };
        let mut seen: BTreeSet<(&str, u32, String)> = BTreeSet::new();
        let mut said: BTreeSet<(String, Option<&str>)> = BTreeSet::new();
        let mut read = Vec::new();
        for (path, line) in order::writes(configuration, reader, &known) {
            seen.insert((&line.file.path, line.number(), path.clone()));
            said.insert((path.clone(), line.value()));
            read.push((path, line));
        }
        // What is not applied comes first: lines of files that are not read, or that a later line of
        // the same key takes the place of.
        for file in subject.files(ConfigKind::Sysctl) {
            for entry in file.entries.iter().filter(|entry| entry.value.is_some()) {
                let path = key::path_of(entry.key.trim_start_matches('-'));
                if key::is_glob(&path)
                    || seen.contains(&(file.path.as_str(), entry.line, path.clone()))
                {
                    continue;
                }
                let effect = match order::not_read(configuration, file, reader) {
                    Some(NotRead::Masked(by)) => Effect::Masked(by.to_owned()),
                    Some(NotRead::Elsewhere) => Effect::ByHandOnly,
                    None if file.path == order::SYSCTL_CONF => continue,
                    None if said.contains(&(path.clone(), entry.value.as_deref())) => {
                        Effect::Repeated
                    }
                    None => Effect::Overridden,
                };
                self.line(file, entry, &path, Stage::Sysctl, effect);
            }
        }
        let unknown_init = configuration.init == Init::Unknown && !read.is_empty();
        let late = if set_when_it_appears(subject) { BTreeSet::new() } else { late_links(subject) };
        let is_late = |path: &str| key::of_link(path).is_some_and(|of| late.contains(of.link));
        for (path, line) in read {
            let Some(entry) = line.file.entries.get(line.entry) else { continue };
            let effect = match kernel::module_of(&path) {
                Some(module) => modules::at_boot(subject, module, &path),
                None if unknown_init => {
                    Effect::Perhaps("how this host starts is not known".to_owned())
                }
                None if is_late(&path) => Effect::Perhaps(
                    "the interface may appear after this is applied, and no rule of udev applies it again"
                        .to_owned(),
                ),
                None => Effect::Applies,
            };
            self.line(line.file, entry, &path, Stage::Sysctl, effect);
        }
    }

    /// ufw sets its own file when it starts (`ufw-init-functions`, `ufw_start`).
    fn ufw(&mut self, subject: &Subject<'_>) {
        let Some(conf) = subject.file("/etc/ufw/ufw.conf") else { return };
        let on = last(conf, None, "ENABLED").and_then(|e| e.value.as_deref());
        let on = on.is_some_and(|value| value.eq_ignore_ascii_case("yes"));
        let starts = on && (subject.is_enabled("ufw.service") || subject.is_enabled("ufw"));
        for file in subject.files(ConfigKind::UfwSysctl) {
            for entry in file.entries.iter().filter(|entry| entry.value.is_some()) {
                let path = key::path_of(entry.key.trim_start_matches('-'));
                let effect = match kernel::module_of(&path) {
                    _ if !starts => Effect::NotStarted("ufw".to_owned()),
                    // ufw loads its rules first, and the connection tracking with them.
                    Some("br_netfilter") => modules::at_boot(subject, "br_netfilter", &path),
                    _ => Effect::Applies,
                };
                self.line(file, entry, &path, Stage::Ufw, effect);
            }
        }
    }

    /// IPTABLES_SYSCTL_LOAD_LIST.
    fn load_lists(&mut self, subject: &Subject<'_>) {
        for (path, value, file, line) in super::restart::set_at_start(subject) {
            let (value, stage, effect) = (Some(value), Stage::Service, Effect::Applies);
            self.apply(Source { path, file, line, value, stage, effect });
        }
    }

    /// Units and scripts that set something.
    fn commands(&mut self, subject: &Subject<'_>, paths: &[String]) {
        let mut values: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut found = Vec::new();
        let udev = subject.files(ConfigKind::Udev);
        for file in subject.files(ConfigKind::Commands).chain(udev) {
            for entry in &file.entries {
                if file.kind == ConfigKind::Udev && entry.section != "command" {
                    continue;
                }
                if entry.section == "sysctl" {
                    self.sysctl_by_script(subject, file, entry, paths);
                } else if entry.section.is_empty() || entry.section == "command" {
                    let path = key::path_of(&entry.key);
                    let Some(value) = entry.value.clone().filter(|v| !v.contains(['$', '`']))
                    else {
                        found.push((file, entry, path, false));
                        continue;
                    };
                    values.entry(path.clone()).or_default().insert(value);
                    found.push((file, entry, path, true));
                }
            }
        }
        for (file, entry, path, plain) in found {
            let (stage, effect) = occasion(subject, file);
            let several = values.get(&path).is_some_and(|values| values.len() > 1);
            let effect = match effect {
                Effect::Applies if several || !plain => Effect::Perhaps(format!(
                    "several commands set it, or to what is not told: {}",
                    file.path
                )),
                other => other,
            };
            if plain {
                self.line(file, entry, &path, stage, effect);
            } else {
                let entry = ConfigEntry { value: None, ..entry.clone() };
                self.line(file, &entry, &path, stage, effect);
            }
        }
    }

    /// `sysctl --system` or `sysctl -p FILE` in a script: what it would change cannot be told but
    /// where it changes nothing.
    fn sysctl_by_script(
        &mut self,
        subject: &Subject<'_>,
        script: &ConfigFile,
        entry: &ConfigEntry,
        paths: &[String],
    ) {
        let (_, effect) = occasion(subject, script);
        if matches!(effect, Effect::NotStarted(_)) || is_systems_own(&script.path) {
            return;
        }
        let known: Vec<&str> = paths.iter().map(String::as_str).collect();
        let named = entry.value.as_deref().unwrap_or(order::SYSCTL_CONF);
        let why = format!("{} line {} runs sysctl {} as well", script.path, entry.line, entry.key);
        for (path, line) in order::writes(subject.configuration, Reader::Procps, &known) {
            if entry.key != "--system" && line.file.path != named {
                continue;
            }
            let same = self.kernel.value(&path).zip(line.value());
            if !same.is_some_and(|(a, b)| key::same_value(a, b)) {
                self.kernel.doubt(&path, &why);
            }
        }
    }

    /// Marks what others change later.
    fn overridden(&mut self) {
        for (at, source) in self.sources.iter_mut().enumerate() {
            let final_by = self.kernel.get(&source.path).and_then(|held| held.by);
            if source.effect == Effect::Applies && final_by != Some(at) {
                source.effect = Effect::Overridden;
            }
        }
    }
}

/// What calls sysctl in the usual course of a boot.
fn is_systems_own(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    matches!(name, "procps" | "procps.sh" | "systemd-sysctl.service" | "sysctl" | "procps.service")
}

/// When a script runs.
fn occasion(subject: &Subject<'_>, file: &ConfigFile) -> (Stage, Effect) {
    let mut parts = file.path.rsplit('/');
    let mut name = parts.next().unwrap_or_default();
    // A drop-in: UNIT.d/NAME.conf.
    if let Some(unit) = parts.next().and_then(|folder| folder.strip_suffix(".d"))
        && unit.ends_with(".service")
    {
        name = unit;
    }
    let is_unit = name.ends_with(".service");
    let is_init = file.path.starts_with("/etc/init.d/");
    if is_unit || is_init {
        return if subject.is_enabled(name) {
            (Stage::Service, Effect::Applies)
        } else {
            (Stage::Service, Effect::NotStarted(name.to_owned()))
        };
    }
    let why = format!("{} sets it when it runs", file.path);
    (Stage::Script, Effect::Perhaps(why))
}
