//! Expressions that calculate with registers: bitwise and byteorder.

use super::super::ast::{Doubtful, Expr, Operator};
use super::attribute::{Fields, Odd};
use super::part::{Part, Value, opaque};
use super::registers::{Form, Held, Source};
use super::rule::Decoder;
use super::set::Data;

impl Decoder<'_, '_> {
    pub(super) fn bitwise(&mut self, fields: &Fields<'_>) -> Result<(), Odd> {
        let (source, target) = (fields.number(1)?, fields.number(2)?);
        let length = usize::try_from(fields.number(3)?).map_err(|_| Odd::Value(3))?;
        let held = self.held(source, length);
        let done = match fields.u32(6)?.unwrap_or(0) {
            0 => {
                let (mask, flip) = (fields.nested(4, 2)?.need(1)?, fields.nested(5, 2)?.need(1)?);
                self.masked_and_flipped(&held, length, mask, flip)
            }
            op @ (1 | 2) => {
                // A number in the order of the host (nft_bitwise.c, nft_bitwise_init_shift).
                let by = self.around.order.number(fields.nested(7, 2)?.need(1)?);
                let by = by.and_then(|by| u32::try_from(by).ok()).filter(|by| *by < 32);
                by.and_then(|by| shifted(&held, length, op == 1, by))
            }
            op @ 3..=5 => self.combined(&held, fields.u32(8)?.ok_or(Odd::Value(8))?, op),
            _ => return Err(Odd::Value(6)),
        };
        let name = || super::super::print::expr(&self.component(&held).0);
        let held = done.unwrap_or_else(|| Held::opaque(format!("bits of {}", name()), length));
        self.registers.set(target, held);
        Ok(())
    }

    fn masked_and_flipped(
        &self,
        held: &Held,
        length: usize,
        mask: &[u8],
        flip: &[u8],
    ) -> Option<Held> {
        let is_number = matches!(held.form, Form::Big | Form::Host);
        if !is_number || held.length != length || mask.len() != length || flip.len() != length {
            return None;
        }
        if matches!(held.source, Source::Constant(_) | Source::Mapped(..)) {
            return None;
        }
        let (mask, flip) = (self.number_of(held.form, mask)?, self.number_of(held.form, flip)?);
        Some(Held {
            mask: Some(held.mask.unwrap_or_else(|| held.ones()) & mask),
            flip: (held.flip & mask) ^ flip,
            ..held.clone()
        })
    }

    /// Two registers (Linux 6.15).
    fn combined(&mut self, held: &Held, other: u32, op: u32) -> Option<Held> {
        let operator = match op {
            3 => Operator::And,
            4 => Operator::Or,
            _ => Operator::Xor,
        };
        let second = self.held(other, held.length);
        let (left, right) = (expression_of(held), expression_of(&second));
        let expr = Expr::Binary(operator, Box::new(left?), Box::new(right?));
        Some(Held::new(Source::Read(expr), held.form, held.length))
    }

    /// The value that a statement writes, as an expression.
    pub(super) fn assigned(&mut self, register: u32, form: Form, length: usize) -> Expr {
        let held = self.held(register, length);
        self.drop_needs(&held.source);
        match &held.source {
            Source::Constant(bytes) => {
                let part = Part::new(form, bytes.len());
                match part.value(bytes, self.around.order, self.around.links) {
                    Value::Known(expr) => expr,
                    Value::Never => opaque(bytes),
                }
            }
            Source::Mapped(key, set, parts) => {
                let set = self.wanted.name(set, parts.clone(), Data::None);
                Expr::Map(Box::new(key.clone()), Box::new(Expr::SetRef(set)))
            }
            Source::Read(_) => match expression_of(&held) {
                Some(expr) => expr,
                None => Expr::Other("a value".to_owned(), Doubtful::History),
            },
            Source::Header(_) => self.component(&held).0,
        }
    }

    pub(super) fn byteorder(&mut self, fields: &Fields<'_>) -> Result<(), Odd> {
        let (source, target) = (fields.number(1)?, fields.number(2)?);
        let length = usize::try_from(fields.number(4)?).map_err(|_| Odd::Value(4))?;
        let size = usize::try_from(fields.number(5)?).map_err(|_| Odd::Value(5))?;
        let held = self.held(source, length);
        let form = match held.form {
            Form::Host => Some(Form::Big),
            Form::Big => Some(Form::Host),
            Form::Index => Some(Form::IndexBig),
            Form::IndexBig => Some(Form::Index),
            _ => None,
        };
        let name = || super::super::print::expr(&self.component(&held).0);
        let held = match form {
            Some(form) if size == length && length == held.length => Held { form, ..held },
            // The parts of 16 bytes of a host's order, each turned: not a number any more.
            _ => Held::opaque(format!("turned {}", name()), length),
        };
        self.registers.set(target, held);
        Ok(())
    }
}

/// Shifts are of words in the order of the host.
fn shifted(held: &Held, length: usize, to_left: bool, by: u32) -> Option<Held> {
    let is_number = held.form == Form::Host || (held.form == Form::Big && length == 1);
    let fits = is_number && held.length == length && length <= 4;
    let known = matches!(held.source, Source::Read(_) | Source::Header(_));
    if !fits || !known || (to_left && held.right != 0) || (!to_left && held.left != 0) {
        return None;
    }
    let all = held.ones();
    let mask = held.mask.unwrap_or(all);
    Some(if to_left {
        let left = held.left + by;
        let (mask, flip) = ((mask << by) & all, (held.flip << by) & all);
        Held { mask: Some(mask), flip, left, ..held.clone() }
    } else {
        let right = held.right + by;
        Held { mask: Some(mask >> by), flip: held.flip >> by, right, ..held.clone() }
    })
}

/// What a register holds as an expression that can be assigned.
fn expression_of(held: &Held) -> Option<Expr> {
    let Source::Read(expr) = &held.source else { return None };
    let binary = |operator, left: Expr, number: u128| {
        Expr::Binary(operator, Box::new(left), Box::new(Expr::Number(number)))
    };
    let mut all = expr.clone();
    if held.right != 0 {
        all = binary(Operator::Right, all, held.right.into());
    }
    if held.left != 0 {
        all = binary(Operator::Left, all, held.left.into());
    }
    if let Some(mask) = held.mask.filter(|mask| *mask != held.ones()) {
        all = binary(Operator::And, all, mask);
    }
    if held.flip != 0 {
        all = binary(Operator::Xor, all, held.flip);
    }
    Some(all)
}
