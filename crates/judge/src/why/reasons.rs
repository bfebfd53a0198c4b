//! Who set a row up, and where that was seen.

use facts::{
    Answer, KernelOwner, Package, PackageUse, Part, Place, Question, Setting, SystemdUnit,
};

use super::Facts;
use super::ask::listen_key;
use super::base::Bind;
use super::ways::unit_use;
use crate::holder::{Creator, ProcessHolder};
use crate::row::Row;

/// One reason why a row is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason<'j> {
    /// The package that brought the program, and why it is installed.
    Package(&'j Package, Option<&'j PackageUse>),
    /// A program that no package brought.
    Unpackaged(&'j str),
    /// A unit of the system.
    Unit {
        /// Its name.
        name: &'j str,
        /// What systemd says of it.
        unit: Option<&'j SystemdUnit>,
        /// The units that want it, or do not start without it.
        wanted_by: Vec<&'j str>,
    },
    /// The port stands in a socket unit, not in the service's own configuration.
    Listens {
        /// The unit.
        unit: &'j str,
        /// The lines in its files; never empty.
        settings: Vec<&'j Setting>,
    },
    /// A unit of a user.
    UserUnit(&'j str),
    /// It was started by hand, in this login session.
    Session(&'j str),
    /// A container.
    Container {
        /// Its name.
        name: &'j str,
        /// What its engine says of it.
        container: Option<&'j facts::Container>,
    },
    /// A part of the kernel.
    Kernel(&'j KernelOwner),
    /// A setting that binds it.
    Setting(&'static Bind, &'j Setting),
    /// Such a setting is in none of these files, so that the default holds.
    Default(&'static Bind, &'j [String]),
    /// Whether there is such a setting could not be read.
    Unread(&'static Bind, &'j str),
    /// A configuration file names the port.
    Mention(&'j Place),
}

/// All of them: who brought it, who runs it, what binds it.
pub(super) fn all<'j>(facts: &Facts<'j>, row: &'j Row<'_>) -> Vec<Reason<'j>> {
    let mut all: Vec<Reason<'j>> = Vec::new();
    for holder in &facts.holders {
        if let Some(reason) = package(facts, holder)
            && !all.contains(&reason)
        {
            all.push(reason);
        }
    }
    let containers = facts.holders.iter().filter_map(ProcessHolder::container);
    let containers = containers.chain(facts.creators.iter().filter_map(Creator::container));
    for name in containers {
        let known = facts.judgement.snapshot.containers.items();
        let reason = Reason::Container { name, container: known.iter().find(|c| c.name == name) };
        if !all.contains(&reason) {
            all.push(reason);
        }
    }
    // Scopes are told as sessions and containers.
    let units = facts.units().into_iter().filter(|name| !is_scope(name));
    all.extend(units.map(|name| unit(facts, name)));
    if let Some(place) = facts.place() {
        all.extend(place.user_unit().map(Reason::UserUnit));
        all.extend(place.session().map(Reason::Session));
    }
    all.extend(row.kernel.iter().map(|owner| Reason::Kernel(owner)));
    all.extend(listens(facts, row));
    all.extend(settings(facts, row));
    all.extend(mentions(facts, row));
    all
}

/// The package of a holder's program.
fn package<'j>(facts: &Facts<'j>, holder: &ProcessHolder<'j>) -> Option<Reason<'j>> {
    // systemd's own package tells nothing about what it holds for a unit.
    if holder.socket_unit.is_some() {
        return None;
    }
    let path = holder.process?.executable.as_ref()?.path.as_str();
    let all = facts.judgement.snapshot.packages.items();
    let known = all.binary_search_by(|known| known.path.as_str().cmp(path)).ok()?;
    let known = all.get(known)?;
    let Some(name) = &known.name else { return Some(Reason::Unpackaged(path)) };
    let question = Question::Package { name: name.clone() };
    let usage = match facts.judgement.snapshot.answer(&question).value() {
        Some(Answer::Package(usage)) => Some(usage),
        _ => None,
    };
    Some(Reason::Package(known, usage))
}

/// Whether a unit is a scope: what some program made for processes that it started.
fn is_scope(unit: &str) -> bool {
    unit.rsplit_once('.').is_some_and(|(_, suffix)| suffix == "scope")
}

/// A unit, with those that want it.
fn unit<'j>(facts: &Facts<'j>, name: &'j str) -> Reason<'j> {
    let usage = unit_use(facts, name);
    let wanted =
        usage.into_iter().flat_map(|usage| usage.required_by.iter().chain(&usage.wanted_by));
    let wanted_by = wanted.map(String::as_str).collect();
    Reason::Unit { name, unit: facts.unit(name), wanted_by }
}

/// The lines of socket units that name the row's port.
fn listens<'j>(facts: &Facts<'j>, row: &Row<'_>) -> Vec<Reason<'j>> {
    let Some(port) = row.port().map(|port| port.to_string()) else { return Vec::new() };
    let mut found = Vec::new();
    for name in facts.socket_units() {
        let Some(unit) = facts.unit(name) else { continue };
        let question = listen_key(&unit.fragment_path);
        let Some(Answer::Settings { found: settings, .. }) =
            facts.judgement.snapshot.answer(&question).value()
        else {
            continue;
        };
        let is_it = |setting: &&Setting| {
            setting.value.rsplit(':').next().is_some_and(|value| value == port)
        };
        let settings: Vec<&Setting> = settings.iter().filter(is_it).collect();
        if !settings.is_empty() {
            found.push(Reason::Listens { unit: &unit.name, settings });
        }
    }
    found
}

/// What binds the row, as its service's files say.
fn settings<'j>(facts: &Facts<'j>, row: &Row<'_>) -> Vec<Reason<'j>> {
    let Some(known) = facts.recognised else { return Vec::new() };
    let mut reasons = Vec::new();
    for bind in known.service.bind.iter().filter(|b| b.only.fits(row, facts.is_activated)) {
        let question = Question::Settings { setting: bind.at.clone() };
        let part = facts.judgement.snapshot.answer(&question);
        match part.value() {
            Some(Answer::Settings { found, .. }) if !found.is_empty() => {
                reasons.extend(found.iter().map(|setting| Reason::Setting(bind, setting)));
            }
            Some(Answer::Settings { files, .. }) if part.is_complete() => {
                // Of files that are not there, nothing is said: another distribution has others.
                reasons.extend((!files.is_empty()).then_some(Reason::Default(bind, files)));
            }
            _ => reasons.extend(part.gaps().first().map(|gap| Reason::Unread(bind, &gap.why))),
        }
    }
    reasons
}

/// Where the configuration of a service that the base does not know names the port.
fn mentions<'j>(facts: &Facts<'j>, row: &Row<'_>) -> Vec<Reason<'j>> {
    let Some(port) = row.port().filter(|_| facts.recognised.is_none()) else { return Vec::new() };
    let mut places: Vec<&Place> = Vec::new();
    for name in facts.names() {
        let answer = facts.judgement.snapshot.answer(&Question::Mentions { name, port });
        if let Part::Known { value } | Part::Partial { value, .. } = answer
            && let Answer::Mentions { found } = value
        {
            places.extend(found);
        }
    }
    places.sort_unstable();
    places.dedup();
    places.into_iter().map(Reason::Mention).collect()
}
