//! `nft -j list ruleset`, as libnftables-json(5) describes it.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::ast::{
    Chain, Compare, Doubtful, Element, Expr, Fib, File, NatWord, Operator, Rule, Set, Statement,
    Table, Verdict,
};
use super::priority::priority;
use crate::ir::{Base, ChainKind, Hook, Note, Place, TableFamily};
use crate::syntax::ParseError;

type Object = Map<String, Value>;

/// Parses the JSON form.
pub(super) fn parse(file: &str, text: &str) -> Result<File, ParseError> {
    let fault = |line: usize, column: usize, what: String| ParseError {
        file: file.to_owned(),
        line: u32::try_from(line).unwrap_or(u32::MAX).max(1),
        // The end of a line is told as its column 0.
        column: u32::try_from(column).unwrap_or(u32::MAX).max(1),
        what,
    };
    let value: Value = serde_json::from_str(text)
        .map_err(|error| fault(error.line(), error.column(), error.to_string()))?;
    let list = value
        .get("nftables")
        .and_then(Value::as_array)
        .ok_or_else(|| fault(1, 1, "no list \"nftables\"".to_owned()))?;
    let mut reader = Reader {
        name: Arc::from(file),
        file: File::default(),
        tables: HashMap::new(),
        chains: HashMap::new(),
    };
    for item in list {
        reader.item(item);
    }
    Ok(reader.file)
}

struct Reader {
    name: Arc<str>,
    file: File,
    /// Family and name of a table, with its place in the file.
    tables: HashMap<(TableFamily, String), usize>,
    /// Place of a table and name of a chain, with the chain's place in it.
    chains: HashMap<(usize, String), usize>,
}

fn text<'a>(object: &'a Object, key: &str) -> Option<&'a str> {
    object.get(key).and_then(Value::as_str)
}

impl Reader {
    fn place(&self, handle: Option<u64>) -> Place {
        Place { file: Arc::clone(&self.name), line: 0, handle }
    }

    fn note(&mut self, what: String) {
        let place = self.place(None);
        self.file.notes.push(Note { place, what });
    }

    /// One object of the list; commands like `{"add": ...}` hold one.
    fn item(&mut self, item: &Value) {
        let Some((kind, value)) = item.as_object().and_then(|object| object.iter().next()) else {
            return self.note(format!("not understood: {}", brief(item)));
        };
        let Some(object) = value.as_object() else {
            return self.note(format!("not understood: {}", brief(item)));
        };
        let understood = match kind.as_str() {
            "metainfo" | "counter" | "quota" | "limit" | "ct helper" | "ct timeout"
            | "ct expectation" | "secmark" | "synproxy" | "flowtable" => Some(()),
            "add" | "create" | "insert" => {
                self.item(value);
                Some(())
            }
            "table" => self.table(object),
            "chain" => self.chain(object),
            "rule" => self.rule(object),
            "set" | "map" => self.set(object),
            "element" => self.elements(object),
            _ => None,
        };
        if understood.is_none() {
            self.note(format!("not understood: {kind} {}", brief(value)));
        }
    }

    fn table(&mut self, object: &Object) -> Option<()> {
        let flags = object.get("flags").map(Value::to_string).unwrap_or_default();
        let family = TableFamily::by_name(text(object, "family")?)?;
        let name = text(object, "name")?.to_owned();
        self.tables.entry((family, name.clone())).or_insert(self.file.tables.len());
        self.file.tables.push(Table {
            family,
            name,
            chains: Vec::new(),
            sets: HashMap::new(),
            dormant: flags.contains("dormant"),
        });
        Some(())
    }

    /// The place of the table that an object is in.
    fn place_of_table(&self, object: &Object) -> Option<usize> {
        let family = TableFamily::by_name(text(object, "family")?)?;
        self.tables.get(&(family, text(object, "table")?.to_owned())).copied()
    }

    fn find(&mut self, object: &Object) -> Option<&mut Table> {
        let at = self.place_of_table(object)?;
        self.file.tables.get_mut(at)
    }

