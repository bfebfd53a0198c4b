//! Which keys somebody may have meant who wrote one that does not exist.

use super::key::dotted;
use super::ledger::Ledger;

/// At most this many are told.
const MOST: usize = 3;

/// The keys nearest to this one, by their whole name or its last parts; none where all are far off.
pub(super) fn of<'l>(word: &str, all: impl Iterator<Item = &'l Ledger>) -> Vec<String> {
    let word = word.trim_start_matches("net.");
    let parts = word.split('.').count();
    let word: Vec<char> = word.chars().collect();
    // One letter in four may be wrong, and one in any case.
    let limit = word.len().div_ceil(4).clamp(1, 3);
    let mut near: Vec<(usize, String)> = all
        .filter_map(|ledger| {
            let name = dotted(&ledger.path);
            let whole = name.trim_start_matches("net.");
            // As many of its last parts as were given.
            let start = whole.rmatch_indices('.').nth(parts.saturating_sub(1));
            let last = start.and_then(|(at, _)| whole.get(at.saturating_add(1)..));
            let away = [whole, last.unwrap_or(whole)]
                .iter()
                .map(|text| distance(&word, text, limit))
                .min()?;
            (away <= limit).then_some((away, name))
        })
        .collect();
    // Those of all interfaces stand for those of each.
    near.sort_by_key(|(away, name)| (*away, !name.contains(".all."), name.clone()));
    near.truncate(MOST);
    near.into_iter().map(|(_, name)| name).collect()
}

/// How many letters have to be put in, taken out, changed or swapped with the next (Damerau and
/// Levenshtein's distance of optimal string alignment); more than `limit` where it is more.
fn distance(a: &[char], b: &str, limit: usize) -> usize {
    let b: Vec<char> = b.chars().collect();
    if a.len().abs_diff(b.len()) > limit {
        return limit.saturating_add(1);
    }
    let width = b.len().saturating_add(1);
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..width).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(width);
        row.push(i.saturating_add(1));
        for (j, y) in b.iter().enumerate() {
            let cell = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX);
            let mut best = cell(&last, j).saturating_add(usize::from(x != y));
            best = best.min(cell(&last, j.saturating_add(1)).saturating_add(1));
            best = best.min(cell(&row, j).saturating_add(1));
            let swapped = i > 0
                && j > 0
                && a.get(i.saturating_sub(1)) == Some(y)
                && b.get(j.saturating_sub(1)) == Some(x);
            if swapped {
                best = best.min(cell(&before_last, j.saturating_sub(1)).saturating_add(1));
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn letters() {
        let check = |a: &str, b: &str, expect: usize| {
            let a: Vec<char> = a.chars().collect();
            assert_eq!(distance(&a, b, 9), expect);
        };
        check("tcp_syncookie", "tcp_syncookies", 1);
        check("ip_froward", "ip_forward", 1);
        check("rp_filter", "rp_filter", 0);
        check("rp_fliter", "arp_filter", 2);
        check("", "ab", 2);
    }
}
