//! The views of settings: what is wrong, then the table; and the ledger of one.

use std::io::{self, Write};

use facts::{Gap, Remedy};
use judge::finding::Severity;
use judge::settings::{
    Because, Found, Joined, Ledger, Owner, Restart, Settings, Table, Verdict, dotted,
};

use super::View;
use super::page::{Page, Style};
use crate::escape::Text;
use crate::words;

mod addresses;

/// How wide the columns of values may be, at least and at most.
const VALUE: (usize, usize) = (4, 14);

/// Writes the view of all settings: those of interest, or with `--all` every one.
///
/// # Errors
/// Those of the writer.
pub fn settings<W: Write>(
    out: &mut W,
    settings: &Settings<'_>,
    gaps: &[Gap],
    view: &View,
) -> io::Result<()> {
    let mut page = Page::new(out, view.screen);
    let host = &settings.snapshot.host;
    let mut title = Text::host(if host.name.is_empty() { "another host" } else { &host.name });
    title.push("   ").push_host(&host.os);
    if !host.kernel.is_empty() {
        title
            .push(if host.os.is_empty() { "kernel " } else { ", kernel " })
            .push_host(&host.kernel);
    }
    page.sentence(&title)?;
    let mut role = Text::fixed("Judged as a ");
    role.push_host(&settings.role.to_string()).push(": ").push_host(&settings.role_by);
    role.push(" (--role for another)");
    page.sentence(&role)?;
    for gap in gaps.iter().filter(|gap| !gap.minor) {
        let mut line = Text::fixed("Not read: ");
        line.push_host(&gap.what).push(": ").push_host(&gap.why);
        if gap.remedy == Some(Remedy::Root) {
            line.push(" (root can)");
        }
        page.sentence(&line)?;
    }
    page.blank()?;
    let mut count = Text::default();
    match settings.findings.len() {
        0 => count.push("Nothing wrong was found"),
        1 => count.push("1 finding"),
        more => count.push_plain(more).push(" findings"),
    };
    page.line(&count, Style::Heading)?;
    for (at, found) in settings.findings.iter().enumerate() {
        finding(&mut page, at.saturating_add(1), found)?;
    }
    tracking(&mut page, settings)?;
    addresses::addresses(&mut page, settings)?;
    security(&mut page, settings)?;
    table(&mut page, settings, view.all)
}

fn finding<W: Write>(page: &mut Page<'_, W>, number: usize, found: &Found) -> io::Result<()> {
    let mut first = Text::default();
    first.push_plain(number).pad(3);
    let mut text = Text::default();
    text.push_plain(found.finding.severity).push("  ").push_host(&found.finding.text);
    let alert = found.finding.severity >= Severity::Medium;
    page.paragraph(&first, &text, if alert { Style::Alert } else { Style::Normal })?;
    if !found.finding.action.is_empty() {
        let action = Text::host(&found.finding.action);
        page.paragraph(&Text::fixed("   to do  "), &action, Style::Normal)?;
    }
    let mut place: Option<&str> = None;
    for (file, text) in &found.lines {
        // Where, unless that was said already.
        if place != Some(file) && (place.is_some() || !found.finding.action.contains(file.as_str()))
        {
            let mut line = Text::fixed("          in ");
            line.push_host(file).push(":");
            page.line(&line, Style::Normal)?;
        }
        place = Some(file);
        // To be copied: as they are, however long.
        for part in text.lines() {
            let mut line = Text::fixed("            ");
            line.push_host(part);
            page.line(&line, Style::Normal)?;
        }
    }
    page.paragraph(&Text::fixed("   see    "), &Text::fixed(found.cites), Style::Dim)
}

fn tracking<W: Write>(page: &mut Page<'_, W>, settings: &Settings<'_>) -> io::Result<()> {
    if settings.conntrack.is_none() && settings.restarts.is_empty() {
        return Ok(());
    }
    page.blank()?;
    page.line(&Text::fixed("Connection tracking"), Style::Heading)?;
    if let Some(table) = &settings.conntrack {
        page.paragraph(&Text::fixed("  table       "), &size(table), Style::Normal)?;
        let mut text = Text::default();
        match table.dropped {
            Some(0) => text.push("never full since the boot"),
            Some(dropped) => {
                text.push_plain(dropped).push(" new connections were dropped because it was full")
            }
            None => text.push("whether it was ever full is not known"),
        };
        if let Some(early) = table.early_dropped.filter(|early| *early > 0) {
            text.push(", ").push_plain(early).push(" forgotten early to make room");
        }
        page.paragraph(&Text::fixed("              "), &text, Style::Normal)?;
        page.paragraph(&Text::fixed("  module      "), &module(table), Style::Normal)?;
        let timeouts = timeouts(settings);
        if !timeouts.is_empty() {
            page.paragraph(&Text::fixed("  forgets     "), &timeouts, Style::Normal)?;
        }
    }
    for restart in &settings.restarts {
        page.paragraph(&Text::fixed("  restart     "), &restart_line(restart), Style::Normal)?;
    }
    Ok(())
}

