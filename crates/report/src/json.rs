//! JSON: one document, or one line for each socket.
//!
//! Written socket by socket, without ever holding all of them: a host with 200,000 connected
//! sockets costs no more memory here than one with ten.

use std::borrow::Cow;
use std::io::{self, Write};

use facts::Remedy;
use judge::Judgement;
use judge::finding::Finding;
use judge::holder::ProcessHolder;
use judge::row::Row;
use schemars::JsonSchema;
use serde::ser::{Serialize, Serializer};
use serde_json::ser::Formatter;

use crate::escape::is_hidden;
use crate::schema::{self, SCHEMA_VERSION};

mod convert;
pub mod settings;
mod then;
mod why;

use convert::{connection, socket};

/// What to write.
#[derive(Clone, Copy, Debug, Default)]
pub struct Selection<'s, 'a> {
    /// Only these rows, in this order; none: all.
    pub rows: Option<&'s [&'s Row<'a>]>,
    /// Connected sockets as well: all, or those of the ports of these rows.
    pub connected: bool,
    /// Why each row is open.
    pub why: bool,
}

/// Writes the document, each socket on a line of its own.
///
/// # Errors
/// Those of the writer.
pub fn document<W: Write>(
    out: &mut W,
    judgement: &Judgement<'_>,
    selection: Selection<'_, '_>,
) -> io::Result<()> {
    write!(out, "{{\"schema_version\":{SCHEMA_VERSION},\n\"host\":")?;
    write(out, &host(judgement))?;
    out.write_all(b",\n\"gaps\":")?;
    list(out, gaps(judgement))?;
    out.write_all(b",\n\"namespaces\":")?;
    list(out, namespaces(judgement))?;
    out.write_all(b",\n\"sockets\":[")?;
    let mut first = true;
    each_socket(judgement, selection, |socket| {
        out.write_all(if first { b"\n" } else { b",\n" })?;
        first = false;
        write(out, socket)
    })?;
    out.write_all(b"],\n\"entries\":")?;
    list(out, judgement.open_entries().map(|entry| convert::entry(judgement, entry)))?;
    out.write_all(b",\n\"firewall_then\":")?;
    list(out, then::of_host(judgement))?;
    out.write_all(b",\n\"findings\":")?;
    list(out, findings(judgement))?;
    out.write_all(b"}\n")
}

/// Writes one socket on each line, then a summary.
///
/// # Errors
/// Those of the writer.
pub fn lines<W: Write>(
    out: &mut W,
    judgement: &Judgement<'_>,
    selection: Selection<'_, '_>,
) -> io::Result<()> {
    let mut sockets = 0_usize;
    each_socket(judgement, selection, |socket| {
        sockets = sockets.saturating_add(1);
        write(out, socket)?;
        out.write_all(b"\n")
    })?;
    let summary = schema::Summary {
        schema_version: SCHEMA_VERSION,
        host: host(judgement),
        gaps: gaps(judgement).collect(),
        namespaces: namespaces(judgement).collect(),
        sockets,
        entries: judgement.open_entries().map(|e| convert::entry(judgement, e)).collect(),
        firewall_then: then::of_host(judgement).collect(),
        findings: findings(judgement).collect(),
    };
    write(out, &schema::SummaryLine { summary })?;
    out.write_all(b"\n")
}

