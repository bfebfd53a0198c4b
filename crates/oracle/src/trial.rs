//! One ruleset before the kernel and the evaluators.

use crate::aim::Aim;
use crate::answer::{Answer, Expectation, Fault, Kind};
use crate::backend::{Backend, Form, WRITTEN};
use crate::bench::Bench;
use crate::fixture::Fixture;
use crate::probe::Probe;
use crate::random::Random;
use crate::routes::Path;
use crate::{Error, minimise};

/// What a ruleset is tried with.
#[derive(Debug, Clone)]
pub struct Trial<'a> {
    /// What loads it.
    pub backend: Backend,
    /// The ruleset.
    pub text: &'a str,
    /// How many packets.
    pub packets: usize,
    /// Where the packets come from.
    pub seed: u64,
    /// Whether the ruleset is also read as the kernel's tools list it.
    pub listed: bool,
    /// Most questions to the symbolic evaluator for each form of the ruleset.
    pub evaluations: usize,
}

/// Counts of what was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// Rulesets that were loaded.
    pub rulesets: u64,
    /// Rulesets that the kernel's tools refused.
    pub refused: u64,
    /// Lines that were left out of rulesets for the same reason.
    pub lines_refused: u64,
    /// Forms of rulesets that were read.
    pub forms: u64,
    /// Packets that the kernel answered for, each compared in every form.
    pub packets: u64,
    /// Those of them that it accepted.
    pub accepted: u64,
    /// Packets that never reach the rules, and were not compared.
    pub unroutable: u64,
    /// Packets that a translation brought to another path.
    pub elsewhere: u64,
    /// Comparisons with the concrete evaluator where it had to be exactly right.
    pub exact: u64,
    /// Comparisons with the symbolic evaluator.
    pub symbolic: u64,
}

impl Count {
    /// Adds another count.
    pub fn add(&mut self, other: Self) {
        self.rulesets += other.rulesets;
        self.refused += other.refused;
        self.lines_refused += other.lines_refused;
        self.forms += other.forms;
        self.packets += other.packets;
        self.accepted += other.accepted;
        self.unroutable += other.unroutable;
        self.elsewhere += other.elsewhere;
        self.exact += other.exact;
        self.symbolic += other.symbolic;
    }
}

/// What came of a trial.
#[derive(Debug, Default)]
pub struct Verdict {
    /// What was done.
    pub count: Count,
    /// Contradictions, minimised: the first of each kind and form.
    pub found: Vec<Fixture>,
}

