//! One rule: its options in order, gathered by the match or target that they belong to.

use std::collections::HashMap;

use super::extension::{Extension, Opt};
use super::line::Word;
use super::{matches, targets};
use crate::ir::{Cond, Doubt, Family, Pattern, Side, Step, Verdict};
use crate::names;
use crate::syntax::network;
use packet_set::Field;

/// A syntax error: column and text.
pub(super) type Fault = (u32, String);

/// The chain that a rule is added to, and the words after it.
pub(super) fn head(words: &[Word]) -> Result<(&Word, &[Word]), Fault> {
    match words {
        [_, chain, rest @ ..] if !chain.is_option() => Ok((chain, rest)),
        _ => Err((1, "a rule without a chain".to_owned())),
    }
}

/// For `-I chain [number]`, the place in the chain, from 0.
pub(super) fn position<'a>(words: &[Word], rest: &'a [Word]) -> (Option<usize>, &'a [Word]) {
    if !words.first().is_some_and(|word| word.text().starts_with("-I") || word.text() == "--insert")
    {
        return (None, rest);
    }
    match rest {
        [number, after @ ..] if number.text().parse::<usize>().is_ok() => {
            (number.text().parse::<usize>().ok().map(|from_one| from_one.saturating_sub(1)), after)
        }
        _ => (Some(0), rest),
    }
}

/// Who gets the next option that is not one of iptables itself.
#[derive(Clone, Copy)]
enum Owner {
    Protocol,
    Match,
    Target,
}

struct Builder<'a> {
    family: Family,
    chains: &'a HashMap<String, usize>,
    conds: Vec<Cond>,
    protocol: Option<String>,
    implicit: Extension,
    matches: Vec<Extension>,
    target: Option<(Extension, bool)>,
    owner: Owner,
}

/// The steps of a rule from the words after its chain.
pub(super) fn steps(
    words: &[Word],
    family: Family,
    chains: &HashMap<String, usize>,
) -> Result<Vec<Step>, Fault> {
    let mut builder = Builder {
        family,
        chains,
        conds: Vec::new(),
        protocol: None,
        implicit: Extension::named(""),
        matches: Vec::new(),
        target: None,
        owner: Owner::Protocol,
    };
    let mut rest = words;
    while let [first, ..] = rest {
        let (option, column, after) = next_option(rest)?;
        builder.option(option, column, first)?;
        rest = after;
    }
    Ok(builder.finish())
}

/// Takes one option with the values that follow it.
fn next_option(words: &[Word]) -> Result<(Opt, u32, &[Word]), Fault> {
    let (mut negated, mut rest) = (false, words);
    while let [word, after @ ..] = rest {
        if !word.is_not() {
            break;
        }
        negated = !negated;
        rest = after;
    }
    let [name, after @ ..] = rest else {
        let column = words.first().map_or(1, |word| word.column);
        return Err((column, "a negation of nothing".to_owned()));
    };
    if !name.is_option() {
        return Err((name.column, format!("expected an option, found {:?}", name.text())));
    }
    rest = after;
    let mut values = Vec::new();
    loop {
        match rest {
            // The old spelling: the sign after the option.
            [not, value, ..] if values.is_empty() && not.is_not() && !value.is_option() => {
                negated = !negated;
                rest = rest.get(1..).unwrap_or(&[]);
            }
            [value, after @ ..] if !value.is_option() && !value.is_not() => {
                values.push(value.text().to_owned());
                rest = after;
            }
            _ => break,
        }
    }
    Ok((Opt { name: name.text().to_owned(), negated, values }, name.column, rest))
}

