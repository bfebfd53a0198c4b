//! Lookups in sets and maps, and the keys they are made with.

use super::super::ast::{Compare, Doubtful, Expr, Statement};
use super::attribute::{Fields, Odd};
use super::compare::{asks_for_flags, masked};
use super::headers::{raw, slices};
use super::part::{Part, hex};
use super::registers::{Form, Held, Source, VERDICT};
use super::rule::{Decoder, Piece, Shown};
use super::set::Data;

impl Decoder<'_, '_> {
    /// What a register is as a part of a key, and how its bytes are read. No part where that is not
    /// understood.
    pub(super) fn component(&self, held: &Held) -> (Expr, Option<Part>) {
        let other = |text: String| (Expr::Other(text, Doubtful::History), None);
        match &held.source {
            Source::Header(load) => {
                let mask = held.mask.unwrap_or_else(|| held.ones());
                let list = slices(*load, mask, self.context).unwrap_or_default();
                let [slice] = list.as_slice() else { return other(raw(*load)) };
                if held.is_shifted() || asks_for_flags(slice) || held.form != Form::Big {
                    return other(raw(*load));
                }
                let is_type = matches!(&slice.expr, Expr::Payload(header, name)
                    if header == "ether" && name == "type");
                if let Some(part) = Part::of_slice(slice, held.length) {
                    let form = if is_type { Form::EtherType } else { part.form };
                    return (slice.expr.clone(), Some(Part { form, ..part }));
                }
                if slice.value(held.ones()) == mask {
                    let part = Part::new(Form::Big, held.length);
                    return (masked(slice.expr.clone(), mask), Some(part));
                }
                other(raw(*load))
            }
            Source::Read(expr) => match held.mask {
                _ if held.is_shifted() => other(super::super::print::expr(expr)),
                None => (expr.clone(), Some(Part::new(held.form, held.length))),
                Some(mask) if matches!(held.form, Form::Big | Form::Host) => {
                    (masked(expr.clone(), mask), Some(Part::new(held.form, held.length)))
                }
                Some(_) => other(super::super::print::expr(expr)),
            },
            Source::Constant(bytes) => other(hex(bytes)),
            Source::Mapped(_, set, _) => other(format!("map @{set}")),
        }
    }

    pub(super) fn lookup(&mut self, fields: &Fields<'_>) -> Result<(), Odd> {
        let name = fields.text(1)?;
        let flags = fields.u32(5)?.unwrap_or(0);
        if flags & !1 != 0 {
            return Err(Odd::Value(5));
        }
        let op = if flags & 1 == 0 { Compare::Implicit } else { Compare::Different };
        let target = fields.u32(3)?;
        let Some(set) = self.around.set(&name) else { return Err(Odd::Value(1)) };
        let (key_bytes, data_bytes, verdicts) = (set.key_bytes, set.data_bytes, set.verdicts);
        let (key, parts) = self.key(fields.number(2)?, key_bytes);
        match target {
            None => {
                let set = self.wanted.name(&name, parts, Data::None);
                self.hide_what_is_implied(&key);
                self.push(Statement::Match(op, key, Expr::SetRef(set)));
            }
            Some(VERDICT) => {
                if !verdicts {
                    return Err(Odd::Value(3));
                }
                let set = self.wanted.name(&name, parts, Data::Verdict);
                self.hide_what_is_implied(&key);
                self.push(Statement::Vmap(key, Expr::SetRef(set)));
            }
            Some(register) => {
                // The rule ends where there is no such element (nft_lookup.c, nft_lookup_eval).
                let set = self.wanted.name(&name, parts.clone(), Data::None);
                let needs = Statement::Match(Compare::Implicit, key.clone(), Expr::SetRef(set));
                self.pieces.push(Piece { statement: needs, shown: Shown::Hidden });
                let source = Source::Mapped(key, name, parts);
                self.registers.set(register, Held::new(source, Form::Opaque, data_bytes));
            }
        }
        Ok(())
    }

    /// A key that begins at a register, and how its parts are read.
    pub(super) fn key(&self, register: u32, length: usize) -> (Expr, Vec<Part>) {
        let Some(run) = self.registers.run(register, length) else {
            let text = format!("register {register}");
            return (Expr::Other(text, Doubtful::History), Vec::new());
        };
        let mut exprs = Vec::with_capacity(run.len());
        let mut parts = Vec::with_capacity(run.len());
        for held in run {
            let (expr, part) = self.component(held);
            exprs.push(expr);
            parts.push(part.unwrap_or_else(|| Part::new(Form::Opaque, held.length)));
        }
        if exprs.len() == 1 {
            return (exprs.pop().unwrap_or(Expr::Any), parts);
        }
        (Expr::Concat(exprs), parts)
    }

    /// The membership that a map needs goes without saying where a statement reads the map itself.
    pub(super) fn drop_needs(&mut self, source: &Source) {
        let Source::Mapped(_, set, parts) = source else { return };
        let is_needs =
            |piece: &Piece| piece.shown == Shown::Hidden && is_membership(&piece.statement);
        if self.pieces.last().is_some_and(is_needs) {
            self.pieces.pop();
            self.wanted.take_back(set, parts, Data::None);
        }
    }
}

fn is_membership(statement: &Statement) -> bool {
    matches!(statement, Statement::Match(_, _, Expr::SetRef(_)))
}
