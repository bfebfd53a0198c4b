//! The answer of `whyopen explain`: as text for one screen, and as JSON.

use std::io::{self, Write};

use facts::Protocol;
use judge::explain::{Delivery, Explanation, Opens, Step, decider_words, ends};
use judge::reach::ClientSees;
use netfilter::concrete::{Event, Routed, Why};
use netfilter::ir::{Family, Hook};
use netfilter::symbolic::Outcome;
use netfilter::syntax::address_text;
use schemars::JsonSchema;
use serde::Serialize;

use crate::escape::Text;
use crate::schema::{self, SCHEMA_VERSION};

/// What `whyopen explain -o json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ExplainDocument {
    /// The version of this interface.
    pub schema_version: u32,
    /// The client's address.
    pub from: String,
    /// The destination as the client uses it.
    pub to: String,
    /// The port; none for protocols without ports.
    pub port: Option<u16>,
    /// The protocol's name.
    pub protocol: String,
    /// The interface that the packet arrives on.
    pub interface: String,
    /// `open`, `blocked` or `unknown`.
    pub verdict: &'static str,
    /// What the client sees.
    pub client_sees: schema::ClientSees,
    /// The rule, policy or other thing that decides.
    pub decided_by: Option<String>,
    /// The way of the packet, in order.
    pub steps: Vec<ExplainStep>,
    /// What was not understood, or depends on more than the packet.
    pub unknown: Vec<String>,
}

/// A step of the way.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ExplainStep {
    /// `arrives`, a hook (`prerouting`, `input` …), `translated`, `routing`, `source`, `socket` or
    /// `leaves`.
    pub step: &'static str,
    /// Whether it is the reply.
    pub reply: bool,
    /// What happened, in words.
    pub text: String,
    /// The chains and rules that did something, each as `chain: rule`.
    pub rules: Vec<String>,
}

/// Writes the answer as JSON.
///
/// # Errors
/// Those of the writer.
pub fn json<W: Write>(out: &mut W, explanation: &Explanation) -> io::Result<()> {
    let (from, to, port) = ends(&explanation.packet);
    let family = explanation.packet.family;
    let document = ExplainDocument {
        schema_version: SCHEMA_VERSION,
        from,
        to,
        port,
        protocol: Protocol(explanation.packet.protocol.into()).to_string(),
        interface: explanation.packet.iif.clone(),
        verdict: verdict(explanation.opens),
        client_sees: explanation.sees.into(),
        decided_by: explanation.decided_by.clone(),
        steps: explanation.steps.iter().map(|step| told(step, family)).collect(),
        unknown: explanation.unknown.clone(),
    };
    serde_json::to_writer(&mut *out, &document)?;
    out.write_all(b"\n")
}

fn verdict(opens: Opens) -> &'static str {
    match opens {
        Opens::Open => "open",
        Opens::Blocked => "blocked",
        Opens::Unknown => "unknown",
    }
}

/// Width of the first column.
const LABEL: usize = 14;

/// Writes the answer for people, in this width.
///
/// # Errors
/// Those of the writer.
pub fn text<W: Write>(out: &mut W, explanation: &Explanation, width: usize) -> io::Result<()> {
    let (from, to, port) = ends(&explanation.packet);
    let mut head = Text::host(&from);
    head.push(" -> ");
    match port {
        Some(port) if to.contains(':') => {
            head.push("[").push_host(&to).push("]:").push_plain(port).push("/");
        }
        Some(port) => {
            head.push_host(&to).push(":").push_plain(port).push("/");
        }
        None => {
            head.push_host(&to).push(" ");
        }
    }
    head.push_plain(Protocol(explanation.packet.protocol.into()));
    head.push(match explanation.opens {
        Opens::Open => "   OPEN",
        Opens::Blocked => "   BLOCKED",
        Opens::Unknown => "   UNKNOWN",
    });
    head.push(match explanation.sees {
        ClientSees::Connected => ", the client is connected",
        ClientSees::Answered => ", the packet arrives",
        ClientSees::Refused => ", the client sees: refused",
        ClientSees::TimedOut => ", the client sees nothing",
        ClientSees::Unreachable => ", the client sees: unreachable",
        ClientSees::Prohibited => ", the client sees: prohibited",
        ClientSees::Mixed => "",
    });
    for line in head.wrap(width) {
        writeln!(out, "{line}")?;
    }
    for step in &explanation.steps {
        let told = told(step, explanation.packet.family);
        let mut label = Text::fixed(if told.reply { "  reply " } else { "  " });
        label.push(told.step);
        paragraph(out, &label, &Text::host(&told.text), width)?;
        for rule in &told.rules {
            paragraph(out, &Text::default(), &Text::host(rule), width)?;
        }
    }
    if let Some(decided) = &explanation.decided_by {
        paragraph(out, &Text::fixed("decided by"), &Text::host(decided), width)?;
    }
    for what in &explanation.unknown {
        paragraph(out, &Text::fixed("not known"), &Text::host(what), width)?;
    }
    Ok(())
}

