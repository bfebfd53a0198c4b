//! The part about IPv6: for each interface who looks for routers and makes temporary addresses, and
//! its addresses.

use std::io::{self, Write};

use judge::settings::{Discovery, Interface, Judged, Settings};

use super::super::page::{Page, Style};
use crate::escape::Text;
use crate::words;

/// How far the addresses are indented.
const INDENT: usize = 4;

/// Where what is said of an address has less room than this, it begins on a line of its own.
const NARROW: usize = 44;

pub(super) fn addresses<W: Write>(
    page: &mut Page<'_, W>,
    settings: &Settings<'_>,
) -> io::Result<()> {
    let six: Vec<&Judged<'_>> =
        settings.addresses.iter().filter(|judged| judged.address.address.is_ipv6()).collect();
    // Those of containers' ends and the like have nothing to tell.
    let told = |interface: &&Interface<'_>| {
        let has = six.iter().any(|judged| judged.address.link == interface.link.index);
        has || interface.link.kind.is_empty()
    };
    let interfaces: Vec<&Interface<'_>> = settings.interfaces.iter().filter(told).collect();
    if interfaces.is_empty() && six.is_empty() {
        return Ok(());
    }
    page.blank()?;
    page.line(&Text::fixed("IPv6"), Style::Heading)?;
    let length = |judged: &&Judged<'_>| named(judged).width();
    let widest = six.iter().map(length).max().unwrap_or(0);
    for interface in &interfaces {
        let mut first = Text::fixed("  ");
        first.push_host(&interface.link.name).push("  ");
        page.paragraph(&first, &line(settings, interface), Style::Normal)?;
        for judged in six.iter().filter(|judged| judged.address.link == interface.link.index) {
            address(page, settings, judged, widest)?;
        }
    }
    let without = |judged: &&&Judged<'_>| {
        !interfaces.iter().any(|interface| interface.link.index == judged.address.link)
    };
    for judged in six.iter().filter(without) {
        let mut first = Text::fixed("  ");
        first.push_host(judged.link.map_or("?", |link| &link.name));
        page.line(&first, Style::Normal)?;
        address(page, settings, judged, widest)?;
    }
    Ok(())
}

/// Who looks for routers on an interface, and how it makes temporary addresses.
fn line(settings: &Settings<'_>, interface: &Interface<'_>) -> Text {
    let mut text = Text::default();
    match &interface.discovery {
        Discovery::Kernel => {
            text.push("the kernel looks for routers (accept_ra ");
            text.push_host(&number(interface.accept_ra)).push(")")
        }
        Discovery::Program(name) => text.push(name).push(" looks for routers"),
        Discovery::Nobody(why) => text.push("nobody looks for routers: ").push(why),
        Discovery::Unknown => text.push("who looks for routers is not known"),
    };
    let path = format!("net/ipv6/conf/{}/use_tempaddr", interface.link.name);
    let owner = settings.ledger(&path).map(words::set_by).unwrap_or_default();
    match interface.use_tempaddr {
        Some(mode @ 1..) => {
            text.push(if mode == 1 {
                "; temporary addresses are made"
            } else {
                "; temporary addresses are made and preferred"
            });
            if let Some((valid, preferred)) = interface.temporary_s {
                text.push(" for ").push_host(&words::span(preferred)).push(", valid for ");
                text.push_host(&words::span(valid));
            }
            text.push(" (use_tempaddr ")
                .push_host(&mode.to_string())
                .push(", ")
                .push_host(&owner)
                .push(")");
        }
        Some(_) => {
            text.push("; no temporary addresses (").push_host(&owner).push(")");
        }
        None => {}
    }
    text
}

fn number(value: Option<i64>) -> String {
    value.map_or_else(|| "?".to_owned(), |value| value.to_string())
}

/// `2001:db8::1/64`.
fn named(judged: &Judged<'_>) -> Text {
    let mut text = Text::host(&judged.address.address.to_string());
    text.push("/").push_plain(judged.address.prefix_len);
    text
}

fn address<W: Write>(
    page: &mut Page<'_, W>,
    settings: &Settings<'_>,
    judged: &Judged<'_>,
    widest: usize,
) -> io::Result<()> {
    let mut first = Text::default();
    first.pad(INDENT).push_text(&named(judged)).pad(INDENT + widest + 2);
    let mut text = Text::fixed(words::kind_of(judged.kind));
    if words::scope(judged.scope) == "ula" {
        text.push(", within the site (ULA)");
    }
    match (judged.address.is_deprecated(), judged.address.preferred_s) {
        (true, _) => {
            text.push(", deprecated: answers, and is not chosen for what is sent");
        }
        (false, Some(preferred)) => {
            text.push(", preferred for ").push_host(&words::span(preferred.into()));
        }
        (false, None) => {}
    }
    if let Some(valid) = judged.address.valid_s {
        text.push(", valid for ").push_host(&words::span(valid.into()));
    }
    let chosen = settings.chosen.filter(|c| c.address.address.address == judged.address.address);
    if let Some(chosen) = chosen {
        text.push("; what is sent comes from here");
        if let Some(preferred) = judged.address.preferred_s {
            text.push(" for ").push_host(&words::span(preferred.into())).push(" more");
        }
        text.push(match (chosen.by_kernel, chosen.of_equals) {
            (true, _) => " (the kernel says so)",
            (false, false) => " (by RFC 6724)",
            (false, true) => " (or from another as good by RFC 6724)",
        });
    }
    if page.width().saturating_sub(first.width()) < NARROW {
        page.line(&first, Style::Normal)?;
        first.clear().pad(INDENT + 2);
    }
    page.paragraph(&first, &text, Style::Normal)
}