impl Builder<'_> {
    fn option(&mut self, option: Opt, column: u32, _first: &Word) -> Result<(), Fault> {
        let needs_value = || (column, format!("{} needs one value", option.name));
        match option.name.as_str() {
            // A word of its own there: of the transformation, not of the packet.
            "--proto" if self.reads("policy") => self.extension_option(option),
            "-s" | "--source" | "--src" | "-d" | "--destination" | "--dst" => {
                let is_source = option.name.starts_with("-s") || option.name.starts_with("--s");
                let field = if is_source { Field::SOURCE } else { Field::DESTINATION };
                let value = option.value().ok_or_else(needs_value)?;
                let cond = self.addresses(field, value, &option);
                self.conds.push(cond);
            }
            "-i" | "--in-interface" | "-o" | "--out-interface" => {
                let is_in = option.name.starts_with("-i") || option.name.starts_with("--i");
                let side = if is_in { Side::In } else { Side::Out };
                let value = option.value().ok_or_else(needs_value)?;
                self.conds.push(interface(side, value).negate_if(option.negated));
            }
            "-p" | "--protocol" | "--proto" => {
                let value = option.value().ok_or_else(needs_value)?;
                let cond = match names::protocol(value) {
                    _ if value == "all" => Cond::Always,
                    Some(0) => Cond::Always,
                    Some(number) => Cond::is(Field::PROTOCOL, u128::from(number)),
                    None => Cond::Unknown(option.text(), Doubt::Packet),
                };
                self.conds.push(cond.negate_if(option.negated));
                self.protocol = Some(value.to_ascii_lowercase());
                self.owner = Owner::Protocol;
            }
            // Ports are asked of whole packets only; the question is never about fragments.
            "-f" | "--fragment" => self.conds.push(Cond::Never.negate_if(option.negated)),
            "-4" | "--ipv4" | "-6" | "--ipv6" => {
                let wanted = if option.name.contains('6') { Family::Ipv6 } else { Family::Ipv4 };
                if wanted != self.family {
                    self.conds.push(Cond::Never);
                }
            }
            "-c" | "--set-counters" => {}
            "-m" | "--match" => {
                let name = option.value().ok_or_else(needs_value)?;
                self.matches.push(Extension::named(name));
                self.owner = Owner::Match;
            }
            "-j" | "--jump" | "-g" | "--goto" => {
                if self.target.is_some() {
                    return Err((column, "a second target".to_owned()));
                }
                let name = option.value().ok_or_else(needs_value)?;
                let goto = matches!(option.name.as_str(), "-g" | "--goto");
                self.target = Some((Extension::named(name), goto));
                self.owner = Owner::Target;
            }
            _ => self.extension_option(option),
        }
        Ok(())
    }

    /// Whether options belong to a match of this name at this point.
    fn reads(&self, name: &str) -> bool {
        matches!(self.owner, Owner::Match) && self.matches.last().is_some_and(|m| m.name == name)
    }

    fn addresses(&self, field: Field, value: &str, option: &Opt) -> Cond {
        // A list of networks is several rules to iptables, and so any of them.
        let any = value
            .split(',')
            .map(|part| match network(field, part) {
                Some((family, cond)) if family == self.family => cond,
                _ => Cond::Unknown(format!("{} {part}", option.name), Doubt::Packet),
            })
            .collect::<Vec<_>>();
        let cond = match <[Cond; 1]>::try_from(any) {
            Ok([only]) => only,
            Err(list) => Cond::Any(list),
        };
        cond.negate_if(option.negated)
    }

    fn extension_option(&mut self, option: Opt) {
        let of_protocol = matches::is_of_protocol(&option.name);
        let extension = match (self.owner, self.matches.last_mut(), &mut self.target) {
            (Owner::Match, Some(last), _) if !of_protocol || matches::reads_ports(&last.name) => {
                last
            }
            (Owner::Target, _, Some((target, _))) if !of_protocol => target,
            _ => {
                if self.implicit.name.is_empty() {
                    self.implicit.name = self.protocol.clone().unwrap_or_default();
                }
                &mut self.implicit
            }
        };
        extension.options.push(option);
    }

    fn finish(mut self) -> Vec<Step> {
        if !self.implicit.options.is_empty() {
            self.matches.insert(0, self.implicit);
        }
        for extension in &self.matches {
            self.conds.push(matches::lower(extension, self.family));
        }
        self.conds.retain(|cond| *cond != Cond::Always);
        let mut steps = Vec::new();
        match self.conds.len() {
            0 => {}
            1 => steps.extend(self.conds.pop().map(Step::If)),
            _ => steps.push(Step::If(Cond::All(self.conds))),
        }
        steps.extend(self.matches.iter().filter_map(matches::effect));
        match self.target {
            None => {}
            Some((target, goto)) => match self.chains.get(&target.name) {
                Some(chain) if goto => steps.push(Step::verdict(Verdict::Goto(*chain))),
                Some(chain) => steps.push(Step::verdict(Verdict::Jump(*chain))),
                None => steps.extend(targets::lower(&target, self.family)),
            },
        }
        steps
    }
}

/// `eth0`, or `eth+` for all that begin so.
pub(crate) fn interface(side: Side, text: &str) -> Cond {
    match text.strip_suffix('+') {
        Some("") => Cond::Always,
        Some(prefix) => Cond::Interface(side, vec![Pattern::Begins(prefix.to_owned())]),
        None => Cond::Interface(side, vec![Pattern::Exact(text.to_owned())]),
    }
}
