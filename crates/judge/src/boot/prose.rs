//! The reasons in words, for those who have no typed reader: text views, JSON, findings.

use std::fmt::{self, Display, Formatter};

use facts::{PullKind, StarterKind, TriggerKind};

use super::reason::{AfterBoot, Hindrance, Link, Place, Reason, Verdict};

impl Verdict {
    /// The cell of a table.
    pub fn word(self) -> &'static str {
        match self {
            Self::Returns => "yes",
            Self::Maybe => "maybe",
            Self::Unknown => "?",
            Self::DoesNotReturn => "no",
        }
    }

    /// In a sentence.
    pub fn phrase(self) -> &'static str {
        match self {
            Self::Returns => "returns",
            Self::Maybe => "may return",
            Self::Unknown => "not known",
            Self::DoesNotReturn => "does not return",
        }
    }
}

impl AfterBoot {
    /// Why, in a sentence.
    pub fn because(&self) -> String {
        let mut text = String::new();
        for (at, reason) in self.reasons.iter().enumerate() {
            text.push_str(if at > 0 { "; " } else { "" });
            text.push_str(&reason.to_string());
        }
        if let Some(first) = self.instead.first() {
            text.push_str("; it listens then on ");
            text.push_str(&first.to_string());
            let more = self.instead.len().saturating_sub(1);
            for place in self.instead.iter().skip(1).take(3) {
                text.push_str(", ");
                text.push_str(&place.to_string());
            }
            if more > 3 {
                text.push_str(" and more");
            }
        }
        text
    }
}

impl Display for Place {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(std::net::IpAddr::V6(address)) => write!(f, "[{address}]:{}", self.port)?,
            Some(address) => write!(f, "{address}:{}", self.port)?,
            None => write!(f, "any address, port {}", self.port)?,
        }
        if self.protocol == facts::Protocol::TCP { Ok(()) } else { write!(f, "/{}", self.protocol) }
    }
}

/// The last steps of a way: from the last target on, for what is before it every host has.
fn way(f: &mut Formatter<'_>, way: &[Link]) -> fmt::Result {
    let from_target = |link: &Link| match link {
        Link::Default { .. } => true,
        Link::Pull { from, .. } => from.ends_with(".target"),
        _ => false,
    };
    let start = way.iter().rposition(from_target).unwrap_or(0);
    for (at, link) in way.iter().skip(start).enumerate() {
        if at > 0 {
            f.write_str(", ")?;
        }
        link_in_words(f, link, at > 0)?;
    }
    Ok(())
}

fn link_in_words(f: &mut Formatter<'_>, link: &Link, goes_on: bool) -> fmt::Result {
    let subject =
        |f: &mut Formatter<'_>, from: &str| f.write_str(if goes_on { "which" } else { from });
    match link {
        Link::Default { target } => write!(f, "{target} is the default target"),
        Link::Pull { from, kind, to, source } => {
            subject(f, from)?;
            let verb = match kind {
                PullKind::Requires => "requires",
                PullKind::BindsTo => "is bound to",
                PullKind::Upholds => "upholds",
                PullKind::OnFailure => "starts, if it fails,",
                PullKind::OnSuccess => "starts, when it ends,",
                _ => "wants",
            };
            write!(f, " {verb} {to} ({source})")
        }
        Link::Trigger { from, to, kind, setting } => {
            subject(f, from)?;
            let when = match kind {
                TriggerKind::AfterBoot => "after the boot",
                TriggerKind::Calendar => "when its time comes",
                TriggerKind::Repeat => "after it has run once",
                TriggerKind::Exists => "if the path is there",
                _ => "when the path is changed",
            };
            write!(f, " starts {to} {when} ({setting})")
        }
        Link::Socket { from, to } => {
            subject(f, from)?;
            write!(f, " starts {to} when something connects to it")
        }
        Link::Starter { kind, source, to } => {
            write!(f, "{} names {to} ({source})", starter(*kind))
        }
    }
}

fn starter(kind: StarterKind) -> &'static str {
    match kind {
        StarterKind::CronReboot => "a crontab with @reboot",
        StarterKind::Cron => "a job of cron",
        StarterKind::RcLocal => "/etc/rc.local",
        StarterKind::InitScript => "a script of a runlevel",
        StarterKind::Hook => "a script that is run for a network interface",
        StarterKind::Command => "a command of a unit",
        StarterKind::Bus => "a service of the message bus",
        StarterKind::Udev => "a rule of udev",
        StarterKind::Mount => "a mount",
        StarterKind::Inetd => "the configuration of inetd",
        StarterKind::Supervisor => "the configuration of a supervisor",
        StarterKind::Other => "something",
    }
}

