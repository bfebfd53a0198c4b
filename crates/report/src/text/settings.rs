//! The views of settings: what is wrong, then the table; and the ledger of one.

use std::io::{self, Write};

use facts::Gap;
use judge::finding::Severity;
use judge::settings::{Found, Joined, Ledger, Restart, Settings, Verdict, dotted};

use super::View;
use super::page::{Page, Style};
use crate::escape::Text;
use crate::words;

/// How wide the columns of the table are: value now, after a boot. The key has the rest.
const VALUE: usize = 12;

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
        title.push(", kernel ").push_host(&host.kernel);
    }
    page.line(&title, Style::Normal)?;
    let mut role = Text::fixed("Judged as a ");
    role.push_host(&settings.role.to_string()).push(": ").push_host(&settings.role_by);
    role.push(" (--role says otherwise)");
    page.sentence(&role)?;
    for gap in gaps.iter().filter(|gap| !gap.minor) {
        let mut line = Text::fixed("Not read: ");
        line.push_host(&gap.what).push(": ").push_host(&gap.why);
        page.sentence(&line)?;
    }
    findings(&mut page, &settings.findings)?;
    tracking(&mut page, settings)?;
    addresses(&mut page, settings)?;
    security(&mut page, settings)?;
    table(&mut page, settings, view.all)
}

fn findings<W: Write>(page: &mut Page<'_, W>, all: &[Found]) -> io::Result<()> {
    page.blank()?;
    let mut count = Text::default();
    count.push_plain(all.len()).push(if all.len() == 1 { " finding" } else { " findings" });
    page.line(&count, Style::Heading)?;
    for (at, found) in all.iter().enumerate() {
        let mut number = Text::default();
        number.push_plain(at.saturating_add(1)).pad(3);
        let mut text = Text::default();
        text.push_plain(found.finding.severity).push("  ").push_host(&found.finding.text);
        let alert = found.finding.severity >= Severity::Medium;
        page.paragraph(&number, &text, if alert { Style::Alert } else { Style::Normal })?;
        if !found.finding.action.is_empty() {
            let action = Text::host(&found.finding.action);
            page.paragraph(&Text::fixed("   to do: "), &action, Style::Normal)?;
        }
        for (file, line) in &found.lines {
            let mut text = Text::host(line);
            text.push("   in ").push_host(file);
            page.paragraph(&Text::fixed("          "), &text, Style::Normal)?;
        }
        let mut cites = Text::fixed("see ");
        cites.push(found.cites);
        page.paragraph(&Text::fixed("   "), &cites, Style::Dim)?;
    }
    Ok(())
}

fn tracking<W: Write>(page: &mut Page<'_, W>, settings: &Settings<'_>) -> io::Result<()> {
    if settings.conntrack.is_none() && settings.restarts.is_empty() {
        return Ok(());
    }
    page.blank()?;
    page.line(&Text::fixed("Connection tracking"), Style::Heading)?;
    if let Some(table) = &settings.conntrack {
        let mut text = Text::fixed("  ");
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
        if let Some(buckets) = table.buckets {
            text.push(", ").push_plain(buckets).push(" buckets");
        }
        if let Some(default) = table.default {
            text.push(", by default ").push_plain(default.max);
        }
        if let Some(bytes) = table.memory_bytes {
            text.push(if table.memory_is_estimate { ", about " } else { ", " });
            text.push_plain(bytes >> 20).push(" MiB when full");
        }
        if let Some(dropped) = table.dropped {
            text.push(", ").push_plain(dropped).push(" dropped");
        }
        page.sentence(&text)?;
        let mut text = Text::fixed("  nf_conntrack ");
        if table.builtin {
            text.push("is built into the kernel");
        } else if let Some(uses) = table.uses {
            text.push("has ").push_plain(uses).push(" references");
            if !table.used_by.is_empty() {
                text.push(", used by ").push_host(&table.used_by.join(", "));
            }
        } else {
            text.push("is a module or built in: not known");
        }
        page.sentence(&text)?;
    }
    for restart in &settings.restarts {
        page.sentence(&restart_line(restart))?;
    }
    Ok(())
}

