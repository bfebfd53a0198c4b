//! The head of the first screen: the host, its addresses, and what is not known.

use std::io::{self, Write};

use facts::{Gap, Remedy, Uid};
use judge::{Judgement, Namespace};

use super::View;
use super::page::{Page, Style};
use crate::escape::Text;

/// How many interfaces the head names.
const SHOWN_INTERFACES: usize = 4;

/// How many gaps the head names.
const SHOWN_GAPS: usize = 3;

/// Writes the head.
pub(super) fn write<W: Write>(
    page: &mut Page<'_, W>,
    judgement: &Judgement<'_>,
    view: &View,
) -> io::Result<()> {
    host(page, judgement, view)?;
    let firewall = "Firewall: not evaluated by this version. Filters outside this host: not known.";
    page.sentence(&Text::fixed(firewall))?;
    gaps(page, judgement)
}

/// The name, system and addresses, with the note at the right.
fn host<W: Write>(
    page: &mut Page<'_, W>,
    judgement: &Judgement<'_>,
    view: &View,
) -> io::Result<()> {
    let host = &judgement.snapshot.host;
    let mut name = Text::host(&host.name);
    name.push("   ");
    if !host.os.is_empty() {
        name.push_host(&host.os).push(", ");
    }
    name.push("kernel ").push_host(&host.kernel);
    let addresses = judgement.namespaces.first().map(addresses).unwrap_or_default();
    let space = page.width().saturating_sub(view.note.width());
    let mut line = name.clone();
    line.push("   ").push_text(&addresses);
    let fits = line.width().saturating_add(2) <= space;
    if !fits {
        line = name.cut(space.saturating_sub(2));
    }
    if !view.note.is_empty() {
        line.pad(space).push_text(&view.note);
    }
    page.line(&line, Style::Heading)?;
    if !fits && !addresses.is_empty() {
        page.paragraph(&Text::fixed("  "), &addresses, Style::Normal)?;
    }
    Ok(())
}

/// The addresses of a namespace by interface, without those that are valid on one link or loopback
/// only; temporary ones are counted.
fn addresses(namespace: &Namespace<'_>) -> Text {
    let mut text = Text::default();
    let shown = |a: &&facts::Address| a.scope == RT_SCOPE_UNIVERSE && !a.address.is_loopback();
    let mut more = 0_usize;
    let mut interfaces = 0_usize;
    for of_link in namespace.addresses().chunk_by(|a, b| a.link == b.link) {
        let Some(link) = of_link.first().map(|a| a.link) else { continue };
        if !of_link.iter().any(|a| shown(&a)) {
            continue;
        }
        if interfaces == SHOWN_INTERFACES {
            more = more.saturating_add(1);
            continue;
        }
        if interfaces > 0 {
            text.push("; ");
        }
        interfaces = interfaces.saturating_add(1);
        match namespace.link(link) {
            Some(link) => text.push_host(&link.name),
            None => text.push("interface ").push_plain(link.0),
        };
        let lasting = of_link.iter().filter(shown).filter(|a| !a.is_temporary());
        for (at, address) in lasting.enumerate() {
            text.push(if at > 0 { ", " } else { " " });
            text.push_plain(address.address).push("/").push_plain(address.prefix_len);
        }
        let temporary = of_link.iter().filter(shown).filter(|a| a.is_temporary()).count();
        if temporary > 0 {
            text.push(" + ").push_plain(temporary).push(" temporary");
        }
    }
    if more > 0 {
        text.push("; ").push_plain(more).push(" more interfaces");
    }
    text
}

/// `RT_SCOPE_UNIVERSE` (`include/uapi/linux/rtnetlink.h`).
const RT_SCOPE_UNIVERSE: u8 = 0;

/// What root would add, in one line, and what else could not be read.
fn gaps<W: Write>(page: &mut Page<'_, W>, judgement: &Judgement<'_>) -> io::Result<()> {
    let snapshot = judgement.snapshot;
    let read = || judgement.gaps.iter().filter(|g| !is_of_this_version(g));
    let added = unique(read().filter(|g| g.remedy == Some(Remedy::Root)).map(|g| &g.what));
    if !added.is_empty() {
        // Root may lack capabilities too, in a container or under a hardened unit.
        let is_root = snapshot.collector.uid == Uid(0);
        let mut root =
            Text::fixed(if is_root { "Not permitted to this root: " } else { "Root would add: " });
        for (at, what) in added.into_iter().enumerate() {
            root.push(if at > 0 { "; " } else { "" }).push_host(what);
        }
        root.push(".");
        if !snapshot.holders.is_complete() {
            root.push(" Where no process is known, HELD BY is who made the socket.");
        }
        page.sentence(&root)?;
    }
    let others = || read().filter(|g| g.remedy != Some(Remedy::Root) && !g.minor);
    for gap in others().take(SHOWN_GAPS) {
        let mut text = Text::fixed("Not read: ");
        text.push_host(&gap.what).push(": ").push_host(&gap.why);
        page.sentence(&text)?;
    }
    let more = others().count().saturating_sub(SHOWN_GAPS);
    if more > 0 {
        let mut text = Text::fixed("Not read: ");
        text.push_plain(more).push(" more things; whyopen -o json lists them.");
        page.sentence(&text)?;
    }
    Ok(())
}

/// Whether a gap is what this version does not judge: the head says that in its own words.
fn is_of_this_version(gap: &Gap) -> bool {
    use judge::reach::{AFTER_BOOT_NOT_EVALUATED, NOT_EVALUATED};
    gap.why == NOT_EVALUATED || gap.why == AFTER_BOOT_NOT_EVALUATED
}

/// The strings without repetition, in their order.
fn unique<'s>(strings: impl Iterator<Item = &'s String>) -> Vec<&'s String> {
    let mut kept: Vec<&String> = Vec::new();
    for string in strings {
        if !kept.contains(&string) {
            kept.push(string);
        }
    }
    kept
}