impl Trial<'_> {
    /// Loads the ruleset and compares every packet.
    pub fn run(&self, bench: &mut Bench) -> Result<Verdict, Error> {
        let mut verdict = Verdict::default();
        let Some(text) = self.loadable(bench, &mut verdict.count)? else {
            verdict.count.refused = 1;
            return Ok(verdict);
        };
        let own = Trial { text: &text, ..self.clone() };
        own.compare(bench, verdict)
    }

    /// Loads the ruleset, without the lines that its program refuses: random rules contradict
    /// themselves now and then.
    fn loadable(&self, bench: &Bench, count: &mut Count) -> Result<Option<String>, Error> {
        let mut text = self.text.to_owned();
        for _ in 0..MOST_REPAIRS {
            let stderr = match bench.load(self.backend, &text) {
                Ok(()) => return Ok(Some(text)),
                Err(Error::Refused { stderr, .. }) => stderr,
                Err(error) => return Err(error),
            };
            let refused = self.backend.refused_lines(&stderr);
            let lines = (1..).zip(text.lines());
            let kept: Vec<_> =
                lines.filter(|(at, _)| !refused.contains(at)).map(|(_, line)| line).collect();
            let removed = text.lines().count() - kept.len();
            if removed == 0 {
                return Ok(None);
            }
            count.lines_refused += u64::try_from(removed).unwrap_or(0);
            text = kept.iter().map(|line| format!("{line}\n")).collect();
        }
        Ok(None)
    }

    fn compare(&self, bench: &mut Bench, mut verdict: Verdict) -> Result<Verdict, Error> {
        verdict.count.rulesets = 1;
        let mut forms = vec![Form { name: WRITTEN.to_owned(), text: self.text.to_owned() }];
        if self.listed {
            forms.extend(bench.list(self.backend)?);
        }
        let mut expectations = Vec::new();
        for form in forms {
            let (name, text) = (form.name.clone(), form.text.clone());
            match Expectation::new(form, self.evaluations) {
                Ok(expectation) => expectations.push(expectation),
                Err(fault) => {
                    let interfaces = bench.routes(Path::Input)?.interfaces().to_vec();
                    verdict.found.push(self.unreadable(&name, &text, &fault, interfaces));
                }
            }
        }
        verdict.count.forms = u64::try_from(expectations.len()).unwrap_or(0);
        let mut seen = Vec::new();
        self.packets(bench, &mut expectations, &mut verdict, &mut seen)?;
        for Contradiction { form, fault, path, probe } in seen {
            verdict.found.push(minimise::minimise(self, bench, &form, &fault, path, &probe)?);
        }
        Ok(verdict)
    }

    fn unreadable(
        &self,
        form: &str,
        text: &str,
        fault: &Fault,
        interfaces: Vec<String>,
    ) -> Fixture {
        Fixture {
            about: format!("{:?}: {}", fault.kind, fault.what),
            backend: self.backend,
            form: form.to_owned(),
            ruleset: text.lines().map(str::to_owned).collect(),
            loaded: Some(self.text.lines().map(str::to_owned).collect()),
            path: Path::Input,
            interfaces,
            probe: Probe::default(),
            kernel: Answer::Elsewhere,
        }
    }

    fn packets(
        &self,
        bench: &mut Bench,
        expectations: &mut [Expectation],
        verdict: &mut Verdict,
        seen: &mut Vec<Contradiction>,
    ) -> Result<(), Error> {
        let mut random = Random::new(self.seed);
        let routes = [bench.routes(Path::Input)?, bench.routes(Path::Forward)?];
        let mut probes = Vec::with_capacity(self.packets);
        {
            // What the kernel tells names the most: of sets, what they hold.
            let Some(first) = expectations.last() else { return Ok(()) };
            let interfaces = routes.first().map_or(&[][..], |routes| routes.interfaces());
            let aim = Aim::new(first.ruleset(), self.text, self.backend.v6(), interfaces);
            for _ in 0..self.packets {
                probes.push(aim.probe(&mut random));
            }
        }
        let count = &mut verdict.count;
        for probe in probes {
            let side = if random.one_in(2) { &routes[0] } else { &routes[1] };
            let path = side.path();
            if depends_on_destination(path, &probe) || !bench.passes(path, &probe)? {
                count.unroutable += 1;
                continue;
            }
            let kernel = bench.ask(self.backend, path, &probe)?;
            match kernel {
                Answer::Elsewhere => {
                    count.elsewhere += 1;
                    continue;
                }
                Answer::Accepted { .. } => count.accepted += 1,
                Answer::Dropped => {}
            }
            count.packets += 1;
            for expectation in &mut *expectations {
                match expectation.compare(side, &probe, &kernel) {
                    Ok(compared) => {
                        count.exact += u64::from(compared.exact);
                        count.symbolic += u64::from(compared.symbolic);
                    }
                    Err(fault) => {
                        let form = expectation.form.name.clone();
                        let known =
                            |one: &Contradiction| one.fault.kind == fault.kind || one.form == form;
                        if seen.len() < MOST_FOUND && !seen.iter().any(known) {
                            seen.push(Contradiction { form, fault, path, probe: probe.clone() });
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Asks again about one packet, under another ruleset: the contradiction of this kind in this
    /// form, if there still is one.
    pub(crate) fn again(
        &self,
        bench: &mut Bench,
        text: &str,
        form: &str,
        kind: Kind,
        path: Path,
        probe: &Probe,
    ) -> Result<Option<Fixture>, Error> {
        match bench.load_one(self.backend, text, path) {
            Ok(()) => {}
            Err(Error::Refused { .. }) => return Ok(None),
            Err(error) => return Err(error),
        }
        let kernel = bench.ask(self.backend, path, probe)?;
        let written = Form { name: WRITTEN.to_owned(), text: text.to_owned() };
        let found = if form == written.name {
            Some(written)
        } else {
            bench.list_one(self.backend, path)?.into_iter().find(|one| one.name == form)
        };
        let Some(found) = found else { return Ok(None) };
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let ruleset = lines(&found.text);
        let routes = bench.routes(path)?;
        let fault = match Expectation::new(found, self.evaluations) {
            Ok(mut expectation) => expectation.compare(&routes, probe, &kernel).err(),
            Err(fault) => Some(fault),
        };
        Ok(fault.filter(|fault| fault.kind == kind).map(|fault| Fixture {
            about: format!("{:?}: {}", fault.kind, fault.what),
            backend: self.backend,
            form: form.to_owned(),
            loaded: (lines(text) != ruleset).then(|| lines(text)),
            ruleset,
            path,
            interfaces: routes.interfaces().to_vec(),
            probe: probe.clone(),
            kernel,
        }))
    }
}

/// Sources whose packets the routing takes or drops by where they go, which a translation changes:
/// 0.0.0.0 goes to broadcast addresses only (route.c, ip_route_input_slow), and some of IPv6 are
/// forwarded back to where they came from only (ip6_output.c, ip6_forward).
fn depends_on_destination(path: Path, probe: &Probe) -> bool {
    let source = probe.source_number();
    if !probe.v6 {
        return source == 0;
    }
    path == Path::Forward && (source <= 1 || source >> 118 == 0xfe80 >> 6 || source >> 120 == 0xff)
}

/// Most times that lines are left out of a ruleset until it loads.
const MOST_REPAIRS: usize = 24;

/// Most contradictions of one ruleset that are minimised.
const MOST_FOUND: usize = 2;

/// A contradiction that was seen.
struct Contradiction {
    form: String,
    fault: Fault,
    path: Path,
    probe: Probe,
}
