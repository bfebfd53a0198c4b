//! Tables, chains and rules, put together.

use std::collections::HashMap;
use std::sync::Arc;

use facts::{Link, NftablesDump};

use super::super::ast::{Chain, File, Rule, Set, Table};
use super::super::print;
use super::attribute::{Attributes, Fields, Messages, Odd, Order, text};
use super::part::Links;
use super::rule::{Decoder, Piece, Shown, Surroundings, Wanted};
use super::set::{self, Reading, Sets};
use crate::ipset::Ipsets;
use crate::ir::{Base, ChainKind, Hook, Note, Place, TableFamily};

/// Reads a dump. What is torn or not known outside of rules becomes a note.
pub(crate) fn parse(dump: &NftablesDump, links: &[Link], ipsets: &Ipsets) -> File {
    let order = Order::of(&dump.tables.0);
    let (sets, odd) = set::read(&dump.sets.0, &dump.elements.0, order);
    let mut reader = Reader {
        order,
        links: Links(links),
        ipsets,
        sets,
        file: File::default(),
        tables: HashMap::new(),
        chains: HashMap::new(),
        rules: Vec::new(),
    };
    for odd in odd {
        reader.note(format!("a set of nftables: {odd}"));
    }
    for message in Messages::new(&dump.tables.0, order) {
        let result = message.and_then(|message| reader.table(message.family, message.attributes));
        reader.told("a table", result);
    }
    for message in Messages::new(&dump.chains.0, order) {
        let result = message.and_then(|message| reader.chain(message.family, message.attributes));
        reader.told("a chain", result);
    }
    let mut wanted: Vec<Wanted> = Vec::new();
    wanted.resize_with(reader.file.tables.len(), Wanted::default);
    for message in Messages::new(&dump.rules.0, order) {
        let result = message
            .and_then(|message| reader.rule(message.family, message.attributes, &mut wanted));
        reader.told("a rule", result);
    }
    reader.finish(&wanted)
}

struct Reader<'a> {
    order: Order,
    links: Links<'a>,
    ipsets: &'a Ipsets,
    sets: Sets<'a>,
    file: File,
    /// The places of tables in the file.
    tables: HashMap<(u8, String), usize>,
    /// The places of chains in their tables.
    chains: HashMap<(usize, String), usize>,
    rules: Vec<Read>,
}

/// A rule that was read, before its text is written: that shows anonymous sets, which are read last.
struct Read {
    table: usize,
    chain: usize,
    handle: Option<u64>,
    pieces: Vec<Piece>,
}

/// NFPROTO_* (linux/netfilter.h).
pub(super) fn family(number: u8) -> Option<TableFamily> {
    Some(match number {
        1 => TableFamily::Inet,
        2 => TableFamily::Ip,
        3 => TableFamily::Arp,
        5 => TableFamily::Netdev,
        7 => TableFamily::Bridge,
        10 => TableFamily::Ip6,
        _ => return None,
    })
}

/// NF_INET_*, NF_ARP_*, NF_BR_* and NF_NETDEV_* (linux/netfilter.h and its relatives).
fn hook(family: TableFamily, number: u32) -> Option<Hook> {
    Some(match (family, number) {
        (TableFamily::Netdev, 0) | (TableFamily::Inet, 5) => Hook::Ingress,
        (TableFamily::Netdev, 1) => Hook::Egress,
        (TableFamily::Arp, 0) => Hook::Input,
        (TableFamily::Arp, 1) => Hook::Output,
        (TableFamily::Arp, 2) => Hook::Forward,
        (TableFamily::Netdev | TableFamily::Arp, _) => return None,
        (_, 0) => Hook::Prerouting,
        (_, 1) => Hook::Input,
        (_, 2) => Hook::Forward,
        (_, 3) => Hook::Output,
        (_, 4) => Hook::Postrouting,
        _ => return None,
    })
}

