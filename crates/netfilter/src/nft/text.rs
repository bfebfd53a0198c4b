//! `nft list ruleset` as text: tables, chains, sets; see [`super::text`]'s submodules for rules.

mod expression;
mod sets;
mod statements;

use std::collections::HashMap;
use std::sync::Arc;

use super::ast::{Chain, Expr, File, Rule, Table};
use super::priority::priority;
use super::token::{Kind, Token, tokens};
use crate::ir::{Base, ChainKind, Hook, Note, Place, TableFamily};
use crate::syntax::ParseError;

/// Deepest nesting of parentheses and braces.
const MOST_NESTING: u32 = 64;

/// Parses the text form.
pub(super) fn parse(file: &str, text: &str) -> Result<File, ParseError> {
    let list = tokens(text).map_err(|(line, column, what)| ParseError {
        file: file.to_owned(),
        line,
        column,
        what,
    })?;
    let mut parser = Parser {
        name: Arc::from(file),
        text,
        list,
        at: 0,
        nesting: 0,
        constants: false,
        defined: HashMap::new(),
    };
    parser.file()
}

pub(super) struct Parser<'a> {
    name: Arc<str>,
    text: &'a str,
    list: Vec<Token>,
    at: usize,
    nesting: u32,
    /// On a right side or in a set, where `tcp` is a value and not a header.
    constants: bool,
    /// `define name = value`, used as `$name`.
    defined: HashMap<String, Expr>,
}

/// A parser's result.
type Parsed<T> = Result<T, ParseError>;

