//! How much memory and work an [`Arena`](crate::Arena) may use.

use thiserror::Error;

/// The limits of one arena. The defaults suit a host's ruleset with 100,000 rules and sets of a
/// million elements, and end a hopeless evaluation after about six seconds and 500 MB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Most nodes kept at once.
    pub nodes: usize,
    /// Most edges (intervals) kept at once, over all nodes; each takes 8 bytes, or 20 where a
    /// bound needs more than 32 bits.
    pub edges: usize,
    /// Most steps over the life of the arena; a step looks at one edge, in the order of 20 ns.
    pub steps: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { nodes: 4_000_000, edges: 20_000_000, steps: 250_000_000 }
    }
}

/// The budget does not suffice for the question: the rules are too entangled in too many fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Exceeded {
    /// See [`Budget::nodes`].
    #[error("evaluate the rules: more than {0} diagram nodes are needed")]
    Nodes(usize),
    /// See [`Budget::edges`].
    #[error("evaluate the rules: more than {0} diagram edges are needed")]
    Edges(usize),
    /// See [`Budget::steps`].
    #[error("evaluate the rules: more than {0} steps are needed")]
    Steps(u64),
}
