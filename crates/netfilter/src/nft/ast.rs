//! The syntax tree that the text and the JSON form share.

use std::collections::HashMap;

use crate::ir::{Base, Family, Note, Pattern, Place, TableFamily};

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
