//! Expressions that do something: verdicts, translations, refusals, counting, writing sets.

use super::super::ast::{Doubtful, Expr, NatWord, Statement, Verdict};
use super::attribute::{Attributes, Fields, Odd};
use super::headers::Network;
use super::registers::{Form, Held, Source, VERDICT};
use super::rule::Decoder;
use super::set::Data;
use super::verdict;
use crate::ir::Family;

/// IPPROTO_TCP.
const TCP: u8 = 6;

impl Decoder<'_, '_> {
    pub(super) fn immediate(&mut self, fields: &Fields<'_>) -> Result<(), Odd> {
        let register = fields.number(1)?;
        let data = fields.nested(2, 2)?;
        if register != VERDICT {
            let bytes = data.need(1)?.to_vec();
            let length = bytes.len();
            let held = Held::new(Source::Constant(bytes), Form::Big, length);
            self.registers.set(register, held);
            return Ok(());
        }
        match verdict::read(&data)? {
            Some(verdict) => self.push(Statement::Verdict(verdict)),
            None => self.show(Statement::Idle, "continue".to_owned()),
        }
        Ok(())
    }

    /// Expressions without anything that a verdict depends on, or that are only named.
    pub(super) fn simple(&mut self, name: &str) {
        let statement = match name {
            // What was counted is no part of the rule.
            "counter" | "last" => {
                self.show(Statement::Idle, String::new());
                return;
            }
            "notrack" => Statement::NoTrack,
            // Only packets of connections that are established are taken from the path.
            "flow_offload" => {
                self.show(Statement::Idle, "flow add".to_owned());
                return;
            }
            // A copy goes elsewhere, the packet goes on.
            "dup" => Statement::Idle,
            "tproxy" | "synproxy" | "fwd" => Statement::Takes(name.to_owned()),
            _ => {
                self.unknown(format!("{name} is not known"));
                return;
            }
        };
        self.show(statement, name.to_owned());
    }

    fn history(&mut self, text: String) {
        self.show(Statement::History(text.clone()), text);
    }

    pub(super) fn limit(&mut self, fields: &Fields<'_>) -> Result<(), Odd> {
        let rate = fields.u64(1)?.ok_or(Odd::Value(1))?;
        let unit = match fields.u64(2)? {
            Some(1) => "second".to_owned(),
            Some(60) => "minute".to_owned(),
            Some(3600) => "hour".to_owned(),
            Some(86_400) => "day".to_owned(),
            Some(604_800) => "week".to_owned(),
            other => format!("{} s", other.unwrap_or(0)),
        };
        let over = if fields.u32(5)?.unwrap_or(0) & 1 != 0 { "over " } else { "" };
        let bytes = if fields.u32(4)?.unwrap_or(0) == 1 { " bytes" } else { "" };
        let burst = match fields.u32(3)?.unwrap_or(0) {
            0 => String::new(),
            burst if bytes.is_empty() => format!(" burst {burst} packets"),
            burst => format!(" burst {burst} bytes"),
        };
        self.history(format!("limit rate {over}{rate}{bytes}/{unit}{burst}"));
        Ok(())
    }

    pub(super) fn quota(&mut self, fields: &Fields<'_>) -> Result<(), Odd> {
        let over = if fields.u32(2)?.unwrap_or(0) & 1 != 0 { "over " } else { "" };
        self.history(format!("quota {over}{} bytes", fields.u64(1)?.unwrap_or(0)));
        Ok(())
    }

    pub(super) fn connlimit(&mut self, fields: &Fields<'_>) -> Result<(), Odd> {
        let over = if fields.u32(2)?.unwrap_or(0) & 1 != 0 { "over " } else { "" };
        self.history(format!("ct count {over}{}", fields.u32(1)?.unwrap_or(0)));
        Ok(())
    }

