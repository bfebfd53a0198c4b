//! The ledger of a setting: what it is, who set it, what it will be.

use super::boot::{Boot, Effect, Source, Stage};
use super::kernel::{self, Joined};
use super::key;
use super::subject::Subject;

/// What is known of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// Its path below `/proc/sys`.
    pub path: String,
    /// Its value; none where the key is not there or not known.
    pub now: Option<String>,
    /// Every line that names it, in the order in which they are applied.
    pub sources: Vec<Source>,
    /// Who set it to what it is.
    pub owner: Owner,
    /// Its value after a boot; none where that cannot be told.
    pub after_boot: Option<String>,
    /// Why that is so, or why it cannot be told.
    pub because: Because,
    /// What counts on the interface, where `all` has a say too.
    pub effective: Option<i64>,
    /// What `all` does to this setting.
    pub joined: Option<Joined>,
    /// What `sysctl --system` would make of it, where that is something else than a boot does.
    pub by_hand: Option<String>,
}

/// Who set a setting to what it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The line at this position of [`Ledger::sources`].
    Source(usize),
    /// The line at this position of the sources of the other setting, which changes this one too.
    Through(String),
    /// The kernel's default.
    Default,
    /// Nobody that is known: a command, or a program.
    ByHand,
    /// The value is not known.
    Unknown,
}

/// Why a setting will be what it will be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Because {
    /// A line sets it: the position in [`Ledger::sources`].
    Source(usize),
    /// A write to another setting changes it.
    Through(String),
    /// Nothing sets it: the kernel's default.
    Default,
    /// It is set before the module is there; then the module comes with its default.
    BeforeModule(&'static str),
    /// It cannot be told.
    Unknown(String),
}

/// The ledger of every setting that is there, or that something sets.
pub(super) fn all(subject: &Subject<'_>, boot: &Boot) -> Vec<Ledger> {
    let mut paths: Vec<&str> = subject.now.keys().map(String::as_str).collect();
    let sourced = boot.sources.iter().map(|source| source.path.as_str());
    paths.extend(sourced.filter(|path| path.starts_with("net/")));
    paths.sort_unstable();
    paths.dedup();
    let mut by_path: std::collections::BTreeMap<&str, Vec<usize>> =
        std::collections::BTreeMap::new();
    for (at, source) in boot.sources.iter().enumerate() {
        by_path.entry(&source.path).or_default().push(at);
    }
    let none = Vec::new();
    paths
        .into_iter()
        .filter(|path| !path.ends_with("/nf_conntrack_count"))
        .map(|path| of(subject, boot, path, by_path.get(path).unwrap_or(&none)))
        .collect()
}

fn of(subject: &Subject<'_>, boot: &Boot, path: &str, sources: &[usize]) -> Ledger {
    let now = subject.value(path).map(str::to_owned);
    let held = boot.kernel.get(path);
    let position = |by: usize| sources.iter().position(|at| *at == by);
    let sources: Vec<Source> =
        sources.iter().filter_map(|at| boot.sources.get(*at)).cloned().collect();
    let early = sources.iter().find_map(|source| match source.effect {
        Effect::BeforeModule(module) => Some(module),
        _ => None,
    });
    let mut after_boot = held.and_then(|held| held.value.clone());
    let mut because = match held {
        None => Because::Unknown("there is no such key now".to_owned()),
        Some(held) => match (&held.unsure, held.by, &held.through) {
            (Some(why), _, _) => Because::Unknown(why.clone()),
            (None, _, Some(other)) => Because::Through(other.clone()),
            (None, Some(by), None) => position(by).map_or(Because::Default, Because::Source),
            (None, None, None) => early.map_or(Because::Default, Because::BeforeModule),
        },
    };
    if is_given(subject, path) && because == Because::Default {
        let same =
            now.as_deref().zip(after_boot.as_deref()).is_some_and(|(a, b)| key::same_value(a, b));
        if !same {
            after_boot = None;
            because = Because::Unknown("a container gets its defaults from its host".to_owned());
        }
    }
    let by_hand = boot.by_hand.as_ref().and_then(|kernel| kernel.value(path));
    let by_hand = by_hand.filter(|_| !sources.is_empty()).map(str::to_owned);
    let by_hand = by_hand.filter(|by_hand| {
        let differs = |other: &Option<String>| {
            other.as_deref().is_some_and(|other| !key::same_value(other, by_hand))
        };
        differs(&after_boot) && sources.iter().any(|source| source.stage == Stage::Sysctl)
    });
    Ledger {
        owner: owner(subject, path, now.as_deref(), &sources, &because, after_boot.as_deref()),
        effective: effective(subject, path),
        joined: key::of_link(path).and_then(kernel::joined),
        path: path.to_owned(),
        now,
        sources,
        after_boot,
        because,
        by_hand,
    }
}

