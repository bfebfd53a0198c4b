//! Unit files -> [`UnitFile`]: the settings that decide what starts, with drop-ins applied.

use std::collections::BTreeSet;

use facts::{Gap, Pull, PullKind, RuntimeFile, Trigger, TriggerKind, UnitFile, UnitLoad};

use super::conditions::Conditions;
use super::load_path::{Lasts, LoadPath, drop_in_folders, template};
use super::starters::Commands;
use super::syntax::{self, Setting, expand, words};
use super::{listen, load_path, refused};

/// Reads a unit by one of its names, as the next boot will find it.
pub(super) fn read(
    path: &LoadPath<'_>,
    name: &str,
    ports: &BTreeSet<u16>,
    commands: &mut Commands<'_>,
) -> UnitFile {
    let name = path.canonical(name);
    let mut unit = UnitFile { name, load: UnitLoad::NotFound, ..UnitFile::default() };
    unit.aliases = path.aliases(&unit.name).to_vec();
    unit.runtime =
        path.runtime(&unit.name).map(|(path, transient)| RuntimeFile { path, transient });
    if unit.runtime.is_none() {
        let link = path.runtime_link(&unit.name);
        unit.runtime = link.map(|path| RuntimeFile { path, transient: false });
    }
    let mut files = Vec::new();
    if let Some(fragment) = path.fragment(&unit.name) {
        unit.fragment = fragment.path;
        unit.load = if fragment.masked {
            UnitLoad::Masked
        } else {
            match path.tree.try_read(&unit.fragment) {
                Ok(Some(bytes)) if bytes.is_empty() => UnitLoad::Masked,
                Ok(Some(bytes)) => {
                    files.push((unit.fragment.clone(), bytes));
                    UnitLoad::Loaded
                }
                Ok(None) => UnitLoad::NotFound,
                Err(error) => {
                    let why = crate::owners::files::reason(&std::io::Error::from(error));
                    let why = format!("read {}: {why}", unit.fragment);
                    path.tree.gap(Gap::new("unit files", why));
                    UnitLoad::Unreadable
                }
            }
        };
    }
    if unit.load == UnitLoad::Masked {
        return unit;
    }
    let folders = drop_in_folders(&unit.name, &unit.aliases);
    for (file, _) in path.merged(&folders, ".conf").into_values() {
        if let Some(bytes) = path.tree.read(&file, "unit files") {
            unit.drop_ins.push(file.clone());
            files.push((file, bytes));
        }
    }
    links(path, &mut unit);
    let mut builder = Builder::new(unit, path, ports);
    for (file, bytes) in &files {
        for setting in syntax::parse(bytes) {
            builder.set(file, &setting, commands);
        }
    }
    builder.finish()
}

/// Adds what the folders `NAME.wants` and so on name.
fn links(path: &LoadPath<'_>, unit: &mut UnitFile) {
    let mut names = vec![unit.name.clone()];
    names.extend(template(&unit.name));
    names.extend(unit.aliases.iter().cloned());
    for (suffix, kind) in [
        (".wants", PullKind::Wants),
        (".requires", PullKind::Requires),
        (".upholds", PullKind::Upholds),
    ] {
        let folders: Vec<String> = names.iter().map(|name| format!("{name}{suffix}")).collect();
        for (to, (source, lasts)) in path.merged(&folders, "") {
            if !load_path::is_unit_name(&to) {
                continue;
            }
            if lasts == Lasts::Generated && !is_generated_anew(path, &to, &source) {
                continue;
            }
            // A link of a template's folder to a template is to the instance of the same name.
            let to = match (to.split_once("@."), unit.name.split_once('@')) {
                (Some((prefix, kind)), Some((_, own))) => {
                    let instance = own.rsplit_once('.').map_or(own, |(instance, _)| instance);
                    format!("{prefix}@{instance}.{kind}")
                }
                _ => to,
            };
            unit.pulls.push(Pull { to, kind, source });
        }
    }
}

/// Whether systemd's generator for scripts in `/etc/init.d` would make this link again: a runlevel
/// starts the script (systemd `src/sysv-generator/sysv-generator.c`, `enumerate_sysv`).
fn is_generated_anew(path: &LoadPath<'_>, to: &str, source: &str) -> bool {
    if !source.starts_with("/run/systemd/generator.late/") {
        return true;
    }
    let Some(script) = to.strip_suffix(".service") else { return true };
    if path.tree.exists(&format!("/etc/init.d/{script}")) != Some(true) {
        return true;
    }
    ["2", "3", "4", "5"].iter().any(|level| {
        let entries = path.tree.list(&format!("/etc/rc{level}.d"), "scripts of runlevels");
        entries.is_some_and(|entries| {
            let mut starts = entries.iter().filter_map(|entry| entry.name.strip_prefix('S'));
            starts.any(|name| name.trim_start_matches(|c: char| c.is_ascii_digit()) == script)
        })
    })
}