    pub(super) fn log(&mut self, fields: &Fields<'_>) {
        let words = match fields.get(2) {
            Some(prefix) => format!("log prefix {:?}", super::attribute::text(prefix)),
            None => "log".to_owned(),
        };
        self.show(Statement::Idle, words);
    }

    pub(super) fn queue(&mut self, fields: &Fields<'_>) -> Result<(), Odd> {
        let first = fields.u16(1)?.unwrap_or(0);
        let last = first.saturating_add(fields.u16(2)?.unwrap_or(1).saturating_sub(1));
        let flags = match fields.u16(3)?.unwrap_or(0) & 3 {
            0 => "",
            1 => "flags bypass ",
            2 => "flags fanout ",
            _ => "flags bypass,fanout ",
        };
        let to = match fields.get(4) {
            Some(_) => "by a register".to_owned(),
            None if first == last => format!("to {first}"),
            None => format!("to {first}-{last}"),
        };
        let text = format!("queue {flags}{to}");
        self.push(Statement::Verdict(Verdict::Queue(text)));
        Ok(())
    }

    /// Writing a set (nft_dynset.c).
    pub(super) fn dynset(&mut self, fields: &Fields<'_>) -> Result<(), Odd> {
        let name = fields.text(1)?;
        let flags = fields.u32(9)?.unwrap_or(0);
        if flags & !3 != 0 {
            return Err(Odd::Value(9));
        }
        let op = match fields.number(3)? {
            0 => "add",
            1 => "update",
            2 => "delete",
            _ => return Err(Odd::Value(3)),
        };
        self.wanted.written.insert(name.clone());
        let length = self.around.set(&name).map_or(0, |set| set.key_bytes);
        let (key, _) = self.key(fields.number(4)?, length);
        let key = super::super::print::expr(&key);
        let decides = self.decides(fields)?;
        let inner = decides.as_deref().map_or(String::new(), |name| format!(" {name}"));
        let text = format!("{op} @{name} {{ {key}{inner} }}");
        // NFT_DYNSET_F_INV: the rule goes on only where the set could not be written.
        if decides.is_some() || flags & 1 != 0 {
            self.history(text);
            return Ok(());
        }
        self.show(Statement::Update(name), text);
        Ok(())
    }

    /// The first expression of an element that decides whether the rule goes on.
    fn decides(&self, fields: &Fields<'_>) -> Result<Option<String>, Odd> {
        let order = self.around.order;
        let one = |bytes| Fields::read(bytes, order, 2).and_then(|inner| inner.text(1));
        let mut names = Vec::new();
        if let Some(bytes) = fields.get(7) {
            names.push(one(bytes)?);
        }
        for attribute in Attributes::new(fields.get(10).unwrap_or_default(), order) {
            names.push(one(attribute?.1)?);
        }
        Ok(names.into_iter().find(|name| !matches!(name.as_str(), "counter" | "last")))
    }

    /// Named objects (nft_objref.c): NFT_OBJECT_* of nf_tables.h.
    pub(super) fn object(&mut self, fields: &Fields<'_>) -> Result<(), Odd> {
        if let Some(register) = fields.u32(3)? {
            // By the element that was found: the rule ends where there is none, and which kind of
            // object it is, the set says. A limit is among them.
            let name = fields.text(4)?;
            let length = self.around.set(&name).map_or(0, |set| set.key_bytes);
            let (key, _) = self.key(register, length);
            let key = super::super::print::expr(&key);
            self.history(format!("objects of {key} in @{name}"));
            return Ok(());
        }
        let name = fields.text(2)?;
        let kind = fields.number(1)?;
        let idle = |word: &str| (Statement::Idle, format!("{word} {name:?}"));
        let history = |text: String| (Statement::History(text.clone()), text);
        let (statement, text) = match kind {
            1 => idle("counter name"),
            3 => idle("ct helper set"),
            6 => idle("tunnel name"),
            7 => idle("ct timeout set"),
            8 => idle("meta secmark set"),
            9 => idle("ct expectation set"),
            2 => history(format!("quota name {name:?}")),
            4 => history(format!("limit name {name:?}")),
            5 => history(format!("ct count name {name:?}")),
            10 => {
                let text = format!("synproxy name {name:?}");
                (Statement::Takes(text.clone()), text)
            }
            _ => return Err(Odd::Value(1)),
        };
        self.show(statement, text);
        Ok(())
    }

