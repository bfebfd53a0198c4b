//! The syntax tree that the text and the JSON form share.

use std::collections::HashMap;

use packet_set::Field;

use crate::ir::{Base, Family, Note, Pattern, Place, Side, Step, TableFamily};

/// An expression. Words of the text form stay words; what they mean depends on the other side.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expr {
    Number(u128),
    /// A name, an address, a number as text, also `a-b` and `a/b` of the text form.
    Word(String),
    Prefix(Box<Expr>, u8),
    Range(Box<Expr>, Box<Expr>),
    /// Every number from one to another.
    Span(u128, u128),
    /// Every address of a family from one to another.
    Address(Family, u128, u128),
    /// Interfaces by their names, in which `*` is a letter like any other.
    Interface(Pattern),
    /// An anonymous set or map.
    Set(Vec<Element>),
    /// Flags: `established,related`.
    List(Vec<Expr>),
    Concat(Vec<Expr>),
    Payload(String, String),
    Meta(String),
    /// Key and, where given, direction.
    Ct(String, Option<String>),
    Binary(Operator, Box<Expr>, Box<Expr>),
    /// What the host's routing says about an address.
    Fib(Box<Fib>),
    /// `@name`.
    SetRef(String),
    /// `key map data`.
    Map(Box<Expr>, Box<Expr>),
    Verdict(Verdict),
    /// `*`: every key that no other element holds.
    Any,
    /// Not understood, as it is written.
    Other(String, Doubtful),
}

/// `fib saddr . iif oif`, `fib daddr type`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fib {
    /// [`packet_set::Field::SOURCE`] or [`packet_set::Field::DESTINATION`].
    pub(super) address: Field,
    pub(super) side: Option<Side>,
    pub(super) with_mark: bool,
    /// The type of the address is asked for; else by which interface, or whether by any.
    pub(super) asks_type: bool,
    pub(super) text: String,
}

impl Fib {
    /// By its keys and its result, as nft names them.
    pub(super) fn of(keys: &[&str], result: &str) -> Option<Self> {
        let has = |name| keys.contains(&name);
        let address = match (has("saddr"), has("daddr")) {
            (true, false) => Field::SOURCE,
            (false, true) => Field::DESTINATION,
            _ => return None,
        };
        let side = match (has("iif"), has("oif")) {
            (false, false) => None,
            (true, false) => Some(Side::In),
            (false, true) => Some(Side::Out),
            _ => return None,
        };
        let known = ["saddr", "daddr", "iif", "oif", "mark"];
        let asks_type = match result {
            "type" => true,
            "oif" | "oifname" => false,
            _ => return None,
        };
        keys.iter().all(|key| known.contains(key)).then(|| Self {
            address,
            side,
            with_mark: has("mark"),
            asks_type,
            text: format!("fib {} {result}", keys.join(" . ")),
        })
    }
}

/// What an expression that is not understood depends on; see [`crate::ir::Doubt`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doubtful {
    Packet,
    History,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    And,
    Or,
    Xor,
    Left,
    Right,
}

/// An element of a set or map.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Element {
    pub(super) key: Expr,
    pub(super) data: Option<Expr>,
    /// It is removed by itself after some time.
    pub(super) expires: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    Accept,
    Drop,
    Return,
    Continue,
    Jump(String),
    Goto(String),
    Queue(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compare {
    /// No operator is written; means equality, or "any of these bits" for flags.
    Implicit,
    Equal,
    Different,
    /// `!`: none of these flags.
    NoneOf,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NatWord {
    Dnat,
    Snat,
    Redirect,
    Masquerade,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Statement {
    Match(Compare, Expr, Expr),
    Verdict(Verdict),
    Vmap(Expr, Expr),
    Mangle(Expr, Expr),
    Nat {
        word: NatWord,
        address: Option<Expr>,
        port: Option<Expr>,
        text: String,
    },
    Reject(String),
    NoTrack,
    /// Writes the named set, and goes on.
    Update(String),
    /// Nothing that a verdict depends on: counter, log, comment ...
    Idle,
    /// Holds depending on history: limit, quota, ct count ...
    History(String),
    /// Accepts, drops or takes the packet away: queue, tproxy, synproxy ...
    Takes(String),
    /// What another room has read: a match or target of x_tables.
    Steps(Vec<Step>),
    Unknown(String),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rule {
    pub(super) statements: Vec<Statement>,
    pub(super) place: Place,
    pub(super) text: String,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chain {
    pub(super) name: String,
    pub(super) base: Option<Base>,
    pub(super) rules: Vec<Rule>,
    pub(super) place: Place,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Set {
    pub(super) elements: Vec<Element>,
    /// Flag `dynamic`: written by rules.
    pub(super) dynamic: bool,
    /// Flag `timeout`: elements may have gone since.
    pub(super) timeout: bool,
    /// It belongs to one rule, and has a name nevertheless.
    pub(super) anonymous: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Table {
    pub(super) family: TableFamily,
    pub(super) name: String,
    pub(super) chains: Vec<Chain>,
    pub(super) sets: HashMap<String, Set>,
    /// Flag `dormant`: its chains are not called.
    pub(super) dormant: bool,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct File {
    pub(super) tables: Vec<Table>,
    pub(super) notes: Vec<Note>,
}
