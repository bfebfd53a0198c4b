//! Why rows are open, on the detail screen, and in the long form with every piece of evidence.

use std::io::{self, Write};

use judge::Judgement;
use judge::reach::{Verdict as Reached, Wire};
use judge::row::Row;
use judge::why::{Because, Futile, InUse, Verdict, Why};

use super::View;
use super::detail::{Answer, answer, blocks, title};
use super::page::Page;
use crate::escape::Text;
use crate::why;

/// The answers of the detail screen: `what it is` (its end), `why`, `in use?`, `to close`,
/// `not enough`.
pub(super) struct Short {
    pub(super) purpose: Vec<Answer>,
    pub(super) why: Vec<Answer>,
    pub(super) in_use: Vec<Answer>,
    pub(super) to_close: Vec<Answer>,
    pub(super) not_enough: Vec<Answer>,
}

/// How many ways to close a row the detail screen shows, and how many that do not.
const SHOWN: usize = 3;
const SHOWN_FUTILE: usize = 5;

/// The answers about rows that belong together.
pub(super) fn short(judgement: &Judgement<'_>, rows: &[&Row<'_>]) -> Short {
    let all: Vec<Why<'_>> = rows.iter().map(|row| judgement.why(row)).collect();
    let to_close = each(&all, |why, add| why.ways.iter().for_each(|way| add(self::way(way))));
    // What misleads nobody here is left to the long form: where everyone is let in, a try over
    // loopback shows the same.
    let is_filtered = rows.iter().any(|row| {
        let keeps_out = [Reached::Part, Reached::OnLink, Reached::Blocked];
        let mut reaches = Wire::BOTH.into_iter().filter_map(|wire| judgement.reach(row, wire));
        reaches.any(|reach| keeps_out.contains(&reach.verdict))
    });
    let not_enough = each(&all, |why, add| {
        let own = |one: &&Futile<'_>| match one {
            Futile::Loopback => is_filtered,
            Futile::Selinux { runs } => *runs,
            _ => true,
        };
        for one in why.futile.iter().filter(own) {
            let (mut what, mut because) = (Text::default(), Text::default());
            why::futile(one, &mut what, &mut because);
            what.push(" (").push_text(&because).push(")");
            add(what);
        }
    });
    Short {
        purpose: answers(each(&all, |why, add| add(purpose(why).unwrap_or_default()))),
        why: answers(each(&all, |why, add| {
            why.reasons.iter().for_each(|reason| add(sentence(|text| why::reason(reason, text))));
        })),
        in_use: vec![sentence(|text| why::in_use(&merged(&all), text)).into()],
        to_close: answers(first(to_close, SHOWN)),
        not_enough: answers(first(not_enough, SHOWN_FUTILE)),
    }
}

/// The first of them, and how many more there are.
fn first(mut texts: Vec<Text>, shown: usize) -> Vec<Text> {
    let more = texts.len().saturating_sub(shown);
    if more > 0 {
        texts.truncate(shown);
        let mut text = Text::fixed("and ");
        text.push_plain(more).push(" more (whyopen why)");
        texts.push(text);
    }
    texts
}

/// Whether anything needs some rows: what was found of each, once.
fn merged<'j>(all: &[Why<'j>]) -> InUse<'j> {
    let mut because: Vec<Because<'j>> = Vec::new();
    let mut said: Vec<Text> = Vec::new();
    for one in all.iter().flat_map(|why| &why.in_use.because) {
        let text = sentence(|text| why::because(one, text));
        if !said.contains(&text) {
            said.push(text);
            because.push(one.clone());
        }
    }
    let any = |verdict| all.iter().any(|why| why.in_use.verdict == verdict);
    let verdict = match (any(Verdict::Yes), any(Verdict::Unknown)) {
        (true, _) => Verdict::Yes,
        (false, true) => Verdict::Unknown,
        (false, false) => Verdict::No,
    };
    InUse { verdict, because }
}

/// What is said of each row, each sentence once.
fn each(all: &[Why<'_>], of: impl Fn(&Why<'_>, &mut dyn FnMut(Text))) -> Vec<Text> {
    let mut texts: Vec<Text> = Vec::new();
    for why in all {
        of(why, &mut |text| {
            if !text.is_empty() && !texts.contains(&text) {
                texts.push(text);
            }
        });
    }
    texts
}

fn answers(texts: Vec<Text>) -> Vec<Answer> {
    texts.into_iter().map(Answer::from).collect()
}

fn sentence(write: impl FnOnce(&mut Text)) -> Text {
    let mut text = Text::default();
    write(&mut text);
    text
}

/// What the service is for.
fn purpose(why: &Why<'_>) -> Option<Text> {
    let known = why.recognised?;
    let mut text = Text::default();
    text.push(&known.service.name).push(": ");
    text.push(why.socket.map_or(&known.service.purpose, |socket| &socket.purpose));
    Some(text)
}

/// A way to close a row, with what it costs.
fn way(way: &judge::why::Way<'_>) -> Text {
    let mut text = sentence(|text| why::how(way, text));
    let breaks = sentence(|text| why::breaks(way, text));
    if !breaks.is_empty() {
        text.push(". Breaks: ").push_text(&breaks);
    }
    text.push(" (").push(why::after_boot(way)).push(")");
    text
}