    fn chain(&mut self, object: &Object) -> Option<()> {
        let family = TableFamily::by_name(text(object, "family")?)?;
        let base = match text(object, "hook") {
            None => None,
            Some(hook) => Some(Base {
                hook: Hook::by_name(hook)?,
                kind: match text(object, "type")? {
                    "filter" => ChainKind::Filter,
                    "nat" => ChainKind::Nat,
                    "route" => ChainKind::Route,
                    _ => return None,
                },
                priority: match object.get("prio")? {
                    Value::String(name) => priority(family, name)?,
                    number => i32::try_from(number.as_i64()?).ok()?,
                },
                drops: text(object, "policy") == Some("drop"),
                devices: devices(object.get("dev")),
            }),
        };
        let place = self.place(object.get("handle").and_then(Value::as_u64));
        let name = text(object, "name")?.to_owned();
        let at = self.place_of_table(object)?;
        let list = &mut self.file.tables.get_mut(at)?.chains;
        self.chains.insert((at, name.clone()), list.len());
        list.push(Chain { name, base, rules: Vec::new(), place });
        Some(())
    }

    fn rule(&mut self, object: &Object) -> Option<()> {
        let place = self.place(object.get("handle").and_then(Value::as_u64));
        let list = object.get("expr")?.as_array()?;
        let statements = list.iter().map(statement).collect();
        let written: Vec<String> = list.iter().map(brief).collect();
        let rule = Rule { statements, place, text: written.join(" ") };
        let at = self.place_of_table(object)?;
        let chain = *self.chains.get(&(at, text(object, "chain")?.to_owned()))?;
        self.file.tables.get_mut(at)?.chains.get_mut(chain)?.rules.push(rule);
        Some(())
    }

    fn set(&mut self, object: &Object) -> Option<()> {
        let flags = object.get("flags").map(Value::to_string).unwrap_or_default();
        let elements = object.get("elem").map_or(Some(Vec::new()), elements)?;
        let set = Set {
            elements,
            dynamic: flags.contains("dynamic"),
            timeout: flags.contains("timeout"),
            anonymous: false,
        };
        let name = text(object, "name")?.to_owned();
        self.find(object)?.sets.insert(name, set);
        Some(())
    }

    fn elements(&mut self, object: &Object) -> Option<()> {
        let more = elements(object.get("elem")?)?;
        let name = text(object, "name")?.to_owned();
        self.find(object)?.sets.get_mut(&name)?.elements.extend(more);
        Some(())
    }
}

/// A value as text, for notes; long ones are cut.
fn brief(value: &Value) -> String {
    let mut text = value.to_string();
    if let Some((cut, _)) = text.char_indices().nth(200) {
        text.truncate(cut);
        text.push_str("...");
    }
    text
}

