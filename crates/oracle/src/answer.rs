//! The kernel's answer, and whether the evaluators agree with it.

use std::collections::HashMap;

use netfilter::concrete::{Decision, possible};
use netfilter::ir::{NatKind, Ruleset, Step};
use netfilter::symbolic::{Evaluation, Outcome, Packets, evaluate};
use packet_set::{Budget, Field, Leaf};
use serde::{Deserialize, Serialize};

use crate::backend::{Form, LIVE};
use crate::probe::Probe;
use crate::record::TABLE;
use crate::routes::{Path, Routes};

/// What the kernel did with a packet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// Dropped, or refused.
    Dropped,
    /// Every chain accepted it.
    Accepted {
        /// Its destination then.
        destination: String,
        /// Its destination port then, or ICMP type.
        dport: u16,
        /// Its mark then.
        mark: u32,
    },
    /// A translation brought it to another path than the one that was asked about.
    Elsewhere,
}

/// What the evaluators said that the kernel did not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What kind of contradiction.
    pub kind: Kind,
    /// Both sides.
    pub what: String,
}

/// Kinds of contradictions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// The kernel loads what the parser refuses.
    Parse,
    /// Evaluation failed.
    Evaluation,
    /// Accepted, and not in `may`.
    May,
    /// Dropped, and in `must`.
    Must,
    /// The concrete evaluator's outcomes do not hold the kernel's.
    Concrete,
    /// Accepted by both, but the packet is not the same.
    Packet,
}

/// Path, IPv6, protocol and destination port: what one symbolic evaluation is about.
type Key = (Path, bool, u8, u16);

/// One form of a ruleset, and what the evaluators make of it.
pub struct Expectation {
    /// The form.
    pub form: Form,
    ruleset: Ruleset,
    translates: bool,
    redirects: bool,
    evaluations: HashMap<Key, Result<Evaluation, String>>,
    most: usize,
}

/// Reads a form as the program does.
fn read(form: &Form) -> Result<Ruleset, Fault> {
    let fault = |what: String| Fault { kind: Kind::Parse, what };
    if form.name != LIVE {
        return netfilter::rules::read(&form.name, form.text.as_bytes())
            .map_err(|error| fault(error.to_string()));
    }
    let namespace: facts::NetNamespace =
        serde_json::from_str(&form.text).map_err(|error| fault(error.to_string()))?;
    let Some(dump) = namespace.ruleset.value() else {
        return Err(fault(format!("not read: {:?}", namespace.ruleset)));
    };
    let mut ruleset = netfilter::live::ruleset(dump, namespace.links.items());
    // A lab loads its tables once and in their order: here it is known which chain runs first.
    ruleset.notes.retain(|note| !note.what.starts_with("whether "));
    match ruleset.notes.first() {
        None => Ok(ruleset),
        Some(note) => Err(fault(format!("{}: {}", note.place, note.what))),
    }
}

/// How much of an answer was compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Compared {
    /// The concrete evaluator had to say something definite.
    pub exact: bool,
    /// The symbolic evaluator was asked.
    pub symbolic: bool,
}

impl Expectation {
    /// Reads a form as the program does; the symbolic evaluator is asked at most `most` questions.
    pub fn new(form: Form, most: usize) -> Result<Self, Fault> {
        let mut ruleset = read(&form)?;
        ruleset.tables.retain(|table| table.name != TABLE);
        let doubts: Vec<bool> = ruleset
            .tables
            .iter()
            .flat_map(|table| table.chains.iter().flat_map(|chain| &chain.rules))
            .flat_map(|rule| &rule.steps)
            .filter_map(|step| match step {
                Step::Translate(list) => Some(list),
                _ => None,
            })
            .flatten()
            .filter(|(_, nat)| nat.kind == NatKind::Destination)
            .map(|(_, nat)| nat.doubt.is_some())
            .collect();
        Ok(Self {
            form,
            ruleset,
            translates: !doubts.is_empty(),
            redirects: doubts.contains(&true),
            evaluations: HashMap::new(),
            most,
        })
    }

    /// The ruleset as it was read.
    #[must_use]
    pub fn ruleset(&self) -> &Ruleset {
        &self.ruleset
    }

    /// Whether both evaluators allow for what the kernel did.
    pub fn compare(
        &mut self,
        routes: &Routes,
        probe: &Probe,
        kernel: &Answer,
    ) -> Result<Compared, Fault> {
        // A redirection leads to this host, which is not the path that forwarding is asked about.
        let leaves_path = self.redirects && routes.path() == Path::Forward;
        // Redirected to the interface's address of the same scope, and dropped where it has none
        // (nf_nat_redirect.c, nf_nat_redirect_ipv6). Ours have global ones only.
        let destination = probe.destination_number();
        let is_scoped = destination >> 119 == 0xfe80 >> 7 || destination >> 32 == 0;
        let lacks_address = self.redirects && probe.v6 && is_scoped;
        if leaves_path || lacks_address || *kernel == Answer::Elsewhere {
            return Ok(Compared::default());
        }
        let exact = self.concrete(routes, probe, kernel)?;
        let symbolic = self.symbolic(routes, probe, kernel)?;
        Ok(Compared { exact, symbolic })
    }

