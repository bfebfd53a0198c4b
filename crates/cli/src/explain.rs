//! `whyopen explain`: one packet from a client to this host, step by step.

use std::io::Write as _;

use judge::explain::{Question, explain as answer};
use judge::judge;

use crate::exit::Outcome;
use crate::flags::{ExplainFlags, RulesFormat};
use crate::{host, load, output};

/// Answers the question that the flags hold.
pub(crate) fn explain(flags: &ExplainFlags) -> anyhow::Result<Outcome> {
    let snapshot = match &flags.snapshot {
        Some(path) => load::snapshot(path, flags.read.into())?,
        None => host::snapshot(flags.read.into(), false),
    };
    let judgement = judge(&snapshot);
    let question = Question {
        from: flags.from,
        to: flags.to.address,
        port: flags.to.port,
        protocol: flags.to.protocol,
        interface: flags.interface.clone(),
    };
    let found = answer(&judgement, &question).map_err(|why| anyhow::anyhow!("{why}"))?;
    let mut out = output::stdout();
    match flags.output {
        RulesFormat::Json => report::explain::json(&mut out, &found)?,
        RulesFormat::Text => report::explain::text(&mut out, &found, output::width(flags.width))?,
    }
    out.flush()?;
    Ok(Outcome::Done)
}
