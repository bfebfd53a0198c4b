//! Which units the next boot starts: systemd's transaction for the default target, followed over the
//! unit files.
//!
//! What is pulled in and not (systemd.unit(5); systemd `src/core/transaction.c`,
//! `transaction_add_job_and_dependencies`):
//!
//! * `Requires=`, `BindsTo=`, `Wants=`, `Upholds=` and the folders of links pull a unit in, whether
//!   or not the conditions of the unit that has them hold: these are tried later.
//! * A unit that is masked or has no file is not started. One that requires such a unit may be all
//!   the same: systemd has added its job already when it finds that out, and whatever only wants it
//!   does not mind (seen with systemd 252). A trigger or an administrator cannot start it.
//! * A socket, timer or path unit whose own unit is masked or has no file does not start
//!   (`src/core/socket.c`, `socket_start`; `src/core/unit.c`, `unit_test_trigger_loaded`).
//! * What sockets, timers, paths, the message bus, failures and scripts start may be started.

use std::collections::{HashMap, VecDeque};

use facts::{
    Boot, Condition, DefaultTarget, Pull, PullKind, Starter, Trigger, TriggerKind, UnitFile,
    UnitLoad, UserManager,
};

use super::circle;

/// Whether a unit is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Started {
    /// Nothing that is known starts it.
    No,
    /// Something may.
    Possibly,
    /// The default target pulls it in.
    Surely,
}

