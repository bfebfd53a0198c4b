//! What a row's explanation starts from: who holds it, in which units, from which packages.

use std::collections::BTreeSet;

use facts::{Pid, SystemdUnit};

use super::recognise::{self, Recognised};
use crate::Judgement;
use crate::holder::{Creator, Held, ProcessHolder};
use crate::place::Place;
use crate::row::Row;

/// A row with what was found about its holders.
#[derive(Debug)]
pub(crate) struct Facts<'j> {
    pub(super) judgement: &'j Judgement<'j>,
    /// The service, if the base knows it.
    pub(super) recognised: Option<Recognised<'j>>,
    /// Whether systemd made it for a socket unit.
    pub(super) is_activated: bool,
    /// The processes that hold it.
    pub(super) holders: Vec<ProcessHolder<'j>>,
    /// Who made what nobody is known to hold.
    pub(super) creators: Vec<Creator<'j>>,
}

impl<'j> Facts<'j> {
    /// Reads them.
    pub(crate) fn of(judgement: &'j Judgement<'_>, row: &'j Row<'_>) -> Self {
        let holders: Vec<_> = judgement.holders(row).collect();
        let creator = |held| match held {
            Held::Creator(creator) | Held::Nobody(creator) => Some(creator),
            Held::Processes | Held::Kernel(_) => None,
        };
        let creators: Vec<_> = judgement.held(row).filter_map(creator).collect();
        let is_activated = holders.iter().any(|holder| holder.socket_unit.is_some())
            || creators.iter().any(|creator| creator.socket_unit.is_some());
        let recognised = recognise::recognise(judgement, row);
        Self { judgement, recognised, is_activated, holders, creators }
    }

    /// The service, if the base knows it.
    pub(crate) fn recognised(&self) -> Option<Recognised<'j>> {
        self.recognised
    }

    /// The units of the system that hold it: those that systemd holds it for first.
    pub(super) fn units(&self) -> Vec<&'j str> {
        let mut units: Vec<&str> = Vec::new();
        let of_holders = self.holders.iter().filter_map(ProcessHolder::unit);
        for unit in of_holders.chain(self.creators.iter().filter_map(Creator::unit)) {
            if !units.contains(&unit) {
                units.push(unit);
            }
        }
        units.sort_by_key(|unit| !unit.ends_with(".socket"));
        units
    }

    /// The socket units that it is held for.
    pub(super) fn socket_units(&self) -> Vec<&'j str> {
        let of_holders = self.holders.iter().filter_map(|holder| holder.socket_unit);
        let mut units: Vec<&str> =
            of_holders.chain(self.creators.iter().filter_map(|c| c.socket_unit)).collect();
        units.sort_unstable();
        units.dedup();
        units
    }

    /// What systemd says of a unit.
    pub(super) fn unit(&self, name: &str) -> Option<&'j SystemdUnit> {
        self.judgement.snapshot.unit(name)
    }

    /// Whether a container holds it, or has it held by its engine.
    pub(super) fn is_of_container(&self) -> bool {
        self.holders.iter().any(|holder| holder.container().is_some())
            || self.creators.iter().any(|creator| creator.container().is_some())
    }

    /// The units that hold it, and those that their socket units start.
    pub(super) fn holding_units(&self) -> Vec<&'j str> {
        let mut units = self.units();
        for socket in self.socket_units() {
            let known = self.unit(socket).into_iter().flat_map(|unit| &unit.triggers);
            units.extend(known.map(String::as_str));
        }
        units
    }

    /// Everything that has to be closed: the units that hold it, what starts these and what they
    /// start, and what the base names. Scopes are no units that one closes.
    pub(super) fn all_units(&self) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        let mut add = |name: &str| {
            let is_unit =
                [".service", ".socket", ".path", ".timer"].iter().any(|s| name.ends_with(s));
            if is_unit && !is_manager(name) && !all.iter().any(|known| known == name) {
                all.push(name.to_owned());
            }
        };
        for name in self.units() {
            add(name);
            let known = self.unit(name);
            if name.ends_with(".socket") {
                match known.filter(|unit| !unit.triggers.is_empty()) {
                    Some(unit) => unit.triggers.iter().for_each(|unit| add(unit)),
                    // systemd.socket(5): by default the service of the same name.
                    None => add(&name.replace(".socket", ".service")),
                }
            }
            known.into_iter().flat_map(|unit| &unit.triggered_by).for_each(|unit| add(unit));
        }
        let stop = self.recognised.map(|known| &known.service.stop);
        stop.into_iter().flat_map(|stop| &stop.with).for_each(|unit| add(unit));
        all
    }

    /// The packages of the programs that hold it, without systemd's where it holds it for a unit.
    pub(super) fn packages(&self) -> impl Iterator<Item = &'j str> + '_ {
        let own = self.holders.iter().filter(|holder| holder.socket_unit.is_none());
        own.filter_map(|holder| recognise::package(self.judgement, holder))
    }

    /// The files of the socket units that it is held for.
    pub(super) fn socket_files(&self) -> impl Iterator<Item = &'j str> + '_ {
        let units = self.socket_units().into_iter().filter_map(|name| self.unit(name));
        units.map(|unit| unit.fragment_path.as_str()).filter(|path| !path.is_empty())
    }

    /// The names under which its configuration may be found.
    pub(super) fn names(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for holder in self.holders.iter().filter(|holder| holder.pid != Pid(1)) {
            names.extend(holder.comm().map(str::to_owned));
        }
        names.extend(self.packages().map(str::to_owned));
        let stem = |unit: &str| {
            let stem = unit.rsplit_once('.').map_or(unit, |(stem, _)| stem);
            stem.split('@').next().unwrap_or_default().to_owned()
        };
        names.extend(self.units().into_iter().map(stem));
        names
    }

    /// The place where its first process runs.
    pub(super) fn place(&self) -> Option<&'j Place<'j>> {
        let of_holders = self.holders.iter().find_map(|holder| holder.place);
        of_holders.or_else(|| self.creators.iter().find_map(|creator| creator.place))
    }
}

/// Whether a unit is a user's whole session, or the like: not what one closes for a socket.
fn is_manager(name: &str) -> bool {
    name.starts_with("user@") || name.starts_with("user-runtime-dir@")
}