    fn concrete(&self, routes: &Routes, probe: &Probe, kernel: &Answer) -> Result<bool, Fault> {
        let walked = self.walk(routes, probe)?;
        let (accepted, refused): (Vec<_>, Vec<_>) =
            walked.decisions.iter().partition(|decision| decision.outcome == Outcome::Accepted);
        let right = match kernel {
            Answer::Accepted { .. } => !accepted.is_empty(),
            _ => !refused.is_empty(),
        };
        if !right && walked.complete {
            let what = format!("kernel: {kernel:?}; concrete: {}", tell(&walked.decisions));
            return Err(Fault { kind: Kind::Concrete, what });
        }
        if let (Answer::Accepted { destination, dport, mark }, [only], true) =
            (kernel, accepted.as_slice(), walked.certain)
        {
            let own = (crate::probe::text(probe.v6, only.packet.destination), only.packet.mark);
            let same_port = !probe.has_ports() || only.packet.dport == *dport;
            if own != (destination.clone(), *mark) || !same_port {
                let what = format!(
                    "kernel: to {destination} port {dport} mark {mark:#x}; concrete: to {} port \
                     {} mark {:#x}",
                    own.0, only.packet.dport, own.1
                );
                return Err(Fault { kind: Kind::Packet, what });
            }
        }
        Ok(walked.certain)
    }

    /// All decisions whose way out is the one that the routes give their destination.
    fn walk(&self, routes: &Routes, probe: &Probe) -> Result<Walked, Fault> {
        let fault = |what| Fault { kind: Kind::Evaluation, what };
        let out = |destination| routes.out(probe.family(), destination);
        let as_written = out(probe.destination_number());
        let reroutes = self.translates && routes.path() == Path::Forward;
        let outs: Vec<&str> = if reroutes {
            routes.interfaces().iter().map(String::as_str).collect()
        } else {
            vec![as_written]
        };
        let mut walked = Walked { decisions: Vec::new(), complete: true, certain: true };
        for oif in outs {
            let found = possible(&self.ruleset, &probe.packet(oif), routes.path().hook())
                .map_err(|error| fault(error.to_string()))?;
            let certain = found.complete && found.asked.is_empty();
            walked.certain &= certain;
            // One decision is kept for each outcome, which may be one with another way out.
            walked.complete &= certain || found.complete && !reroutes;
            let of_this_way = |one: &Decision| out(one.packet.destination) == oif;
            walked.decisions.extend(found.decisions.into_iter().filter(of_this_way));
        }
        Ok(walked)
    }

    fn symbolic(&mut self, routes: &Routes, probe: &Probe, kernel: &Answer) -> Result<bool, Fault> {
        let key = (routes.path(), probe.v6, probe.protocol, probe.dport);
        if !self.evaluations.contains_key(&key) {
            if self.evaluations.len() >= self.most {
                return Ok(false);
            }
            let packets = Packets {
                family: probe.family(),
                hook: routes.path().hook(),
                protocol: probe.protocol,
                port: probe.dport,
                source_port: None,
            };
            let found = evaluate(&self.ruleset, &packets, Budget::default());
            self.evaluations.insert(key, found.map_err(|error| error.to_string()));
        }
        let evaluation = match self.evaluations.get(&key) {
            Some(Ok(evaluation)) => evaluation,
            Some(Err(what)) => {
                return Err(Fault { kind: Kind::Evaluation, what: what.clone() });
            }
            None => return Ok(false),
        };
        let (source, destination) = (probe.source_number(), probe.destination_number());
        let leaf = evaluation.arena.at(evaluation.rights, |field| match field {
            Field::SOURCE => source,
            _ => destination,
        });
        judge(kernel, leaf)?;
        Ok(true)
    }
}

/// What the concrete evaluator says of a packet.
struct Walked {
    decisions: Vec<Decision>,
    /// No other outcome is possible.
    complete: bool,
    /// Nothing had to be guessed.
    certain: bool,
}

/// Accepted means in `may`, dropped means not in `must`.
fn judge(kernel: &Answer, leaf: Leaf) -> Result<(), Fault> {
    let kind = match kernel {
        Answer::Accepted { .. } if !Outcome::may_accept(leaf) => Kind::May,
        Answer::Dropped if Outcome::must_accept(leaf) => Kind::Must,
        _ => return Ok(()),
    };
    Err(Fault { kind, what: format!("kernel: {kernel:?}; symbolic: {leaf:?}") })
}

/// The decisions with who made them.
fn tell(decisions: &[Decision]) -> String {
    let one = |decision: &Decision| format!("{:?} by {:?}", decision.outcome, decision.decider);
    decisions.iter().map(one).collect::<Vec<_>>().join(" or ")
}