/// Calls back for each selected socket.
fn each_socket(
    judgement: &Judgement<'_>,
    selection: Selection<'_, '_>,
    mut write: impl FnMut(&schema::Socket<'_>) -> io::Result<()>,
) -> io::Result<()> {
    let mut one = |row| {
        let socket = socket(judgement, row);
        let why = selection.why.then(|| why::of(judgement, row));
        write(&schema::Socket { why, ..socket })
    };
    match selection.rows {
        Some(rows) => rows.iter().try_for_each(|row| one(row))?,
        None => judgement.rows.iter().try_for_each(one)?,
    }
    if !selection.connected {
        return Ok(());
    }
    match selection.rows {
        Some(rows) => {
            judgement.connected_to(rows).try_for_each(|s| write(&connection(judgement, s)))
        }
        None => judgement.connected().try_for_each(|s| write(&connection(judgement, s))),
    }
}

/// Writes a list, each item on a line of its own.
fn list<W: Write, T: Serialize>(out: &mut W, items: impl Iterator<Item = T>) -> io::Result<()> {
    out.write_all(b"[")?;
    for (at, item) in items.enumerate() {
        out.write_all(if at == 0 { b"\n" } else { b",\n" })?;
        write(out, &item)?;
    }
    out.write_all(b"]")
}

/// Writes any value as compact JSON that a terminal cannot act on.
///
/// # Errors
/// Those of the writer.
pub fn write<W: Write>(out: &mut W, value: &impl Serialize) -> io::Result<()> {
    let mut serializer = serde_json::Serializer::with_formatter(out, Quiet);
    value.serialize(&mut serializer).map_err(io::Error::from)
}

/// Compact JSON that a terminal cannot act on: JSON itself escapes only the characters below
/// U+0020, so the other hidden ones are written as `\uNNNN` too. The value stays the same.
struct Quiet;

impl Formatter for Quiet {
    fn write_string_fragment<W: Write + ?Sized>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        // Fragments hold nothing below U+0020. Nearly all are ASCII: look at all bytes at once.
        if fragment.bytes().fold(0, u8::max) < 0x7f {
            return out.write_all(fragment.as_bytes());
        }
        for c in fragment.chars() {
            let mut units = [0_u16; 2];
            let mut bytes = [0_u8; 4];
            if is_hidden(c) {
                for unit in c.encode_utf16(&mut units) {
                    write!(out, "\\u{unit:04x}")?;
                }
            } else {
                out.write_all(c.encode_utf8(&mut bytes).as_bytes())?;
            }
        }
        Ok(())
    }
}

fn host<'a>(judgement: &'a Judgement<'_>) -> schema::Host<'a> {
    let host = &judgement.snapshot.host;
    schema::Host { name: &host.name, os: &host.os, kernel: &host.kernel, machine: &host.machine }
}

fn gaps<'a>(judgement: &'a Judgement<'_>) -> impl Iterator<Item = schema::Gap<'a>> {
    judgement.gaps.iter().map(gap)
}

fn gap(gap: &facts::Gap) -> schema::Gap<'_> {
    schema::Gap {
        what: &gap.what,
        why: &gap.why,
        root_would_help: gap.remedy == Some(Remedy::Root),
    }
}

fn namespaces<'a>(judgement: &'a Judgement<'_>) -> impl Iterator<Item = schema::Namespace<'a>> {
    judgement.namespaces.iter().map(|namespace| schema::Namespace {
        netns: &namespace.label,
        inode: namespace.id.0,
        container: namespace.container.as_deref(),
        addresses: namespace
            .addresses()
            .iter()
            .map(|a| schema::Address {
                interface: namespace.link(a.link).map(|l| l.name.as_str()),
                address: a.address,
                prefix_len: a.prefix_len,
            })
            .collect(),
    })
}

fn findings<'a>(judgement: &'a Judgement<'_>) -> impl Iterator<Item = schema::Finding<'a>> {
    judgement.findings().iter().map(|finding: &Finding| schema::Finding {
        id: finding.id,
        severity: convert::severity(finding.severity),
        subject: &finding.subject,
        text: &finding.text,
        action: &finding.action,
    })
}

/// The holders of a socket, written one by one.
#[derive(Debug)]
pub struct Holders<'a> {
    judgement: &'a Judgement<'a>,
    of: Of<'a>,
}

/// Whose holders.
#[derive(Clone, Copy, Debug)]
enum Of<'a> {
    Row(&'a Row<'a>),
    Connection(&'a facts::Socket),
}

impl Serialize for Holders<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let judgement = self.judgement;
        let snapshot = judgement.snapshot;
        let others = convert::holders_without_process(judgement, self.of);
        match self.of {
            Of::Row(row) => {
                let processes = judgement.holders(row).map(|h| convert::process(snapshot, h));
                serializer.collect_seq(processes.chain(others))
            }
            Of::Connection(socket) => {
                let processes = judgement.holders_of_connection(socket);
                let processes = processes.map(|h| convert::process(snapshot, h));
                serializer.collect_seq(processes.chain(others))
            }
        }
    }
}

impl JsonSchema for Holders<'_> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Holders".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Vec::<schema::Holder<'_>>::json_schema(generator)
    }
}

/// The descriptors of a holder, written one by one.
#[derive(Debug)]
pub struct Fds<'a>(Option<ProcessHolder<'a>>);

impl Serialize for Fds<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().flat_map(ProcessHolder::descriptors).map(|d| d.fd))
    }
}

impl JsonSchema for Fds<'_> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Fds".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Vec::<u32>::json_schema(generator)
    }
}
