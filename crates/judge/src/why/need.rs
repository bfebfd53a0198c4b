//! Whether something that would need a service is on this host: the checks of the base, over the
//! answers that the host gave.

use facts::{
    Answer, Export, KernelOwner, Link, NetworkMount, PackageUse, Part, Profile, Question,
    RpcProgram, Setting,
};

use super::base::Check;
use crate::Judgement;

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<'j> {
    /// It is there; never empty.
    Found(Vec<Trace<'j>>),
    /// All places were looked at, and it is not there.
    Absent,
    /// That is not known.
    Unknown(Unknown<'j>),
}

/// Why an outcome is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown<'j> {
    /// Nobody asked the host.
    NotAsked,
    /// It could not be read, for this reason.
    Unread(&'j str),
    /// A place names it, and does not say enough.
    Unclear(Trace<'j>),
}

/// Where something was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trace<'j> {
    /// A network file system.
    Mount(&'j NetworkMount),
    /// An exported folder.
    Export(&'j Export),
    /// A registered program.
    Program(&'j RpcProgram),
    /// A profile.
    Profile(&'j Profile),
    /// A value.
    Setting(&'j Setting),
    /// A path.
    Path(&'static str),
    /// A package.
    Package(&'j PackageUse),
    /// An interface.
    Link(&'j Link),
    /// A part of the kernel.
    Kernel(&'j KernelOwner),
    /// A container.
    Container(&'j facts::Container),
}

/// What has to be asked for a check.
pub(super) fn question(check: &'static Check) -> Option<Question> {
    match check {
        Check::Mount { .. } => Some(Question::NetworkMounts),
        Check::Export {} => Some(Question::Exports),
        Check::RpcProgram { .. } => Some(Question::RpcPrograms),
        Check::Profile { .. } => Some(Question::Profiles),
        Check::Setting { at, .. } => Some(Question::Settings { setting: at.clone() }),
        Check::Path(path) => Some(Question::Path { path: path.clone() }),
        Check::Package(name) => Some(Question::Package { name: name.clone() }),
        Check::Link(_) | Check::Container {} => None,
    }
}

/// Looks.
pub(super) fn look<'j>(judgement: &'j Judgement<'_>, check: &'static Check) -> Outcome<'j> {
    let snapshot = judgement.snapshot;
    match check {
        Check::Link(kind) => {
            let links = snapshot.namespaces.items().iter().flat_map(|n| n.links.items());
            let found = links.filter(|link| link.kind == *kind).map(Trace::Link).collect();
            from_list(found, snapshot.namespaces.gaps().first().map(|gap| gap.why.as_str()))
        }
        Check::Container {} => match &snapshot.containers {
            // They are looked for where a cgroup or a port forwarder leads to them.
            Part::NotAsked => Outcome::Absent,
            part => {
                let found = part.items().iter().map(Trace::Container).collect();
                from_list(found, part.gaps().first().map(|gap| gap.why.as_str()))
            }
        },
        _ => {
            let Some(question) = question(check) else { return NOT_ASKED };
            match snapshot.answer(&question) {
                Part::NotAsked => NOT_ASKED,
                Part::Unreadable { gap } => Outcome::Unknown(Unknown::Unread(&gap.why)),
                Part::Known { value } => answered(check, value),
                Part::Partial { value, gaps } => match answered(check, value) {
                    Outcome::Absent => gaps
                        .first()
                        .map_or(Outcome::Absent, |gap| Outcome::Unknown(Unknown::Unread(&gap.why))),
                    outcome => outcome,
                },
            }
        }
    }
}

const NOT_ASKED: Outcome<'static> = Outcome::Unknown(Unknown::NotAsked);

/// The outcome of a list that may not be whole.
fn from_list<'j>(found: Vec<Trace<'j>>, missing: Option<&'j str>) -> Outcome<'j> {
    match missing {
        Some(why) if found.is_empty() => Outcome::Unknown(Unknown::Unread(why)),
        _ if found.is_empty() => Outcome::Absent,
        _ => Outcome::Found(found),
    }
}

/// What an answer says to a check.
fn answered<'j>(check: &'static Check, answer: &'j Answer) -> Outcome<'j> {
    let found: Vec<Trace<'j>> = match (check, answer) {
        (Check::Mount { kinds, versions }, Answer::Mounts { found }) => {
            return mounts(kinds, versions, found);
        }
        (Check::Export {}, Answer::Exports { found }) => found.iter().map(Trace::Export).collect(),
        (Check::RpcProgram { numbers, except }, Answer::Programs { found }) => {
            let is_it = |p: &&RpcProgram| {
                (numbers.is_empty() || numbers.contains(&p.program)) && !except.contains(&p.program)
            };
            found.iter().filter(is_it).map(Trace::Program).collect()
        }
        (Check::Profile { ipv4, ipv6 }, Answer::Profiles { found }) => {
            return profiles(ipv4, ipv6, found);
        }
        (Check::Setting { has, lacks, .. }, Answer::Settings { found, .. }) => {
            let is_it = |s: &&Setting| {
                (has.is_empty() || has.iter().any(|word| holds(&s.value, word)))
                    && !lacks.iter().any(|word| holds(&s.value, word))
            };
            found.iter().filter(is_it).map(Trace::Setting).collect()
        }
        (Check::Path(path), Answer::Path { exists: true }) => vec![Trace::Path(path)],
        (Check::Package(_), Answer::Package(known)) if known.version.is_some() => {
            vec![Trace::Package(known)]
        }
        (Check::Path(_), Answer::Path { .. }) | (Check::Package(_), Answer::Package(_)) => {
            Vec::new()
        }
        _ => return Outcome::Unknown(Unknown::Unread("the answer is of another kind")),
    };
    from_list(found, None)
}

/// Active profiles with these methods. NetworkManager writes down which profile is active once it is
/// set up, and until then one that fits may be the one.
fn profiles<'j>(ipv4: &[String], ipv6: &[String], all: &'j [Profile]) -> Outcome<'j> {
    let fits = |wanted: &[String], method: &str| {
        // nm-settings-nmcli(5): a profile without a method has `auto`.
        let method = if method.is_empty() { "auto" } else { method };
        wanted.is_empty() || wanted.iter().any(|wanted| wanted == method)
    };
    let fitting = || all.iter().filter(|p| fits(ipv4, &p.ipv4) && fits(ipv6, &p.ipv6));
    let active: Vec<_> =
        fitting().filter(|p| !p.active_on.is_empty()).map(Trace::Profile).collect();
    match fitting().next() {
        _ if !active.is_empty() => Outcome::Found(active),
        Some(profile) => Outcome::Unknown(Unknown::Unclear(Trace::Profile(profile))),
        None => Outcome::Absent,
    }
}

/// Whether a value has this word, whatever the case.
fn holds(value: &str, word: &str) -> bool {
    let mut words = value.split(|c: char| c.is_whitespace() || matches!(c, ',' | '\'' | '"'));
    words.any(|w| w.eq_ignore_ascii_case(word))
}

/// Mounts of these kinds and major versions.
fn mounts<'j>(kinds: &[String], versions: &[String], all: &'j [NetworkMount]) -> Outcome<'j> {
    let of_kind = || all.iter().filter(|mount| kinds.contains(&mount.kind));
    let is_version = |mount: &&NetworkMount| match &mount.version {
        _ if versions.is_empty() => true,
        Some(version) => {
            let major = version.split('.').next().unwrap_or_default();
            versions.iter().any(|wanted| wanted == major)
        }
        None => false,
    };
    let found: Vec<_> = of_kind().filter(is_version).map(Trace::Mount).collect();
    if !found.is_empty() {
        return Outcome::Found(found);
    }
    // nfs(5): without a version the highest that the server has is taken, which only the mount
    // itself tells.
    let told = |mount: &&NetworkMount| {
        all.iter()
            .any(|other| other.mounted && other.point == mount.point && other.version.is_some())
    };
    let unclear = of_kind().find(|mount| mount.version.is_none() && !told(mount));
    match unclear.filter(|_| !versions.is_empty()) {
        Some(mount) => Outcome::Unknown(Unknown::Unclear(Trace::Mount(mount))),
        None => Outcome::Absent,
    }
}