/// How a unit comes to be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How<'a> {
    /// It is the default target.
    Default(&'a DefaultTarget),
    /// Another unit depends on it.
    Pull(&'a Pull),
    /// A timer or path unit starts it, then.
    Trigger(&'a Trigger),
    /// A socket unit starts it when something arrives.
    Socket,
    /// Something else names it.
    Starter(&'a Starter),
}

/// One step of the way to a unit: from which, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step<'a> {
    pub(crate) from: Option<usize>,
    pub(crate) how: How<'a>,
}

/// What keeps a unit that is started from running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Obstacle<'a> {
    /// It is masked.
    Masked(&'a UnitFile),
    /// It has no file.
    NoFile(&'a str),
    /// Its file could not be read.
    Unreadable(&'a UnitFile),
    /// systemd refuses its file, for this.
    Broken(&'a str),
    /// It is in a circle of units, each of which is to be started after the next; with this one.
    Circle(&'a str),
    /// The file that it was generated from is gone.
    SourceGone(&'a UnitFile),
    /// A condition does not hold, or that is not known.
    Condition(&'a Condition),
    /// It requires this unit, which has an obstacle of its own.
    Requires(&'a str),
    /// It is a socket, timer or path unit, and the unit it starts cannot be loaded.
    Starts(&'a str),
}

/// Whether a unit that is started runs then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runs<'a> {
    /// As far as its files tell.
    Yes,
    /// That is not known before.
    Maybe(Obstacle<'a>),
    /// It does not.
    No(Obstacle<'a>),
}

/// The units of a manager, and which of them a boot starts.
#[derive(Debug, Default)]
pub(crate) struct Graph<'a> {
    pub(crate) units: &'a [UnitFile],
    by_name: HashMap<&'a str, usize>,
    blocked: Vec<Option<Obstacle<'a>>>,
    hampered: Vec<Option<&'a str>>,
    started: Vec<(Started, Option<Step<'a>>)>,
    conflicts: Vec<Option<&'a str>>,
    circles: Vec<Option<&'a str>>,
}

impl<'a> Graph<'a> {
    /// The system's manager.
    pub(crate) fn of_system(boot: &'a Boot) -> Self {
        Self::of(&boot.units, boot.default_target.as_ref(), &boot.starters)
    }

    /// A user's manager.
    pub(crate) fn of_user(manager: &'a UserManager) -> Self {
        Self::of(&manager.units, manager.default_target.as_ref(), &[])
    }

    fn of(
        units: &'a [UnitFile],
        target: Option<&'a DefaultTarget>,
        starters: &'a [Starter],
    ) -> Self {
        let mut by_name = HashMap::with_capacity(units.len());
        for (at, unit) in units.iter().enumerate() {
            for alias in &unit.aliases {
                by_name.entry(alias.as_str()).or_insert(at);
            }
            by_name.insert(&unit.name, at);
        }
        let started = vec![(Started::No, None); units.len()];
        let blocked = units.iter().map(own_obstacle).collect();
        let (hampered, conflicts, circles) = (Vec::new(), Vec::new(), Vec::new());
        let mut graph = Self { units, by_name, blocked, hampered, started, conflicts, circles };
        graph.find_hampered();
        if let Some(target) = target {
            let step = Step { from: None, how: How::Default(target) };
            graph.spread(&target.name, step, Started::Surely);
        }
        graph.maybe(starters);
        graph.find_conflicts();
        graph.circles = circle::find(&graph);
        graph
    }

    /// The position of a unit, by any of its names.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Whether a unit is started, by any of its names.
    pub(crate) fn started(&self, name: &str) -> Started {
        let at = self.find(name).and_then(|at| self.started.get(at));
        at.map_or(Started::No, |(started, _)| *started)
    }

    /// Whether one of these units is started: the best of them.
    pub(crate) fn any_started(&self, names: &[String]) -> Started {
        let all = names.iter().map(|name| self.started(name));
        all.max().unwrap_or(if names.is_empty() { Started::Surely } else { Started::No })
    }

    /// Marks a unit as started, and what it pulls in.
    fn spread(&mut self, name: &str, step: Step<'a>, as_what: Started) {
        let Some(first) = self.find(name) else { return };
        let mut queue = VecDeque::from([(first, step, as_what)]);
        while let Some((at, step, as_what)) = queue.pop_front() {
            if self.cannot_load(at).is_some() {
                continue;
            }
            let Some(state) = self.started.get_mut(at).filter(|(now, _)| *now < as_what) else {
                continue;
            };
            *state = (as_what, Some(step));
            // What it pulls in besides may not have been added when its requirement failed.
            let hampered = self.hampered_by(at).is_some();
            let as_what = if hampered { Started::Possibly } else { as_what };
            let Some(unit) = self.units.get(at) else { continue };
            for pull in unit.pulls.iter().filter(|pull| pulls_in(pull.kind)) {
                if let Some(to) = self.find(&pull.to) {
                    let step = Step { from: Some(at), how: How::Pull(pull) };
                    queue.push_back((to, step, as_what));
                }
            }
            let starts = unit.starts.as_deref().and_then(|name| self.find(name));
            let sure = unit.triggers.iter().find(|trigger| is_sure(trigger));
            if let (Some(to), Some(trigger)) = (starts, sure)
                && self.runs(at) == Runs::Yes
            {
                let step = Step { from: Some(at), how: How::Trigger(trigger) };
                queue.push_back((to, step, as_what));
            }
        }
    }

    /// Marks what may be started, until nothing more is found.
    fn maybe(&mut self, starters: &'a [Starter]) {
        loop {
            let mut found: Vec<(&'a str, Step<'a>)> = Vec::new();
            for (at, unit) in self.units.iter().enumerate() {
                let started = self.started.get(at).is_some_and(|(s, _)| *s != Started::No);
                if !started || matches!(self.runs(at), Runs::No(_)) {
                    continue;
                }
                let from = Some(at);
                if let Some(to) = &unit.starts {
                    let how = unit.triggers.first().map_or(How::Socket, How::Trigger);
                    found.push((to, Step { from, how }));
                }
                let may = [PullKind::OnFailure, PullKind::OnSuccess];
                for pull in unit.pulls.iter().filter(|pull| may.contains(&pull.kind)) {
                    found.push((&pull.to, Step { from, how: How::Pull(pull) }));
                }
            }
            for starter in starters {
                if self.any_started(&starter.through) != Started::No {
                    let step = Step { from: None, how: How::Starter(starter) };
                    found.push((&starter.names, step));
                }
            }
            found.retain(|(name, _)| {
                self.find(name).is_some_and(|at| {
                    let no = self.started.get(at).is_some_and(|(s, _)| *s == Started::No);
                    no && self.cannot_load(at).is_none()
                })
            });
            if found.is_empty() {
                return;
            }
            for (name, step) in found {
                self.spread(name, step, Started::Possibly);
            }
        }
    }

    /// Why a unit cannot be part of a start at all.
    pub(crate) fn cannot_load(&self, at: usize) -> Option<Obstacle<'a>> {
        self.blocked.get(at).copied().flatten()
    }

    /// Finds the units that require one which cannot be part of a start, or that require these.
    /// Units may require each other in a circle.
    fn find_hampered(&mut self) {
        let mut hampered: Vec<Option<&'a str>> = vec![None; self.units.len()];
        let is_required =
            |pull: &&Pull| matches!(pull.kind, PullKind::Requires | PullKind::BindsTo);
        let mut required_by: HashMap<usize, Vec<(usize, &'a str)>> = HashMap::new();
        for (at, unit) in self.units.iter().enumerate() {
            for pull in unit.pulls.iter().filter(is_required) {
                if let Some(to) = self.find(&pull.to).filter(|to| *to != at) {
                    required_by.entry(to).or_default().push((at, &pull.to));
                }
            }
        }
        let blocked = self.blocked.iter().enumerate().filter(|(_, obstacle)| obstacle.is_some());
        let mut queue: VecDeque<usize> = blocked.map(|(at, _)| at).collect();
        while let Some(at) = queue.pop_front() {
            for (by, name) in required_by.get(&at).into_iter().flatten() {
                if let Some(free) = hampered.get_mut(*by).filter(|name| name.is_none()) {
                    *free = Some(name);
                    queue.push_back(*by);
                }
            }
        }
        self.hampered = hampered;
    }

    /// A unit that this one requires and that cannot be started.
    fn hampered_by(&self, at: usize) -> Option<&'a str> {
        self.hampered.get(at).copied().flatten()
    }

    /// Whether a unit that is started runs then, as far as its files tell.
    pub(crate) fn runs(&self, at: usize) -> Runs<'a> {
        let Some(unit) = self.units.get(at) else { return Runs::Yes };
        if let Some(obstacle) = self.cannot_load(at) {
            return Runs::No(obstacle);
        }
        if unit.load == UnitLoad::Unreadable {
            return Runs::Maybe(Obstacle::Unreadable(unit));
        }
        if let Some(starts) = &unit.starts
            && let Some(to) = self.find(starts)
            && self.cannot_load(to).is_some()
        {
            return Runs::No(Obstacle::Starts(starts));
        }
        if let Some(other) = self.circles.get(at).copied().flatten() {
            return Runs::Maybe(Obstacle::Circle(other));
        }
        let requires = self.hampered_by(at).map(Obstacle::Requires);
        match (conditions(unit), requires) {
            (Runs::Yes | Runs::Maybe(_), Some(requires)) => Runs::Maybe(requires),
            (runs, _) => runs,
        }
    }

    /// Another unit that is surely started, and conflicts with this one.
    pub(crate) fn conflict(&self, at: usize) -> Option<&'a str> {
        self.conflicts.get(at).copied().flatten()
    }

    /// Finds units that are surely started and cannot be together.
    fn find_conflicts(&mut self) {
        let mut conflicts = vec![None; self.units.len()];
        let surely = |name: &str| self.started(name) == Started::Surely;
        for (at, unit) in self.units.iter().enumerate().filter(|(_, unit)| surely(&unit.name)) {
            let against = unit.pulls.iter().filter(|pull| pull.kind == PullKind::Conflicts);
            for pull in against.filter(|pull| surely(&pull.to)) {
                let Some(other) = self.find(&pull.to).filter(|other| *other != at) else {
                    continue;
                };
                for (one, name) in [(at, pull.to.as_str()), (other, &unit.name)] {
                    if let Some(conflict) = conflicts.get_mut(one) {
                        *conflict = Some(name);
                    }
                }
            }
        }
        self.conflicts = conflicts;
    }

    /// The way from the default target, or from what else starts it, to a unit.
    pub(crate) fn way(&self, at: usize) -> Vec<(&'a UnitFile, How<'a>)> {
        let mut way = Vec::new();
        let mut next = Some(at);
        // Each step leads to a unit that was reached before, so that the way ends.
        while let Some(at) = next.take()
            && let Some(unit) = self.units.get(at)
            && let Some((_, Some(step))) = self.started.get(at)
            && way.len() < self.units.len()
        {
            way.push((unit, step.how));
            next = step.from;
        }
        way.reverse();
        way
    }

    /// The units whose start would start this one, by what they depend on.
    pub(crate) fn would_start(&self, at: usize) -> Vec<&'a str> {
        let would = |unit: &&UnitFile| {
            let pulled = unit.pulls.iter().filter(|pull| pulls_in(pull.kind));
            pulled.map(|pull| &pull.to).chain(&unit.starts).any(|to| self.find(to) == Some(at))
        };
        let mut names: Vec<&str> = self
            .units
            .iter()
            .enumerate()
            .filter(|(other, unit)| *other != at && unit.load == UnitLoad::Loaded)
            .map(|(_, unit)| unit)
            .filter(would)
            .map(|unit| unit.name.as_str())
            .collect();
        names.sort_unstable();
        names
    }
}

/// What is in a unit's own way.
fn own_obstacle(unit: &UnitFile) -> Option<Obstacle<'_>> {
    if unit.source_exists == Some(false) {
        return Some(Obstacle::SourceGone(unit));
    }
    match unit.load {
        UnitLoad::Loaded => unit.broken.as_deref().map(Obstacle::Broken),
        UnitLoad::Unreadable => None,
        UnitLoad::Masked => Some(Obstacle::Masked(unit)),
        UnitLoad::NotFound if is_of_kernel(&unit.name) => None,
        UnitLoad::NotFound => Some(Obstacle::NoFile(&unit.name)),
    }
}

/// Whether a dependency starts the other unit.
pub(super) fn pulls_in(kind: PullKind) -> bool {
    use PullKind::{BindsTo, Requires, Upholds, Wants};
    matches!(kind, Requires | BindsTo | Wants | Upholds)
}

/// Whether a trigger is sure to act after a boot.
fn is_sure(trigger: &Trigger) -> bool {
    match trigger.kind {
        TriggerKind::AfterBoot => true,
        TriggerKind::Exists => trigger.holds,
        _ => false,
    }
}

/// Units that systemd makes from what the kernel has, or by itself.
fn is_of_kernel(name: &str) -> bool {
    let kind = name.rsplit_once('.').map_or("", |(_, kind)| kind);
    matches!(kind, "device" | "mount" | "swap" | "slice" | "scope" | "automount")
}

/// What the conditions of a unit say: all must hold, and of those with `|` one.
fn conditions(unit: &UnitFile) -> Runs<'_> {
    let mut unknown: Option<&Condition> = None;
    for condition in unit.conditions.iter().filter(|c| !c.any) {
        match condition.holds {
            Some(false) => return Runs::No(Obstacle::Condition(condition)),
            // One that is not about the machine is the harder to foresee.
            None if unknown.is_none_or(|before| before.of_machine) => unknown = Some(condition),
            Some(true) | None => {}
        }
    }
    let of_any: Vec<&Condition> = unit.conditions.iter().filter(|c| c.any).collect();
    if !of_any.iter().any(|condition| condition.holds == Some(true)) {
        let open = of_any.iter().find(|condition| condition.holds.is_none());
        match (of_any.first(), open) {
            (_, Some(open)) => {
                unknown.get_or_insert(open);
            }
            (Some(first), None) => return Runs::No(Obstacle::Condition(first)),
            (None, None) => {}
        }
    }
    unknown.map_or(Runs::Yes, |condition| Runs::Maybe(Obstacle::Condition(condition)))
}