fn restart_line(restart: &Restart) -> Text {
    let mut text = Text::fixed("  a restart of ");
    text.push_host(&restart.service).push(match restart.verdict {
        Verdict::Survives => ": all stays (",
        Verdict::Resets => ": resets ",
        Verdict::Perhaps => ": may reset ",
    });
    if restart.verdict != Verdict::Survives {
        text.push_plain(restart.settings.len()).push(" settings");
        if let Some(flows) = restart.flows {
            text.push(" and forgets ").push_plain(flows).push(" flows");
        }
        text.push(" (");
    }
    text.push_host(&restart.because).push(")");
    text
}

fn addresses<W: Write>(page: &mut Page<'_, W>, settings: &Settings<'_>) -> io::Result<()> {
    let six: Vec<_> =
        settings.addresses.iter().filter(|judged| judged.address.address.is_ipv6()).collect();
    if six.is_empty() {
        return Ok(());
    }
    page.blank()?;
    page.line(&Text::fixed("IPv6 addresses"), Style::Heading)?;
    for judged in six {
        let mut text = Text::fixed("  ");
        text.push_host(judged.link.map_or("?", |link| &link.name)).push("  ");
        text.push_host(&judged.address.address.to_string()).push("/");
        text.push_plain(judged.address.prefix_len).push("  ").push(words::kind(judged.kind));
        if words::scope(judged.scope) == "ula" {
            text.push(", ula");
        }
        if judged.address.is_deprecated() {
            text.push(", deprecated");
        }
        if let Some(preferred) = judged.address.preferred_s {
            text.push(", preferred ").push_plain(preferred).push(" s");
        }
        if let Some(valid) = judged.address.valid_s {
            text.push(", valid ").push_plain(valid).push(" s");
        }
        let is_chosen =
            settings.chosen.is_some_and(|c| c.address.address.address == judged.address.address);
        if is_chosen {
            let by_kernel = settings.chosen.is_some_and(|chosen| chosen.by_kernel);
            text.push(if by_kernel {
                "; what is sent comes from here (the kernel says so)"
            } else {
                "; what is sent comes from here (by RFC 6724)"
            });
        }
        page.sentence(&text)?;
    }
    Ok(())
}

fn security<W: Write>(page: &mut Page<'_, W>, settings: &Settings<'_>) -> io::Result<()> {
    let (selinux, apparmor) = settings.security;
    if selinux.is_none() && apparmor.is_none() {
        return Ok(());
    }
    page.blank()?;
    let mut text = Text::default();
    if let Some(mode) = selinux {
        text.push("SELinux: ").push_host(mode).push(". ");
    }
    if let Some(on) = apparmor {
        text.push(if on { "AppArmor: on. " } else { "AppArmor: off. " });
    }
    match settings.denials.len() {
        0 => {
            text.push("No denial of a socket is recorded: not the cause of a port that is closed.")
        }
        count => text.push_plain(count).push(" denials of sockets are recorded."),
    };
    page.sentence(&text)
}

