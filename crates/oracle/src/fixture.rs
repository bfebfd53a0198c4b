//! A question to the kernel with its answer, kept as a file.

use serde::{Deserialize, Serialize};

use crate::answer::{Answer, Expectation, Fault};
use crate::backend::{Backend, Form};
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

    /// Compares the evaluators with the recorded answer; needs no kernel.
    pub fn replay(&self) -> Result<(), Fault> {
        let form = Form { name: self.form.clone(), text: self.text() };
        let mut expectation = Expectation::new(form)?;
        let routes = Routes::new(self.path, &self.interfaces);
        expectation.compare(&routes, &self.probe, &self.kernel).map(|_| ())
    }
}