/// How large the table is, and may be.
fn size(table: &Table) -> Text {
    let mut text = Text::default();
    match table.count {
        Some(count) => text.push_plain(count),
        None => text.push("?"),
    };
    text.push(" of ");
    match table.max {
        Some(max) => text.push_plain(max),
        None => text.push("?"),
    };
    text.push(" connections");
    if let Some(default) = table.default {
        if table.max == Some(default.max) {
            text.push(" (this kernel's default here)");
        } else {
            text.push(" (this kernel's default here: ").push_plain(default.max).push(")");
        }
    }
    if let Some(buckets) = table.buckets {
        text.push(", ").push_plain(buckets).push(" buckets");
    }
    if let Some(bytes) = table.memory_bytes {
        text.push(if table.memory_is_estimate { ", about " } else { ", " });
        text.push_plain(bytes >> 20).push(" MiB when full");
    }
    text
}

/// Who keeps the module there.
fn module(table: &Table) -> Text {
    let mut text = Text::fixed("nf_conntrack ");
    if table.builtin {
        text.push("is built into the kernel");
    } else if let Some(uses) = table.uses {
        let word = if uses == 1 { " reference" } else { " references" };
        text.push("has ").push_plain(uses).push(word);
        if !table.used_by.is_empty() {
            text.push(", of modules: ").push_host(&table.used_by.join(", "));
        }
    } else {
        text.push("is a module or built in: not known");
    }
    text
}

/// After how long what is silent is forgotten.
fn timeouts(settings: &Settings<'_>) -> Text {
    let mut text = Text::default();
    for (name, says) in [
        ("tcp_timeout_established", "established tcp"),
        ("tcp_timeout_close_wait", "half closed"),
        ("udp_timeout", "udp"),
        ("udp_timeout_stream", "udp that was answered"),
        ("icmp_timeout", "icmp"),
        ("generic_timeout", "other"),
    ] {
        let path = format!("net/netfilter/nf_conntrack_{name}");
        let now = settings.ledger(&path).and_then(|ledger| ledger.now.as_deref()?.parse().ok());
        let Some(now) = now else { continue };
        text.push(if text.is_empty() { "" } else { ", " });
        text.push(says).push(" after ").push_host(&words::span(now));
    }
    text
}

fn restart_line(restart: &Restart) -> Text {
    let mut text = Text::fixed("of ");
    text.push_host(&restart.service).push(match restart.verdict {
        Verdict::Survives => ": settings and flows stay, since ",
        Verdict::Resets => ": resets ",
        Verdict::Perhaps => ": may reset ",
    });
    if restart.verdict != Verdict::Survives {
        let count = restart.settings.len();
        text.push_plain(count).push(if count == 1 { " setting" } else { " settings" });
        if let Some(flows) = restart.flows {
            text.push(" and drops ").push_plain(flows).push(" flows");
        }
        text.push(", since ");
    }
    text.push_host(&restart.because);
    for (at, (path, now, then)) in restart.settings.iter().enumerate() {
        let name = path.rsplit('/').next().unwrap_or(path);
        text.push(if at == 0 { "; " } else { ", " }).push_host(name).push(" ").push_host(now);
        if let Some(then) = then {
            text.push(" -> ").push_host(then);
        }
    }
    text
}

/// Security modules, and whether they are the cause of a port that does not open.
fn security<W: Write>(page: &mut Page<'_, W>, settings: &Settings<'_>) -> io::Result<()> {
    let (selinux, apparmor) = settings.security;
    if selinux.is_none() && apparmor.is_none() {
        return Ok(());
    }
    page.blank()?;
    page.line(&Text::fixed("Security modules"), Style::Heading)?;
    let mut text = Text::default();
    if let Some(mode) = selinux {
        text.push("SELinux is ").push_host(mode).push(". ");
    }
    match (apparmor, settings.profiles) {
        (Some(true), Some(profiles)) => {
            text.push("AppArmor is on: ")
                .push_plain(profiles.enforced)
                .push(" profiles enforced, ");
            text.push_plain(profiles.complaining).push(" that only complain. ")
        }
        (Some(true), None) => text.push("AppArmor is on. "),
        (Some(false), _) => text.push("AppArmor is off. "),
        (None, _) => &mut text,
    };
    let denied = settings.denials.iter().filter(|denial| !denial.only_recorded).count();
    if settings.denial_logs.is_empty() {
        text.push("Whether it denied a socket is not known: no log could be read.");
    } else {
        match denied {
            0 => text.push("No denial of a socket is in "),
            1 => text.push("1 denial of a socket is in "),
            more => text.push_plain(more).push(" denials of sockets are in "),
        };
        text.push_host(&settings.denial_logs.join(" and "));
        text.push(if denied == 0 { ": not the cause of a port that is not open." } else { "." });
    }
    page.paragraph(&Text::fixed("  "), &text, Style::Normal)
}

