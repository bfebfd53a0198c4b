//! Expressions that compare a register with values: cmp and range.

use super::super::ast::{Compare, Doubtful, Expr, Operator, Statement};
use super::super::keys::{Read, read};
use super::super::values::Kind;
use super::attribute::{Fields, Odd, Order};
use super::headers::{Load, Network, Slice, raw, slices};
use super::part::{Part, Value, hex, opaque};
use super::registers::{Form, Held, Source};
use super::rule::{Decoder, Piece, Shown};
use crate::ir::Pattern;
use crate::syntax::netmask;

fn operator(number: u32) -> Result<Compare, Odd> {
    Ok(match number {
        0 => Compare::Equal,
        1 => Compare::Different,
        2 => Compare::Less,
        3 => Compare::LessOrEqual,
        4 => Compare::Greater,
        5 => Compare::GreaterOrEqual,
        _ => return Err(Odd::Value(2)),
    })
}

/// Nothing has such a value.
fn nothing() -> Expr {
    Expr::Set(Vec::new())
}

pub(super) fn masked(expr: Expr, mask: u128) -> Expr {
    Expr::Binary(Operator::And, Box::new(expr), Box::new(Expr::Number(mask)))
}

/// A field of a header and what it is compared with.
fn field(slice: &Slice, value: u128) -> (Expr, Expr) {
    let own = slice.value(value);
    let Expr::Payload(header, name) = &slice.expr else {
        return (slice.expr.clone(), Expr::Number(own));
    };
    if slice.is_whole() {
        let right = if (header.as_str(), name.as_str()) == ("ether", "type") {
            ether_type(own)
        } else {
            Expr::Number(own)
        };
        return (slice.expr.clone(), right);
    }
    if let Some(length) = slice.prefix().filter(|_| name == "saddr" || name == "daddr")
        && (header == "ip" || header == "ip6")
    {
        return (slice.expr.clone(), Expr::Prefix(Box::new(Expr::Number(own)), length));
    }
    (masked(slice.expr.clone(), slice.mask), Expr::Number(own))
}

fn ether_type(number: u128) -> Expr {
    let bytes = u16::try_from(number).unwrap_or(0).to_be_bytes();
    match Part::new(Form::EtherType, 2).value(&bytes, Order::Big, super::part::Links(&[])) {
        Value::Known(expr) => expr,
        Value::Never => nothing(),
    }
}

/// The don't-fragment bit is a packet's own choice, which no condition here can tell.
pub(super) fn asks_for_flags(slice: &Slice) -> bool {
    let is_field = matches!(&slice.expr, Expr::Payload(header, name)
        if header == "ip" && name == "frag-off");
    is_field && slice.mask & 0xc000 != 0
}

impl Decoder<'_, '_> {
    pub(super) fn cmp(&mut self, fields: &Fields<'_>) -> Result<(), Odd> {
        let op = operator(fields.number(2)?)?;
        let data = fields.nested(3, 2)?.need(1)?;
        let held = self.held(fields.number(1)?, data.len());
        match held.source.clone() {
            Source::Header(load) => self.compare_header(op, &held, load, data),
            Source::Read(expr) => self.compare_read(op, &held, expr, data),
            Source::Constant(bytes) => self.incomprehensible(op, opaque(&bytes), opaque(data)),
            Source::Mapped(key, set, _) => {
                let left = Expr::Map(Box::new(key), Box::new(Expr::SetRef(set)));
                self.incomprehensible(op, left, opaque(data));
            }
        }
        Ok(())
    }

    /// The number that bytes are, in the order of what they are compared with.
    pub(super) fn number_of(&self, form: Form, bytes: &[u8]) -> Option<u128> {
        match form {
            Form::Host | Form::Index => self.around.order.number(bytes),
            Form::Name | Form::Opaque => None,
            _ => Order::Big.number(bytes),
        }
    }

    /// Whether the kernel's comparison of bytes is one of numbers.
    fn is_ordered(&self, held: &Held) -> bool {
        match held.form {
            Form::Big => true,
            Form::Host => held.length == 1 || self.around.order == Order::Big,
            _ => false,
        }
    }

