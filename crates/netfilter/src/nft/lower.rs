//! The syntax tree, as the common form.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::ast::{self, Compare, Element, Expr, Statement};
use super::elements::Sets;
use super::keys::{PORTS, has_ports};
use super::statement::{Context, Lowered};
use super::values::Kind;
use crate::ir::{Backend, Chain, Rule, Ruleset, Step, Table, TableFamily, Verdict};

/// Lowers a file.
pub(super) fn lower(file: ast::File) -> Ruleset {
    Ruleset { tables: file.tables.iter().map(table).collect(), notes: file.notes }
}

fn table(source: &ast::Table) -> Table {
    let statements = || source.chains.iter().flat_map(|c| &c.rules).flat_map(|r| &r.statements);
    let written: HashSet<String> = statements()
        .filter_map(|statement| match statement {
            Statement::Update(set) => Some(set.clone()),
            _ => None,
        })
        .collect();
    let chains: HashMap<&str, usize> =
        source.chains.iter().enumerate().map(|(at, chain)| (chain.name.as_str(), at)).collect();
    let of_iptables = is_of_iptables(source);
    let context = Context { sets: Sets { named: &source.sets, written }, chains, of_iptables };
    Table {
        backend: Backend::Nftables,
        family: source.family,
        name: source.name.clone(),
        chains: source.chains.iter().map(|chain| lower_chain(&context, chain, source)).collect(),
    }
}

/// Whether iptables-nft wrote the table: it has the name of one of its tables, and a base chain
/// with the name of one of its chains.
fn is_of_iptables(table: &ast::Table) -> bool {
    let is_builtin =
        |name: &str| matches!(name, "PREROUTING" | "INPUT" | "FORWARD" | "OUTPUT" | "POSTROUTING");
    matches!(table.family, TableFamily::Ip | TableFamily::Ip6)
        && matches!(table.name.as_str(), "raw" | "mangle" | "nat" | "filter" | "security")
        && table.chains.iter().any(|chain| chain.base.is_some() && is_builtin(&chain.name))
}

fn lower_chain(context: &Context<'_>, chain: &ast::Chain, table: &ast::Table) -> Chain {
    Chain {
        name: chain.name.clone(),
        // The chains of a dormant table are not called.
        base: chain.base.clone().filter(|_| !table.dormant),
        rules: chain.rules.iter().flat_map(|rule| lower_rule(context, rule)).collect(),
        place: chain.place.clone(),
    }
}

/// The rule; for each statement that is not understood one more before it, which does what that
/// statement might do: the packet is accepted, dropped, returned, or comes to the rest.
fn lower_rule(context: &Context<'_>, source: &ast::Rule) -> Vec<Rule> {
    let rule = |steps| Rule { steps, place: source.place.clone(), text: source.text.clone() };
    let mut list = Vec::new();
    let mut steps: Vec<Step> = Vec::new();
    let statements = transport_headers(&source.statements);
    for statement in statements.as_ref() {
        match context.lower(statement, &source.text) {
            Lowered::Steps(more) => steps.extend(more),
            Lowered::Unknown(text) => {
                let mut before = steps.clone();
                before.push(Step::verdict(Verdict::Unknown(text.clone())));
                list.push(rule(before));
                let doubt = crate::ir::Cond::Unknown(text, crate::ir::Doubt::History);
                steps.push(Step::If(doubt));
            }
        }
    }
    list.push(rule(steps));
    list
}

/// nft lists `meta l4proto { tcp, udp } th dport 53` as `... tcp dport 53`, which it would refuse
/// to read: after a set of protocols, the ports are those of any of them. Where all of those have
/// ports, no other header can be meant.
fn transport_headers(statements: &[Statement]) -> Cow<'_, [Statement]> {
    let of_set = statements.iter().position(|statement| {
        matches!(statement, Statement::Match(op, Expr::Meta(key), Expr::Set(_))
            if key == "l4proto" && *op != Compare::Different)
    });
    let Some(first) = of_set else { return Cow::Borrowed(statements) };
    let with_ports = |element: &Element| {
        Kind::Protocol
            .values(&element.key)
            .is_some_and(|set| set.iter().all(|(lo, hi)| lo == hi && has_ports(lo)))
    };
    let name = match statements.get(first) {
        Some(Statement::Match(Compare::Implicit | Compare::Equal, _, Expr::Set(elements)))
            if elements.iter().all(with_ports) =>
        {
            PORTS
        }
        _ => "th",
    };
    let mut all = statements.to_vec();
    for statement in all.iter_mut().skip(first + 1) {
        if let Statement::Match(_, left, _) | Statement::Vmap(left, _) = statement {
            any_header(left, name);
        }
    }
    Cow::Owned(all)
}

fn any_header(expr: &mut Expr, name: &str) {
    match expr {
        Expr::Payload(protocol, field)
            if matches!(protocol.as_str(), "tcp" | "udp" | "th")
                && matches!(field.as_str(), "sport" | "dport") =>
        {
            name.clone_into(protocol);
        }
        Expr::Concat(parts) => parts.iter_mut().for_each(|part| any_header(part, name)),
        _ => {}
    }
}