fn table<W: Write>(page: &mut Page<'_, W>, settings: &Settings<'_>, all: bool) -> io::Result<()> {
    let shown: Vec<&Ledger> =
        settings.ledgers.iter().filter(|ledger| all || ledger.is_of_interest()).collect();
    page.blank()?;
    if settings.ledgers.is_empty() {
        return page.sentence(&Text::fixed("No setting of the network is known of this host."));
    }
    if shown.is_empty() {
        let mut text = Text::fixed("Nothing sets any of ");
        text.push_plain(settings.ledgers.len())
            .push(" settings (whyopen settings --all lists them)");
        return page.sentence(&text);
    }
    let widest = |of: &dyn Fn(&Ledger) -> usize| shown.iter().map(|l| of(l)).max().unwrap_or(0);
    let value = |value: &Option<String>| value.as_deref().map_or(1, |v| v.trim().len());
    let (least, most) = VALUE;
    let now = widest(&|ledger| value(&ledger.now)).clamp(least, most).saturating_add(2);
    let then = widest(&|ledger| value(&ledger.after_boot)).clamp(10, most).saturating_add(2);
    let key = widest(&|ledger| short(&dotted(&ledger.path)).len()).max(7).saturating_add(2);
    // Who set it has a fourth of the line at least.
    let rest = page.width().saturating_sub(2 + now + then + page.width() / 4);
    let columns = [key.min(rest), now, then];
    let head = ["SETTING", "NOW", "AFTER BOOT", "SET BY"].map(Text::fixed);
    row(page, columns, head.each_ref(), Style::Dim)?;
    for ledger in &shown {
        let value = |value: Option<&str>, none: &'static str| match value {
            Some(value) => Text::host(&value.split_whitespace().collect::<Vec<_>>().join(" ")),
            None => Text::fixed(none),
        };
        let rest = page.width().saturating_sub(2 + columns.iter().sum::<usize>());
        let cells = [
            Text::host(&ending(&short(&dotted(&ledger.path)), columns[0].saturating_sub(1))),
            value(ledger.now.as_deref(), "-"),
            value(ledger.after_boot.as_deref(), "?"),
            Text::host(&match words::owner(ledger) {
                file if file.starts_with('/') => ending(&file, rest),
                other => other,
            }),
        ];
        let style = if ledger.changes() { Style::Alert } else { Style::Normal };
        row(page, columns, cells.each_ref(), style)?;
    }
    let hidden = settings.ledgers.len().saturating_sub(shown.len());
    if hidden > 0 {
        let mut text = Text::default();
        text.push_plain(hidden).push(" more that nothing sets (--all); ");
        text.push("whyopen settings KEY tells all about one");
        page.sentence(&text)?;
    }
    Ok(())
}

/// The end of a name that is too long, where what tells it from others is.
fn ending(name: &str, width: usize) -> String {
    let length = name.chars().count();
    if length <= width {
        return name.to_owned();
    }
    let hidden = length.saturating_sub(width.saturating_sub(1));
    format!("…{}", name.chars().skip(hidden).collect::<String>())
}

/// A key without what all of them begin with.
fn short(key: &str) -> String {
    key.strip_prefix("net.").unwrap_or(key).to_owned()
}

fn row<W: Write>(
    page: &mut Page<'_, W>,
    columns: [usize; 3],
    cells: [&Text; 4],
    style: Style,
) -> io::Result<()> {
    let mut line = Text::fixed("  ");
    let mut end = 2_usize;
    for (at, cell) in cells.iter().enumerate() {
        match columns.get(at) {
            Some(width) => {
                line.push_text(&cell.cut(width.saturating_sub(1)));
                end = end.saturating_add(*width);
                line.pad(end);
            }
            None => {
                line.push_text(&cell.cut(page.width().saturating_sub(end)));
            }
        }
    }
    page.line(&line, style)
}

