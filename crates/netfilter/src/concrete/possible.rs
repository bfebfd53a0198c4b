//! All that may happen to one packet: the walk, once for each answer to what is unknown.

use super::walk::{Decision, WalkError, walk};
use super::{Oracle, Packet};
use crate::ir::{Doubt, Hook, Ruleset};

/// Most walks of one packet. What is left out is said in [`Possible::complete`].
const MOST_WALKS: usize = 1024;

/// What may happen to a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Possible {
    /// One decision for each different outcome, in the order found; the first is that of a packet
    /// for which no unknown condition holds.
    pub decisions: Vec<Decision>,
    /// The unknown things that were asked.
    pub asked: Vec<String>,
    /// Whether every combination of answers was walked.
    pub complete: bool,
}

/// Answers by a list, and with 0 beyond it; remembers how many answers each question has.
#[derive(Default)]
struct Script {
    answers: Vec<u32>,
    options: Vec<u32>,
    asked: Vec<String>,
    complete: bool,
}

impl Script {
    fn answer(&mut self, text: &str, options: u32) -> u32 {
        let at = self.options.len();
        self.options.push(options);
        if !self.asked.iter().any(|known| known == text) {
            self.asked.push(text.to_owned());
        }
        self.answers.get(at).copied().unwrap_or(0)
    }
}

impl Oracle for Script {
    fn holds(&mut self, text: &str, _: Doubt) -> bool {
        self.answer(text, 2) == 1
    }

    fn choose(&mut self, text: &str, options: u32) -> u32 {
        self.answer(text, options)
    }

    fn pick(&mut self, first: u128, last: u128) -> u128 {
        match last.checked_sub(first) {
            None | Some(0) => first,
            Some(more) => {
                // Only the ends of a longer range are tried.
                self.complete &= more == 1;
                if self.answer("the address or port that a translation takes", 2) == 0 {
                    first
                } else {
                    last
                }
            }
        }
    }
}

/// Walks the packet for every combination of answers, up to a bound.
pub fn possible(ruleset: &Ruleset, packet: &Packet, hook: Hook) -> Result<Possible, WalkError> {
    let mut decisions: Vec<Decision> = Vec::new();
    let (asked, complete) = enumerate(|oracle| {
        let decision = walk(ruleset, packet, hook, oracle)?;
        if !decisions.iter().any(|known| known.outcome == decision.outcome) {
            decisions.push(decision);
        }
        Ok(())
    })?;
    Ok(Possible { decisions, asked, complete })
}

/// Calls the function with every combination of answers, up to a bound. What was asked, and whether
/// all combinations were tried.
pub(super) fn enumerate(
    mut walk: impl FnMut(&mut dyn Oracle) -> Result<(), WalkError>,
) -> Result<(Vec<String>, bool), WalkError> {
    let (mut asked, mut complete): (Vec<String>, bool) = (Vec::new(), true);
    let mut answers: Vec<u32> = Vec::new();
    for _ in 0..MOST_WALKS {
        let mut script = Script { answers, complete: true, ..Script::default() };
        walk(&mut script)?;
        complete &= script.complete;
        for text in script.asked {
            if !asked.contains(&text) {
                asked.push(text);
            }
        }
        match next_answers(script.answers, &script.options) {
            Some(next) => answers = next,
            None => return Ok((asked, complete)),
        }
    }
    Ok((asked, false))
}

/// The next combination: the last answer that can be raised is, those after it begin again.
fn next_answers(mut answers: Vec<u32>, options: &[u32]) -> Option<Vec<u32>> {
    answers.resize(options.len(), 0);
    while let Some(last) = answers.pop() {
        if last + 1 < options.get(answers.len()).copied().unwrap_or(0) {
            answers.push(last + 1);
            return Some(answers);
        }
    }
    None
}
