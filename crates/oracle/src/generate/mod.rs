//! Random rulesets as text, from a small pool of values, so that rules meet.

mod ipset;
mod iptables;
mod nft;
mod pool;

use crate::backend::Backend;
use crate::random::Random;

/// The interfaces that the packets of random rulesets come and go by. Rules name others too.
pub const INTERFACES: [&str; 4] = ["eth0", "eth1", "wg0", "other9"];

/// A ruleset for this program; the same for the same seed.
#[must_use]
pub fn ruleset(backend: Backend, seed: u64) -> String {
    let mut random = Random::new(seed);
    match backend {
        Backend::Nft => nft::ruleset(&mut random),
        Backend::IptablesLegacy | Backend::IptablesNft => iptables::ruleset(&mut random, false),
        Backend::Ip6tablesLegacy | Backend::Ip6tablesNft => iptables::ruleset(&mut random, true),
    }
}