    /// Refusals (nft_reject.c). All of them end the packet, whatever answer can be sent.
    pub(super) fn reject(&mut self, fields: &Fields<'_>) -> Result<(), Odd> {
        let code = fields.u8(2)?.unwrap_or(0);
        let (statement, words) = match fields.number(1)? {
            0 => match self.context.network {
                Some(Network::Ip) => with("icmp", icmp(code)),
                Some(Network::Ip6) => with("icmpv6", icmpv6(code)),
                // The code as it is, in the ICMP of whichever family the packet has.
                _ => (Statement::Reject(String::new()), format!("reject with icmp code {code}")),
            },
            1 if self.context.transport == Some(TCP) => with("tcp", Some("reset")),
            // Nothing but TCP gets an answer (nf_reject_ipv4.c, nf_reject_ip_tcphdr_get).
            1 => (Statement::Verdict(Verdict::Drop), "reject with tcp reset".to_owned()),
            2 => with("icmpx", icmpx(code)),
            _ => return Err(Odd::Value(1)),
        };
        let words = match words.as_str() {
            "reject with icmp port-unreachable" if self.around.family == 2 => "reject".to_owned(),
            "reject with icmpv6 port-unreachable" if self.around.family == 10 => {
                "reject".to_owned()
            }
            "reject with icmpx port-unreachable" => "reject".to_owned(),
            _ => words,
        };
        self.show(statement, words);
        Ok(())
    }

    pub(super) fn nat(&mut self, fields: &Fields<'_>) -> Result<(), Odd> {
        let word = match fields.number(1)? {
            0 => NatWord::Snat,
            1 => NatWord::Dnat,
            _ => return Err(Odd::Value(1)),
        };
        let family = match fields.number(2)? {
            2 => Some(Family::Ipv4),
            10 => Some(Family::Ipv6),
            _ => None,
        };
        let address = (fields.u32(3)?, fields.u32(4)?);
        let port = (fields.u32(5)?, fields.u32(6)?);
        let (address, port) = self.target(family, address, port);
        let text = nat_text(word, address.as_ref(), port.as_ref());
        self.push(Statement::Nat { word, address, port, text });
        Ok(())
    }

    pub(super) fn masquerade(&mut self, fields: &Fields<'_>) -> Result<(), Odd> {
        let (_, port) = self.target(None, (None, None), (fields.u32(2)?, fields.u32(3)?));
        let text = nat_text(NatWord::Masquerade, None, port.as_ref());
        self.push(Statement::Nat { word: NatWord::Masquerade, address: None, port, text });
        Ok(())
    }

    pub(super) fn redirect(&mut self, fields: &Fields<'_>) -> Result<(), Odd> {
        let (_, port) = self.target(None, (None, None), (fields.u32(1)?, fields.u32(2)?));
        let text = nat_text(NatWord::Redirect, None, port.as_ref());
        self.push(Statement::Nat { word: NatWord::Redirect, address: None, port, text });
        Ok(())
    }