/// Writes the ledger of each of these settings.
///
/// # Errors
/// Those of the writer.
pub fn ledgers<W: Write>(
    out: &mut W,
    settings: &Settings<'_>,
    ledgers: &[&Ledger],
    view: &View,
) -> io::Result<()> {
    let mut page = Page::new(out, view.screen);
    for (at, ledger) in ledgers.iter().enumerate() {
        if at > 0 {
            page.blank()?;
        }
        one(&mut page, settings, ledger)?;
    }
    Ok(())
}

fn one<W: Write>(
    page: &mut Page<'_, W>,
    settings: &Settings<'_>,
    ledger: &Ledger,
) -> io::Result<()> {
    let key = dotted(&ledger.path);
    page.line(&Text::host(&key), Style::Heading)?;
    if let Some(meaning) = words::meaning(&ledger.path) {
        page.paragraph(&Text::fixed("  means        "), &Text::fixed(meaning), Style::Normal)?;
    }
    let now = match &ledger.now {
        Some(now) => {
            let mut text = value(now);
            text.push("   ").push_host(&words::set_by(ledger));
            text
        }
        None => Text::fixed("not there, or not known"),
    };
    page.paragraph(&Text::fixed("  now          "), &now, Style::Normal)?;
    let own: Option<i64> = ledger.now.as_deref().and_then(|now| now.parse().ok());
    if let Some(effective) = ledger.effective.filter(|effective| Some(*effective) != own) {
        let mut text = Text::default();
        text.push_host(&effective.to_string()).push("   with what all says");
        page.paragraph(&Text::fixed("  counts as    "), &text, Style::Normal)?;
    }
    let mut then = match &ledger.after_boot {
        Some(then) => value(then),
        None => Text::fixed("not known"),
    };
    match (&ledger.because, &ledger.owner) {
        (Because::Source(then_by), Owner::Source(now_by))
            if then_by == now_by && !ledger.changes() =>
        {
            then.push("   by the same line");
        }
        (Because::Default, Owner::Default) => {
            then.push("   nothing sets it");
        }
        _ => {
            then.push("   ").push_host(&words::because(ledger));
        }
    }
    if let (Because::Through(_), Some(source)) = (&ledger.because, settings.set_by(ledger)) {
        then.push(": ").push_host(&words::place(&source));
    }
    let style = if ledger.changes() { Style::Alert } else { Style::Normal };
    page.paragraph(&Text::fixed("  after boot   "), &then, style)?;
    if let Some(by_hand) = &ledger.by_hand {
        let mut text = Text::host(by_hand);
        text.push("   by sysctl --system, which reads in another order");
        page.paragraph(&Text::fixed("  by hand      "), &text, Style::Alert)?;
    }
    if let Some(joined) = ledger.joined.map(joined) {
        page.paragraph(&Text::fixed("  all          "), &Text::fixed(joined), Style::Normal)?;
    }
    if let Some(bears_on) = settings.bears_on(&ledger.path) {
        page.paragraph(&Text::fixed("  here         "), &Text::host(&bears_on), Style::Normal)?;
    }
    if ledger.sources.is_empty() {
        page.line(&Text::fixed("  sources      no file that is known names it"), Style::Normal)?;
    }
    let mut first = Text::fixed("  sources      ");
    for source in &ledger.sources {
        let mut text = Text::host(source.value.as_deref().unwrap_or("?"));
        text.push("   ").push_host(&words::place(source)).push(" (");
        text.push(words::stage(source.stage)).push("): ").push_host(&words::effect(&source.effect));
        page.paragraph(&first, &text, Style::Normal)?;
        first.clear().pad(15);
    }
    let about = |found: &&Found| found.finding.subject == key;
    for (at, found) in settings.findings.iter().filter(about).enumerate() {
        finding(page, at.saturating_add(1), found)?;
    }
    Ok(())
}

/// A value with single spaces: the kernel separates by tabs.
fn value(value: &str) -> Text {
    let parts: Vec<&str> = value.split_whitespace().collect();
    if parts.is_empty() { Text::fixed("(empty)") } else { Text::host(&parts.join(" ")) }
}

/// What `all` does.
fn joined(joined: Joined) -> &'static str {
    match joined {
        Joined::Own => "nothing reads it; default is for interfaces to come",
        Joined::Larger => "the larger of all and the interface counts",
        Joined::Either => "it is on where all or the interface says so",
        Joined::Both => "it is on only where both all and the interface say so",
        Joined::Written => "a write to all changes every interface",
    }
}