/// Whether who runs this container gave it a value of its own. Those of interfaces are inherited
/// (net/ipv4/devinet.c, `devinet_init_net`); others an engine sets where it is told to, which
/// systemd-nspawn has no option for.
fn is_given(subject: &Subject<'_>, path: &str) -> bool {
    match subject.configuration.container.as_deref() {
        None => false,
        Some("systemd-nspawn") => path.contains("/conf/") || path.contains("/nf_conntrack_max"),
        Some(_) => true,
    }
}

fn owner(
    subject: &Subject<'_>,
    path: &str,
    now: Option<&str>,
    sources: &[Source],
    because: &Because,
    after_boot: Option<&str>,
) -> Owner {
    let Some(now) = now else { return Owner::Unknown };
    let as_boot = after_boot.is_some_and(|value| key::same_value(value, now));
    if as_boot {
        match because {
            Because::Source(at) => return Owner::Source(*at),
            Because::Through(other) => return Owner::Through(other.clone()),
            _ => {}
        }
    }
    // Something that sets this value, though a boot would end elsewhere.
    let sets = |source: &Source| {
        let value = source.value.as_deref().is_some_and(|value| key::same_value(value, now));
        value && !matches!(source.effect, Effect::Masked(_) | Effect::NoSuchKey | Effect::ReadOnly)
    };
    let starts = |source: &Source| !matches!(source.effect, Effect::NotStarted(_));
    if let Some(at) = sources.iter().rposition(|source| sets(source) && starts(source)) {
        return Owner::Source(at);
    }
    let default = match kernel::module_of(path) {
        Some("nf_conntrack") if path.ends_with("_max") || path.ends_with("_buckets") => {
            as_boot.then(|| now.to_owned())
        }
        _ => kernel::default_of(path).map(str::to_owned),
    };
    match default {
        Some(default) if key::same_value(&default, now) => Owner::Default,
        // Who does not start at boot may have been started by hand.
        _ if sources.iter().any(sets) => {
            sources.iter().rposition(sets).map_or(Owner::Unknown, Owner::Source)
        }
        // The kernel gives the loopback interface values of its own.
        Some(_) if path.contains("/conf/lo/") => Owner::Unknown,
        Some(_) if is_given(subject, path) => Owner::Unknown,
        Some(_) => Owner::ByHand,
        None => Owner::Unknown,
    }
}

/// What counts on an interface.
fn effective(subject: &Subject<'_>, path: &str) -> Option<i64> {
    let of = key::of_link(path)?;
    if matches!(of.link, "all" | "default") {
        return None;
    }
    let folder = if of.ipv6 { "ipv6" } else { "ipv4" };
    let all = subject.number(&format!("net/{folder}/conf/all/{}", of.name))?;
    let own = subject.number(path)?;
    let forwards = subject.number(&format!("net/{folder}/conf/{}/forwarding", of.link)) == Some(1);
    kernel::effective(of, all, own, forwards)
}

impl Ledger {
    /// Whether a boot changes it, as far as that can be told.
    pub fn changes(&self) -> bool {
        let both = self.now.as_deref().zip(self.after_boot.as_deref());
        both.is_some_and(|(now, then)| !key::same_value(now, then))
    }

    /// The source that sets it at a boot.
    pub fn winner(&self) -> Option<&Source> {
        match self.because {
            Because::Source(at) => self.sources.get(at),
            _ => None,
        }
    }

    /// What is configured for it but does not come about, because the module comes later.
    pub fn too_early(&self) -> Option<(&Source, &'static str)> {
        self.sources.iter().rev().find_map(|source| match source.effect {
            Effect::BeforeModule(module) => Some((source, module)),
            _ => None,
        })
    }

    /// Whether it is of interest: something names it, or it is not what the kernel has by default.
    pub fn is_of_interest(&self) -> bool {
        // What nobody applies tells nothing.
        let applied = |s: &Source| !matches!(s.effect, Effect::NotStarted(_) | Effect::Masked(_));
        self.sources.iter().any(applied) || matches!(self.owner, Owner::ByHand) || self.changes()
    }
}
