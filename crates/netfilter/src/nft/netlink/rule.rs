//! One rule: its expressions in order, as statements of the syntax tree.

use std::collections::{HashMap, HashSet};

use super::super::ast::{Compare, Doubtful, Expr, Statement};
use super::attribute::{Attributes, Fields, Odd, Order};
use super::headers::{Context, Network};
use super::part::{Links, Part};
use super::registers::{Held, Registers};
use super::set::{Data, Declared};
use crate::ipset::Ipsets;

/// What the rules of one table refer to.
pub(super) struct Surroundings<'a> {
    /// NFPROTO_* of the table.
    pub(super) family: u8,
    pub(super) order: Order,
    pub(super) links: Links<'a>,
    pub(super) sets: Option<&'a HashMap<String, Declared<'a>>>,
    pub(super) ipsets: &'a Ipsets,
}

impl Surroundings<'_> {
    pub(super) fn set(&self, name: &str) -> Option<&Declared<'_>> {
        self.sets?.get(name)
    }

    /// What the table's family says of every packet.
    fn context(&self) -> Context {
        let network = match self.family {
            2 => Some(Network::Ip),
            10 => Some(Network::Ip6),
            3 => Some(Network::Arp),
            _ => None,
        };
        Context { network, transport: None }
    }
}

/// How sets are read by those who look something up: name, parts of the key, data. The same set read
/// in another way gets another name in the syntax tree.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    names: HashMap<(String, Vec<Part>, Data), (String, usize)>,
    uses: HashMap<String, usize>,
    /// The sets that rules write.
    pub(super) written: HashSet<String>,
}

impl Wanted {
    /// The name of a set that is read so.
    pub(super) fn name(&mut self, set: &str, parts: Vec<Part>, data: Data) -> String {
        let uses = &mut self.uses;
        let mut new = || {
            let count = uses.entry(set.to_owned()).or_insert(0);
            *count += 1;
            if *count == 1 { set.to_owned() } else { format!("{set} ({count})") }
        };
        let entry = self.names.entry((set.to_owned(), parts, data));
        let (name, times) = entry.or_insert_with(|| (new(), 0));
        *times += 1;
        name.clone()
    }

    /// Takes a reading back that turned out not to be asked for.
    pub(super) fn take_back(&mut self, set: &str, parts: &[Part], data: Data) {
        if let Some((_, times)) = self.names.get_mut(&(set.to_owned(), parts.to_vec(), data)) {
            *times = times.saturating_sub(1);
        }
    }

    /// Every reading: the set, how it is read, and its name in the syntax tree.
    pub(super) fn list(&self) -> impl Iterator<Item = (&str, &[Part], Data, &str)> {
        self.names.iter().filter(|(_, (_, times))| *times > 0).map(
            |((set, parts, data), (name, _))| {
                (set.as_str(), parts.as_slice(), *data, name.as_str())
            },
        )
    }
}

/// How a statement is shown.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shown {
    /// As the syntax tree is written.
    Printed,
    /// In these words.
    Words(String),
    /// Not at all: what follows implies it.
    Hidden,
}

/// A statement, and how it is shown.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Piece {
    pub(super) statement: Statement,
    pub(super) shown: Shown,
}

/// A rule while it is read.
pub(super) struct Decoder<'t, 'a> {
    pub(super) around: &'t Surroundings<'a>,
    pub(super) wanted: &'t mut Wanted,
    pub(super) registers: Registers,
    pub(super) context: Context,
    pub(super) pieces: Vec<Piece>,
}

/// NFTA_EXPR_NAME and NFTA_EXPR_DATA.
const NAME: u16 = 1;
const DATA: u16 = 2;

impl<'t, 'a> Decoder<'t, 'a> {
    pub(super) fn new(around: &'t Surroundings<'a>, wanted: &'t mut Wanted) -> Self {
        Self {
            around,
            wanted,
            registers: Registers::default(),
            context: around.context(),
            pieces: Vec::new(),
        }
    }

