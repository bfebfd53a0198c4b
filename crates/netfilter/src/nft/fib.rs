//! Questions to the host's routing: `fib daddr type local`, `fib saddr . iif oif missing`.

use super::ast::{Expr, Fib};
use super::elements::pattern;
use super::netlink::ADDRESS_TYPES;
use crate::ir::{self, Cond, FibAsk};

/// Whether routing says this.
pub(super) fn asks(fib: &Fib, right: &Expr) -> Option<Cond> {
    let cond = |asks: FibAsk, says: &str| {
        let text = format!("{} {says}", fib.text);
        let (address, side, with_mark) = (fib.address, fib.side, fib.with_mark);
        Cond::Fib(Box::new(ir::Fib { address, side, with_mark, asks, text }))
    };
    if fib.asks_type {
        let (name, bit) = match right {
            Expr::Word(name) => (name.clone(), ir::Fib::type_bit(name)?),
            Expr::Number(number) => {
                let bit = u32::try_from(*number).ok().and_then(|place| 1_u16.checked_shl(place))?;
                let known = ADDRESS_TYPES.iter().find(|(own, _)| own == number);
                let name = known.map_or_else(|| number.to_string(), |(_, name)| (*name).to_owned());
                (name, bit)
            }
            _ => return None,
        };
        return Some(cond(FibAsk::Type(bit), &name));
    }
    let exists = || cond(FibAsk::Route(Vec::new()), "exists");
    match right {
        Expr::Word(word) if word == "exists" => Some(exists()),
        Expr::Word(word) if word == "missing" => Some(exists().negate_if(true)),
        // `true` and `false` of the JSON form, and of the bytecode.
        Expr::Number(1) => Some(exists()),
        Expr::Number(0) => Some(exists().negate_if(true)),
        other => {
            let pattern = pattern(other)?;
            let name = match &pattern {
                ir::Pattern::Exact(name) => name.clone(),
                ir::Pattern::Begins(prefix) => format!("{prefix}*"),
            };
            Some(cond(FibAsk::Route(vec![pattern]), &name))
        }
    }
}
