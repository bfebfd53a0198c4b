//! What is wrong with the settings, each with what to do about it and where that is written down.

mod addresses;
mod boot;
mod conntrack;
mod files;
mod forwarding;
mod network;
pub(super) mod sockets;

use super::subject::Subject;
use super::{Settings, key};
use crate::finding::{Finding, Severity};

/// Something wrong with a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What, and what to do.
    pub finding: Finding,
    /// The exact lines to write: where, and what. Empty where nothing is to be written.
    pub lines: Vec<(String, String)>,
    /// Where it is written down that this is wrong.
    pub cites: &'static str,
}

/// All, the worst first.
pub(super) fn all(subject: &Subject<'_>, settings: &Settings<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    conntrack::find(subject, settings, &mut found);
    boot::find(subject, settings, &mut found);
    files::find(subject, settings, &mut found);
    addresses::find(subject, settings, &mut found);
    sockets::find(subject, settings, &mut found);
    forwarding::find(subject, settings, &mut found);
    network::find(subject, settings, &mut found);
    // That a boot takes it back need not be said of what is wrong as it is.
    let wrong: Vec<(String, Severity)> = found
        .iter()
        .filter(|f| f.finding.id != DOES_NOT_LAST)
        .map(|f| (f.finding.subject.clone(), f.finding.severity))
        .collect();
    found.retain(|f| {
        let is_worse = |(subject, severity): &(String, Severity)| {
            *subject == f.finding.subject && *severity >= f.finding.severity
        };
        f.finding.id != DOES_NOT_LAST || !wrong.iter().any(is_worse)
    });
    found.sort_by_key(|f| std::cmp::Reverse(f.finding.severity));
    found
}

/// What is set by hand and is gone after a boot.
const DOES_NOT_LAST: &str = "setting-does-not-last";

/// What a finder says.
struct Says<'s> {
    id: &'static str,
    severity: Severity,
    subject: &'s str,
    text: String,
    action: String,
    lines: Vec<(String, String)>,
    cites: &'static str,
}

impl From<Says<'_>> for Found {
    fn from(says: Says<'_>) -> Self {
        Self {
            finding: Finding {
                id: says.id,
                severity: says.severity,
                subject: says.subject.to_owned(),
                text: says.text,
                action: says.action,
                rows: Vec::new(),
            },
            lines: says.lines,
            cites: says.cites,
        }
    }
}

/// A line of sysctl.d for a setting, in a form that a name with dots survives.
fn line(path: &str, value: &str) -> String {
    let dotted = key::dotted(path);
    format!("{dotted} = {value}")
}

/// The file for settings of the administrator's own: the last in the order of names.
const OWN_FILE: &str = "/etc/sysctl.d/99-zz-local.conf";