    fn compare_header(&mut self, op: Compare, held: &Held, load: Load, data: &[u8]) {
        let raw = || Expr::Other(raw(load), Doubtful::Packet);
        let number = self.number_of(held.form, data).filter(|_| data.len() == held.length);
        let Some(number) = number else {
            return self.incomprehensible(op, raw(), opaque(data));
        };
        let is_equality = matches!(op, Compare::Equal | Compare::Different);
        let Some((mask, number)) = held.compared_with(number) else {
            let right = if is_equality { nothing() } else { opaque(data) };
            return self.push(Statement::Match(op, raw(), right));
        };
        let list = slices(load, mask, self.context)
            .filter(|list| !list.iter().any(asks_for_flags))
            .unwrap_or_default();
        match (list.as_slice(), op) {
            ([], _) => self.incomprehensible(op, raw(), opaque(data)),
            (list, Compare::Equal) => {
                for slice in list {
                    let (left, right) = field(slice, number);
                    self.matching(op, left, right);
                }
            }
            ([slice], Compare::Different) => {
                let (left, right) = field(slice, number);
                self.matching(op, left, right);
            }
            (list, Compare::Different) => {
                let (left, right) = list.iter().map(|slice| field(slice, number)).unzip();
                self.matching(op, Expr::Concat(left), Expr::Concat(right));
            }
            ([slice], _) => {
                let below = slice.shift_right().map(|shift| number & low(shift));
                if below == Some(0) && !held.is_shifted() && self.is_ordered(held) {
                    let right = Expr::Number(slice.value(number));
                    self.matching(op, slice.expr.clone(), right);
                } else {
                    self.incomprehensible(op, raw(), opaque(data));
                }
            }
            _ => self.incomprehensible(op, raw(), opaque(data)),
        }
    }

    fn compare_read(&mut self, op: Compare, held: &Held, expr: Expr, data: &[u8]) {
        let is_equality = matches!(op, Compare::Equal | Compare::Different);
        // The beginning of a name: `eth*`, or a name with its zero (iptables).
        if held.form == Form::Name && held.mask.is_none() && !held.is_shifted() && is_equality {
            if let Some(pattern) = pattern(data) {
                return self.matching(op, expr, Expr::Interface(pattern));
            }
            return self.incomprehensible(op, expr, opaque(data));
        }
        if data.len() != held.length {
            return self.incomprehensible(op, expr, opaque(data));
        }
        if held.mask.is_none() && !held.is_shifted() {
            if !is_equality && !self.is_ordered(held) {
                return self.incomprehensible(op, expr, opaque(data));
            }
            let part = Part::new(held.form, held.length);
            let right = match part.value(data, self.around.order, self.around.links) {
                Value::Known(right) => right,
                Value::Never => nothing(),
            };
            return self.matching(op, expr, right);
        }
        let is_number = matches!(held.form, Form::Big | Form::Host);
        let number = self.number_of(held.form, data).filter(|_| is_number);
        match number.map(|number| held.compared_with(number)) {
            Some(Some((mask, number))) if is_equality => match prefix(&expr, mask) {
                Some(length) => {
                    let base = Box::new(Expr::Number(number));
                    self.matching(op, expr, Expr::Prefix(base, length));
                }
                None => self.matching(op, masked(expr, mask), Expr::Number(number)),
            },
            Some(None) if is_equality => self.matching(op, expr, nothing()),
            Some(Some((mask, number))) if !held.is_shifted() && self.is_ordered(held) => {
                self.matching(op, masked(expr, mask), Expr::Number(number));
            }
            _ => self.incomprehensible(op, expr, opaque(data)),
        }
    }

    /// A comparison that is understood; those of a protocol tell what the next header is.
    fn matching(&mut self, op: Compare, left: Expr, right: Expr) {
        if op == Compare::Equal {
            self.learn(&left, &right);
        }
        self.hide_what_is_implied(&left);
        if let Some(lo) = self.lower_bound(op, &left)
            && let Expr::Number(hi) = right
        {
            self.pieces.pop();
            return self.push(Statement::Match(Compare::Equal, left, Expr::Span(lo, hi)));
        }
        self.push(Statement::Match(op, left, right));
    }

    /// A range is written as two comparisons, of which this may be the second.
    fn lower_bound(&self, op: Compare, left: &Expr) -> Option<u128> {
        let piece = self.pieces.last().filter(|_| op == Compare::LessOrEqual)?;
        match &piece.statement {
            Statement::Match(Compare::GreaterOrEqual, before, Expr::Number(lo))
                if before == left && piece.shown == Shown::Printed =>
            {
                Some(*lo)
            }
            _ => None,
        }
    }

    fn learn(&mut self, left: &Expr, right: &Expr) {
        let is_network = match left {
            Expr::Meta(key) => matches!(key.as_str(), "protocol" | "nfproto"),
            Expr::Payload(header, field) => header == "ether" && field == "type",
            _ => false,
        };
        let is_transport = match left {
            Expr::Meta(key) => key == "l4proto",
            Expr::Payload(header, field) => {
                matches!((header.as_str(), field.as_str()), ("ip", "protocol") | ("ip6", "nexthdr"))
            }
            _ => false,
        };
        match right {
            Expr::Word(name) if is_network => {
                self.context.network = Some(match name.as_str() {
                    "ip" | "ipv4" => Network::Ip,
                    "ip6" | "ipv6" => Network::Ip6,
                    "arp" => Network::Arp,
                    _ => Network::Other,
                });
            }
            Expr::Number(number) if is_transport => {
                self.context.transport = u8::try_from(*number).ok();
            }
            _ => {}
        }
    }