/// A unit while its settings are applied.
struct Builder<'b, 't> {
    unit: UnitFile,
    kind: String,
    path: &'b LoadPath<'t>,
    ports: &'b BTreeSet<u16>,
    conditions: Conditions,
    listen: listen::Listen,
    accept: bool,
    service: refused::Service,
    programs: BTreeSet<String>,
    named: BTreeSet<u16>,
}

impl<'b, 't> Builder<'b, 't> {
    fn new(unit: UnitFile, path: &'b LoadPath<'t>, ports: &'b BTreeSet<u16>) -> Self {
        let kind = unit.name.rsplit_once('.').map_or("", |(_, kind)| kind).to_owned();
        Self {
            unit,
            kind,
            path,
            ports,
            conditions: Conditions::default(),
            listen: listen::Listen::default(),
            accept: false,
            service: refused::Service::default(),
            programs: BTreeSet::new(),
            named: BTreeSet::new(),
        }
    }

    /// Applies a setting.
    fn set(&mut self, file: &str, setting: &Setting, commands: &mut Commands<'_>) {
        let source = || format!("{file}:{}", setting.line);
        let key = setting.key.as_str();
        if setting.section == "Service" {
            self.service.set(key, &setting.value);
        }
        match (setting.section.as_str(), self.kind.as_str()) {
            ("Unit", _) => self.set_unit(key, &setting.value, source),
            ("Service", "service") if key.starts_with("Exec") => {
                self.command(&setting.value, source, commands);
            }
            ("Service", "service") => match key {
                "Environment" | "EnvironmentFile" => self.name_ports(&setting.value),
                "Sockets" => self.pull(PullKind::Wants, &setting.value, source),
                _ => {}
            },
            ("Socket", "socket") => self.set_socket(key, &setting.value, source, commands),
            ("Timer", "timer") => self.set_timer(key, &setting.value),
            ("Path", "path") => self.set_path(key, &setting.value),
            _ => {}
        }
    }

    fn set_unit(&mut self, key: &str, value: &str, source: impl Fn() -> String) {
        let kind = match key {
            "Requires" => PullKind::Requires,
            "BindsTo" | "BindTo" => PullKind::BindsTo,
            "Wants" => PullKind::Wants,
            "Upholds" => PullKind::Upholds,
            "Requisite" => PullKind::Requisite,
            "Conflicts" => PullKind::Conflicts,
            "OnFailure" => PullKind::OnFailure,
            "OnSuccess" => PullKind::OnSuccess,
            "After" | "Before" => {
                self.order(key, value);
                return;
            }
            "DefaultDependencies" => {
                self.unit.no_defaults = !is_true(value);
                return;
            }
            "SuccessAction" => {
                self.service.set(key, value);
                return;
            }
            "SourcePath" => {
                self.unit.source_exists = self.path.tree.exists(value);
                self.unit.source = Some(value.to_owned());
                return;
            }
            _ => {
                if key.starts_with("Condition") || key.starts_with("Assert") {
                    self.conditions.set(self.path.tree, key, value, &self.unit.name);
                }
                return;
            }
        };
        self.pull(kind, value, source);
    }

    /// Adds dependencies. An empty value does not take back earlier ones.
    fn pull(&mut self, kind: PullKind, value: &str, source: impl Fn() -> String) {
        for word in words(value) {
            match expand(&word, &self.unit.name) {
                Some(to) if load_path::is_unit_name(&to) => {
                    self.unit.pulls.push(Pull { to, kind, source: source() });
                }
                _ => self.unit.unclear.push(format!("{}={word} ({})", kind.name(), source())),
            }
        }
    }

    /// Adds to the order of starts. An empty value does not take back earlier ones.
    fn order(&mut self, key: &str, value: &str) {
        let name = self.unit.name.clone();
        let named = words(value).into_iter().filter_map(|word| expand(&word, &name));
        let list = if key == "After" { &mut self.unit.after } else { &mut self.unit.before };
        list.extend(named.filter(|to| load_path::is_unit_name(to)));
    }

    fn command(&mut self, value: &str, source: impl Fn() -> String, commands: &mut Commands<'_>) {
        if value.is_empty() {
            self.programs.clear();
            return;
        }
        self.name_ports(value);
        let mut words = words(value).into_iter();
        let program = words.next().unwrap_or_default();
        let program = program.trim_start_matches(['-', '@', ':', '+', '!']);
        if let Some(program) = expand(program, &self.unit.name).filter(|p| !p.is_empty()) {
            commands.look_at(self.path.tree, &self.unit.name, &program, value, source);
            self.programs.insert(program);
        }
    }

