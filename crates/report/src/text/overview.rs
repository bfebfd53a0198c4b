//! The first screen.

use std::io::{self, Write};

use judge::finding::Severity;
use judge::row::Row;
use judge::{Judgement, Namespace};

use super::label::{self, Labels};
use super::lines::{self, Group};
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
    findings(&mut page, judgement)
}

/// The table, namespace by namespace.
fn tables<W: Write>(
    page: &mut Page<'_, W>,
    judgement: &Judgement<'_>,
    view: &View,
) -> io::Result<()> {
    let hidden = |group| matches!(group, Group::Loopback | Group::NotOpen);
    let rows = judgement.rows.iter().filter(|r| view.all || !hidden(Group::of(r)));
    let mut labels = Labels::default();
    let lines = lines::of(judgement, rows, &mut labels, view.all);
    let cells: Vec<Cells> = lines.iter().map(|line| line.cells(judgement, &labels)).collect();
    let head = ["PORT", "WHAT", "IPv4", "IPv6", "HELD BY"].map(Text::fixed);
    let widths = Widths::of(cells.iter().chain([&head]), page.width());
    if lines.is_empty() && judgement.rows.is_empty() {
        return nothing(page, judgement);
    }
    if !lines.is_empty() {
        widths.write(page, &head, Style::Dim)?;
    }
    let mut at = 0;
    for (position, namespace) in judgement.namespaces.iter().enumerate() {
        let rows = rows_of(judgement, position);
        if rows.is_empty() {
            continue;
        }
        if position > 0 && judgement.namespaces.len() > 1 {
            page.blank()?;
            page.paragraph(&Text::default(), &heading(namespace), Style::Heading)?;
        }
        let mut group = None;
        while let Some((line, cells)) = lines.get(at).zip(cells.get(at))
            && line.namespace() == position
        {
            if group != Some(line.group()) {
                group = Some(line.group());
                page.line(&Text::fixed(line.group().heading()), Style::Heading)?;
            }
            widths.write(page, cells, Style::Normal)?;
            at = at.saturating_add(1);
        }
        if !view.all {
            loopback(page, judgement, rows)?;
        }
    }
    Ok(())
}

/// The heading of a namespace.
fn heading(namespace: &Namespace<'_>) -> Text {
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

/// What listens on loopback only, in a sentence.
fn loopback<W: Write>(
    page: &mut Page<'_, W>,
    judgement: &Judgement<'_>,
    rows: &[Row<'_>],
) -> io::Result<()> {
    let mut services: Vec<(Option<u16>, Text)> = Vec::new();
    for row in rows.iter().filter(|r| Group::of(r) == Group::Loopback) {
        // The sockets of one port come one after the other.
        let service = (row.port().map(|p| p.0), label::short(judgement, row));
        let same_port = services.iter().rev().take_while(|s| s.0 == service.0);
        if !same_port.into_iter().any(|s| *s == service) {
            services.push(service);
        }
    }
    if services.is_empty() {
        return Ok(());
    }
    let mut text = Text::default();
    for (at, (port, name)) in services.iter().take(SHOWN_LOOPBACK).enumerate() {
        if at > 0 {
            text.push(", ");
        }
        if let Some(port) = port {
            text.push_plain(*port).push(" ");
        }
        text.push_text(name);
    }
    let more = services.len().saturating_sub(SHOWN_LOOPBACK);
    if more > 0 {
        text.push(", and ").push_plain(more).push(" more");
    }
    text.push("   (-a lists them)");
    page.paragraph(&Text::fixed("This host only: "), &text, Style::Normal)
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
    let all = &judgement.findings;
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