/// Writes the long form: everything that is known of why these rows are open, with where it was
/// seen and where it is from.
///
/// # Errors
/// Those of the writer.
pub fn why<W: Write>(
    out: &mut W,
    judgement: &Judgement<'_>,
    rows: &[&Row<'_>],
    view: &View,
) -> io::Result<()> {
    let mut page = Page::new(out, view.screen);
    for (at, block) in blocks(judgement, rows).iter().enumerate() {
        if at > 0 {
            page.blank()?;
        }
        let Some(first) = block.first() else { continue };
        page.sentence(&title(judgement, first, block))?;
        long(&mut page, judgement, block)?;
    }
    Ok(())
}

/// One block of the long form.
fn long<W: Write>(
    page: &mut Page<'_, W>,
    judgement: &Judgement<'_>,
    rows: &[&Row<'_>],
) -> io::Result<()> {
    let all: Vec<Why<'_>> = rows.iter().map(|row| judgement.why(row)).collect();
    answer(page, "what it is", what_it_is(&all))?;
    answer(
        page,
        "known by",
        answers(each(&all, |why, add| match &why.recognised {
            Some(known) => add(sentence(|text| why::recognised(known, text))),
            None => add(Text::fixed("not in the knowledge base")),
        })),
    )?;
    answer(
        page,
        "why",
        told(&all, |why, add| {
            for reason in &why.reasons {
                add(sentence(|text| why::reason(reason, text)), why::of_reason(reason), None);
            }
        }),
    )?;
    let in_use = merged(&all);
    let verdict = Text::fixed(match in_use.verdict {
        Verdict::Yes => "yes",
        Verdict::No => "no",
        Verdict::Unknown => "not known",
    });
    let because = told(std::slice::from_ref(&in_use), |in_use, add| {
        for because in &in_use.because {
            let source = match because {
                Because::Need(need, _) => Some(need.source.as_str()),
                _ => None,
            };
            add(sentence(|text| why::because(because, text)), why::of_because(because), source);
        }
    });
    answer(page, "in use?", [verdict.into()].into_iter().chain(indented(because)))?;
    answer(
        page,
        "to close",
        told(&all, |why, add| {
            for way in &why.ways {
                let mut text = self::way(way);
                if let Some(but) = way.but {
                    text.push(". But: ").push(but);
                }
                add(text, Vec::new(), Some(way.source));
            }
        }),
    )?;
    answer(
        page,
        "not enough",
        told(&all, |why, add| {
            for one in &why.futile {
                let (mut what, mut because) = (Text::default(), Text::default());
                why::futile(one, &mut what, &mut because);
                what.push(": ").push_text(&because);
                let source = match one {
                    Futile::Told(told) => Some(told.source.as_str()),
                    _ => None,
                };
                add(what, Vec::new(), source);
            }
        }),
    )?;
    Ok(())
}

/// What it is for, and what a socket without a port means.
fn what_it_is(all: &[Why<'_>]) -> Vec<Answer> {
    let mut texts = each(all, |why, add| add(purpose(why).unwrap_or_default()));
    texts.extend(each(all, |why, add| {
        if let Some(meaning) = why.meaning {
            let mut text = Text::fixed("what arrives: ");
            why::meaning(meaning, &mut text);
            add(text);
        }
    }));
    let sources = all.iter().filter_map(|why| why.recognised).map(|known| known.service);
    let mut lines = answers(texts);
    if let Some(service) = sources.into_iter().next() {
        for source in &service.sources {
            let mut text = Text::fixed("source: ");
            text.push(source);
            lines.push(Answer { lead: Text::fixed("  "), text });
        }
    }
    lines
}

/// What is said, with where it was seen and where it is from below; each once.
fn told<'a, T>(
    all: &'a [T],
    of: impl Fn(&'a T, &mut dyn FnMut(Text, Vec<why::Seen<'a>>, Option<&'static str>)),
) -> Vec<Answer> {
    let mut lines: Vec<Answer> = Vec::new();
    for why in all {
        of(why, &mut |text, seen, source| {
            if text.is_empty() || lines.iter().any(|line| line.text == text) {
                return;
            }
            lines.push(text.into());
            for one in seen {
                let mut text = Text::fixed("seen: ");
                text.push_host(one.source);
                if let Some(line) = one.line {
                    text.push(" line ").push_plain(line);
                }
                if !one.text.is_empty() {
                    text.push("  ").push_host(&one.text);
                }
                lines.push(Answer { lead: Text::fixed("  "), text });
            }
            if let Some(source) = source {
                let mut text = Text::fixed("source: ");
                text.push(source);
                lines.push(Answer { lead: Text::fixed("  "), text });
            }
        });
    }
    lines
}

/// The same, further to the right.
fn indented(lines: Vec<Answer>) -> impl Iterator<Item = Answer> {
    lines.into_iter().map(|line| {
        let mut lead = Text::fixed("  ");
        lead.push_text(&line.lead);
        Answer { lead, text: line.text }
    })
}