impl Display for Hindrance {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Masked(file) => write!(f, "it is masked ({file})"),
            Self::NoFile => f.write_str("it has no unit file"),
            Self::Unreadable(file) => write!(f, "its file {file} could not be read"),
            Self::Broken(why) => write!(f, "systemd refuses its file: {why}"),
            Self::Circle(other) => write!(
                f,
                "it and {other} are each to be started after the other, in a circle, of which \
                 systemd leaves one out"
            ),
            Self::SourceGone(file) => write!(f, "{file}, from which it is made, is gone"),
            Self::Condition(text) => f.write_str(text),
            Self::Requires(unit) => {
                write!(f, "it requires {unit}, which cannot be started, and may not start either")
            }
            Self::Starts(unit) => write!(f, "{unit}, which it starts, cannot be loaded"),
            Self::Conflict(unit) => write!(f, "{unit} is started too, and both conflict"),
        }
    }
}

impl Display for Reason {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started { user, way: links, .. } => {
                if let Some(user) = user {
                    write!(f, "in the service manager of {user}, ")?;
                }
                way(f, links)
            }
            Self::PossiblyStarted { way: links, .. } => way(f, links),
            Self::Depends { unit, on: Hindrance::Condition(text) } => {
                write!(f, "{unit} is started if {text} holds")
            }
            Self::Depends { unit, on } => write!(f, "{unit} is started, but {on}"),
            Self::Hindered { unit, by: Hindrance::Condition(text) } => {
                write!(f, "{unit} does not run: {text} does not hold")
            }
            Self::Hindered { unit, by } => write!(f, "{unit} does not start: {by}"),
            Self::NotStarted { unit, would } => {
                write!(f, "nothing that starts at boot starts {unit}")?;
                if let Some(first) = would.first() {
                    write!(f, "; a start of {first}")?;
                    if let Some(second) = would.get(1) {
                        write!(f, " or {second}")?;
                    }
                    if would.len() > 2 {
                        f.write_str(" (and others)")?;
                    }
                    f.write_str(" would open it again")?;
                }
                Ok(())
            }
            Self::Transient { unit, file } => {
                write!(f, "{unit} is gone after a boot")?;
                if file.is_empty() { Ok(()) } else { write!(f, " ({file})") }
            }
            Self::ByHand { session: Some(session), .. } => {
                write!(f, "it was started by hand, in login session {session}")
            }
            Self::ByHand { unit: Some(unit), .. } => {
                write!(f, "it was started by hand, in {unit}")
            }
            Self::ByHand { .. } => f.write_str("it was started by hand: it runs in no unit"),
            Self::Named { kind, source, names, own } => {
                let names = if names.is_empty() { "the port" } else { names };
                let verb = if *own { "starts" } else { "names" };
                write!(f, "{} {verb} {names} ({source})", starter(*kind))
            }
            Self::StartsForOthers { unit } => {
                write!(f, "{unit} started it, and nothing that was read says whether it will again")
            }
            other => about_others(other, f),
        }
    }
}

/// The reasons that are not about units of the system.
fn about_others(reason: &Reason, f: &mut Formatter<'_>) -> fmt::Result {
    match reason {
        Reason::Lingers { user, file } => {
            write!(f, "the service manager of {user} is started at boot ({file})")
        }
        Reason::AtLogin { user } => {
            write!(f, "the service manager of {user} starts only when {user} logs in (no linger)")
        }
        Reason::Configured { source } => write!(f, "configured in {source}"),
        Reason::ConfiguredElsewhere { by, source } => {
            write!(f, "{by} is configured to listen elsewhere only ({source})")
        }
        Reason::ConfigurationUnclear { what } => {
            write!(f, "its configuration is not understood in full ({what})")
        }
        Reason::ChosenPort { unit } => write!(
            f,
            "{unit} is started, but the port is one that the kernel chooses from, and may be \
             another then"
        ),
        Reason::Container { name, policy, source } => {
            write!(f, "container {name} has the restart policy {policy} ({source})")
        }
        Reason::Engine { unit, possibly: true } => {
            write!(f, "{unit} is started only when something asks for it")
        }
        Reason::Engine { unit, .. } => write!(f, "{unit} is not started at boot"),
        Reason::EngineUnknown { engine, why } => {
            write!(f, "what {engine} starts at boot is not known: {why}")
        }
        Reason::InnerManager { container } => {
            write!(f, "what starts inside {container} was not read")
        }
        Reason::LinkMade { link, source, by } => {
            write!(f, "{source} makes {link}, read by {by}")
        }
        Reason::LinkUnknown { link } => {
            write!(f, "no file that was read makes {link}: a program may")
        }
        Reason::HolderUnknown => f.write_str("who holds it is not known"),
        Reason::UnitUnknown => {
            f.write_str("systemd holds it, and for which of its units is not known")
        }
        Reason::Unread { what, why } => write!(f, "not read: {what} ({why})"),
        Reason::OtherInit { name } if name == "systemd" => {
            f.write_str("systemd's own files are not to be seen from here")
        }
        Reason::OtherInit { name } => {
            write!(f, "pid 1 is {name}, and what that starts is not known")
        }
        Reason::NoTarget => f.write_str("no default target was found"),
        Reason::NotRead => f.write_str("what starts at boot was not read"),
        Reason::NotAsked => f.write_str(crate::reach::SOCKETS_ONLY),
        // The others are told by the caller.
        _ => Ok(()),
    }
}
