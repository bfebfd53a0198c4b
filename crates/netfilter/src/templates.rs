//! Packets that are given a template of a connection before connection tracking looks at them.

use packet_set::Field;

use crate::ir::{Cond, Doubt, Rule, Ruleset, Step};

/// Says that it is not known what `notrack` does, and what state a packet has before connection
/// tracking, where a rule may have given the packet a template: the target `CT` without `--notrack`,
/// or `ct zone set`. Then it cannot be exempted any more (xt_CT.c, xt_ct_target; nft_ct.c,
/// nft_notrack_eval), and counts as new (xt_conntrack.c, conntrack_mt).
pub(crate) fn doubt(ruleset: &mut Ruleset) {
    let chains = || ruleset.tables.iter().flat_map(|table| &table.chains);
    if !chains().flat_map(|chain| &chain.rules).any(gives_template) {
        return;
    }
    let doubt = |what: &str| Cond::Unknown(format!("{what} after the target CT"), Doubt::History);
    for table in &mut ruleset.tables {
        // Others of iptables' tables come after connection tracking.
        let early = table.name == "raw";
        for rule in table.chains.iter_mut().flat_map(|chain| &mut chain.rules) {
            let doubted = Step::If(doubt("notrack"));
            let exempts = rule.steps.iter().position(|step| *step == Step::NoTrack);
            if let Some(at) = exempts.filter(|_| !rule.steps.contains(&doubted)) {
                rule.steps.insert(at, doubted);
            }
            for step in rule.steps.iter_mut().filter(|_| early) {
                if let Step::If(cond) = step
                    && asks_connection(cond)
                {
                    *cond = doubt("the state of the connection");
                }
            }
        }
    }
}

fn gives_template(rule: &Rule) -> bool {
    let named = rule.text.contains("-j CT ") || rule.text.contains("ct zone set");
    named && !rule.steps.contains(&Step::NoTrack)
}

fn asks_connection(cond: &Cond) -> bool {
    let mut found = false;
    cond.visit(&mut |part| {
        if let Cond::In(field, _) | Cond::Masked { field, .. } = part {
            found |= matches!(*field, Field::CT_STATE | Field::CT_STATUS | Field::CT_MARK);
        }
    });
    found
}
