//! The first screen.

use std::collections::HashSet;
use std::io::{self, Write};

use judge::finding::Severity;
use judge::reach::{Entry, Wire};
use judge::row::Row;
use judge::{Judgement, Namespace};

use super::cell;
use super::label::{self, Labels};
use super::lines::{self, Group, Line};
use super::page::{Page, Style};
use super::table::{Cells, Widths};
use super::{View, connected, header};
use crate::escape::Text;

/// How many loopback services the first screen names without `--all`.
const SHOWN_LOOPBACK: usize = 40;

/// Writes the first screen.
///
/// # Errors
/// Those of the writer.
pub fn overview<W: Write>(out: &mut W, judgement: &Judgement<'_>, view: &View) -> io::Result<()> {
    let mut page = Page::new(out, view.screen);
    header::write(&mut page, judgement, view)?;
    page.blank()?;
    tables(&mut page, judgement, view)?;
    if view.connected {
        page.blank()?;
        connected::write(&mut page, judgement, judgement.connected())?;
    }
    entries(&mut page, judgement)?;
    findings(&mut page, judgement)
}

/// How many ports without a socket are listed.
const SHOWN_ENTRIES: usize = 20;

/// The ports that lead elsewhere and have no socket of their own here.
fn entries<W: Write>(page: &mut Page<'_, W>, judgement: &Judgement<'_>) -> io::Result<()> {
    let unknown = judgement.entries_unknown();
    let all: Vec<&Entry> = judgement.open_entries().collect();
    if all.is_empty() && unknown.is_empty() {
        return Ok(());
    }
    page.blank()?;
    let heading = "Ports without a socket here, translated elsewhere";
    page.line(&Text::fixed(heading), Style::Heading)?;
    for entry in all.iter().take(SHOWN_ENTRIES) {
        let mut lead = Text::fixed("  ");
        lead.push_plain(entry.port);
        if entry.last_port != entry.port {
            lead.push("-").push_plain(entry.last_port);
        }
        lead.push("/").push_plain(entry.protocol).push("  ");
        let mut text = Text::default();
        for (wire, reach) in Wire::BOTH.into_iter().zip(&entry.reach) {
            let Some(reach) = reach else { continue };
            text.push(wire.name()).push(" ");
            text.push_text(&cell::reach_text(reach)).push("  ");
        }
        text.push("to ").push_host(&entry.leads_to);
        if let Some(container) = &entry.container {
            text.push(" (container ").push_host(container).push(")");
        }
        page.paragraph(&lead, &text, Style::Normal)?;
    }
    let more = all.len().saturating_sub(SHOWN_ENTRIES);
    if more > 0 {
        let mut text = Text::fixed("  and ");
        text.push_plain(more).push(" more (-o json)");
        page.line(&text, Style::Normal)?;
    }
    if let Some(error) = unknown.first() {
        let mut text = Text::fixed("not all could be looked for: ");
        text.push_host(error);
        page.paragraph(&Text::fixed("  "), &text, Style::Normal)?;
    }
    Ok(())
}

/// The table, namespace by namespace.
fn tables<W: Write>(
    page: &mut Page<'_, W>,
    judgement: &Judgement<'_>,
    view: &View,
) -> io::Result<()> {
    let hidden = |row: &Row<'_>| judgement.is_inside(row) || Group::of(row) == Group::NotOpen;
    let rows = judgement.rows.iter().filter(|r| view.all || !hidden(r));
    let mut labels = Labels::default();
    let lines = lines::of(judgement, rows, &mut labels, view.all);
    let texts: Vec<[Text; 5]> = lines.iter().map(|line| line.texts(judgement)).collect();
    let each = || lines.iter().zip(&texts);
    let head = ["PORT", "WHAT", "IPv4", "IPv6", "HELD BY", "AFTER BOOT"].map(Text::fixed);
    let head: Cells<'_> = head.each_ref();
    let all = each().map(|(line, texts)| cells(line, texts, &labels));
    let widths = Widths::of(all.chain([head]), page.width());
    let mut memory = Text::default();
    let mut rest = each().peekable();
    if lines.is_empty() && judgement.rows.is_empty() {
        return nothing(page, judgement);
    }
    if !lines.is_empty() {
        widths.write(page, head, ("", Style::Dim), &mut memory)?;
    }
    let marked: HashSet<usize> = judgement
        .findings()
        .iter()
        .filter(|finding| finding.severity >= Severity::Low)
        .flat_map(|finding| finding.rows.iter().copied())
        .collect();
    let mut first = true;
    for (position, namespace) in judgement.namespaces.iter().enumerate() {
        let rows = rows_of(judgement, position);
        if rows.is_empty() {
            continue;
        }
        if !namespace.is_host() {
            if !first {
                page.blank()?;
            }
            page.paragraph(&Text::default(), &heading(namespace), Style::Heading)?;
        }
        first = false;
        let mut group = None;
        while let Some((line, texts)) = rest.next_if(|(line, _)| line.namespace() == position) {
            if group != Some(line.group()) {
                group = Some(line.group());
                page.line(&Text::fixed(line.group().heading()), Style::Heading)?;
            }
            let cells = cells(line, texts, &labels);
            let lead =
                if line.rows.iter().any(|row| marked.contains(&row.at())) { "!" } else { "" };
            widths.write(page, cells, (lead, Style::Normal), &mut memory)?;
        }
        if !view.all {
            loopback(page, judgement, rows)?;
        }
    }
    Ok(())
}

