//! Sets of sources in words.

use facts::Prefix;
use judge::reach::Sources;

use crate::escape::Text;

/// How many prefixes a sentence names.
const SHOWN: usize = 4;

/// How many more prefixes of the others there may be for "all but" to be the simpler way to say it.
const FEW: usize = 3;

/// The most prefixes that are counted.
const COUNTED: usize = 30;

/// Appends who these are, in a few words: `10.0.0.0/8`, `10.0.0.0/8 and 3 more`, `all but …`.
pub(super) fn short_into<'t>(sources: &Sources, text: &'t mut Text) -> &'t mut Text {
    said(sources, 1, ("all", "no one"), text)
}

/// Appends the same in a sentence, with more of them.
pub(super) fn long_into<'t>(sources: &Sources, text: &'t mut Text) -> &'t mut Text {
    said(sources, SHOWN, ("any source", "no one"), text)
}

fn said<'t>(
    sources: &Sources,
    shown: usize,
    (everyone, no_one): (&'static str, &'static str),
    text: &'t mut Text,
) -> &'t mut Text {
    if sources.is_empty() {
        return text.push(no_one);
    }
    if sources.is_everyone() {
        return text.push(everyone);
    }
    let counted = shown.saturating_add(COUNTED);
    let prefixes: Vec<Prefix> = sources.prefixes().take(counted.saturating_add(1)).collect();
    let others: Vec<Prefix> = sources.others().prefixes().take(FEW.saturating_add(1)).collect();
    let listed = if others.len() <= FEW && others.len() < prefixes.len() {
        text.push("all but ");
        others
    } else {
        prefixes
    };
    for (at, prefix) in listed.iter().take(shown).enumerate() {
        text.push(if at > 0 { ", " } else { "" });
        text.push_plain(prefix.address).push("/").push_plain(prefix.len);
    }
    match listed.len().saturating_sub(shown) {
        0 => text,
        more if listed.len() > counted => {
            text.push(" and over ").push_plain(more.saturating_sub(1)).push(" more")
        }
        more => text.push(" and ").push_plain(more).push(" more"),
    }
}
