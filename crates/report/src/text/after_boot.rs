//! Whether rows are there again after a boot: the cell of the table, and the answer of the detail
//! screen.

use judge::Judgement;
use judge::boot::{AfterBoot, Verdict};
use judge::row::Row;

use super::detail::{Answer, row_name};
use crate::escape::Text;

/// What one cell says of these rows together.
pub(super) fn cell(judgement: &Judgement<'_>, rows: &[&Row<'_>]) -> &'static str {
    let mut verdicts: Vec<Verdict> =
        rows.iter().map(|row| judgement.after_boot(row).verdict).collect();
    verdicts.sort_unstable();
    verdicts.dedup();
    match verdicts.as_slice() {
        [only] => only.word(),
        several if several.contains(&Verdict::Unknown) => Verdict::Unknown.word(),
        several if several.contains(&Verdict::Maybe) => Verdict::Maybe.word(),
        _ => "partly",
    }
}

/// The answer for each of these rows, those with the same one together.
pub(super) fn describe(judgement: &Judgement<'_>, rows: &[&Row<'_>]) -> Vec<Answer> {
    let mut groups: Vec<(AfterBoot, Vec<&Row<'_>>)> = Vec::new();
    for row in rows {
        let after = judgement.after_boot(row);
        match groups.iter_mut().find(|(known, _)| is_alike(known, &after)) {
            Some((_, rows)) => rows.push(row),
            None => groups.push((after, vec![row])),
        }
    }
    let several = groups.len() > 1;
    let answers = groups.iter().map(|(after, rows)| {
        let mut text = Text::default();
        if several {
            for (at, row) in rows.iter().enumerate() {
                text.push(if at > 0 { ", " } else { "" }).push_text(&row_name(row));
            }
            text.push(" ");
        }
        text.push(after.verdict.phrase()).push(": ").push_host(&after.because());
        text.into()
    });
    answers.collect()
}

/// Whether two answers differ in no more than where a configuration says so.
fn is_alike(one: &AfterBoot, other: &AfterBoot) -> bool {
    use judge::boot::Reason::Configured;
    let said = |after: &AfterBoot| {
        let reasons = after.reasons.iter().filter(|reason| !matches!(reason, Configured { .. }));
        reasons.cloned().collect::<Vec<_>>()
    };
    one.verdict == other.verdict && one.instead == other.instead && said(one) == said(other)
}
