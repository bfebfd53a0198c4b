//! Random rulesets, one after the other, until the time is over.

use std::time::{Duration, Instant};

use crate::backend::Backend;
use crate::bench::Bench;
use crate::fixture::Fixture;
use crate::trial::{Count, Trial};
use crate::{Error, generate};

/// How to fuzz.
#[derive(Debug, Clone, Copy)]
pub struct Fuzz {
    /// How long; the last rulesets are finished.
    pub time: Duration,
    /// The seed of the first rulesets.
    pub seed: u64,
    /// Packets under each ruleset.
    pub packets: usize,
    /// Where to stop: this many contradictions.
    pub most: usize,
}

impl Fuzz {
    /// Tries one ruleset of every program for each seed. Calls `found` with the seed and each
    /// contradiction.
    ///
    /// # Errors
    /// [`Error`] where the kernel could not be asked.
    pub fn run(&self, mut found: impl FnMut(u64, &Fixture)) -> Result<Count, Error> {
        let mut bench = Bench::new(&generate::INTERFACES.map(str::to_owned))?;
        let start = Instant::now();
        let mut total = Count::default();
        let mut contradictions = 0;
        let mut seed = self.seed;
        while start.elapsed() < self.time && contradictions < self.most {
            for backend in Backend::ALL {
                let text = generate::ruleset(backend, seed);
                let trial = Trial {
                    backend,
                    text: &text,
                    packets: self.packets,
                    seed,
                    listed: true,
                    evaluations: 48,
                };
                let verdict = trial.run(&mut bench)?;
                total.add(verdict.count);
                contradictions += verdict.found.len();
                verdict.found.iter().for_each(|fixture| found(seed, fixture));
            }
            seed += 1;
        }
        Ok(total)
    }
}
