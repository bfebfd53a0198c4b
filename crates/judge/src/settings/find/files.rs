//! Files that do not say what they seem to: lines that are not understood, keys that do not exist.

use facts::{ConfigFile, ConfigKind};

use super::super::boot::{Effect, Source, Stage};
use super::super::kernel::module_of;
use super::super::nearest;
use super::super::subject::Subject;
use super::super::{Settings, key};
use super::{Found, Says};
use crate::finding::Severity;

pub(super) fn find(subject: &Subject<'_>, settings: &Settings<'_>, found: &mut Vec<Found>) {
    for file in &subject.configuration.files {
        not_understood(file, found);
    }
    // Of another host it is not known which keys there are.
    if subject.configuration.other_host || subject.now.is_empty() {
        return;
    }
    let missing = settings.ledgers.iter().filter(|ledger| ledger.now.is_none());
    let sources =
        missing.filter_map(|l| l.sources.iter().find(|source| source.effect == Effect::NoSuchKey));
    for source in sources.take(MOST) {
        no_such_key(subject, settings, source, found);
    }
}

/// Of how many keys that do not exist it is told which was meant: each is compared with all.
const MOST: usize = 20;

fn not_understood(file: &ConfigFile, found: &mut Vec<Found>) {
    let Some(first) = file.odd.first() else { return };
    let (text, cites) = match file.kind {
        ConfigKind::Sysctl | ConfigKind::UfwSysctl => {
            let mut lines: Vec<String> = file.odd.iter().take(5).map(u32::to_string).collect();
            if file.odd.len() > lines.len() {
                lines.push("more".to_owned());
            }
            let (word, set) = if file.odd.len() == 1 {
                ("line", "is no assignment: it sets")
            } else {
                ("lines", "are no assignments: they set")
            };
            (format!("{} {word} {} {set} nothing", file.path, lines.join(", ")), "sysctl.d(5)")
        }
        ConfigKind::Docker => (
            format!("{} is no JSON object: Docker does not start with it", file.path),
            "dockerd(8), --config-file",
        ),
        _ => return,
    };
    found.push(
        Says {
            id: "not-understood",
            severity: Severity::Low,
            subject: &file.path,
            text,
            action: format!("correct it: {} line {first}", file.path),
            lines: vec![],
            cites,
        }
        .into(),
    );
}

/// A key that the kernel does not have, unless it comes later or the line says that this is no error.
fn no_such_key(
    subject: &Subject<'_>,
    settings: &Settings<'_>,
    source: &Source,
    found: &mut Vec<Found>,
) {
    let of_file = matches!(source.stage, Stage::Sysctl | Stage::Ufw | Stage::CommandLine);
    let later = module_of(&source.path).is_some()
        // An interface that is not there now, or a name with dots, which another finding is about.
        || source.path.contains("/conf/")
            && key::of_link(&source.path)
                .is_none_or(|of| !subject.link_names().contains(of.link) && !is_general(of.link));
    let mut entries = subject.file(&source.file).into_iter().flat_map(|file| &file.entries);
    let may_fail = entries.any(|e| e.line == source.line && e.key.starts_with('-'));
    if !of_file || later || may_fail {
        return;
    }
    let name = key::dotted(&source.path);
    let near = nearest::of(&name, settings.ledgers.iter().filter(|l| l.now.is_some()));
    let (hint, lines) = match (near.first(), &source.value) {
        (Some(near), Some(value)) => (
            format!("if {near} is meant, write that"),
            vec![(source.file.clone(), format!("{near} = {value}"))],
        ),
        _ => ("correct the name, or take the line away".to_owned(), vec![]),
    };
    found.push(
        Says {
            id: "no-such-key",
            severity: Severity::Low,
            subject: &name,
            text: format!(
                "{} line {} sets {name}, which this kernel does not have",
                source.file, source.line
            ),
            action: format!("{hint}: {} line {}", source.file, source.line),
            lines,
            cites: "kernel Documentation/admin-guide/sysctl/net.rst; sysctl.d(5)",
        }
        .into(),
    );
}

fn is_general(link: &str) -> bool {
    matches!(link, "all" | "default")
}