    /// The new address and port of a translation, from the registers where each begins and ends.
    fn target(
        &mut self,
        family: Option<Family>,
        address: (Option<u32>, Option<u32>),
        port: (Option<u32>, Option<u32>),
    ) -> (Option<Expr>, Option<Expr>) {
        if let Some(both) = self.mapped_target(family, address, port) {
            return (Some(both), None);
        }
        let unknown = || Expr::Other("a register".to_owned(), Doubtful::History);
        let number = |register: u32| match self.registers.get(register).map(|held| &held.source) {
            Some(Source::Constant(bytes)) => super::attribute::Order::Big.number(bytes),
            _ => None,
        };
        let bounds =
            |(lo, hi): (Option<u32>, Option<u32>)| Some((number(lo?)?, number(hi.or(lo)?)?));
        let new_address = address.0.map(|_| match (bounds(address), family) {
            (Some((lo, hi)), Some(family)) => Expr::Address(family, lo, hi),
            _ => unknown(),
        });
        let new_port = port.0.map(|_| match bounds(port) {
            Some((lo, hi)) => Expr::Span(lo, hi),
            None => unknown(),
        });
        (new_address, new_port)
    }

    /// Where all of it comes from one element of a map: the key, and the map whose data are read so.
    fn mapped_target(
        &mut self,
        family: Option<Family>,
        address: (Option<u32>, Option<u32>),
        port: (Option<u32>, Option<u32>),
    ) -> Option<Expr> {
        let held = self.registers.within(address.0?)?.0.clone();
        let Source::Mapped(key, set, parts) = held.source.clone() else { return None };
        let place = |register: u32| {
            let (other, at) = self.registers.within(register)?;
            (other.source == held.source).then_some(at)
        };
        let places = |(lo, hi): (Option<u32>, Option<u32>)| match lo {
            None => Some(None),
            Some(lo) => Some(Some((place(lo)?, place(hi.unwrap_or(lo))?))),
        };
        let data = Data::Target { family: family?, address: places(address)?, port: places(port)? };
        self.drop_needs(&held.source);
        let name = self.wanted.name(&set, parts, data);
        Some(Expr::Map(Box::new(key), Box::new(Expr::SetRef(name))))
    }
}

fn with(kind: &str, code: Option<&str>) -> (Statement, String) {
    let text = format!("{kind} {}", code.unwrap_or("of another code"));
    let words = format!("reject with {text}");
    (Statement::Reject(text), words)
}

/// ICMP_*_UNREACH and so on (linux/icmp.h), as nft writes them.
fn icmp(code: u8) -> Option<&'static str> {
    Some(match code {
        0 => "net-unreachable",
        1 => "host-unreachable",
        2 => "prot-unreachable",
        3 => "port-unreachable",
        9 => "net-prohibited",
        10 => "host-prohibited",
        13 => "admin-prohibited",
        _ => return None,
    })
}

/// ICMPV6_* (linux/icmpv6.h).
fn icmpv6(code: u8) -> Option<&'static str> {
    Some(match code {
        0 => "no-route",
        1 => "admin-prohibited",
        3 => "addr-unreachable",
        4 => "port-unreachable",
        5 => "policy-fail",
        6 => "reject-route",
        _ => return None,
    })
}

/// NFT_REJECT_ICMPX_* (nf_tables.h).
fn icmpx(code: u8) -> Option<&'static str> {
    Some(match code {
        0 => "no-route",
        1 => "port-unreachable",
        2 => "host-unreachable",
        3 => "admin-prohibited",
        _ => return None,
    })
}

fn nat_text(word: NatWord, address: Option<&Expr>, port: Option<&Expr>) -> String {
    let word = match word {
        NatWord::Dnat => "dnat",
        NatWord::Snat => "snat",
        NatWord::Redirect => "redirect",
        NatWord::Masquerade => "masquerade",
    };
    let print = |expr: &Expr| super::super::print::expr(expr);
    match (address, port) {
        (None, None) => word.to_owned(),
        (Some(address), None) => format!("{word} to {}", print(address)),
        (None, Some(port)) => format!("{word} to :{}", print(port)),
        (Some(Expr::Address(Family::Ipv6, lo, hi)), Some(port)) if lo == hi => {
            let address = crate::syntax::address_text(Family::Ipv6, *lo);
            format!("{word} to [{address}]:{}", print(port))
        }
        (Some(address), Some(port)) => format!("{word} to {}:{}", print(address), print(port)),
    }
}
