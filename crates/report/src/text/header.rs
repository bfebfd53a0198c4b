//! The head of the first screen: the host, its addresses, and what is not known.

use std::io::{self, Write};

use judge::{Judgement, Namespace};

use super::overview::heading;
use super::page::{Page, Style};
use super::{View, gaps};
use crate::escape::Text;

/// How many interfaces the head names.
const SHOWN_INTERFACES: usize = 4;

/// Writes the head.
pub(super) fn write<W: Write>(
    page: &mut Page<'_, W>,
    judgement: &Judgement<'_>,
    view: &View,
) -> io::Result<()> {
    host(page, judgement, view)?;
    page.sentence(&firewall(judgement))?;
    gaps::write(page, judgement)
}

/// Who manages the packet filter of the first namespace, and how much of it is understood.
fn firewall(judgement: &Judgement<'_>) -> Text {
    const OUTSIDE: &str = ". Filters outside this host: not known.";
    let mut text = Text::fixed("Firewall: ");
    if judgement.snapshot.collector.sockets_only {
        text.push("not looked at (--sockets-only)").push(OUTSIDE);
        return text;
    }
    let Some(firewall) = judgement.firewall(0) else {
        text.push("not read").push(OUTSIDE);
        return text;
    };
    if firewall.rules == 0 && firewall.notes == 0 {
        text.push("none").push(OUTSIDE);
        return text;
    }
    let mut named = 0_usize;
    for manager in &firewall.managers {
        text.push(if named > 0 { ", " } else { "" }).push(manager.name());
        named = named.saturating_add(1);
    }
    for table in firewall.other_tables.iter().take(SHOWN_TABLES) {
        text.push(if named > 0 { ", " } else { "" }).push("table ").push_host(table);
        named = named.saturating_add(1);
    }
    let more = firewall.other_tables.len().saturating_sub(SHOWN_TABLES);
    if more > 0 {
        text.push(", ").push_plain(more).push(" more tables");
    }
    text.push(if named > 0 { "; " } else { "" });
    let rules = |count: usize| if count == 1 { " rule" } else { " rules" };
    match firewall.not_understood {
        0 if firewall.rules == 1 => text.push("its 1 rule is understood"),
        0 => text.push("all ").push_plain(firewall.rules).push(" rules understood"),
        some => text
            .push_plain(some)
            .push(" of ")
            .push_plain(firewall.rules)
            .push(rules(firewall.rules))
            .push(" not understood"),
    };
    if firewall.notes > 0 {
        text.push(", not all was read");
    }
    text.push(OUTSIDE);
    text
}

/// How many tables that no known program manages are named.
const SHOWN_TABLES: usize = 3;

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
    let addresses = judgement.namespaces.first().map(labelled).unwrap_or_default();
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

/// The addresses of a namespace, after its name unless it is the host's.
fn labelled(namespace: &Namespace<'_>) -> Text {
    let addresses = addresses(namespace);
    if namespace.is_host() || addresses.is_empty() {
        return addresses;
    }
    let mut text = heading(namespace);
    text.push(": ").push_text(&addresses);
    text
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
