//! `whyopen rules`: what ruleset files alone say, without any host.

use std::fs::File;
use std::io::{self, Read as _, Write};
use std::path::Path;

use anyhow::Context as _;
use netfilter::ir::{Family, Note};
use netfilter::rules::{
    Answer, Matrix, MatrixAnswer, Question, Range, SourceAnswer, ask, matrix, outcome_word,
    prefixes_of,
};
use report::escape::Text;

use crate::exit::Outcome;
use crate::flags::{RulesFlags, RulesFormat};
use crate::output;

/// Most prefixes that are shown for people; JSON holds all.
const MOST_SHOWN: usize = 12;

/// Answers the question that the flags hold.
pub(crate) fn rules(flags: &RulesFlags) -> anyhow::Result<Outcome> {
    let files = flags.files.iter().map(|path| read(path)).collect::<anyhow::Result<Vec<_>>>()?;
    let files: Vec<(&str, &[u8])> =
        files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    let question = Question {
        hook: flags.hook.into(),
        protocol: flags.port.protocol,
        port: flags.port.number,
        source_port: flags.sport,
        family: flags.family.map(Into::into),
    };
    let mut out = output::stdout();
    if flags.matrix {
        let answer = matrix(&files, &question)?;
        match flags.output {
            RulesFormat::Text => write_matrices(&mut out, &answer)?,
            RulesFormat::Json => write_json(&mut out, &answer)?,
        }
    } else {
        let answer = ask(&files, &question)?;
        match flags.output {
            RulesFormat::Text => write_sources(&mut out, &answer)?,
            RulesFormat::Json => write_json(&mut out, &answer)?,
        }
    }
    out.flush()?;
    Ok(Outcome::Done)
}

/// The name and content of a file; `-` is standard input.
fn read(path: &Path) -> anyhow::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        io::stdin().lock().read_to_end(&mut bytes).context("read standard input")?;
        return Ok(("standard input".to_owned(), bytes));
    }
    let name = path.display().to_string();
    let mut file = File::open(path).with_context(|| format!("open {name}"))?;
    file.read_to_end(&mut bytes).with_context(|| format!("read {name}"))?;
    Ok((name, bytes))
}

fn write_json(out: &mut impl Write, answer: &impl serde::Serialize) -> anyhow::Result<()> {
    serde_json::to_writer(&mut *out, answer)?;
    writeln!(out)?;
    Ok(())
}

const fn family_name(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "IPv4",
        Family::Ipv6 => "IPv6",
    }
}

fn write_sources(out: &mut impl Write, answer: &Answer) -> io::Result<()> {
    for one in &answer.families {
        writeln!(out, "{}", family_name(one.family))?;
        write_family(out, one)?;
    }
    Ok(())
}

fn write_family(out: &mut impl Write, one: &SourceAnswer) -> io::Result<()> {
    if one.may == one.must {
        writeln!(out, "  accepted from  {}", in_words(one.family, &one.may))?;
    } else {
        writeln!(out, "  perhaps from   {}", in_words(one.family, &one.may))?;
        writeln!(out, "  surely from    {}", in_words(one.family, &one.must))?;
    }
    for example in &one.examples {
        let packet = &example.packet;
        let source = netfilter::syntax::address_text(packet.family, packet.source);
        let (word, sure) = (outcome_word(example.outcome), example.certain);
        let word = if sure { word.to_owned() } else { format!("perhaps {word}") };
        let decider = Text::host(&example.decider.to_string());
        writeln!(out, "  for example    {source} is {word} by {decider}")?;
    }
    write_unknown(out, &one.unknown)
}

fn write_unknown(out: &mut impl Write, unknown: &[Note]) -> io::Result<()> {
    for note in unknown {
        let place = Text::host(&note.place.to_string());
        writeln!(out, "  not known      {place}: {}", Text::host(&note.what))?;
    }
    Ok(())
}

/// The ranges as prefixes: everyone, nobody, or a list that is cut when it is long.
fn in_words(family: Family, ranges: &[Range]) -> String {
    let mut list = prefixes_of(family, ranges);
    match list.as_slice() {
        [] => return "nobody".to_owned(),
        [all] if all.ends_with("/0") => return "everyone".to_owned(),
        _ => {}
    }
    let more = list.len().saturating_sub(MOST_SHOWN);
    list.truncate(MOST_SHOWN);
    let shown = list.join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

fn write_matrices(out: &mut impl Write, answer: &MatrixAnswer) -> io::Result<()> {
    for one in &answer.families {
        writeln!(out, "{}: classes of addresses with the same rights", family_name(one.family))?;
        for class in &one.classes {
            writeln!(out, "  {:>3}  {}", class.name, in_words(one.family, &class.ranges))?;
        }
        write_edges(out, one)?;
        write_unknown(out, &one.unknown)?;
    }
    Ok(())
}

/// One line for each source class: the destinations it surely reaches, and those perhaps.
fn write_edges(out: &mut impl Write, one: &Matrix) -> io::Result<()> {
    writeln!(out, "Who may open a connection to whom (a ? is perhaps)")?;
    for class in &one.classes {
        let to = |edges: &[Range]| -> Vec<String> {
            let of_class = edges.iter().filter(|[source, _]| *source == class.name);
            of_class.map(|[_, destination]| destination.clone()).collect()
        };
        let surely = to(&one.must_edges);
        let words: Vec<String> = to(&one.may_edges)
            .into_iter()
            .map(|name| if surely.contains(&name) { name } else { format!("{name}?") })
            .collect();
        let words = if words.is_empty() { "nobody".to_owned() } else { words.join(" ") };
        writeln!(out, "  {:>3}  to {words}", class.name)?;
    }
    Ok(())
}
