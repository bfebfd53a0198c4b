//! The syntax tree, as the common form.

use std::collections::{HashMap, HashSet};

use super::ast::{self, Statement};
use super::elements::Sets;
use super::statement::{Context, Lowered};
use crate::ir::{Backend, Chain, Rule, Ruleset, Step, Table, Verdict};

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
    let context = Context { sets: Sets { named: &source.sets, written }, chains };
    Table {
        backend: Backend::Nftables,
        family: source.family,
        name: source.name.clone(),
        chains: source.chains.iter().map(|chain| lower_chain(&context, chain, source)).collect(),
    }
}

fn lower_chain<'a>(context: &Context<'a>, chain: &'a ast::Chain, table: &ast::Table) -> Chain {
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
fn lower_rule<'a>(context: &Context<'a>, source: &'a ast::Rule) -> Vec<Rule> {
    let rule = |steps| Rule { steps, place: source.place.clone(), text: source.text.clone() };
    let mut list = Vec::new();
    let mut steps: Vec<Step> = Vec::new();
    for statement in &source.statements {
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