fn devices(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(name)) => vec![name.clone()],
        Some(Value::Array(list)) => {
            list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

fn elements(value: &Value) -> Option<Vec<Element>> {
    match value {
        Value::Array(list) => list.iter().map(element).collect(),
        single => Some(vec![element(single)?]),
    }
}

/// `key`, `[key, data]`, or either with a key in `{"elem": {"val": key, "expires": ...}}`.
fn element(value: &Value) -> Option<Element> {
    if let Value::Array(pair) = value {
        let [key, data] = pair.as_slice() else { return None };
        let own = element(key)?;
        return Some(Element { data: Some(expr(data)), ..own });
    }
    if let Some(inner) = value.get("elem").and_then(Value::as_object) {
        let expires = inner.contains_key("expires") || inner.contains_key("timeout");
        return Some(Element { key: expr(inner.get("val")?), data: None, expires });
    }
    Some(Element { key: expr(value), data: None, expires: false })
}

fn other(value: &Value, doubtful: Doubtful) -> Expr {
    Expr::Other(brief(value), doubtful)
}

fn expr(value: &Value) -> Expr {
    match value {
        Value::Number(number) => number
            .as_u64()
            .map_or_else(|| other(value, Doubtful::Packet), |number| Expr::Number(number.into())),
        Value::String(text) => match text.strip_prefix('@') {
            Some(name) => Expr::SetRef(name.to_owned()),
            None if text == "*" => Expr::Any,
            None => Expr::Word(text.clone()),
        },
        Value::Bool(flag) => Expr::Number((*flag).into()),
        Value::Array(list) => Expr::List(list.iter().map(expr).collect()),
        Value::Object(object) => object
            .iter()
            .next()
            .and_then(|(name, inner)| named(name, inner))
            .unwrap_or_else(|| other(value, Doubtful::Packet)),
        Value::Null => other(value, Doubtful::Packet),
    }
}

/// An expression that is an object with one key.
fn named(name: &str, inner: &Value) -> Option<Expr> {
    let string = |key: &str| inner.get(key).and_then(Value::as_str).map(str::to_owned);
    let binary = |operator| {
        // More than two operands are taken from the left.
        let mut list = inner.as_array()?.iter().map(expr);
        let first = list.next()?;
        Some(
            list.fold(first, |left, right| Expr::Binary(operator, Box::new(left), Box::new(right))),
        )
    };
    Some(match name {
        "prefix" => {
            let length = u8::try_from(inner.get("len")?.as_u64()?).ok()?;
            Expr::Prefix(Box::new(expr(inner.get("addr")?)), length)
        }
        "range" => match inner.as_array()?.as_slice() {
            [lo, hi] => Expr::Range(Box::new(expr(lo)), Box::new(expr(hi))),
            _ => return None,
        },
        "set" => Expr::Set(elements(inner)?),
        "concat" => Expr::Concat(inner.as_array()?.iter().map(expr).collect()),
        "payload" => Expr::Payload(string("protocol")?, string("field")?),
        "meta" => Expr::Meta(string("key").or_else(|| inner.as_str().map(str::to_owned))?),
        "ct" => Expr::Ct(string("key")?, string("dir")),
        "|" => binary(Operator::Or)?,
        "&" => binary(Operator::And)?,
        "^" => binary(Operator::Xor)?,
        "<<" => binary(Operator::Left)?,
        ">>" => binary(Operator::Right)?,
        "map" => Expr::Map(Box::new(expr(inner.get("key")?)), Box::new(expr(inner.get("data")?))),
        "fib" => {
            let flags = match inner.get("flags")? {
                Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
                single => vec![single.as_str()?],
            };
            Expr::Fib(Box::new(Fib::of(&flags, &string("result")?)?))
        }
        "elem" => expr(inner.get("val")?),
        "numgen" => Expr::Other(format!("numgen {}", brief(inner)), Doubtful::History),
        "accept" | "drop" | "return" | "continue" | "jump" | "goto" | "queue" => {
            Expr::Verdict(verdict(name, inner)?)
        }
        _ => return None,
    })
}

fn verdict(name: &str, inner: &Value) -> Option<Verdict> {
    let target = || inner.get("target").and_then(Value::as_str).map(str::to_owned);
    Some(match name {
        "accept" => Verdict::Accept,
        "drop" => Verdict::Drop,
        "return" => Verdict::Return,
        "continue" => Verdict::Continue,
        "jump" => Verdict::Jump(target()?),
        "goto" => Verdict::Goto(target()?),
        "queue" => Verdict::Queue(format!("queue {}", brief(inner))),
        _ => return None,
    })
}

fn statement(value: &Value) -> Statement {
    value
        .as_object()
        .and_then(|object| object.iter().next())
        .and_then(|(name, inner)| known_statement(name, inner))
        .unwrap_or_else(|| Statement::Unknown(brief(value)))
}

fn known_statement(name: &str, inner: &Value) -> Option<Statement> {
    let text = || format!("{name} {}", brief(inner));
    Some(match name {
        "match" => matching(inner)?,
        "accept" | "drop" | "return" | "continue" | "jump" | "goto" => {
            Statement::Verdict(verdict(name, inner)?)
        }
        "vmap" => Statement::Vmap(expr(inner.get("key")?), expr(inner.get("data")?)),
        "mangle" => Statement::Mangle(expr(inner.get("key")?), expr(inner.get("value")?)),
        "dnat" | "snat" | "redirect" | "masquerade" => Statement::Nat {
            word: match name {
                "dnat" => NatWord::Dnat,
                "snat" => NatWord::Snat,
                "redirect" => NatWord::Redirect,
                _ => NatWord::Masquerade,
            },
            address: inner.get("addr").map(expr),
            port: inner.get("port").map(expr),
            text: text(),
        },
        "reject" => {
            let part = |key: &str| inner.get(key).and_then(Value::as_str).unwrap_or("");
            Statement::Reject(format!("{} {}", part("type"), part("expr")).trim().to_owned())
        }
        "notrack" => Statement::NoTrack,
        // A rate limit by element: whether it holds depends on the element's history.
        "set" | "map" if inner.get("stmt").is_some_and(limits) => Statement::History(text()),
        "set" | "map" => {
            let set = inner.get("set").or_else(|| inner.get("map"))?.as_str()?;
            Statement::Update(set.trim_start_matches('@').to_owned())
        }
        "counter" | "log" | "comment" | "ct helper" | "ct timeout" | "ct expectation" | "flow"
        | "secmark" | "last" | "dup" | "reset" => Statement::Idle,
        "limit" | "quota" | "ct count" | "meter" => Statement::History(text()),
        "queue" | "tproxy" | "synproxy" | "fwd" => Statement::Takes(text()),
        "xt" => xt(inner)?,
        _ => return None,
    })
}

fn limits(statements: &Value) -> bool {
    let text = statements.to_string();
    ["\"limit\"", "\"quota\"", "\"ct count\""].iter().any(|word| text.contains(word))
}

fn matching(inner: &Value) -> Option<Statement> {
    let (left, right) = (expr(inner.get("left")?), expr(inner.get("right")?));
    let op = match inner.get("op").and_then(Value::as_str)? {
        "==" => Compare::Equal,
        "!=" => Compare::Different,
        "!" => Compare::NoneOf,
        "<" => Compare::Less,
        "<=" => Compare::LessOrEqual,
        ">" => Compare::Greater,
        ">=" => Compare::GreaterOrEqual,
        // Any of the flags.
        "in" => Compare::Implicit,
        _ => return None,
    };
    Some(Statement::Match(op, left, right))
}

/// A match or target of xtables: the form names it and leaves its parameters out.
pub(super) fn xt_named(kind: &str, name: &str) -> Statement {
    let text = format!("xt {kind} {name:?}: its parameters are not in this form");
    let nat = |word| Statement::Nat {
        word,
        address: Some(Expr::Other(text.clone(), Doubtful::History)),
        port: None,
        text: text.clone(),
    };
    match (kind, name) {
        ("match" | "watcher", "comment") => Statement::Idle,
        ("match" | "watcher", _) => Statement::History(text),
        (_, "LOG" | "NFLOG" | "TCPMSS" | "CHECKSUM" | "CLASSIFY" | "TRACE" | "AUDIT") => {
            Statement::Idle
        }
        (_, "REJECT") => Statement::Reject(String::new()),
        (_, "DNAT" | "REDIRECT") => nat(NatWord::Dnat),
        (_, "SNAT") => nat(NatWord::Snat),
        (_, "MASQUERADE") => nat(NatWord::Masquerade),
        (_, "MARK") => {
            Statement::Mangle(Expr::Meta("mark".to_owned()), Expr::Other(text, Doubtful::History))
        }
        _ => Statement::Unknown(text),
    }
}

fn xt(inner: &Value) -> Option<Statement> {
    let part = |key: &str| inner.get(key).and_then(Value::as_str);
    Some(xt_named(part("type")?, part("name")?))
}
