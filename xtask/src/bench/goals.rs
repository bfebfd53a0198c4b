//! What the costs must be.

use std::time::Duration;

use super::Cost;
use super::loads::Scene;

/// A bound on the cost of a look.
enum Bound {
    /// At most a part of another look's processor time: so many times less.
    TimesLessCpu(f64, &'static str),
    /// At most so much processor time.
    Cpu(Duration),
    /// At most so much processor time more than another look.
    MoreCpu(Duration, &'static str),
    /// Less memory than another look.
    LessMemory(&'static str),
}

use Bound::{Cpu, LessMemory, MoreCpu, TimesLessCpu};

/// At which loads a look is bounded, and how.
const GOALS: &[(&[&str], &str, Bound)] = &[
    (&["idle"], "whyopen, whole screen", Cpu(Duration::from_millis(30))),
    (&["idle", "a"], "whyopen settings", Cpu(Duration::from_millis(40))),
    (&["a"], "whyopen", TimesLessCpu(1.0, "ss -tulpnw")),
    (&["b", "c", "d"], "whyopen", TimesLessCpu(10.0, "ss -tulpnw")),
    (&["b", "c", "d"], "whyopen, no BPF", TimesLessCpu(1.8, "ss -tulpnw")),
    (&["c"], "whyopen, as nobody", Cpu(Duration::from_millis(15))),
    (&["d"], "whyopen, connected", TimesLessCpu(100.0, "ss -tuapnw")),
    (&["rules"], "whyopen, whole screen", MoreCpu(Duration::from_millis(200), "bare dump")),
    (&["d"], "whyopen", LessMemory("ss -tulpnw")),
    (&["d"], "whyopen, connected", LessMemory("ss -tuapnw")),
];

/// Prints each goal of this load and whether it is met; returns whether all are.
pub(super) fn check(scene: &Scene, costs: &[Cost]) -> bool {
    let cost = |name: &str| costs.iter().find(|cost| cost.look == name);
    let mut all = true;
    for (loads, look, bound) in GOALS {
        if !loads.contains(&scene.name) {
            continue;
        }
        let Some(this) = cost(look) else { continue };
        let (met, text) = match bound {
            TimesLessCpu(factor, peer) => {
                let Some(peer_cost) = cost(peer) else { continue };
                let times = peer_cost.cpu.as_secs_f64() / this.cpu.as_secs_f64();
                let text = format!("{times:.1} times less CPU than {peer}, wanted {factor}");
                (times >= *factor, text)
            }
            Cpu(most) => {
                let (ms, most_ms) = (this.cpu.as_secs_f64() * 1e3, most.as_millis());
                (this.cpu <= *most, format!("{ms:.1} ms CPU, wanted at most {most_ms}"))
            }
            MoreCpu(most, peer) => {
                let Some(peer_cost) = cost(peer) else { continue };
                let more = this.cpu.saturating_sub(peer_cost.cpu);
                let (ms, most_ms) = (more.as_secs_f64() * 1e3, most.as_millis());
                (more <= *most, format!("{ms:.1} ms more than {peer}, wanted at most {most_ms}"))
            }
            LessMemory(peer) => {
                let Some(peer_cost) = cost(peer) else { continue };
                let (this, theirs) = (this.peak_rss_kib, peer_cost.peak_rss_kib);
                (this < theirs, format!("{this} KiB, wanted less than the {theirs} of {peer}"))
            }
        };
        println!("  {} {look}: {text}", if met { "met   " } else { "MISSED" });
        all &= met;
    }
    all
}