impl Parser<'_> {
    fn kind(&self) -> &Kind {
        self.list.get(self.at).map_or(&Kind::End, |token| &token.kind)
    }

    fn kind_after(&self, distance: usize) -> &Kind {
        self.list.get(self.at + distance).map_or(&Kind::End, |token| &token.kind)
    }

    fn position(&self) -> (u32, u32) {
        self.list
            .get(self.at.min(self.list.len().saturating_sub(1)))
            .map_or((1, 1), |token| (token.line, token.column))
    }

    fn error<T>(&self, what: &str) -> Parsed<T> {
        let (line, column) = self.position();
        let what = match self.kind() {
            Kind::Word(word) | Kind::Quoted(word) => format!("{what}, found {word:?}"),
            Kind::Sign(sign) => format!("{what}, found {sign:?}"),
            Kind::Line(_) => format!("{what}, found the end of the line"),
            Kind::Comment(_) => format!("{what}, found a comment"),
            Kind::End => format!("{what}, found the end of the file"),
        };
        Err(ParseError { file: self.name.to_string(), line, column, what })
    }

    fn place(&self) -> Place {
        Place { file: Arc::clone(&self.name), line: self.position().0, handle: None }
    }

    /// Takes this word, if it is next.
    fn word_is(&mut self, wanted: &str) -> bool {
        let found = matches!(self.kind(), Kind::Word(word) if word == wanted);
        self.at += usize::from(found);
        found
    }

    fn peek_word(&self) -> Option<&str> {
        match self.kind() {
            Kind::Word(word) => Some(word),
            _ => None,
        }
    }

    fn sign_is(&mut self, wanted: &str) -> bool {
        let found = matches!(self.kind(), Kind::Sign(sign) if *sign == wanted);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &'static str) -> Parsed<()> {
        if self.sign_is(sign) { Ok(()) } else { self.error(&format!("expected {sign:?}")) }
    }

    /// A word or a quoted text.
    fn name(&mut self) -> Parsed<String> {
        match self.kind() {
            Kind::Word(word) | Kind::Quoted(word) => {
                let word = word.clone();
                self.at += 1;
                Ok(word)
            }
            _ => self.error("expected a name"),
        }
    }

    fn skip_lines(&mut self) {
        while matches!(self.kind(), Kind::Line(_) | Kind::Sign(";") | Kind::Comment(_)) {
            self.at += 1;
        }
    }

    /// Skips to the end of the line or block, over whole braces; gives what was skipped.
    fn skip_rest(&mut self) -> Parsed<String> {
        let start = self.list.get(self.at).map_or(0, |token| token.start);
        let mut end = start;
        let mut depth = 0_u32;
        loop {
            match self.kind() {
                Kind::End if depth > 0 => return self.error("expected \"}\""),
                Kind::End => break,
                Kind::Line(_) | Kind::Sign(";" | "}") if depth == 0 => break,
                Kind::Sign("{") => depth += 1,
                Kind::Sign("}") => depth -= 1,
                _ => {}
            }
            end = self.list.get(self.at).map_or(end, |token| token.end);
            self.at += 1;
        }
        Ok(self.text.get(start..end).unwrap_or("").to_owned())
    }

    fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.nesting >= MOST_NESTING {
            return self.error(&format!("nested more than {MOST_NESTING} deep"));
        }
        self.nesting += 1;
        let result = inner(self);
        self.nesting -= 1;
        result
    }

    fn file(&mut self) -> Parsed<File> {
        let mut file = File::default();
        loop {
            self.skip_lines();
            let place = self.place();
            if *self.kind() == Kind::End {
                return Ok(file);
            }
            if self.word_is("table") {
                let table = self.table(&mut file.notes)?;
                // A table that is named again is continued.
                match file
                    .tables
                    .iter_mut()
                    .find(|t| t.family == table.family && t.name == table.name)
                {
                    Some(known) => {
                        known.chains.extend(table.chains);
                        known.sets.extend(table.sets);
                    }
                    None => file.tables.push(table),
                }
                continue;
            }
            if self.word_is("define") || self.word_is("redefine") {
                let name = self.name()?;
                self.expect("=")?;
                let value = self.constant(Self::concatenation)?;
                self.defined.insert(name, value);
                continue;
            }
            if self.peek_word().is_none() {
                return self.error("expected a table");
            }
            let command = self.skip_rest()?;
            if command.starts_with("flush ruleset") {
                file = File::default();
            } else if ["include ", "undefine ", "add ", "insert ", "create ", "delete ", "flush "]
                .iter()
                .any(|known| command.starts_with(known))
            {
                file.notes.push(Note { place, what: format!("not understood: {command}") });
            } else {
                let what = format!("this is no ruleset: {:?}", brief(&command));
                let file = self.name.to_string();
                return Err(ParseError { file, line: place.line, column: 1, what });
            }
        }
    }

    fn table(&mut self, notes: &mut Vec<Note>) -> Parsed<Table> {
        let first = self.name()?;
        let (family, name) = match TableFamily::by_name(&first) {
            Some(family) if !matches!(self.kind(), Kind::Sign("{")) => (family, self.name()?),
            _ => (TableFamily::Ip, first),
        };
        let mut table =
            Table { family, name, chains: Vec::new(), sets: HashMap::new(), dormant: false };
        self.skip_lines();
        self.expect("{")?;
        loop {
            self.skip_lines();
            let place = self.place();
            if self.sign_is("}") {
                return Ok(table);
            }
            match self.peek_word() {
                Some("chain") => {
                    self.at += 1;
                    let chain = self.chain(family)?;
                    table.chains.push(chain);
                }
                Some("set" | "map") => {
                    self.at += 1;
                    let name = self.name()?;
                    let set = self.set()?;
                    table.sets.insert(name, set);
                }
                Some("flags") => table.dormant |= self.skip_rest()?.contains("dormant"),
                Some(
                    "counter" | "quota" | "limit" | "ct" | "secmark" | "synproxy" | "flowtable"
                    | "comment" | "elements",
                ) => {
                    self.skip_rest()?;
                }
                Some(_) => {
                    let what = format!("not understood: {}", brief(&self.skip_rest()?));
                    notes.push(Note { place, what });
                }
                None => return self.error("expected a chain, a set or \"}\""),
            }
        }
    }

    fn chain(&mut self, family: TableFamily) -> Parsed<Chain> {
        let place = self.place();
        let name = self.name()?;
        let mut chain = Chain { name, base: None, rules: Vec::new(), place };
        self.expect("{")?;
        loop {
            self.skip_lines();
            if self.sign_is("}") {
                return Ok(chain);
            }
            if *self.kind() == Kind::End {
                return self.error("expected a rule or \"}\"");
            }
            match (self.peek_word(), self.kind_after(1)) {
                (Some("type"), Kind::Word(kind)) if chain_kind(kind).is_some() => {
                    chain.base = Some(self.base(family)?);
                }
                (Some("policy"), _) => {
                    self.at += 1;
                    let drops = self.name()? == "drop";
                    if let Some(base) = &mut chain.base {
                        base.drops = drops;
                    }
                }
                (Some("comment"), Kind::Quoted(_)) | (Some("flags"), _) => {
                    self.skip_rest()?;
                }
                _ => {
                    let rule = self.rule()?;
                    chain.rules.push(rule);
                }
            }
        }
    }

    /// `type filter hook input [device "eth0"] priority filter + 10`.
    fn base(&mut self, family: TableFamily) -> Parsed<Base> {
        self.at += 1;
        let Some(kind) = chain_kind(&self.name()?) else { return self.error("expected a type") };
        if !self.word_is("hook") {
            return self.error("expected \"hook\"");
        }
        let Some(hook) = Hook::by_name(&self.name()?) else {
            self.at -= 1;
            return self.error("expected a hook");
        };
        let mut devices = Vec::new();
        while self.word_is("device") || self.word_is("devices") {
            self.sign_is("=");
            if self.sign_is("{") {
                while !self.sign_is("}") {
                    devices.push(self.name()?);
                    self.sign_is(",");
                }
            } else {
                devices.push(self.name()?);
            }
        }
        if !self.word_is("priority") {
            return self.error("expected \"priority\"");
        }
        let start = self.at;
        let text = self.skip_rest()?;
        if let Some(priority) = priority(family, &text) {
            Ok(Base { hook, kind, priority, drops: false, devices })
        } else {
            self.at = start;
            self.error("expected a priority")
        }
    }

    fn rule(&mut self) -> Parsed<Rule> {
        let mut place = self.place();
        let start = self.list.get(self.at).map_or(0, |token| token.start);
        let mut end = start;
        let mut statements = Vec::new();
        while !matches!(self.kind(), Kind::Line(_) | Kind::Sign(";" | "}") | Kind::End) {
            let before = self.at;
            let is_comment = self.peek_word() == Some("comment");
            statements.push(self.statement()?);
            if self.at == before {
                return self.error("expected a statement");
            }
            if !is_comment {
                end = self.list.get(self.at - 1).map_or(end, |token| token.end);
            }
        }
        if let Kind::Line(handle) = self.kind() {
            place.handle = *handle;
        }
        let text = self.text.get(start..end).unwrap_or("").to_owned();
        Ok(Rule { statements, place, text })
    }
}

fn chain_kind(name: &str) -> Option<ChainKind> {
    Some(match name {
        "filter" => ChainKind::Filter,
        "nat" => ChainKind::Nat,
        "route" => ChainKind::Route,
        _ => return None,
    })
}

/// The beginning of a text, for messages.
fn brief(text: &str) -> String {
    text.chars().take(60).collect()
}
