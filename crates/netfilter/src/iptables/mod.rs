//! Rulesets as `iptables-save` and `ip6tables-save` print them, and `iptables -S`.
//!
//! The form has no grammar but what iptables-restore(8) reads: one table after another (`*filter`
//! ... `COMMIT`), chains (`:INPUT DROP [0:0]`), rules (`-A INPUT ...`). Old spellings of negation
//! (`-s ! 10.0.0.1`), counters before the rule, comments and CRLF line ends are read.
//!
//! A match, an option or a target that is not known stays in its rule as unknown. What
//! iptables-restore itself would refuse (no such chain, a table without `COMMIT`) is an error.

pub(crate) mod extension;
mod fib;
mod line;
pub(crate) mod matches;
pub(crate) mod rule;
pub(crate) mod targets;

use std::collections::HashMap;
use std::sync::Arc;

use crate::ir::{
    Backend, Base, Chain, ChainKind, Cond, Doubt, Family, Hook, Place, Rule, Ruleset, Step, Table,
    TableFamily,
};
use crate::syntax::{ParseError, address};
use crate::templates;
use line::{Word, words};

/// Parses a dump. `file` names it in places and errors.
pub fn parse(file: &str, text: &str) -> Result<Ruleset, ParseError> {
    let mut reader = Reader {
        file: Arc::from(file),
        family: family(text),
        tables: Vec::new(),
        open: None,
        chains: HashMap::new(),
        pending: Vec::new(),
    };
    // `iptables -S` prints one table without naming it.
    let bare = !text.lines().any(|line| line.starts_with('*'));
    if bare {
        reader.open_table("filter");
    }
    for (number, line) in (1..).zip(text.lines()) {
        reader.line(number, line)?;
    }
    if bare {
        reader.close_table()?;
    } else if let Some(open) = &reader.open {
        let what = format!("table {} is not finished by COMMIT: the file is cut off", open.name);
        let last = u32::try_from(text.lines().count()).unwrap_or(u32::MAX);
        return Err(reader.error(last, 1, what));
    }
    let mut ruleset = Ruleset { tables: reader.tables, notes: Vec::new() };
    if text.contains("-j SET ") {
        doubt_sets(&mut ruleset);
    }
    templates::doubt(&mut ruleset);
    Ok(ruleset)
}

/// Where rules write into sets, a set is not the same each time that it is asked.
fn doubt_sets(ruleset: &mut Ruleset) {
    let tables = ruleset.tables.iter_mut();
    let rules = tables.flat_map(|table| &mut table.chains).flat_map(|chain| &mut chain.rules);
    for step in rules.flat_map(|rule| &mut rule.steps) {
        if let Step::If(cond) = step {
            cond.visit_mut(&mut |part| {
                if let Cond::Unknown(text, doubt) = part
                    && text.starts_with("-m set ")
                {
                    *doubt = Doubt::History;
                }
            });
        }
    }
}

/// The family of a dump: as its head says, else as its addresses and ICMP names tell.
fn family(text: &str) -> Family {
    for line in text.lines().take_while(|line| line.starts_with('#') || line.trim().is_empty()) {
        if line.contains("ip6tables") {
            return Family::Ipv6;
        }
        if line.contains("iptables") {
            return Family::Ipv4;
        }
    }
    let is_v6 = |word: &str| {
        let base = word.split(['/', '-']).next().unwrap_or(word);
        matches!(word, "icmpv6" | "ipv6-icmp" | "icmp6" | "hl")
            || word.starts_with("icmp6-")
            || address(base).is_some_and(|(family, _)| family == Family::Ipv6)
    };
    let rules = text.lines().filter(|line| line.starts_with("-A") || line.starts_with('['));
    // A log prefix or comment may name anything; the words of most rules decide.
    let (mut v4, mut v6) = (0_usize, 0_usize);
    for word in rules.flat_map(str::split_whitespace) {
        v6 += usize::from(is_v6(word));
        let base = word.split(['/', '-']).next().unwrap_or(word);
        v4 += usize::from(address(base).is_some_and(|(family, _)| family == Family::Ipv4));
    }
    if v6 > v4 { Family::Ipv6 } else { Family::Ipv4 }
}

/// A rule that waits for all chains of its table to be declared.
struct Pending {
    number: u32,
    line: String,
}

struct Reader {
    file: Arc<str>,
    family: Family,
    tables: Vec<Table>,
    open: Option<Table>,
    /// The open table's chains by name.
    chains: HashMap<String, usize>,
    pending: Vec<Pending>,
}

impl Reader {
    fn error(&self, line: u32, column: u32, what: String) -> ParseError {
        ParseError { file: self.file.to_string(), line, column, what }
    }

    fn place(&self, line: u32) -> Place {
        Place { file: Arc::clone(&self.file), line, handle: None }
    }

