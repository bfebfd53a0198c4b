//! Questions to ruleset files alone: who can open a connection, whatever the interfaces and what
//! the files do not say.
//!
//! [`ask`] takes the files as bytes and needs nothing else: no host, no privileges, no I/O.

mod answer;
mod detect;

pub use answer::{
    Answer, Class, Example, Matrix, MatrixAnswer, Range, SourceAnswer, outcome_word, prefixes_of,
};
pub use detect::{Format, detect, read};

use packet_set::{Budget, Exceeded, Field, by_rights};
use thiserror::Error;

use crate::concrete::possible;
use crate::ir::{Family, Hook, Ruleset};
use crate::symbolic::{EvaluateError, Evaluation, Outcome, Packets, evaluate};
use crate::syntax::ParseError;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// [`Hook::Input`] or [`Hook::Forward`].
    pub hook: Hook,
    /// Transport protocol (IPPROTO_*).
    pub protocol: u8,
    /// Destination port, as the client uses it.
    pub port: u16,
    /// Source port; none: any.
    pub source_port: Option<u16>,
    /// Only this family; none: those that the files speak of.
    pub family: Option<Family>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RulesError {
    /// A file is not a ruleset.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// The rules could not be evaluated.
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    /// No file has a table for the family.
    #[error("no file has a table for {0}")]
    NoTable(&'static str),
    /// The question is for a hook that files alone cannot answer.
    #[error("a question to files is about input or forward")]
    Hook,
}

impl From<Exceeded> for RulesError {
    fn from(exceeded: Exceeded) -> Self {
        Self::Evaluate(exceeded.into())
    }
}

/// Reads the files (name and content) into one ruleset, all of which a packet passes.
pub fn load(files: &[(&str, &[u8])]) -> Result<Ruleset, ParseError> {
    let mut ruleset = Ruleset::default();
    for (name, bytes) in files {
        ruleset.join(read(name, bytes)?);
    }
    Ok(ruleset)
}

/// Which sources may and which must be able to open the connection, for each family.
pub fn ask(files: &[(&str, &[u8])], question: &Question) -> Result<Answer, RulesError> {
    let ruleset = load(files)?;
    let mut families = Vec::new();
    for family in families_of(&ruleset, question)? {
        families.push(sources(&ruleset, question, family)?);
    }
    Ok(Answer { families })
}

/// Which class of addresses may open the connection to which, for each family.
pub fn matrix(files: &[(&str, &[u8])], question: &Question) -> Result<MatrixAnswer, RulesError> {
    let ruleset = load(files)?;
    let mut families = Vec::new();
    for family in families_of(&ruleset, question)? {
        families.push(matrix_of(&ruleset, question, family)?);
    }
    Ok(MatrixAnswer { families })
}

/// The families that the ruleset has tables for; one that it does not speak of is not asked.
fn families_of(ruleset: &Ruleset, question: &Question) -> Result<Vec<Family>, RulesError> {
    if !matches!(question.hook, Hook::Input | Hook::Forward) {
        return Err(RulesError::Hook);
    }
    let known: Vec<Family> = Family::BOTH
        .into_iter()
        .filter(|family| question.family.is_none_or(|wanted| wanted == *family))
        .filter(|family| ruleset.tables.iter().any(|table| table.family.sees(*family)))
        .collect();
    if known.is_empty() {
        return Err(RulesError::NoTable(match question.family {
            Some(Family::Ipv4) => "IPv4",
            Some(Family::Ipv6) => "IPv6",
            None => "IPv4 or IPv6",
        }));
    }
    Ok(known)
}

fn packets(question: &Question, family: Family) -> Packets {
    Packets {
        family,
        hook: question.hook,
        protocol: question.protocol,
        port: question.port,
        source_port: question.source_port,
    }
}

/// The sources of one family: `may` to some destination, `must` to every one.
fn sources(
    ruleset: &Ruleset,
    question: &Question,
    family: Family,
) -> Result<SourceAnswer, RulesError> {
    let mut found = evaluate(ruleset, &packets(question, family), Budget::default())?;
    let max = family.max_address();
    // Destinations above the family's last address are none.
    let examples = examples(ruleset, question, &found);
    let sources = found.arena.choose(found.rights, Field::DESTINATION, 0, max)?;
    let ranges = |wanted: fn(_) -> bool| {
        let set = found.arena.ranges(sources, Field::SOURCE, max, wanted);
        answer::ranges(family, &set)
    };
    Ok(SourceAnswer {
        family,
        must: ranges(Outcome::must_accept),
        may: ranges(Outcome::may_accept),
        unknown: found.unknown,
        examples,
    })
}

/// For each outcome that is possible, one packet that has it, and who decides.
fn examples(ruleset: &Ruleset, question: &Question, found: &Evaluation) -> Vec<Example> {
    Outcome::ALL
        .into_iter()
        .filter_map(|outcome| {
            let packet = found.witness(outcome)?;
            let walked = possible(ruleset, &packet, question.hook).ok()?;
            let decision = walked.decisions.into_iter().find(|one| one.outcome == outcome)?;
            Some(Example {
                packet,
                outcome,
                decider: decision.decider,
                certain: walked.asked.is_empty(),
            })
        })
        .collect()
}

fn matrix_of(ruleset: &Ruleset, question: &Question, family: Family) -> Result<Matrix, RulesError> {
    let mut found = evaluate(ruleset, &packets(question, family), Budget::default())?;
    // Only "may" and "must" are rights; how a packet is refused makes no class of its own.
    let rights = found.arena.map_leaves(found.rights, answer::right)?;
    let partition = by_rights(&found.arena, rights, family.max_address());
    Ok(answer::matrix(family, &partition, found.unknown))
}
