//! `cargo xtask fuzz-kernel`: the kernel as the oracle of the evaluators, for a while.

use anyhow::Result;
use clap::Args;

use crate::command::{cargo, run};

/// The arguments of `fuzz-kernel`.
#[derive(Args)]
pub(crate) struct FuzzKernel {
    /// How long.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// The number of the first rulesets; the same number gives the same rulesets and packets.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl FuzzKernel {
    /// Runs it. Contradictions are written to `crates/oracle/fixtures`, where a test replays them.
    pub(crate) fn run(self) -> Result<()> {
        let arguments = ["run", "--locked", "--profile", "oracle", "--package", "oracle", "--"];
        run(cargo(&arguments)
            .args(["--seconds", &self.seconds.to_string(), "--seed", &self.seed.to_string()])
            .args(["--keep", "crates/oracle/fixtures"]))
    }
}
