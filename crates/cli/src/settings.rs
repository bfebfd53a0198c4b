//! `whyopen settings`: what the kernel's settings are, who set them, and what will become of them.

use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use facts::{Gap, Snapshot};
use judge::finding::Severity;
use judge::settings::{Ledger, Role, Settings, settings as judge_settings};
use report::escape::Text;
use report::{json, text};

use crate::exit::{self, Outcome};
use crate::flags::{FailOn, HostRole, RulesFormat, SettingsFlags};
use crate::{host, load, output};

/// Shows all settings, or the ledgers of those that the flags name.
pub(crate) fn settings(flags: &SettingsFlags) -> anyhow::Result<Outcome> {
    let started = Instant::now();
    let snapshot = match (&flags.root, &flags.from) {
        (Some(root), _) => other_host(root)?,
        (None, Some(file)) => load::snapshot(file, flags.read.into())?,
        (None, None) => host::with_settings(flags.read),
    };
    let gaps = gaps(&snapshot);
    let judged = judge_settings(&snapshot, flags.role.map(role));
    let (ledgers, all_found) = named(&judged, &flags.keys);
    if !flags.keys.is_empty() && ledgers.is_empty() {
        return Ok(Outcome::NotFound);
    }
    let only = (!flags.keys.is_empty()).then_some(ledgers.as_slice());
    let mut out = output::stdout();
    match flags.output {
        RulesFormat::Json => json::settings::settings(&mut out, &judged, &gaps, only)?,
        RulesFormat::Text => {
            let view = text::View {
                screen: output::screen(flags.color, flags.width),
                all: flags.all,
                connected: false,
                note: Text::seconds(started.elapsed()),
            };
            match only {
                Some(ledgers) => text::ledgers(&mut out, &judged, ledgers, &view)?,
                None => text::settings(&mut out, &judged, &gaps, &view)?,
            }
        }
    }
    out.flush()?;
    Ok(if all_found { outcome(&judged, &gaps, flags) } else { Outcome::NotFound })
}

fn other_host(root: &Path) -> anyhow::Result<Snapshot> {
    collect::settings::other_host(root).with_context(|| format!("open {}", root.display()))
}

/// What is missing and bears on settings.
fn gaps(snapshot: &Snapshot) -> Vec<Gap> {
    let mut gaps = snapshot.configuration.gaps().to_vec();
    gaps.extend_from_slice(snapshot.kernel_state.gaps());
    for namespace in snapshot.namespaces.items().iter().filter(|n| n.host || n.own) {
        gaps.extend_from_slice(namespace.settings.gaps());
    }
    if snapshot.configuration.value().is_none() && gaps.is_empty() {
        let why = "not asked for when this snapshot was taken";
        gaps.push(Gap::new("the configuration of kernel settings", why));
    }
    gaps.dedup();
    gaps
}

/// The ledgers that the words mean, and whether every word meant one, after saying which did not.
fn named<'s>(settings: &'s Settings<'_>, words: &[String]) -> (Vec<&'s Ledger>, bool) {
    let mut ledgers: Vec<&Ledger> = Vec::new();
    let mut all_found = true;
    for word in words {
        let found = settings.named(word);
        if found.is_empty() {
            all_found = false;
            let mut line = Text::host(word);
            line.push(": no setting that is known has this name");
            let near = settings.nearest(word);
            if !near.is_empty() {
                line.push("; did you mean ").push_host(&near.join(", or ")).push("?");
            }
            exit::complain(&line);
        }
        ledgers.extend(found);
    }
    (ledgers, all_found)
}

const fn role(role: HostRole) -> Role {
    match role {
        HostRole::Server => Role::Server,
        HostRole::Desktop => Role::Desktop,
        HostRole::Router => Role::Router,
        HostRole::ContainerHost => Role::ContainerHost,
    }
}

fn outcome(settings: &Settings<'_>, gaps: &[Gap], flags: &SettingsFlags) -> Outcome {
    let least = flags.fail_on.map(FailOn::severity);
    let is_found = |least: Severity| settings.findings.iter().any(|f| f.finding.severity >= least);
    if least.is_some_and(is_found) {
        Outcome::Finding
    } else if flags.strict && !gaps.is_empty() {
        Outcome::Incomplete
    } else {
        Outcome::Done
    }
}
