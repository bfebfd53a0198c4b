//! Judgements about settings in words, for people and for `because` in the JSON.

use judge::settings::{
    Because, Effect, Kind, Ledger, Owner, Scope, Source, Stage, Verdict, dotted,
};

/// Who applies a line.
pub(crate) fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::CommandLine => "kernel command line",
        Stage::Module => "module option",
        Stage::Sysctl => "sysctl.d",
        Stage::Ufw => "ufw",
        Stage::NetworkManager => "NetworkManager",
        Stage::Networkd => "systemd-networkd",
        Stage::Ifupdown => "ifupdown",
        Stage::Ifcfg => "network scripts",
        Stage::Docker => "Docker",
        Stage::Service => "service",
        Stage::Script => "script",
    }
}

/// What a line does at a boot.
pub(crate) fn effect(effect: &Effect) -> String {
    match effect {
        Effect::Applies => "sets it".to_owned(),
        Effect::Overridden => "changed by what comes after it".to_owned(),
        Effect::Masked(by) => format!("not read: {by} takes its place"),
        Effect::ByHandOnly => "read by sysctl --system, not at boot".to_owned(),
        Effect::BeforeModule(module) => format!("too early: {module} is not loaded yet"),
        Effect::NoSuchKey => "there is no such key".to_owned(),
        Effect::NotStarted(what) => format!("{what} does not start at boot"),
        Effect::Perhaps(why) => format!("perhaps: {why}"),
    }
}

/// `/etc/sysctl.d/1.conf line 3`.
pub(crate) fn place(source: &Source) -> String {
    match source.line {
        0 => source.file.clone(),
        line => format!("{} line {line}", source.file),
    }
}

/// Who set a setting to what it is.
pub(crate) fn owner(ledger: &Ledger) -> String {
    match &ledger.owner {
        Owner::Source(at) => match ledger.sources.get(*at) {
            Some(source) if source.stage == Stage::Sysctl => source.file.clone(),
            Some(source) => stage(source.stage).to_owned(),
            None => "unknown".to_owned(),
        },
        Owner::Through(other) => format!("through {}", dotted(other)),
        Owner::Default => "kernel default".to_owned(),
        Owner::ByHand => "by hand or a program".to_owned(),
        Owner::Unknown => "unknown".to_owned(),
    }
}

/// Why a setting will be what it will be.
pub(crate) fn because(ledger: &Ledger) -> String {
    match &ledger.because {
        Because::Source(at) => match ledger.sources.get(*at) {
            Some(source) => format!("{} ({})", place(source), stage(source.stage)),
            None => String::new(),
        },
        Because::Through(other) => format!("a write to {} changes it", dotted(other)),
        Because::Default => "nothing sets it: the kernel's default".to_owned(),
        Because::BeforeModule(module) => {
            format!("it is written before {module} is loaded, which comes with its default")
        }
        Because::Unknown(why) => why.clone(),
    }
}

/// The kind of an address, as the JSON names it.
pub(crate) fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Temporary => "temporary",
        Kind::StablePrivacy => "stable_privacy",
        Kind::Eui64 => "eui64",
        Kind::Dhcp => "dhcp",
        Kind::Static => "static",
        Kind::LinkLocal => "link_local",
    }
}

/// How far an address is valid, as the JSON names it.
pub(crate) fn scope(scope: Scope) -> &'static str {
    match scope {
        Scope::Global => "global",
        Scope::Ula => "ula",
        Scope::LinkLocal => "link_local",
        Scope::Host => "host",
    }
}

/// What a restart does, as the JSON names it.
pub(crate) fn verdict(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Survives => "survives",
        Verdict::Resets => "resets",
        Verdict::Perhaps => "perhaps",
    }
}