/// NFTA_TABLE_*, NFTA_CHAIN_*, NFTA_RULE_*: the numbers after the ones that are used here are known
/// too, and change nothing.
mod attribute {
    pub(super) const TABLE_NAME: u16 = 1;
    pub(super) const TABLE_FLAGS: u16 = 2;
    pub(super) const TABLE_LAST: u16 = 7;
    /// NFT_TABLE_F_DORMANT, and all flags with it.
    pub(super) const DORMANT: u32 = 1;
    pub(super) const TABLE_FLAGS_ALL: u32 = 7;
    pub(super) const CHAIN_TABLE: u16 = 1;
    pub(super) const CHAIN_HANDLE: u16 = 2;
    pub(super) const CHAIN_NAME: u16 = 3;
    pub(super) const CHAIN_HOOK: u16 = 4;
    pub(super) const CHAIN_POLICY: u16 = 5;
    pub(super) const CHAIN_TYPE: u16 = 7;
    pub(super) const CHAIN_FLAGS: u16 = 10;
    pub(super) const CHAIN_LAST: u16 = 12;
    /// NFT_CHAIN_BASE, NFT_CHAIN_HW_OFFLOAD, NFT_CHAIN_BINDING.
    pub(super) const CHAIN_FLAGS_ALL: u32 = 7;
    pub(super) const RULE_TABLE: u16 = 1;
    pub(super) const RULE_CHAIN: u16 = 2;
    pub(super) const RULE_HANDLE: u16 = 3;
    pub(super) const RULE_EXPRESSIONS: u16 = 4;
    pub(super) const RULE_LAST: u16 = 11;
    pub(super) const HOOK_NUMBER: u16 = 1;
    pub(super) const HOOK_PRIORITY: u16 = 2;
    pub(super) const HOOK_DEVICE: u16 = 3;
    pub(super) const HOOK_DEVICES: u16 = 4;
    pub(super) const HOOK_LAST: u16 = 4;
}

impl Reader<'_> {
    fn note(&mut self, what: String) {
        let place = Place { file: Arc::from("nftables"), line: 0, handle: None };
        self.file.notes.push(Note { place, what });
    }

    fn told(&mut self, what: &str, result: Result<(), Odd>) {
        if let Err(odd) = result {
            self.note(format!("{what} of nftables: {odd}"));
        }
    }

    fn table(&mut self, number: u8, bytes: &[u8]) -> Result<(), Odd> {
        let fields = Fields::read(bytes, self.order, attribute::TABLE_LAST)?;
        let name = fields.text(attribute::TABLE_NAME)?;
        let flags = fields.u32(attribute::TABLE_FLAGS)?.unwrap_or(0);
        if flags & !attribute::TABLE_FLAGS_ALL != 0 {
            return Err(Odd::Value(attribute::TABLE_FLAGS));
        }
        let family = family(number).ok_or(Odd::Value(0))?;
        self.tables.insert((number, name.clone()), self.file.tables.len());
        let dormant = flags & attribute::DORMANT != 0;
        let (chains, sets) = (Vec::new(), HashMap::new());
        self.file.tables.push(Table { family, name, chains, sets, dormant });
        Ok(())
    }

    fn place_of(&self, number: u8, table: &str) -> Result<usize, Odd> {
        self.tables.get(&(number, table.to_owned())).copied().ok_or(Odd::Value(1))
    }

    fn chain(&mut self, number: u8, bytes: &[u8]) -> Result<(), Odd> {
        let fields = Fields::read(bytes, self.order, attribute::CHAIN_LAST)?;
        let at = self.place_of(number, &fields.text(attribute::CHAIN_TABLE)?)?;
        let name = fields.text(attribute::CHAIN_NAME)?;
        if fields.u32(attribute::CHAIN_FLAGS)?.unwrap_or(0) & !attribute::CHAIN_FLAGS_ALL != 0 {
            return Err(Odd::Value(attribute::CHAIN_FLAGS));
        }
        let handle = fields.u64(attribute::CHAIN_HANDLE)?;
        let table = self.file.tables.get_mut(at).ok_or(Odd::Value(1))?;
        let base = match fields.get(attribute::CHAIN_HOOK) {
            Some(bytes) => Some(base(table.family, &fields, bytes)?),
            None => None,
        };
        let file = format!("{} {} {name}", table.family.name(), table.name);
        let place = Place { file: Arc::from(file), line: 0, handle };
        self.chains.insert((at, name.clone()), table.chains.len());
        table.chains.push(Chain { name, base, rules: Vec::new(), place });
        Ok(())
    }

    fn rule(&mut self, number: u8, bytes: &[u8], wanted: &mut [Wanted]) -> Result<(), Odd> {
        let fields = Fields::read(bytes, self.order, attribute::RULE_LAST)?;
        let (table_name, chain_name) =
            (fields.text(attribute::RULE_TABLE)?, fields.text(attribute::RULE_CHAIN)?);
        let at = self.place_of(number, &table_name)?;
        let chain = self.chains.get(&(at, chain_name)).copied().ok_or(Odd::Value(2))?;
        let around = Surroundings {
            family: number,
            order: self.order,
            links: self.links,
            sets: self.sets.get(&(number, table_name)),
            ipsets: self.ipsets,
        };
        let wanted = wanted.get_mut(at).ok_or(Odd::Value(1))?;
        let expressions = fields.get(attribute::RULE_EXPRESSIONS).unwrap_or_default();
        let pieces = Decoder::new(&around, wanted).rule(expressions);
        let handle = fields.u64(attribute::RULE_HANDLE)?;
        self.rules.push(Read { table: at, chain, handle, pieces });
        Ok(())
    }

    fn finish(mut self, wanted: &[Wanted]) -> File {
        for ((number, table), at) in &self.tables {
            let declared = self.sets.get(&(*number, table.clone()));
            let (Some(declared), Some(wanted)) = (declared, wanted.get(*at)) else { continue };
            let mut sets: HashMap<String, Set> = HashMap::new();
            for (set, parts, data, name) in wanted.list() {
                let Some(declared) = declared.get(set) else { continue };
                let reading = Reading { parts, data, order: self.order, links: self.links };
                let mut read = reading.set(declared);
                read.dynamic |= wanted.written.contains(set);
                sets.insert(name.to_owned(), read);
            }
            if let Some(table) = self.file.tables.get_mut(*at) {
                table.sets = sets;
            }
        }
        for read in self.rules {
            let Some(table) = self.file.tables.get_mut(read.table) else { continue };
            let text = words(&read.pieces, &table.sets);
            let Some(chain) = table.chains.get_mut(read.chain) else { continue };
            let place = Place { handle: read.handle, ..chain.place.clone() };
            let statements = read.pieces.into_iter().map(|piece| piece.statement).collect();
            chain.rules.push(Rule { statements, place, text });
        }
        self.file
    }
}

