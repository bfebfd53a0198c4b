//! Expressions of the text form.

use super::super::ast::{Doubtful, Expr, Fib, Operator, Verdict};
use super::super::token::Kind;
use super::{Parsed, Parser};

/// Keys of `meta` that may stand without it.
const META: [&str; 12] = [
    "iif",
    "oif",
    "iifname",
    "oifname",
    "iifgroup",
    "oifgroup",
    "iiftype",
    "oiftype",
    "mark",
    "skuid",
    "skgid",
    "rtclassid",
];

/// Headers with fields of one word.
const HEADERS: [&str; 16] = [
    "ip", "ip6", "tcp", "udp", "udplite", "sctp", "dccp", "th", "icmp", "icmpv6", "igmp", "ether",
    "vlan", "arp", "esp", "ah",
];

impl Parser<'_> {
    /// Whether an expression that reads the packet begins here.
    pub(super) fn begins_expression(&self) -> bool {
        match self.kind() {
            Kind::Word(word) => {
                META.contains(&word.as_str())
                    || HEADERS.contains(&word.as_str())
                    || matches!(
                        word.as_str(),
                        "meta"
                            | "ct"
                            | "fib"
                            | "rt"
                            | "socket"
                            | "numgen"
                            | "jhash"
                            | "symhash"
                            | "exthdr"
                            | "hbh"
                            | "frag"
                            | "dst"
                            | "srh"
                            | "mh"
                            | "ipsec"
                            | "osf"
                            | "comp"
                            | "pkttype"
                            | "rt0"
                            | "rt2"
                            | "rt4"
                            | "cpu"
                            | "day"
                            | "hour"
                    )
            }
            Kind::Sign("@") => {
                matches!(self.kind_after(1), Kind::Word(word) if matches!(word.as_str(), "nh" | "th" | "ll" | "ih"))
            }
            Kind::Sign("(") => true,
            _ => false,
        }
    }

    /// Expressions joined by ` . `.
    pub(super) fn concatenation(&mut self) -> Parsed<Expr> {
        let first = self.binary()?;
        if !matches!(self.kind(), Kind::Word(word) if word == ".") {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.word_is(".") {
            parts.push(self.binary()?);
        }
        Ok(Expr::Concat(parts))
    }

    /// Bit operations, all of one rank, from the left; parentheses are printed where it matters.
    pub(super) fn binary(&mut self) -> Parsed<Expr> {
        let mut left = self.primary()?;
        loop {
            let operator = match self.kind() {
                Kind::Sign("&") => Operator::And,
                Kind::Sign("|") => Operator::Or,
                Kind::Sign("^") => Operator::Xor,
                Kind::Sign("<<") => Operator::Left,
                Kind::Sign(">>") => Operator::Right,
                Kind::Word(word) => match word.as_str() {
                    "and" => Operator::And,
                    "or" => Operator::Or,
                    "xor" => Operator::Xor,
                    "lshift" => Operator::Left,
                    "rshift" => Operator::Right,
                    _ => return Ok(left),
                },
                _ => return Ok(left),
            };
            self.at += 1;
            let right = self.primary()?;
            left = Expr::Binary(operator, Box::new(left), Box::new(right));
        }
    }

    fn primary(&mut self) -> Parsed<Expr> {
        if self.sign_is("(") {
            let inner = self.nested(Self::concatenation)?;
            self.expect(")")?;
            return Ok(inner);
        }
        if matches!(self.kind(), Kind::Sign("{")) {
            return Ok(Expr::Set(self.nested(Self::elements)?));
        }
        if !self.constants && self.begins_expression() {
            return self.nested(Self::reading);
        }
        if self.sign_is("@") {
            return Ok(Expr::SetRef(self.name()?));
        }
        match self.kind() {
            Kind::Word(word) | Kind::Quoted(word) => {
                let word = word.clone();
                self.at += 1;
                if let Some(defined) =
                    word.strip_prefix('$').and_then(|name| self.defined.get(name))
                {
                    return Ok(defined.clone());
                }
                // A range of quoted texts: "08:00"-"17:00".
                if let (Kind::Word(dash), Kind::Quoted(last)) = (self.kind(), self.kind_after(1))
                    && dash == "-"
                {
                    let last = last.clone();
                    self.at += 2;
                    return Ok(Expr::Range(Box::new(Expr::Word(word)), Box::new(Expr::Word(last))));
                }
                Ok(if word == "*" { Expr::Any } else { Expr::Word(word) })
            }
            _ => self.error("expected an expression"),
        }
    }

    /// An expression that reads something of the packet.
    fn reading(&mut self) -> Parsed<Expr> {
        let start = self.at;
        if self.sign_is("@") {
            return self.raw(start);
        }
        let word = self.name()?;
        match word.as_str() {
            "meta" => Ok(Expr::Meta(self.name()?)),
            "pkttype" | "cpu" | "day" | "hour" => Ok(Expr::Meta(word)),
            "ct" => self.conntrack(),
            "fib" => self.fib(start),
            "numgen" => {
                self.at += 1;
                self.options(&["mod", "offset"])?;
                Ok(self.other(start, Doubtful::History))
            }
            "symhash" => {
                self.options(&["mod", "offset"])?;
                Ok(self.other(start, Doubtful::Packet))
            }
            "jhash" => {
                self.concatenation()?;
                self.options(&["mod", "seed", "offset"])?;
                Ok(self.other(start, Doubtful::Packet))
            }
            "socket" => {
                self.name()?;
                self.options(&["level"])?;
                Ok(self.other(start, Doubtful::Packet))
            }
            "osf" => {
                self.options(&["ttl"])?;
                self.name()?;
                Ok(self.other(start, Doubtful::Packet))
            }
            "ipsec" => {
                // ipsec in [spnum 1] [ip] saddr
                self.name()?;
                self.options(&["spnum"])?;
                if matches!(self.peek_word(), Some("ip" | "ip6")) {
                    self.at += 1;
                }
                self.name()?;
                Ok(self.other(start, Doubtful::Packet))
            }
            "tcp" | "ip" | "sctp" | "dccp"
                if matches!(self.peek_word(), Some("option" | "chunk")) =>
            {
                self.header_option(start)
            }
            "exthdr" | "rt" | "hbh" | "frag" | "dst" | "srh" | "mh" | "comp" | "rt0" | "rt2"
            | "rt4" => {
                self.name()?;
                Ok(self.other(start, Doubtful::Packet))
            }
            name if META.contains(&name) => Ok(Expr::Meta(word)),
            _ => Ok(Expr::Payload(word, self.name()?)),
        }
    }

    /// `tcp option maxseg [size]`, `ip option lsrr exists`, `tcp option @1,8,8`.
    fn header_option(&mut self, start: usize) -> Parsed<Expr> {
        self.at += 1;
        if self.sign_is("@") {
            return self.raw(start);
        }
        self.name()?;
        if let Some(word) = self.peek_word()
            && !matches!(word, "exists" | "missing" | "set")
            && !word.starts_with(|letter: char| letter.is_ascii_digit())
        {
            self.at += 1;
        }
        Ok(self.other(start, Doubtful::Packet))
    }

    /// `@th,16,16`, after the sign.
    fn raw(&mut self, start: usize) -> Parsed<Expr> {
        self.name()?;
        while self.sign_is(",") {
            self.name()?;
        }
        Ok(self.other(start, Doubtful::Packet))
    }

    /// Options of an expression with a value each.
    fn options(&mut self, names: &[&str]) -> Parsed<()> {
        while self.peek_word().is_some_and(|word| names.contains(&word)) {
            self.at += 1;
            self.name()?;
        }
        Ok(())
    }

    /// `ct state`, `ct original proto-dst`, `ct original ip saddr`.
    fn conntrack(&mut self) -> Parsed<Expr> {
        let mut key = self.name()?;
        let mut direction = None;
        if matches!(key.as_str(), "original" | "reply") {
            direction = Some(key);
            key = self.name()?;
        }
        if matches!(key.as_str(), "ip" | "ip6") {
            key = format!("{key} {}", self.name()?);
        }
        Ok(Expr::Ct(key, direction))
    }

    /// `fib saddr . iif oif`: keys, then the result.
    fn fib(&mut self, start: usize) -> Parsed<Expr> {
        let mut keys = vec![self.name()?];
        while self.word_is(".") {
            keys.push(self.name()?);
        }
        let result = self.name()?;
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        Ok(match Fib::of(&keys, &result) {
            Some(fib) => Expr::Fib(Box::new(fib)),
            None => self.other(start, Doubtful::Packet),
        })
    }

    /// The tokens since `start` as an expression that is not understood.
    fn other(&self, start: usize, doubtful: Doubtful) -> Expr {
        Expr::Other(self.written(start), doubtful)
    }

    /// The text since the token `start`.
    pub(super) fn written(&self, start: usize) -> String {
        let from = self.list.get(start).map_or(0, |token| token.start);
        let to = self.list.get(self.at.saturating_sub(1)).map_or(from, |token| token.end);
        self.text.get(from..to).unwrap_or("").to_owned()
    }

    /// A verdict, if one is next.
    pub(super) fn verdict(&mut self) -> Parsed<Option<Verdict>> {
        let simple = match self.peek_word() {
            Some("accept") => Verdict::Accept,
            Some("drop") => Verdict::Drop,
            Some("return") => Verdict::Return,
            Some("continue") => Verdict::Continue,
            Some("jump" | "goto") if !matches!(self.kind_after(1), Kind::Sign(_)) => {
                let is_jump = self.peek_word() == Some("jump");
                self.at += 1;
                let chain = self.name()?;
                return Ok(Some(if is_jump { Verdict::Jump(chain) } else { Verdict::Goto(chain) }));
            }
            Some("queue") => {
                let start = self.at;
                self.at += 1;
                while let Some("num" | "to" | "flags" | "bypass" | "fanout") = self.peek_word() {
                    self.at += 1;
                    while self.sign_is(",") {
                        self.at += 1;
                    }
                    if self.peek_word().is_some_and(|word| {
                        word.starts_with(|letter: char| letter.is_ascii_digit())
                    }) {
                        self.at += 1;
                    }
                }
                return Ok(Some(Verdict::Queue(self.written(start))));
            }
            _ => return Ok(None),
        };
        self.at += 1;
        Ok(Some(simple))
    }
}
