//! nginx's configuration: `listen` of every `server`, with `include`.

use facts::{ConfiguredListener, Protocol, UnitFile};

use super::{Reading, address, glob, is_plain_pattern};
use crate::boot::tree::Tree;

const FOLDER: &str = "/etc/nginx";
const FILE: &str = "/etc/nginx/nginx.conf";

/// How deep files may include each other, and blocks nest.
const DEPTH: usize = 16;

/// Reads the configuration, if there is one.
pub(super) fn read(tree: &Tree, units: &[UnitFile]) -> Option<ConfiguredListener> {
    if tree.exists(FILE) != Some(true) {
        return None;
    }
    let mut walk = Walk::default();
    walk.file(tree, FILE, &Block::Main, 0);
    let unit = units.iter().find(|unit| unit.name == "nginx.service");
    Some(walk.reading.finish("nginx", unit.map_or("", |unit| &unit.name), FILE))
}

/// Which block a directive stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Block {
    Main,
    Http,
    Stream,
    /// A `server`, and whether it is of `http`.
    Server {
        http: bool,
    },
    Other,
}

#[derive(Debug, Default)]
struct Walk {
    reading: Reading,
}

impl Walk {
    fn file(&mut self, tree: &Tree, path: &str, block: &Block, depth: usize) -> bool {
        let Some(text) = self.reading.file(tree, path) else { return false };
        let tokens = tokens(&text);
        let mut at = 0;
        let (listens, closed) = self.block(tree, (&tokens, &mut at), path, block, depth);
        if closed {
            self.reading.unclear.push(format!("{path}: a block ends that did not begin"));
        }
        listens
    }

    /// Reads directives to the end of the block, and returns whether one of them was `listen`, and
    /// whether the block ended with a bracket.
    fn block(
        &mut self,
        tree: &Tree,
        (tokens, at): (&[Token], &mut usize),
        path: &str,
        block: &Block,
        depth: usize,
    ) -> (bool, bool) {
        let mut listens = false;
        let mut words: Vec<&str> = Vec::new();
        let mut line = 0;
        while let Some(token) = tokens.get(*at) {
            *at = at.saturating_add(1);
            match token {
                Token::Word(word, on) => {
                    if words.is_empty() {
                        line = *on;
                    }
                    words.push(word);
                }
                Token::Semicolon => {
                    let source = format!("{path}:{line}");
                    listens |= self.directive(tree, &words, &source, block, depth);
                    words.clear();
                }
                Token::Open => {
                    let name = words.first().copied().unwrap_or_default();
                    if depth >= DEPTH || name.ends_with("_by_lua_block") {
                        self.reading.unclear.push(format!("{path}:{line}: {name}"));
                        *at = tokens.len();
                        return (listens, false);
                    }
                    let inner = match (name, block) {
                        ("http", Block::Main) => Block::Http,
                        ("stream" | "mail", Block::Main) => Block::Stream,
                        ("server", Block::Http) => Block::Server { http: true },
                        ("server", Block::Stream) => Block::Server { http: false },
                        _ => Block::Other,
                    };
                    let source = format!("{path}:{line}");
                    let deeper = depth.saturating_add(1);
                    let (has_listen, _) =
                        self.block(tree, (tokens, &mut *at), path, &inner, deeper);
                    if inner == (Block::Server { http: true }) && !has_listen {
                        // Without `listen`, root's nginx listens on 80.
                        self.reading.add(
                            Protocol::TCP,
                            std::net::Ipv4Addr::UNSPECIFIED.into(),
                            80,
                            &source,
                        );
                    }
                    words.clear();
                }
                Token::Close => return (listens, true),
            }
        }
        (listens, false)
    }

    fn directive(
        &mut self,
        tree: &Tree,
        words: &[&str],
        source: &str,
        block: &Block,
        depth: usize,
    ) -> bool {
        match (words, block) {
            (["include", pattern], _) => {
                let pattern = match pattern.strip_prefix('/') {
                    Some(_) => (*pattern).to_owned(),
                    None => format!("{FOLDER}/{pattern}"),
                };
                if depth >= DEPTH || !is_plain_pattern(&pattern) {
                    self.reading.unclear.push(format!("{source}: include {pattern}"));
                    return false;
                }
                // Types of files and the like have no servers, but are read all the same.
                let mut listens = false;
                for file in glob(tree, &pattern) {
                    listens |= self.file(tree, &file, block, depth.saturating_add(1));
                }
                listens
            }
            (["listen", target, options @ ..], Block::Server { http }) => {
                self.listen(target, options, *http, source);
                true
            }
            _ => false,
        }
    }