/// The rule as people write it.
fn words(pieces: &[Piece], sets: &HashMap<String, Set>) -> String {
    let mut text = String::new();
    for Piece { statement, shown } in pieces {
        let words = match shown {
            Shown::Hidden => continue,
            Shown::Words(words) => words.clone(),
            Shown::Printed => print::statement(statement, sets),
        };
        if !text.is_empty() && !words.is_empty() {
            text.push(' ');
        }
        text.push_str(&words);
    }
    text
}

/// A base chain's hook.
fn base(family: TableFamily, chain: &Fields<'_>, bytes: &[u8]) -> Result<Base, Odd> {
    let fields = Fields::read(bytes, chain.order, attribute::HOOK_LAST)?;
    let priority = i32::from_be_bytes(fields.number(attribute::HOOK_PRIORITY)?.to_be_bytes());
    let number = fields.number(attribute::HOOK_NUMBER)?;
    let kind = match chain.text(attribute::CHAIN_TYPE)?.as_str() {
        "filter" => ChainKind::Filter,
        "nat" => ChainKind::Nat,
        "route" => ChainKind::Route,
        _ => return Err(Odd::Value(attribute::CHAIN_TYPE)),
    };
    let drops = match chain.number(attribute::CHAIN_POLICY)? {
        0 => true,
        1 => false,
        _ => return Err(Odd::Value(attribute::CHAIN_POLICY)),
    };
    let mut devices = Vec::new();
    devices.extend(fields.get(attribute::HOOK_DEVICE).map(text));
    for device in
        Attributes::new(fields.get(attribute::HOOK_DEVICES).unwrap_or_default(), chain.order)
    {
        // NFTA_DEVICE_NAME, and since Linux 6.16 NFTA_DEVICE_PREFIX: how the name begins.
        match device? {
            (1, name) => devices.push(text(name)),
            (2, prefix) => devices.push(format!("{}*", text(prefix))),
            (kind, _) => return Err(Odd::Attribute(kind)),
        }
    }
    // A chain of one device is told twice.
    devices.dedup();
    let hook = hook(family, number).ok_or(Odd::Value(attribute::HOOK_NUMBER))?;
    Ok(Base { hook, kind, priority, drops, devices })
}