    fn name_ports(&mut self, value: &str) {
        self.named.extend(super::starters::ports_in(value, self.ports));
    }

    fn set_socket(
        &mut self,
        key: &str,
        value: &str,
        source: impl Fn() -> String,
        commands: &mut Commands<'_>,
    ) {
        match key {
            "Service" => self.unit.starts = expand(value, &self.unit.name),
            "Accept" => self.accept = is_true(value),
            _ if key.starts_with("Exec") => self.command(value, source, commands),
            _ => match expand(value, &self.unit.name) {
                Some(value) => {
                    if let Err(unclear) = self.listen.set(key, &value, &source()) {
                        self.unit.unclear.push(unclear);
                    }
                }
                None if key.starts_with("Listen") => {
                    self.unit.unclear.push(format!("{key}={value} ({})", source()));
                }
                None => {}
            },
        }
    }

    fn set_timer(&mut self, key: &str, value: &str) {
        let kind = match key {
            "OnBootSec" | "OnStartupSec" | "OnActiveSec" => TriggerKind::AfterBoot,
            "OnCalendar" => TriggerKind::Calendar,
            "OnUnitActiveSec" | "OnUnitInactiveSec" | "OnClockChange" | "OnTimezoneChange" => {
                TriggerKind::Repeat
            }
            "Unit" => {
                self.unit.starts = expand(value, &self.unit.name);
                return;
            }
            _ => return,
        };
        if value.is_empty() {
            // Any of these takes back all (systemd.timer(5)).
            self.unit.triggers.clear();
        } else {
            let value = format!("{key}={value}");
            self.unit.triggers.push(Trigger { kind, value, holds: false });
        }
    }

    fn set_path(&mut self, key: &str, value: &str) {
        let kind = match key {
            "PathExists" | "PathExistsGlob" | "DirectoryNotEmpty" => TriggerKind::Exists,
            "PathChanged" | "PathModified" => TriggerKind::Changed,
            "Unit" => {
                self.unit.starts = expand(value, &self.unit.name);
                return;
            }
            _ => return,
        };
        if value.is_empty() {
            self.unit.triggers.clear();
            return;
        }
        let tree = self.path.tree;
        let at = expand(value, &self.unit.name);
        let holds = at.filter(|path| lasts(path)).is_some_and(|path| match key {
            "PathExists" => tree.exists(&path) == Some(true),
            "DirectoryNotEmpty" => {
                tree.list(&path, "folders that start a unit").is_some_and(|l| !l.is_empty())
            }
            _ => false,
        });
        let value = format!("{key}={value}");
        self.unit.triggers.push(Trigger { kind, value, holds });
    }

    fn finish(self) -> UnitFile {
        let Self { mut unit, kind, accept, conditions, listen, service, programs, named, .. } =
            self;
        let own = |suffix: &str| {
            let stem = unit.name.rsplit_once('.').map_or("", |(stem, _)| stem);
            format!("{stem}{suffix}.service")
        };
        if unit.load == UnitLoad::Loaded {
            match kind.as_str() {
                "timer" | "path" => unit.starts = unit.starts.or_else(|| Some(own(""))),
                // One instance for each connection, and the socket itself needs no service.
                "socket" if accept => unit.starts = None,
                "socket" => unit.starts = unit.starts.or_else(|| Some(own(""))),
                _ => {}
            }
            unit.broken = match kind.as_str() {
                "service" => service.refused(),
                "timer" | "path" if unit.triggers.is_empty() => Some("it names no event"),
                _ => None,
            }
            .map(str::to_owned);
        }
        for list in [&mut unit.after, &mut unit.before] {
            list.sort_unstable();
            list.dedup();
        }
        unit.conditions = conditions.list;
        unit.listen = listen.finish();
        unit.programs = programs.into_iter().collect();
        unit.names_ports = named.into_iter().collect();
        unit.names_ports.extend(unit.listen.iter().map(|line| line.port.0));
        unit.names_ports.sort_unstable();
        unit.names_ports.dedup();
        unit.pulls.sort_unstable();
        unit.pulls.dedup();
        unit
    }
}

/// Whether what is at a path is there again after a boot.
pub(super) fn lasts(path: &str) -> bool {
    let gone = ["/run/", "/var/run/", "/tmp/", "/proc/", "/sys/", "/dev/", "/var/lock/"];
    !gone.iter().any(|folder| path.starts_with(folder))
}

/// A boolean of systemd (`src/basic/parse-util.c`, `parse_boolean`).
pub(super) fn is_true(value: &str) -> bool {
    ["1", "yes", "y", "true", "t", "on"].iter().any(|yes| value.eq_ignore_ascii_case(yes))
}
