//! Who can reach some rows, in full: for the detail screen.

use judge::Judgement;
use judge::reach::{Because, ClientSees, Reach, Reason, Verdict, Way, Wire};
use judge::row::Row;

use super::connected::endpoint_into;
use super::detail::Answer;
use super::who;
use crate::escape::Text;

/// How many interfaces are told apart.
const SHOWN_WAYS: usize = 4;

/// Rows that the same sources can reach over a family, for the same reason.
struct Told<'j> {
    wire: Wire,
    rows: Vec<(&'j Row<'j>, &'j Reach)>,
}

impl Told<'_> {
    /// Whether a row belongs to them. What clients see may differ by protocol.
    fn takes(&self, wire: Wire, row: &Row<'_>, reach: &Reach) -> bool {
        self.wire == wire
            && self.rows.iter().all(|(other, known)| {
                let sees_like = known.client_sees == reach.client_sees
                    || other.socket.protocol != row.socket.protocol;
                known.verdict == reach.verdict
                    && known.because == reach.because
                    && (&known.must, &known.may) == (&reach.must, &reach.may)
                    && sees_like
            })
    }
}

/// Says who can reach these rows: for each family one answer, or several where the rows differ.
pub(super) fn describe<'j>(judgement: &'j Judgement<'_>, rows: &[&'j Row<'j>]) -> Vec<Answer> {
    let mut answers = Vec::new();
    let mut told: Vec<Told<'j>> = Vec::new();
    for wire in Wire::BOTH {
        for row in rows {
            let Some(reach) = judgement.reach(row, wire) else { continue };
            match told.iter_mut().find(|told| told.takes(wire, row, reach)) {
                Some(told) => told.rows.push((row, reach)),
                None => told.push(Told { wire, rows: vec![(row, reach)] }),
            }
        }
    }
    // What was not asked for or not read is the same for both families.
    let reasons =
        || told.iter().filter_map(|told| told.rows.first()).map(|(_, reach)| &reach.because);
    if let Some(because @ (Because::NotAsked | Because::Unread(_))) = reasons().next()
        && reasons().all(|other| other == because)
    {
        let mut text = Text::fixed("not known: ");
        text.push_host(&because.to_string());
        return vec![text.into(), Text::fixed("filters outside this host: not known").into()];
    }
    for Told { wire, rows } in &told {
        let differ = told.iter().filter(|other| other.wire == *wire).count() > 1;
        let mut lead = Text::fixed(wire.name());
        lead.push("  ");
        let Some((row, reach)) = rows.first() else { continue };
        let Some(reason) = judgement.reason(row, *wire) else { continue };
        answers.push(Answer { lead, text: verdict((reach, &reason), differ.then_some(rows)) });
        let indented = |text| Answer { lead: Text::fixed("      "), text };
        answers.extend(sees(rows).map(indented));
        answers.extend(more(&reason).into_iter().map(indented));
    }
    if told.is_empty() {
        answers.push(Text::fixed("nobody: IP packets do not arrive at it").into());
    }
    answers.push(Text::fixed("filters outside this host: not known").into());
    answers
}

/// `any source: inet filter input handle 7: tcp dport 22 accept`.
fn verdict((reach, reason): (&Reach, &Reason), only: Option<&Vec<(&Row<'_>, &Reach)>>) -> Text {
    let mut text = Text::default();
    for (at, (row, _)) in only.into_iter().flatten().enumerate() {
        text.push(if at > 0 { ", " } else { "" });
        text.push_plain(row.socket.protocol).push(" ");
        endpoint_into(row.socket.local, &mut text);
    }
    if only.is_some() {
        text.push(": ");
    }
    match reach.verdict {
        Verdict::HostOnly => {
            text.push("this host only");
        }
        Verdict::Unknown => {
            let certain = !reach.must.is_empty();
            if certain {
                text.push("certainly ");
                who::long_into(&reach.must, &mut text).push("; ");
            }
            if matches!(reach.because, Because::Doubts(_) | Because::QueueFull) {
                text.push("perhaps ");
                who::long_into(&reach.may, &mut text);
            } else {
                text.push("not known");
            }
        }
        Verdict::OnLink => {
            text.push("neighbours only: ");
            who::long_into(&reach.must, &mut text);
        }
        _ => {
            who::long_into(&reach.must, &mut text);
        }
    }
    let because = reason.because.to_string();
    text.push(": ").push_host(&because);
    text
}

/// `clients see: connected; over udp whatever the program answers`.
fn sees(rows: &[(&Row<'_>, &Reach)]) -> Option<Text> {
    let known = |(row, reach): &(&Row<'_>, &Reach)| Some((row.socket.protocol, reach.client_sees?));
    let mut all: Vec<_> = rows.iter().filter_map(known).collect();
    let (_, first) = *all.first()?;
    let mut text = Text::fixed("clients see: ");
    text.push(sees_word(first));
    all.retain(|(_, sees)| *sees != first);
    all.dedup();
    for (protocol, sees) in all {
        text.push("; over ").push_plain(protocol).push(" ").push(sees_word(sees));
    }
    Some(text)
}

/// What else there is to say: the translation, a packet; by interface where they differ.
fn more(reason: &Reason) -> Vec<Text> {
    let mut lines = Vec::new();
    let differ = reason.ways.iter().any(|way| {
        reason.ways.first().is_some_and(|first| {
            (&first.must, &first.may, &first.decided_by) != (&way.must, &way.may, &way.decided_by)
        })
    });
    let shown = if differ { SHOWN_WAYS } else { 1 };
    for way in reason.ways.iter().take(shown) {
        lines.extend(by_way(way, differ));
    }
    let more = reason.ways.len().saturating_sub(shown);
    if differ && more > 0 {
        let mut text = Text::fixed("and by ");
        text.push_plain(more).push(" more interfaces (-o json)");
        lines.push(text);
    }
    lines
}

/// What is to say of one interface.
fn by_way(way: &Way, with_sources: bool) -> Vec<Text> {
    let mut lines = Vec::new();
    if with_sources {
        let mut text = Text::fixed("by ");
        text.push_host(&way.interface).push(": ");
        if way.must == way.may {
            who::long_into(&way.must, &mut text);
        } else {
            if !way.must.is_empty() {
                text.push("certainly ");
                who::long_into(&way.must, &mut text).push("; ");
            }
            text.push("perhaps ");
            who::long_into(&way.may, &mut text);
        }
        if let Some(decided_by) = &way.decided_by {
            text.push(": ").push_host(decided_by);
        }
        lines.push(text);
    }
    if let Some(translated) = &way.translated {
        let mut text = Text::fixed("translated: ");
        text.push_host(translated);
        lines.push(text);
    }
    if let Some(witness) = &way.witness {
        let mut text = Text::fixed("for example: ");
        text.push_host(witness);
        lines.push(text);
    }
    lines
}

/// What a client sees, in words.
fn sees_word(sees: ClientSees) -> &'static str {
    match sees {
        ClientSees::Connected => "connected",
        ClientSees::Answered => "whatever the program answers",
        ClientSees::Refused => "refused",
        ClientSees::TimedOut => "nothing: timed out",
        ClientSees::Unreachable => "unreachable",
        ClientSees::Prohibited => "prohibited",
        ClientSees::Mixed => "it depends on the source",
    }
}