    /// `meta nfproto ipv4` before `ip saddr`, and `meta l4proto tcp` before `tcp dport`, go without
    /// saying.
    pub(super) fn hide_what_is_implied(&mut self, left: &Expr) {
        let headers = headers(left);
        for piece in self.pieces.iter_mut().rev() {
            if piece.shown != Shown::Printed
                || !headers.iter().any(|header| is_implied(piece, header))
            {
                break;
            }
            piece.shown = Shown::Hidden;
            // Only Ethernet has such addresses; that a packet has one is what the condition asks.
            if headers.contains(&"ether")
                && matches!(&piece.statement, Statement::Match(_, Expr::Meta(_), _))
            {
                piece.statement = Statement::Idle;
            }
        }
    }

    pub(super) fn range(&mut self, fields: &Fields<'_>) -> Result<(), Odd> {
        let op = match fields.number(2)? {
            0 => Compare::Equal,
            1 => Compare::Different,
            _ => return Err(Odd::Value(2)),
        };
        let (lo, hi) = (fields.nested(3, 2)?.need(1)?, fields.nested(4, 2)?.need(1)?);
        let held = self.held(fields.number(1)?, lo.len());
        let whole = held.mask.is_none() && !held.is_shifted() && lo.len() == hi.len();
        let (left, part) = self.component(&held);
        let value = match part {
            Some(part) if whole => part.span(lo, hi, self.around.order, self.around.links),
            _ => Value::Known(opaque(lo)),
        };
        match value {
            Value::Known(right @ Expr::Other(..)) => {
                let both = format!("{}-{}", super::super::print::expr(&right), hex(hi));
                self.incomprehensible(op, left, Expr::Other(both, Doubtful::Packet));
            }
            Value::Known(right) => self.matching(op, left, right),
            Value::Never => self.matching(op, left, nothing()),
        }
        Ok(())
    }
}

/// The length of the prefix that a mask of an address is.
fn prefix(expr: &Expr, mask: u128) -> Option<u8> {
    let Read::Field(_, Kind::Address(family)) = read(expr).read else { return None };
    (0..=family.width()).find(|length| netmask(family, *length) == Some(mask))
}

/// The headers that an expression reads.
fn headers(expr: &Expr) -> Vec<&str> {
    match expr {
        Expr::Payload(header, _) => vec![header.as_str()],
        Expr::Binary(_, inner, _) => headers(inner),
        Expr::Concat(parts) => parts.iter().flat_map(headers).collect(),
        _ => Vec::new(),
    }
}

fn low(bits: u32) -> u128 {
    1_u128.checked_shl(bits).map_or(u128::MAX, |bit| bit - 1)
}

/// A whole name, or how it begins.
fn pattern(bytes: &[u8]) -> Option<Pattern> {
    if bytes.contains(&0) {
        return super::part::name(bytes);
    }
    let text = String::from_utf8(bytes.to_vec()).ok()?;
    // 16 bytes without a zero are no name (IFNAMSIZ counts it).
    Some(if bytes.len() < 16 { Pattern::Begins(text) } else { Pattern::Exact(text) })
}

/// Whether reading this header needs just that.
fn is_implied(piece: &Piece, header: &str) -> bool {
    let Statement::Match(Compare::Equal, left, right) = &piece.statement else { return false };
    match (left, right) {
        (Expr::Meta(key), Expr::Word(name)) if key == "nfproto" || key == "protocol" => {
            matches!(
                (name.as_str(), header),
                ("ip" | "ipv4", "ip" | "icmp" | "igmp") | ("ip6" | "ipv6", "ip6" | "icmpv6")
            )
        }
        (Expr::Payload(of, field), Expr::Word(name)) if of == "ether" && field == "type" => {
            matches!((name.as_str(), header), ("ip", "ip") | ("ip6", "ip6") | ("arp", "arp"))
        }
        (Expr::Meta(key), Expr::Number(number)) if key == "l4proto" => matches!(
            (number, header),
            (1, "icmp")
                | (2, "igmp")
                | (6, "tcp")
                | (17, "udp")
                | (33, "dccp")
                | (50, "esp")
                | (51, "ah")
                | (58, "icmpv6")
                | (132, "sctp")
                | (136, "udplite")
        ),
        (Expr::Meta(key), Expr::Number(1)) if key == "iiftype" => header == "ether",
        _ => false,
    }
}