    fn line(&mut self, number: u32, line: &str) -> Result<(), ParseError> {
        let line = line.trim_end();
        let trimmed = line.trim_start();
        match trimmed.chars().next() {
            None | Some('#') => return Ok(()),
            Some('*') => {
                if let Some(open) = &self.open {
                    let what = format!("table {} is not finished by COMMIT", open.name);
                    return Err(self.error(number, 1, what));
                }
                self.open_table(trimmed.trim_start_matches('*').trim());
                return Ok(());
            }
            Some(_) => {}
        }
        if self.open.is_none() {
            return Err(self.error(number, 1, "a line outside of any table".to_owned()));
        }
        if trimmed == "COMMIT" {
            return self.close_table();
        }
        if let Some(declared) = trimmed.strip_prefix(':') {
            return self.declare(number, declared);
        }
        let text = without_counters(trimmed);
        let words = words(text).map_err(|(column, what)| self.error(number, column, what))?;
        match words.first().map(Word::text) {
            Some("-A" | "--append" | "-I" | "--insert") => {
                self.pending.push(Pending { number, line: text.to_owned() });
                Ok(())
            }
            Some("-N" | "--new-chain") => {
                let name = words.get(1).map_or("", Word::text).to_owned();
                self.declare(number, &name)
            }
            Some("-P" | "--policy") => {
                let [name, policy] = [1, 2].map(|at| words.get(at).map_or("", Word::text));
                self.declare(number, &format!("{name} {policy}"))
            }
            _ => {
                let what = "expected a table (*), a chain (:), a rule (-A) or COMMIT".to_owned();
                Err(self.error(number, 1, what))
            }
        }
    }

    fn open_table(&mut self, name: &str) {
        let family = match self.family {
            Family::Ipv4 => TableFamily::Ip,
            Family::Ipv6 => TableFamily::Ip6,
        };
        self.open = Some(Table {
            backend: Backend::Iptables,
            family,
            name: name.to_owned(),
            chains: Vec::new(),
        });
    }

    /// `INPUT DROP [0:0]` or `name - [0:0]`.
    fn declare(&mut self, number: u32, text: &str) -> Result<(), ParseError> {
        let mut parts = text.split_whitespace();
        let (name, policy) = (parts.next().unwrap_or(""), parts.next().unwrap_or("-"));
        let drops = match policy {
            "-" | "ACCEPT" => false,
            "DROP" => true,
            other => {
                let what = format!("unknown policy {other:?} of chain {name:?}");
                return Err(self.error(number, 2, what));
            }
        };
        if name.is_empty() {
            return Err(self.error(number, 2, "a chain without a name".to_owned()));
        }
        let place = self.place(number);
        let base = self.open.as_ref().and_then(|table| base(&table.name, name, drops));
        if policy != "-" && base.is_none() {
            let what = format!("chain {name:?} has a policy, but the table has no such hook");
            return Err(self.error(number, 2, what));
        }
        if let Some(table) = &mut self.open {
            let known = self.chains.get(name).and_then(|at| table.chains.get_mut(*at));
            if let Some(known) = known {
                known.base = base;
            } else {
                self.chains.insert(name.to_owned(), table.chains.len());
                let chain = Chain { name: name.to_owned(), base, rules: Vec::new(), place };
                table.chains.push(chain);
            }
        }
        Ok(())
    }

    /// Parses the rules, now that all chains are known.
    fn close_table(&mut self) -> Result<(), ParseError> {
        let Some(mut table) = self.open.take() else { return Ok(()) };
        let mut chains = std::mem::take(&mut self.chains);
        for Pending { number, line } in std::mem::take(&mut self.pending) {
            let error = |(column, what)| self.error(number, column, what);
            let words = words(&line).map_err(error)?;
            let (name, rest) = rule::head(&words).map_err(error)?;
            // The kernel's own chains are there without being declared.
            if !chains.contains_key(name.text())
                && let Some(base) = base(&table.name, name.text(), false)
            {
                chains.insert(name.text().to_owned(), table.chains.len());
                let (name, place) = (name.text().to_owned(), self.place(number));
                table.chains.push(Chain { name, base: Some(base), rules: Vec::new(), place });
            }
            let chain = chains
                .get(name.text())
                .and_then(|at| table.chains.get_mut(*at))
                .ok_or_else(|| error((name.column, format!("no chain {:?}", name.text()))))?;
            let (position, rest) = rule::position(&words, rest);
            let steps = rule::steps(rest, self.family, &chains).map_err(error)?;
            let rule = Rule { steps, place: self.place(number), text: line };
            let at = position.unwrap_or(chain.rules.len()).min(chain.rules.len());
            chain.rules.insert(at, rule);
        }
        // iptables-restore empties a table before it fills it: the last one counts.
        self.tables.retain(|known| known.name != table.name);
        self.tables.push(table);
        Ok(())
    }
}

/// `[packets:bytes]` before a rule is not part of it.
fn without_counters(line: &str) -> &str {
    line.strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
        .map_or(line, |(_, rule)| rule.trim_start())
}

/// Hook, type and priority of a built-in chain (NF_IP_PRI_* of linux/netfilter_ipv4.h; the hooks
/// of each table are in net/ipv4/netfilter/iptable_*.c).
pub(crate) fn base(table: &str, chain: &str, drops: bool) -> Option<Base> {
    let hook = match chain {
        "PREROUTING" => Hook::Prerouting,
        "INPUT" => Hook::Input,
        "FORWARD" => Hook::Forward,
        "OUTPUT" => Hook::Output,
        "POSTROUTING" => Hook::Postrouting,
        _ => return None,
    };
    let (kind, priority) = match (table, hook) {
        ("raw", Hook::Prerouting | Hook::Output) => (ChainKind::Filter, -300),
        ("mangle", Hook::Output) => (ChainKind::Route, -150),
        ("mangle", _) => (ChainKind::Filter, -150),
        ("nat", Hook::Prerouting | Hook::Output) => (ChainKind::Nat, -100),
        ("nat", Hook::Input | Hook::Postrouting) => (ChainKind::Nat, 100),
        ("filter", Hook::Input | Hook::Forward | Hook::Output) => (ChainKind::Filter, 0),
        ("security", Hook::Input | Hook::Forward | Hook::Output) => (ChainKind::Filter, 50),
        _ => return None,
    };
    Some(Base { hook, kind, priority, drops, devices: Vec::new() })
}