fn table<W: Write>(page: &mut Page<'_, W>, settings: &Settings<'_>, all: bool) -> io::Result<()> {
    let shown: Vec<&Ledger> =
        settings.ledgers.iter().filter(|ledger| all || ledger.is_of_interest()).collect();
    page.blank()?;
    if shown.is_empty() {
        let mut text = Text::fixed("Nothing sets any of ");
        text.push_plain(settings.ledgers.len())
            .push(" settings (whyopen settings --all lists them)");
        return page.sentence(&text);
    }
    let key_width = page.width().saturating_sub(2 * VALUE + 28).max(24);
    let columns = [key_width + 2, VALUE, VALUE];
    let head = ["SETTING", "NOW", "AFTER BOOT", "SET BY"].map(Text::fixed);
    row(page, columns, head.each_ref(), Style::Dim)?;
    for ledger in &shown {
        let value = |value: Option<&str>, none: &'static str| match value {
            Some(value) => Text::host(&value.split_whitespace().collect::<Vec<_>>().join(" ")),
            None => Text::fixed(none),
        };
        let cells = [
            Text::host(&short(&dotted(&ledger.path))),
            value(ledger.now.as_deref(), "-"),
            value(ledger.after_boot.as_deref(), "?"),
            Text::host(&words::owner(ledger)),
        ];
        let style = if ledger.changes() { Style::Alert } else { Style::Normal };
        row(page, columns, cells.each_ref(), style)?;
    }
    let hidden = settings.ledgers.len().saturating_sub(shown.len());
    if hidden > 0 {
        let mut text = Text::default();
        text.push_plain(hidden).push(" more are as the kernel has them by default (--all); ");
        text.push("whyopen settings KEY tells all about one");
        page.sentence(&text)?;
    }
    Ok(())
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
pub fn ledgers<W: Write>(out: &mut W, ledgers: &[&Ledger], view: &View) -> io::Result<()> {
    let mut page = Page::new(out, view.screen);
    for (at, ledger) in ledgers.iter().enumerate() {
        if at > 0 {
            page.blank()?;
        }
        one(&mut page, ledger)?;
    }
    Ok(())
}

fn one<W: Write>(page: &mut Page<'_, W>, ledger: &Ledger) -> io::Result<()> {
    page.line(&Text::host(&dotted(&ledger.path)), Style::Heading)?;
    let mut now = match &ledger.now {
        Some(now) => Text::host(&now.split_whitespace().collect::<Vec<_>>().join(" ")),
        None => Text::fixed("not there, or not known"),
    };
    now.push("   by ").push_host(&words::owner(ledger));
    page.paragraph(&Text::fixed("  now          "), &now, Style::Normal)?;
    if let Some(effective) = ledger.effective {
        let mut text = Text::default();
        text.push_host(&effective.to_string());
        page.paragraph(&Text::fixed("  counts as    "), &text, Style::Normal)?;
    }
    let mut then = match &ledger.after_boot {
        Some(then) => Text::host(then),
        None => Text::fixed("not known"),
    };
    then.push("   ").push_host(&words::because(ledger));
    let style = if ledger.changes() { Style::Alert } else { Style::Normal };
    page.paragraph(&Text::fixed("  after boot   "), &then, style)?;
    if let Some(by_hand) = &ledger.by_hand {
        let mut text = Text::host(by_hand);
        text.push("   by sysctl --system, which reads in another order");
        page.paragraph(&Text::fixed("  by hand      "), &text, Style::Alert)?;
    }
    let joined = match ledger.joined {
        Some(Joined::Own) => {
            Some("all of it is read by nothing; default is for interfaces to come")
        }
        Some(Joined::Larger) => Some("the larger of all and the interface counts"),
        Some(Joined::Either) => Some("it is on where all or the interface says so"),
        Some(Joined::Both) => Some("it is on only where both all and the interface say so"),
        Some(Joined::Written) => Some("a write to all changes every interface"),
        None => None,
    };
    if let Some(joined) = joined {
        page.paragraph(&Text::fixed("  all          "), &Text::fixed(joined), Style::Normal)?;
    }
    if ledger.sources.is_empty() {
        return page.line(
            &Text::fixed("  sources      none: no file that is known names it"),
            Style::Normal,
        );
    }
    let mut first = Text::fixed("  sources      ");
    for source in &ledger.sources {
        let mut text = Text::host(source.value.as_deref().unwrap_or("?"));
        text.push("   ").push_host(&words::place(source)).push(" (");
        text.push(words::stage(source.stage)).push("): ").push_host(&words::effect(&source.effect));
        page.paragraph(&first, &text, Style::Normal)?;
        first.clear().pad(15);
    }
    Ok(())
}
