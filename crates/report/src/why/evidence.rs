//! Where statements were seen on the host, for the long form and for JSON.

use facts::{Place, Setting};
use judge::why::{Because, Outcome, Reason, Trace, Unknown};

/// Something that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen<'j> {
    /// The file, or what was asked.
    pub(crate) source: &'j str,
    /// The line in it.
    pub(crate) line: Option<u32>,
    /// What stands there; empty where the statement says it.
    pub(crate) text: String,
}

impl<'j> Seen<'j> {
    fn at(at: &'j Place, text: String) -> Self {
        Self { source: &at.file, line: (at.line > 0).then_some(at.line), text }
    }

    fn asked(source: &'j str, text: String) -> Self {
        Self { source, line: None, text }
    }
}

/// Where a reason was seen.
pub(crate) fn of_reason<'j>(reason: &Reason<'j>) -> Vec<Seen<'j>> {
    let text = |text: &str| text.to_owned();
    match reason {
        Reason::Package(package, usage) => {
            let owns = format!("{} owns {}", package.name.as_deref().unwrap_or("?"), package.path);
            let mut seen = vec![Seen::asked(&package.manager, owns)];
            if let Some(usage) = usage {
                let all = usage.wanted_by.iter();
                let names: Vec<&str> = all.map(|dependent| dependent.name.as_str()).collect();
                let by = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
                seen.push(Seen::asked(&usage.source, format!("named by {by}")));
            }
            seen
        }
        Reason::Unpackaged(path) => vec![Seen::asked(path, String::new())],
        Reason::Unit { unit, .. } => {
            let file = unit.map(|unit| unit.fragment_path.as_str()).filter(|path| !path.is_empty());
            let state = unit.map(|unit| {
                let states = [&unit.load_state, &unit.active_state, &unit.file_state];
                states.map(String::as_str).join(", ").trim_end_matches(", ").to_owned()
            });
            match (file, state) {
                (Some(file), state) => vec![Seen::asked(file, state.unwrap_or_default())],
                (None, Some(state)) => vec![Seen::asked("systemd", state)],
                (None, None) => vec![Seen::asked("cgroup", String::new())],
            }
        }
        Reason::UserUnit(_) | Reason::Session(_) => vec![Seen::asked("cgroup", String::new())],
        Reason::Container { container, .. } => match container {
            Some(container) => vec![Seen::asked(&container.source, text(&container.id))],
            None => vec![Seen::asked("cgroup", String::new())],
        },
        Reason::Kernel(owner) => vec![Seen::asked(&owner.source, String::new())],
        Reason::Listens { settings, .. } => settings.iter().map(|setting| set(setting)).collect(),
        Reason::Setting(_, setting) => vec![set(setting)],
        Reason::Default(_, files) => {
            files.iter().map(|file| Seen::asked(file, "not set".to_owned())).collect()
        }
        Reason::Unread(..) => Vec::new(),
        Reason::Mention(at) => vec![Seen::at(at, String::new())],
    }
}

/// Where it was seen whether something needs a row.
pub(crate) fn of_because<'j>(because: &Because<'j>) -> Vec<Seen<'j>> {
    match because {
        Because::Need(_, Outcome::Found(traces)) => traces.iter().map(of_trace).collect(),
        Because::Need(_, Outcome::Unknown(Unknown::Unclear(trace))) => vec![of_trace(trace)],
        Because::Connected(_) | Because::NotConnected => {
            vec![Seen::asked("sock_diag", String::new())]
        }
        _ => Vec::new(),
    }
}

fn of_trace<'j>(trace: &Trace<'j>) -> Seen<'j> {
    match trace {
        Trace::Mount(mount) => {
            let version = mount.version.as_deref().map(|v| format!(" vers={v}"));
            let (what, point, kind) = (&mount.what, &mount.point, &mount.kind);
            Seen::at(&mount.at, format!("{what} {point} {kind}{}", version.unwrap_or_default()))
        }
        Trace::Export(export) => Seen::at(&export.at, export.path.clone()),
        Trace::Program(program) => {
            let (number, version) = (program.program, program.version);
            let (netid, address, owner) = (&program.netid, &program.address, &program.owner);
            let text = format!("{number} version {version} {netid} {address} by {owner}");
            Seen::asked("portmapper (RFC 1833)", text)
        }
        Trace::Profile(profile) => {
            let text = format!("{}, ipv6.method={}", profile.id, profile.ipv6);
            Seen::at(&profile.at, text)
        }
        Trace::Setting(setting) => set(setting),
        Trace::Path(path) => Seen::asked(path, String::new()),
        Trace::Package(usage) => {
            let version = usage.version.as_deref().unwrap_or_default();
            Seen::asked(&usage.source, format!("{} {version}", usage.name))
        }
        Trace::Link(link) => Seen::asked("rtnetlink link dump", link.name.clone()),
        Trace::Kernel(owner) => Seen::asked(&owner.source, owner.instance.clone()),
        Trace::Container(container) => Seen::asked(&container.source, container.name.clone()),
    }
}

/// A line of a configuration file.
fn set(setting: &Setting) -> Seen<'_> {
    Seen::at(&setting.at, format!("{} {}", setting.key, setting.value))
}
