//! Why a row is open, as JSON.

use std::borrow::Cow;

use judge::Judgement;
use judge::row::Row;
use judge::why::{AfterBoot, Because, Futile, How, Sort, Verdict, Way};

use crate::{schema, why};

/// Everything that is said of a row.
pub(super) fn of<'a>(judgement: &'a Judgement<'a>, row: &'a Row<'a>) -> schema::Why<'a> {
    let why = judgement.why(row);
    let known = why.recognised;
    schema::Why {
        service: known.map(|known| known.service.id),
        name: known.map(|known| known.service.name.as_str()),
        purpose: known.map(|known| {
            why.socket.map_or(known.service.purpose.as_str(), |socket| &socket.purpose)
        }),
        sources: known.map(|known| known.service.sources.iter().map(String::as_str).collect()),
        recognised_by: known.map(|known| schema::RecognisedBy {
            kind: match known.sort {
                Sort::Kernel => schema::NameKind::Kernel,
                Sort::Unit => schema::NameKind::Unit,
                Sort::Package => schema::NameKind::Package,
                Sort::Executable => schema::NameKind::Executable,
                Sort::Comm => schema::NameKind::Process,
            },
            name: known.name,
        }),
        arrives: why.meaning.map(|meaning| words(|text| why::meaning(meaning, text))),
        reasons: why
            .reasons
            .iter()
            .map(|reason| schema::Statement {
                text: words(|text| why::reason(reason, text)),
                evidence: why::of_reason(reason).into_iter().map(seen).collect(),
                source: None,
            })
            .collect(),
        in_use: schema::InUse {
            verdict: match why.in_use.verdict {
                Verdict::Yes => schema::InUseVerdict::Yes,
                Verdict::No => schema::InUseVerdict::No,
                Verdict::Unknown => schema::InUseVerdict::Unknown,
            },
            because: why.in_use.because.iter().map(because).collect(),
        },
        to_close: why.ways.iter().map(way).collect(),
        not_enough: why.futile.iter().map(futile).collect(),
    }
}

fn words(write: impl FnOnce(&mut String)) -> String {
    let mut text = String::new();
    write(&mut text);
    text
}

fn seen(seen: why::Seen<'_>) -> schema::Seen<'_> {
    schema::Seen { at: Cow::Borrowed(seen.source), line: seen.line, text: seen.text }
}

fn because<'a>(because: &Because<'a>) -> schema::Statement<'a> {
    schema::Statement {
        text: words(|text| why::because(because, text)),
        evidence: why::of_because(because).into_iter().map(seen).collect(),
        source: match because {
            Because::Need(need, _) => Some(&need.source),
            _ => None,
        },
    }
}

fn way(way: &Way<'_>) -> schema::ToClose {
    let breaks = words(|text| why::breaks(way, text));
    schema::ToClose {
        kind: match way.how {
            How::Units { .. } => "units",
            How::SocketUnit { .. } => "socket_unit",
            How::Setting { .. } => "setting",
            How::UserUnit { .. } => "user_unit",
            How::Container { .. } => "container",
            How::Process { .. } => "process",
            How::Link(_) => "link",
            How::Purge { .. } => "purge",
            How::Told(_) => "other",
        },
        how: words(|text| why::how(way, text)),
        breaks: (!breaks.is_empty()).then_some(breaks),
        after_boot: match way.after_boot {
            AfterBoot::Closed => schema::AfterClosing::Closed,
            AfterBoot::Open => schema::AfterClosing::Open,
            AfterBoot::NotStarted => schema::AfterClosing::NotStarted,
            AfterBoot::Unknown => schema::AfterClosing::Unknown,
        },
        but: way.but,
        source: way.source,
    }
}

fn futile(futile: &Futile<'_>) -> schema::NotEnough {
    let (mut what, mut because) = (String::new(), String::new());
    why::futile(futile, &mut what, &mut because);
    let source = match futile {
        Futile::Told(told) => Some(told.source.as_str()),
        _ => None,
    };
    schema::NotEnough { what, because, source }
}
