//! Every lab that is needed to ask the kernel about rulesets.

use crate::Error;
use crate::answer::Answer;
use crate::backend::{Backend, Form};
use crate::lab::Lab;
use crate::probe::Probe;
use crate::routes::{Path, Routes};

/// Labs for one list of interfaces: for each path one without rules, one for nftables, and one for
/// the kernel's own tables of iptables.
#[derive(Debug)]
pub struct Bench {
    sides: Vec<Side>,
}

#[derive(Debug)]
struct Side {
    routes: Routes,
    open: Lab,
    nftables: Lab,
    legacy: Lab,
}

impl Bench {
    /// Makes the labs. The names must be fit for interfaces, and none be `lo`.
    pub fn new(interfaces: &[String]) -> Result<Self, Error> {
        let side = |path| {
            Ok(Side {
                routes: Routes::new(path, interfaces),
                open: Lab::new(path, interfaces)?,
                nftables: Lab::new(path, interfaces)?,
                legacy: Lab::new(path, interfaces)?,
            })
        };
        Ok(Self { sides: Path::BOTH.into_iter().map(side).collect::<Result<_, Error>>()? })
    }

    fn side(&mut self, path: Path) -> Result<&mut Side, Error> {
        let found = self.sides.iter_mut().find(|side| side.routes.path() == path);
        found.ok_or_else(|| Error::Confused(format!("no lab for {path:?}")))
    }

    /// The routes of packets on a path.
    pub fn routes(&mut self, path: Path) -> Result<Routes, Error> {
        Ok(self.side(path)?.routes.clone())
    }

    /// Loads a ruleset for both paths.
    pub fn load(&self, backend: Backend, text: &str) -> Result<(), Error> {
        self.sides.iter().try_for_each(|side| backend.load(side.lab(backend), text))
    }

    /// Loads a ruleset for one path only.
    pub fn load_one(&mut self, backend: Backend, text: &str, path: Path) -> Result<(), Error> {
        let side = self.side(path)?;
        backend.load(side.lab(backend), text)
    }

    /// The loaded ruleset as programs list it.
    pub fn list(&self, backend: Backend) -> Result<Vec<Form>, Error> {
        self.sides.first().map_or_else(|| Ok(Vec::new()), |side| backend.list(side.lab(backend)))
    }

    /// The ruleset that is loaded for one path.
    pub(crate) fn list_one(&mut self, backend: Backend, path: Path) -> Result<Vec<Form>, Error> {
        let side = self.side(path)?;
        backend.list(side.lab(backend))
    }

    /// Whether the packet takes this path where there are no rules.
    pub fn passes(&mut self, path: Path, probe: &Probe) -> Result<bool, Error> {
        let record = self.side(path)?.open.ask(probe)?;
        Ok(record.is_some_and(|record| record.local == (path == Path::Input)))
    }

    /// What the kernel does with the packet under the loaded rules.
    pub fn ask(&mut self, backend: Backend, path: Path, probe: &Probe) -> Result<Answer, Error> {
        let side = self.side(path)?;
        let lab = if backend.is_legacy() { &mut side.legacy } else { &mut side.nftables };
        Ok(match lab.ask(probe)? {
            None => Answer::Dropped,
            Some(record) if record.local != (path == Path::Input) => Answer::Elsewhere,
            Some(record) => Answer::Accepted {
                destination: crate::probe::text(record.seen.v6, record.seen.destination),
                dport: record.seen.dport,
                mark: record.mark,
            },
        })
    }
}

impl Side {
    fn lab(&self, backend: Backend) -> &Lab {
        if backend.is_legacy() { &self.legacy } else { &self.nftables }
    }
}