/// A line of the table.
fn cells<'t>(line: &Line<'_, '_>, texts: &'t [Text; 5], labels: &'t Labels) -> Cells<'t> {
    let [port, what, ipv4, ipv6, after_boot] = texts;
    [port, what, ipv4, ipv6, labels.get(line.label()), after_boot]
}

/// The heading of a namespace.
pub(super) fn heading(namespace: &Namespace<'_>) -> Text {
    if namespace.fact.is_none() && namespace.is_own {
        return Text::fixed("The network namespace that whyopen ran in");
    }
    let mut text = Text::fixed("Network namespace ");
    text.push_host(&namespace.label);
    if let Some(container) = &namespace.container {
        text.push(" (container ").push_host(container).push(")");
    }
    text
}

/// The rows of a namespace: rows are sorted by it.
fn rows_of<'r, 'a>(judgement: &'r Judgement<'a>, position: usize) -> &'r [Row<'a>] {
    let from = judgement.rows.partition_point(|r| r.namespace < position);
    let to = judgement.rows.partition_point(|r| r.namespace <= position);
    judgement.rows.get(from..to).unwrap_or_default()
}

/// A program that listens on loopback, on a port or on several in a row.
#[derive(Debug)]
struct Service {
    first: Option<u16>,
    last: Option<u16>,
    name: Text,
}

/// What listens on loopback only, in a sentence.
fn loopback<W: Write>(
    page: &mut Page<'_, W>,
    judgement: &Judgement<'_>,
    rows: &[Row<'_>],
) -> io::Result<()> {
    let mut services: Vec<Service> = Vec::new();
    for row in rows.iter().filter(|r| judgement.is_inside(r) && r.is_open()) {
        let (port, name) = (row.port().map(|p| p.0), label::short(judgement, row));
        // The sockets of one port come one after the other, and ports come in their order.
        let next =
            |s: &&mut Service| s.name == name && s.last.and_then(|p| p.checked_add(1)) == port;
        if services.iter().rev().take_while(|s| s.last == port).any(|s| s.name == name) {
            continue;
        }
        match services.last_mut().filter(next) {
            Some(range) => range.last = port,
            None => services.push(Service { first: port, last: port, name }),
        }
    }
    if services.is_empty() {
        return Ok(());
    }
    let more = services.len().saturating_sub(SHOWN_LOOPBACK);
    let mut items: Vec<Text> = services.iter().take(SHOWN_LOOPBACK).map(Service::text).collect();
    if more > 0 {
        let mut text = Text::fixed("and ");
        text.push_plain(more).push(" more");
        items.push(text);
    }
    page.list(&Text::fixed("This host only: "), &items, &Text::fixed("   (-a lists them)"))
}

impl Service {
    /// `25 exim4`, `8000-8009 worker@`.
    fn text(&self) -> Text {
        let mut text = Text::default();
        if let Some((first, last)) = self.first.zip(self.last) {
            text.push_plain(first);
            if first < last {
                text.push("-").push_plain(last);
            }
            text.push(" ");
        }
        text.push_text(&self.name);
        text
    }
}

/// Says that there are no sockets, or that none could be read.
fn nothing<W: Write>(page: &mut Page<'_, W>, judgement: &Judgement<'_>) -> io::Result<()> {
    let snapshot = judgement.snapshot;
    let unread = snapshot.namespaces.items().iter().any(|n| !n.sockets.is_complete());
    let text = if snapshot.sockets.is_complete() && !unread {
        "Nothing is open."
    } else {
        "No open socket was found, but not everything could be read."
    };
    page.line(&Text::fixed(text), Style::Normal)
}

/// The findings, numbered, each with what to do.
fn findings<W: Write>(page: &mut Page<'_, W>, judgement: &Judgement<'_>) -> io::Result<()> {
    let all = judgement.findings();
    if all.is_empty() {
        return Ok(());
    }
    page.blank()?;
    let mut count = Text::default();
    count.push_plain(all.len()).push(if all.len() == 1 { " finding" } else { " findings" });
    page.line(&count, Style::Heading)?;
    for (at, finding) in all.iter().enumerate() {
        let mut number = Text::default();
        number.push_plain(at.saturating_add(1)).pad(3);
        let mut text = Text::default();
        text.push_plain(finding.severity).push("  ").push_host(&finding.subject);
        text.push(": ").push_host(&finding.text);
        let style = if finding.severity >= Severity::Medium { Style::Alert } else { Style::Normal };
        page.paragraph(&number, &text, style)?;
        let action = Text::host(&finding.action);
        page.paragraph(&Text::fixed("   to do: "), &action, Style::Normal)?;
    }
    Ok(())
}
