//! Statements of the text form.

use super::super::ast::{Compare, Expr, NatWord, Operator, Statement};
use super::super::json::xt_named;
use super::super::token::Kind;
use super::{Parsed, Parser};

impl Parser<'_> {
    /// One statement. What is not understood takes the rest of the rule.
    pub(super) fn statement(&mut self) -> Parsed<Statement> {
        let start = self.at;
        if let Kind::Comment(text) = self.kind() {
            let text = text.clone();
            self.at += 1;
            return Ok(Statement::Unknown(format!("# {text}")));
        }
        if let Some(verdict) = self.verdict()? {
            return Ok(Statement::Verdict(verdict));
        }
        let word = self.peek_word().unwrap_or("").to_owned();
        match word.as_str() {
            "ct" if self.object_reference() => {
                self.at += 3;
                self.sign_is("@");
                self.at += 1;
                Ok(Statement::Idle)
            }
            "ct" if matches!(self.kind_after(1), Kind::Word(key) if key == "count") => {
                self.at += 2;
                self.word_is("over");
                self.name()?;
                Ok(Statement::History(self.written(start)))
            }
            "counter" => {
                self.at += 1;
                self.words_with_values(&["packets", "bytes", "name"])?;
                Ok(Statement::Idle)
            }
            "log" => self.log(),
            "limit" => self.limit(),
            "quota" => self.quota(),
            "last" => {
                self.at += 1;
                self.words_with_values(&["used"])?;
                Ok(Statement::Idle)
            }
            "comment" => {
                self.at += 1;
                self.name()?;
                Ok(Statement::Idle)
            }
            "notrack" => {
                self.at += 1;
                Ok(Statement::NoTrack)
            }
            "reject" => self.reject(),
            "dnat" | "snat" | "redirect" | "masquerade" => self.nat(&word),
            "add" | "update" | "delete" if matches!(self.kind_after(1), Kind::Sign("@")) => {
                self.update()
            }
            "flow" => {
                self.at += 1;
                self.skip_words();
                self.sign_is("@");
                self.name()?;
                Ok(Statement::Idle)
            }
            "xt" => {
                self.at += 1;
                let (kind, name) = (self.name()?, self.name()?);
                Ok(xt_named(&kind, &name))
            }
            "tproxy" | "synproxy" | "fwd" | "dup" => {
                let text = self.skip_rest()?;
                // A copy goes elsewhere, the packet goes on; the rest of the rule is not read.
                Ok(match word.as_str() {
                    "dup" => Statement::Unknown(text),
                    _ => Statement::Takes(text),
                })
            }
            _ if self.begins_expression() => self.match_or_set(start),
            _ => Ok(Statement::Unknown(self.skip_rest()?)),
        }
    }

    /// `ct helper set "ftp"`, `ct timeout set ...`: gives the connection an object.
    fn object_reference(&self) -> bool {
        matches!(self.kind_after(1), Kind::Word(key)
            if matches!(key.as_str(), "helper" | "timeout" | "expectation"))
            && matches!(self.kind_after(2), Kind::Word(set) if set == "set")
    }

    fn skip_words(&mut self) {
        while self.peek_word().is_some() {
            self.at += 1;
        }
    }

    fn words_with_values(&mut self, names: &[&str]) -> Parsed<()> {
        while self.peek_word().is_some_and(|word| names.contains(&word)) {
            self.at += 1;
            self.name()?;
        }
        Ok(())
    }

    fn log(&mut self) -> Parsed<Statement> {
        self.at += 1;
        loop {
            match self.peek_word() {
                Some("prefix" | "level" | "group" | "snaplen" | "queue-threshold") => {
                    self.at += 1;
                    self.name()?;
                }
                Some("flags") => {
                    self.at += 1;
                    let first = self.name()?;
                    if matches!(first.as_str(), "tcp" | "ip") {
                        self.name()?;
                    }
                    while self.sign_is(",") {
                        self.name()?;
                    }
                }
                _ => return Ok(Statement::Idle),
            }
        }
    }

    /// `limit rate [over] 10/second [burst 5 packets]`, `limit rate 1 mbytes/second`,
    /// `limit name "x"`.
    fn limit(&mut self) -> Parsed<Statement> {
        let start = self.at;
        self.at += 1;
        if self.word_is("name") {
            self.name()?;
            return Ok(Statement::History(self.written(start)));
        }
        self.word_is("rate");
        self.word_is("over");
        self.amount()?;
        if self.word_is("burst") {
            self.amount()?;
        }
        Ok(Statement::History(self.written(start)))
    }

    /// `10/second`, `10 packets`, `1 mbytes/second`.
    fn amount(&mut self) -> Parsed<()> {
        let number = self.name()?;
        let has_unit = |word: &str| {
            word.split('/').next().is_some_and(|unit| {
                matches!(unit, "packets" | "bytes" | "kbytes" | "mbytes" | "gbytes")
            })
        };
        if !number.contains('/') && self.peek_word().is_some_and(has_unit) {
            self.at += 1;
        }
        Ok(())
    }

    /// `quota [over] 25 mbytes [used 1 kbytes]`, `quota name "x"`.
    fn quota(&mut self) -> Parsed<Statement> {
        let start = self.at;
        self.at += 1;
        if self.word_is("name") {
            self.name()?;
            return Ok(Statement::History(self.written(start)));
        }
        if !self.word_is("over") {
            self.word_is("until");
        }
        self.amount()?;
        if self.word_is("used") {
            self.amount()?;
        }
        Ok(Statement::History(self.written(start)))
    }

    /// `reject [with icmp [type] port-unreachable | with tcp reset]`.
    fn reject(&mut self) -> Parsed<Statement> {
        self.at += 1;
        if !self.word_is("with") {
            return Ok(Statement::Reject(String::new()));
        }
        let start = self.at;
        self.name()?;
        self.word_is("type");
        self.name()?;
        Ok(Statement::Reject(self.written(start)))
    }

    /// `dnat [ip] [prefix] to 10.0.0.1:80 [random,persistent]`, `redirect to :80`, `masquerade`.
    fn nat(&mut self, word: &str) -> Parsed<Statement> {
        let start = self.at;
        self.at += 1;
        let word = match word {
            "dnat" => NatWord::Dnat,
            "snat" => NatWord::Snat,
            "redirect" => NatWord::Redirect,
            _ => NatWord::Masquerade,
        };
        while matches!(
            self.peek_word(),
            Some("ip" | "ip6" | "prefix" | "interval" | "addr" | "port")
        ) && !matches!(self.kind_after(1), Kind::Word(key) if matches!(key.as_str(), "saddr" | "daddr"))
        {
            self.at += 1;
        }
        let (mut address, mut port) = (None, None);
        if self.word_is("to") {
            if !matches!(self.kind(), Kind::Sign(":")) {
                address = Some(self.nat_address()?);
            }
            if self.sign_is(":") {
                port = Some(self.mapped()?);
            }
        }
        while matches!(self.peek_word(), Some("random" | "fully-random" | "persistent")) {
            self.at += 1;
            self.sign_is(",");
        }
        Ok(Statement::Nat { word, address, port, text: self.written(start) })
    }

    fn nat_address(&mut self) -> Parsed<Expr> {
        Ok(match self.mapped()? {
            // Brackets separate an IPv6 address from the port.
            Expr::Word(word) => Expr::Word(word.replace(['[', ']'], "")),
            other => other,
        })
    }

    /// An expression, or `key map { ... }`.
    fn mapped(&mut self) -> Parsed<Expr> {
        let key = self.concatenation()?;
        if self.word_is("map") {
            let map = self.binary()?;
            return Ok(Expr::Map(Box::new(key), Box::new(map)));
        }
        Ok(key)
    }

    /// `add @set { ip saddr [timeout 1h] [limit rate 3/minute] [: data] }`.
    fn update(&mut self) -> Parsed<Statement> {
        let start = self.at;
        self.at += 2;
        let set = self.name()?;
        let before = self.at;
        self.braces()?;
        let inner = self.written(before);
        let decides = ["limit ", "quota ", "ct count "].iter().any(|word| inner.contains(word));
        Ok(if decides { Statement::History(self.written(start)) } else { Statement::Update(set) })
    }

    /// Skips a pair of braces with what they hold.
    fn braces(&mut self) -> Parsed<()> {
        self.expect("{")?;
        let mut depth = 1_u32;
        while depth > 0 {
            match self.kind() {
                Kind::Sign("{") => depth += 1,
                Kind::Sign("}") => depth -= 1,
                Kind::End => return self.error("expected \"}\""),
                _ => {}
            }
            self.at += 1;
        }
        Ok(())
    }

    /// `left [op] right`, `left vmap map`, or `left set value`.
    fn match_or_set(&mut self, start: usize) -> Parsed<Statement> {
        let left = self.concatenation()?;
        if self.word_is("vmap") {
            let map = self.binary()?;
            return Ok(Statement::Vmap(left, map));
        }
        if self.word_is("set") {
            let value = self.mapped()?;
            return Ok(Statement::Mangle(left, value));
        }
        let op = match self.kind() {
            Kind::Sign("==") => Compare::Equal,
            Kind::Sign("!=") => Compare::Different,
            Kind::Sign("!") => Compare::NoneOf,
            Kind::Sign("<") => Compare::Less,
            Kind::Sign("<=") => Compare::LessOrEqual,
            Kind::Sign(">") => Compare::Greater,
            Kind::Sign(">=") => Compare::GreaterOrEqual,
            Kind::Line(_) | Kind::Sign(";" | "}") | Kind::End | Kind::Comment(_) => {
                return Ok(Statement::Unknown(self.written(start)));
            }
            _ => Compare::Implicit,
        };
        if op != Compare::Implicit {
            self.at += 1;
        }
        let right = self.constant(Self::concatenation)?;
        let right = self.list(right)?;
        // `0x16 [invalid type]-0x50 [invalid type]`: what nft lists for ports of a connection whose
        // protocol is one of several.
        if self.peek_word().is_some_and(|word| word.starts_with("[invalid")) {
            self.skip_rest()?;
            return Ok(Statement::Unknown(self.written(start)));
        }
        // `tcp flags syn / fin,syn,rst,ack`: these bits of those.
        if self.word_is("/") {
            let mask = self.constant(Self::binary)?;
            let mask = self.list(mask)?;
            let masked = Expr::Binary(Operator::And, Box::new(left), Box::new(mask));
            let op = if op == Compare::Implicit { Compare::Equal } else { op };
            return Ok(Statement::Match(op, masked, right));
        }
        Ok(Statement::Match(op, left, right))
    }

    /// `established,related`.
    fn list(&mut self, first: Expr) -> Parsed<Expr> {
        if !matches!(self.kind(), Kind::Sign(",")) {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.sign_is(",") {
            parts.push(self.constant(Self::binary)?);
        }
        Ok(Expr::List(parts))
    }
}
