//! The text form as tokens.

use std::net::Ipv6Addr;

/// What a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name, number or address.
    Word(String),
    /// A quoted text.
    Quoted(String),
    /// One of `{ } ( ) , ; : = ! < > & | ^ @`, or `==`, `!=`, `<=`, `>=`, `<<`, `>>`.
    Sign(&'static str),
    /// End of a line, with the handle from a comment `# handle 7`.
    Line(Option<u64>),
    /// A comment within a rule that is not a handle: xtables' own text.
    Comment(String),
    End,
}

/// A token and where it is.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) line: u32,
    pub(super) column: u32,
    /// Bytes of the text.
    pub(super) start: usize,
    pub(super) end: usize,
}

const SIGNS: [&str; 21] = [
    "==", "!=", "<=", ">=", "<<", ">>", "{", "}", "(", ")", ",", ";", "=", "!", "<", ">", "&", "|",
    "^", "@", ":",
];

/// Splits a text into tokens; the last one is [`Kind::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, (u32, u32, String)> {
    let mut scanner = Scanner { text, at: 0, line: 1, line_start: 0, list: Vec::new() };
    while scanner.at < text.len() {
        scanner.next()?;
    }
    scanner.push(Kind::End, text.len(), text.len());
    Ok(scanner.list)
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    line: u32,
    line_start: usize,
    list: Vec<Token>,
}

impl<'a> Scanner<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn column(&self, at: usize) -> u32 {
        let before = self.text.get(self.line_start..at).unwrap_or("");
        u32::try_from(before.chars().count() + 1).unwrap_or(u32::MAX)
    }

    fn push(&mut self, kind: Kind, start: usize, end: usize) {
        let column = self.column(start);
        self.list.push(Token { kind, line: self.line, column, start, end });
    }

    fn next(&mut self) -> Result<(), (u32, u32, String)> {
        let rest = self.rest();
        let start = self.at;
        let Some(letter) = rest.chars().next() else { return Ok(()) };
        if letter == '\n' {
            self.end_line(None);
        } else if rest.starts_with("\\\n") {
            self.at += 2;
            self.line += 1;
            self.line_start = self.at;
        } else if letter.is_whitespace() {
            self.at += letter.len_utf8();
        } else if letter == '#' {
            self.comment(rest);
        } else if letter == '"' {
            let inner = rest.get(1..).unwrap_or("");
            // nft has no escapes in quoted texts.
            let Some(length) = inner
                .find(['"', '\n'])
                .filter(|at| inner.get(*at..).is_some_and(|end| end.starts_with('"')))
            else {
                let what = "a quote that is not closed".to_owned();
                return Err((self.line, self.column(start), what));
            };
            self.at = start + length + 2;
            let quoted = inner.get(..length).unwrap_or("").to_owned();
            self.push(Kind::Quoted(quoted), start, self.at);
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign))
            && !begins_address(rest)
        {
            self.at += sign.len();
            self.push(Kind::Sign(sign), start, self.at);
        } else {
            let length = word_length(rest).max(letter.len_utf8());
            self.at += length;
            let word = rest.get(..length).unwrap_or("").to_owned();
            self.push(Kind::Word(word), start, self.at);
        }
        Ok(())
    }

    fn end_line(&mut self, handle: Option<u64>) {
        self.push(Kind::Line(handle), self.at, self.at);
        self.at += 1;
        self.line += 1;
        self.line_start = self.at;
    }

    fn comment(&mut self, rest: &str) {
        let length = rest.find('\n').unwrap_or(rest.len());
        let comment = rest.get(1..length).unwrap_or("").trim().to_owned();
        let handle = comment.strip_prefix("handle ").and_then(|number| number.parse().ok());
        let start = self.at;
        self.at += length;
        let begins_line =
            !matches!(self.list.last(), Some(last) if !matches!(last.kind, Kind::Line(_)));
        if handle.is_none() && !begins_line && !comment.is_empty() {
            self.push(Kind::Comment(comment), start, self.at);
        }
        if self.at < self.text.len() {
            self.end_line(handle);
        }
    }
}

fn is_word(letter: char) -> bool {
    !letter.is_whitespace() && !"{}(),;=!<>&|^@\"#:".contains(letter)
}

/// Whether an IPv6 address begins with its colons: `::1`, `::/0`.
fn begins_address(rest: &str) -> bool {
    rest.starts_with("::")
}

/// Length of the word that begins here. Colons belong to it where it is an IPv6 address (or a
/// range or prefix of such) or a link-layer address; elsewhere they separate.
fn word_length(rest: &str) -> usize {
    let wide = rest.find(|letter: char| letter != ':' && !is_word(letter)).unwrap_or(rest.len());
    let candidate = rest.get(..wide).unwrap_or("");
    // `fe80::` ends in colons of its own; one more separates.
    let shorter = candidate.strip_suffix(':').unwrap_or("");
    if candidate.starts_with('[')
        && let Some(close) = candidate.find(']')
    {
        return close + 1;
    }
    for text in [candidate, shorter] {
        if text.contains(':') && is_colon_word(text) {
            return text.len();
        }
    }
    rest.find(|letter: char| !is_word(letter)).unwrap_or(rest.len())
}

fn is_colon_word(text: &str) -> bool {
    let is_address = |text: &str| text.parse::<Ipv6Addr>().is_ok();
    let base = text.split('/').next().unwrap_or(text);
    let ends: Vec<&str> = base.split('-').collect();
    let octets =
        || text.split(':').all(|part| part.len() == 2 && u8::from_str_radix(part, 16).is_ok());
    ends.iter().all(|end| is_address(end))
        || ends.iter().all(|end| end.split(':').count() == 6) && octets()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colons_belong_to_addresses() {
        let check = |text: &str, expect: &[&str]| {
            let found = tokens(text).unwrap();
            let words: Vec<_> = found
                .iter()
                .filter_map(|token| match &token.kind {
                    Kind::Word(word) | Kind::Quoted(word) => Some(word.as_str()),
                    Kind::Sign(sign) => Some(*sign),
                    _ => None,
                })
                .collect();
            assert_eq!(words, expect, "{text}");
        };
        check("ip6 saddr fe80::/10 accept", &["ip6", "saddr", "fe80::/10", "accept"]);
        check("{ 22 : accept, 80:drop }", &["{", "22", ":", "accept", ",", "80", ":", "drop", "}"]);
        check("dnat to 10.0.0.1:80", &["dnat", "to", "10.0.0.1", ":", "80"]);
        check("dnat to [::1]:80", &["dnat", "to", "[::1]", ":", "80"]);
        check("ether saddr 00:11:22:33:44:55", &["ether", "saddr", "00:11:22:33:44:55"]);
        check("{ ::1, ::ffff:0:0/96 }", &["{", "::1", ",", "::ffff:0:0/96", "}"]);
        check("redirect to :2222", &["redirect", "to", ":", "2222"]);
        check("2001:db8::1-2001:db8::9 : drop", &["2001:db8::1-2001:db8::9", ":", "drop"]);
        check("{ fe80::: drop }", &["{", "fe80::", ":", "drop", "}"]);
    }
}