/// A label, and words beside it in as many lines as they need.
fn paragraph<W: Write>(out: &mut W, label: &Text, words: &Text, width: usize) -> io::Result<()> {
    let indent = LABEL.max(label.width().saturating_add(1));
    let room = width.saturating_sub(indent).max(20);
    for (at, line) in words.wrap(room).iter().enumerate() {
        let mut whole = if at == 0 { label.clone() } else { Text::default() };
        whole.pad(indent).push_text(line);
        writeln!(out, "{whole}")?;
    }
    Ok(())
}

fn hook_name(hook: Hook) -> &'static str {
    match hook {
        Hook::Ingress => "ingress",
        Hook::Prerouting => "prerouting",
        Hook::Input => "input",
        Hook::Forward => "forward",
        Hook::Output => "output",
        Hook::Postrouting => "postrouting",
        Hook::Egress => "egress",
    }
}

fn end_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Accepted => "accepted",
        Outcome::Dropped => "dropped",
        Outcome::Rejected(_) => "rejected",
        Outcome::NoRoute => "dropped: this host has no way for it, or is no router",
        Outcome::Martian => "dropped: such a packet cannot come in there",
        Outcome::Unanswered => "no reply gets out",
    }
}

/// What a step says.
fn told(step: &Step, family: Family) -> ExplainStep {
    let plain = |step: &'static str, text: String| ExplainStep {
        step,
        reply: false,
        text,
        rules: Vec::new(),
    };
    match step {
        Step::Arrives { namespace, interface, guessed } => {
            let mut text = format!("on {interface}");
            if *guessed {
                text.push_str(", where the route back leads (--in says another)");
            }
            if let Some(namespace) = namespace {
                text.push_str(" of ");
                text.push_str(namespace);
            }
            plain("arrives", text)
        }
        Step::Event(event) => of_event(event, family),
        Step::Delivered(delivery) => plain("socket", delivered(delivery)),
        Step::Leaves(out) => plain("leaves", format!("by {out}, to where this host does not see")),
    }
}

fn of_event(event: &Event, family: Family) -> ExplainStep {
    let (step, reply, text, rules) = match event {
        Event::Hook { hook, reply, rules, decider, end } => {
            let by = decider_words(decider).unwrap_or_else(|| "no chain decides".to_owned());
            let text = format!("{}: {by}", end.map_or("passes", end_word));
            let rules = rules.iter().map(|rule| format!("{}: {}", rule.chain, rule.text)).collect();
            (hook_name(*hook), *reply, text, rules)
        }
        Event::Translated { address, port } => {
            let text =
                format!("the destination is now {} port {port}", address_text(family, *address));
            ("translated", false, text, Vec::new())
        }
        Event::Martian(why) => ("source", false, martian(*why).to_owned(), Vec::new()),
        Event::Routed(routed) => ("routing", routed.reply, of_routing(routed), Vec::new()),
    };
    ExplainStep { step, reply, text, rules }
}

fn martian(why: Why) -> &'static str {
    match why {
        Why::Source => "dropped: no host elsewhere can have this source",
        Why::Destination => "dropped: this destination cannot be addressed from elsewhere",
        Why::OwnSource => "dropped: the source is an address of this host",
        Why::ReversePath => {
            "dropped: the route to the source does not lead out of here (rp_filter)"
        }
        Why::Disabled => "dropped: IPv6 is disabled on the interface (disable_ipv6)",
    }
}

fn of_routing(routed: &Routed) -> String {
    let table = match routed.table {
        Some(255) => ", by table local".to_owned(),
        Some(254) => ", by table main".to_owned(),
        Some(number) => format!(", by table {number}"),
        None => String::new(),
    };
    match (&routed.out, routed.local, routed.end) {
        (_, _, Some(end)) => format!("{}{table}", end_word(end)),
        (Some(out), _, None) => format!("leaves by {out}{table}"),
        (None, true, None) => format!("to this host{table}"),
        (None, false, None) => format!("nowhere{table}"),
    }
}

fn delivered(delivery: &Delivery) -> String {
    match delivery {
        Delivery::Socket(bound) | Delivery::QueueFull(bound) | Delivery::KeptOut(bound, _) => {
            let address = bound.address;
            let port = bound.port;
            let mut text = match (address.is_ipv6(), port) {
                (_, 0) => format!("{address}"),
                (true, port) => format!("[{address}]:{port}"),
                (false, port) => format!("{address}:{port}"),
            };
            if !bound.holders.is_empty() {
                text.push_str(", held by ");
                text.push_str(&bound.holders.join(", "));
            }
            if matches!(delivery, Delivery::QueueFull(_)) {
                text.push_str("; its accept queue is full, so it is dropped");
            }
            if let Delivery::KeptOut(_, unit) = delivery {
                text.push_str("; the address lists of ");
                text.push_str(unit);
                text.push_str(" keep the source out");
            }
            text
        }
        Delivery::Kernel => "the kernel answers".to_owned(),
        Delivery::Nobody => "none is open there: refused".to_owned(),
        Delivery::Unknown(why) => format!("not known: {why}"),
    }
}