    /// `80`, `*:80`, `127.0.0.1`, `127.0.0.1:80`, `[::]:80`, `unix:…`.
    fn listen(&mut self, target: &str, options: &[&str], http: bool, source: &str) {
        if target.starts_with("unix:") {
            return;
        }
        let udp = options.iter().any(|option| matches!(*option, "udp" | "quic"));
        let protocol = if udp { Protocol::UDP } else { Protocol::TCP };
        let any = std::net::Ipv4Addr::UNSPECIFIED.into();
        let (host, port) = match target.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, rest)) => (host, rest.strip_prefix(':')),
            None => match target.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None if target.bytes().all(|b| b.is_ascii_digit()) => ("*", Some(target)),
                None => (target, None),
            },
        };
        let port = match port.map(str::parse::<u16>) {
            None if http => Some(80),
            Some(Ok(port)) => Some(port),
            _ => None,
        };
        let host = if host == "*" { Some(any) } else { address(host) };
        match (host, port) {
            (Some(host), Some(port)) => {
                self.reading.add(protocol, host, port, source);
                // `ipv6only=off`: one socket for both families.
                if options.contains(&"ipv6only=off") && host.is_unspecified() && host.is_ipv6() {
                    self.reading.add(protocol, any, port, source);
                }
            }
            _ => self.reading.unclear.push(format!("{source}: listen {target}")),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    /// With its line.
    Word(String, usize),
    Semicolon,
    Open,
    Close,
}

/// Splits a file (nginx `src/core/ngx_conf_file.c`, `ngx_conf_read_token`).
fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut word = String::new();
    let mut in_word = false;
    let mut quote = None;
    let mut comment = false;
    let mut chars = text.chars().peekable();
    let mut line = 1_usize;
    while let Some(c) = chars.next() {
        if c == '\n' {
            line = line.saturating_add(1);
            comment = false;
        }
        if comment {
            continue;
        }
        match (quote, c) {
            (Some(q), c) if q == c => quote = None,
            (_, '\\') => {
                in_word = true;
                word.extend(chars.next());
            }
            (Some(_), c) => word.push(c),
            (None, '"' | '\'') if !in_word => {
                quote = Some(c);
                in_word = true;
            }
            (None, '$') if chars.peek() == Some(&'{') => {
                in_word = true;
                word.push(c);
                word.extend(chars.next());
            }
            (None, '#') if !in_word => comment = true,
            (None, ';' | '{' | '}') => {
                // `${name}` in a word.
                if c == '}' && word.contains("${") && !word.ends_with('}') {
                    word.push(c);
                    continue;
                }
                if in_word {
                    tokens.push(Token::Word(std::mem::take(&mut word), line));
                    in_word = false;
                }
                tokens.push(match c {
                    ';' => Token::Semicolon,
                    '{' => Token::Open,
                    _ => Token::Close,
                });
            }
            (None, c) if c.is_whitespace() => {
                if in_word {
                    let on = if c == '\n' { line.saturating_sub(1) } else { line };
                    tokens.push(Token::Word(std::mem::take(&mut word), on));
                    in_word = false;
                }
            }
            (None, c) => {
                in_word = true;
                word.push(c);
            }
        }
    }
    tokens
}

/// Parses arbitrary text.
pub(super) fn fuzz(tree: &Tree, text: &str) {
    let tokens = tokens(text);
    let mut at = 0;
    Walk::default().block(tree, (&tokens, &mut at), "", &Block::Main, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("etc/nginx/sites")).unwrap();
        let check = |main: &str, site: &str, expect: &[&str]| {
            std::fs::write(root.join("etc/nginx/nginx.conf"), main).unwrap();
            std::fs::write(root.join("etc/nginx/sites/a"), site).unwrap();
            let found = read(&Tree::open(root), &[]).unwrap();
            let name = |p: &facts::ConfiguredPort| {
                format!("{} {}:{}", p.protocol.ip_name().unwrap(), p.address, p.port)
            };
            let mut got: Vec<String> = found.ports.iter().map(name).collect();
            got.extend(found.unclear);
            assert_eq!(got, expect, "{main} {site}");
        };
        let including = "events {}\nhttp { include mime; include sites/*; }";
        check(
            including,
            "server { listen 80 default_server; listen [::]:80; }",
            &["tcp 0.0.0.0:80", "tcp :::80"],
        );
        check(including, "# server {\nserver { location / { listen 1; } }", &["tcp 0.0.0.0:80"]);
        check(
            including,
            "server { listen 127.0.0.1; listen 443 quic; listen unix:/x; }",
            &["tcp 127.0.0.1:80", "udp 0.0.0.0:443"],
        );
        check(
            including,
            "server { listen [::]:81 ipv6only=off; set $a \"}\"; add '${x}' ${y}z; }",
            &["tcp 0.0.0.0:81", "tcp :::81"],
        );
        check("stream { server { listen 53 udp; } }", "", &["udp 0.0.0.0:53"]);
        check(
            including,
            "server { listen localhost:80; }",
            &["/etc/nginx/sites/a:1: listen localhost:80"],
        );
        check(including, "}", &["/etc/nginx/sites/a: a block ends that did not begin"]);
    }
}
