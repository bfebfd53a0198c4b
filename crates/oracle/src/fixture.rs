//! A question to the kernel with its answer, kept as a file.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::answer::{Answer, Expectation, Fault};
use crate::backend::{Backend, Form, WRITTEN};
use crate::bench::Bench;
use crate::probe::Probe;
use crate::routes::{Path, Routes};

/// One packet under one ruleset, and what the kernel did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fixture {
    /// What was wrong when it was recorded.
    pub about: String,
    /// What loads the ruleset.
    pub backend: Backend,
    /// What printed it.
    pub form: String,
    /// The ruleset in the form that the parser reads.
    pub ruleset: Vec<String>,
    /// The ruleset as it was loaded; none where that is the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loaded: Option<Vec<String>>,
    /// The way of the packet.
    pub path: Path,
    /// The interfaces, in the order that the routes depend on.
    pub interfaces: Vec<String>,
    /// The packet.
    pub probe: Probe,
    /// What the kernel did with it.
    pub kernel: Answer,
}

impl Fixture {
    /// The ruleset as one text.
    #[must_use]
    pub fn text(&self) -> String {
        self.ruleset.iter().map(|line| format!("{line}\n")).collect()
    }

    /// What is loaded into a kernel.
    #[must_use]
    pub fn loaded_text(&self) -> String {
        let lines = self.loaded.as_ref().unwrap_or(&self.ruleset);
        lines.iter().map(|line| format!("{line}\n")).collect()
    }

    /// Reads a fixture.
    ///
    /// # Errors
    /// [`Error::Fixture`] with the file and the reason.
    pub fn read(path: &std::path::Path) -> Result<Self, Error> {
        let failed = |what: String| Error::Fixture { path: path.display().to_string(), what };
        let text = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
        serde_json::from_slice(&text).map_err(|error| failed(error.to_string()))
    }

    /// Writes it.
    ///
    /// # Errors
    /// [`Error::Fixture`] with the file and the reason.
    pub fn write(&self, path: &std::path::Path) -> Result<(), Error> {
        let failed = |what: String| Error::Fixture { path: path.display().to_string(), what };
        let mut text =
            serde_json::to_string_pretty(self).map_err(|error| failed(error.to_string()))?;
        text.push('\n');
        std::fs::write(path, text).map_err(|error| failed(error.to_string()))
    }

    /// The same question, answered by the kernel of this machine, with the ruleset in its form as
    /// the tools of this machine print it.
    ///
    /// # Errors
    /// [`Error`] where the kernel could not be asked.
    pub fn recorded(&self) -> Result<Self, Error> {
        let mut bench = Bench::new(&self.interfaces)?;
        let loaded = self.loaded_text();
        bench.load(self.backend, &loaded)?;
        let mut own = self.clone();
        if self.form != WRITTEN {
            let listed = bench.list(self.backend)?;
            let wanted = listed.into_iter().find(|form| form.name == self.form);
            let form =
                wanted.ok_or_else(|| Error::Confused(format!("nothing prints {}", self.form)))?;
            own.loaded = Some(loaded.lines().map(str::to_owned).collect());
            own.ruleset = form.text.lines().map(str::to_owned).collect();
        }
        if !bench.passes(self.path, &self.probe)? {
            return Err(Error::Confused(format!("no rules, and {} does not pass", self.probe)));
        }
        own.kernel = bench.ask(self.backend, self.path, &self.probe)?;
        Ok(own)
    }

    /// Compares the evaluators with the recorded answer; needs no kernel.
    pub fn replay(&self) -> Result<(), Fault> {
        let form = Form { name: self.form.clone(), text: self.text() };
        let mut expectation = Expectation::new(form, 1)?;
        let routes = Routes::new(self.path, &self.interfaces);
        expectation.compare(&routes, &self.probe, &self.kernel).map(|_| ())
    }
}

impl fmt::Display for Fixture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}, {}, {:?}", self.backend, self.form, self.path)?;
        writeln!(f, "{}\n{}\n{}", self.about, self.probe, self.loaded_text())
    }
}