    /// Reads the expressions (NFTA_RULE_EXPRESSIONS).
    pub(super) fn rule(mut self, expressions: &[u8]) -> Vec<Piece> {
        for attribute in Attributes::new(expressions, self.around.order) {
            let fields = attribute.and_then(|(_, bytes)| {
                Fields::read(bytes, self.around.order, DATA).and_then(|fields| {
                    let data = fields.get(DATA).unwrap_or_default();
                    Ok((fields.text(NAME)?, data))
                })
            });
            match fields {
                Ok((name, data)) => {
                    if let Err(odd) = self.expression(&name, data) {
                        self.unknown(format!("{name}: {odd}"));
                    }
                }
                Err(odd) => self.unknown(format!("an expression: {odd}")),
            }
        }
        self.pieces
    }

    /// What is not understood may do anything, and write any register.
    pub(super) fn unknown(&mut self, what: String) {
        self.registers.forget();
        self.context = self.around.context();
        self.show(Statement::Unknown(what.clone()), what);
    }

    fn expression(&mut self, name: &str, data: &[u8]) -> Result<(), Odd> {
        let read = |last| Fields::read(data, self.around.order, last);
        match name {
            "payload" => self.payload(&read(8)?),
            "meta" => self.meta(&read(3)?),
            "ct" => self.conntrack(&read(4)?),
            "fib" => self.fib(&read(3)?),
            "rt" => self.route(&read(2)?),
            "socket" => self.socket(&read(3)?),
            "exthdr" => self.extension(&read(7)?),
            "numgen" => self.number(&read(6)?),
            "hash" => self.hash(&read(9)?),
            "osf" => self.other("osf name", &read(3)?, 1, 16),
            "xfrm" => self.other("ipsec", &read(4)?, 1, 16),
            "tunnel" => self.other("tunnel", &read(3)?, 2, 4),
            "cmp" => self.cmp(&read(3)?),
            "range" => self.range(&read(4)?),
            "bitwise" => self.bitwise(&read(8)?),
            "byteorder" => self.byteorder(&read(5)?),
            "lookup" => self.lookup(&read(5)?),
            "immediate" => self.immediate(&read(2)?),
            "dynset" => self.dynset(&read(10)?),
            "objref" => self.object(&read(5)?),
            "nat" => self.nat(&read(7)?),
            "masq" => self.masquerade(&read(3)?),
            "redir" => self.redirect(&read(3)?),
            "reject" => self.reject(&read(2)?),
            "limit" => self.limit(&read(6)?),
            "quota" => self.quota(&read(4)?),
            "connlimit" => self.connlimit(&read(2)?),
            "match" => self.xt_match(&read(3)?),
            "target" => self.xt_target(&read(3)?),
            "queue" => self.queue(&read(4)?),
            "log" => {
                self.log(&read(6)?);
                Ok(())
            }
            _ => {
                self.simple(name);
                Ok(())
            }
        }
    }

    pub(super) fn push(&mut self, statement: Statement) {
        self.pieces.push(Piece { statement, shown: Shown::Printed });
    }

    pub(super) fn show(&mut self, statement: Statement, words: String) {
        self.pieces.push(Piece { statement, shown: Shown::Words(words) });
    }

    /// A comparison with a register that is not understood.
    pub(super) fn incomprehensible(&mut self, op: Compare, left: Expr, right: Expr) {
        let left = match left {
            Expr::Other(..) => left,
            other => Expr::Other(super::super::print::expr(&other), Doubtful::History),
        };
        self.push(Statement::Match(op, left, right));
    }

    /// What a register holds; bytes of which nothing is known if it was never written.
    pub(super) fn held(&self, register: u32, length: usize) -> Held {
        match self.registers.get(register) {
            Some(held) => held.clone(),
            None => Held::opaque(format!("register {register}"), length),
        }
    }
}
