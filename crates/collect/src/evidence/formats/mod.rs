//! Small readers of configuration files: which values a key has, and on which lines.
//!
//! They read as much of each format as files in use have; what a program itself would refuse may be
//! read in some way, but never makes a panic. Values that are not asked for are not kept.

mod braces;
mod ini;
mod json;
mod words;
mod yaml;

use facts::{Format, Key};

/// A value with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Value {
    /// The line, from 1; 0 where the format's reader does not tell it.
    pub(super) line: u32,
    /// The key as it is written.
    pub(super) key: String,
    /// The value itself, without quotes.
    pub(super) text: String,
}

/// The values of a key, in the order of the lines.
pub(super) fn values(bytes: &[u8], key: &Key) -> Vec<Value> {
    match key.format {
        Format::Words => words::values(bytes, &key.key),
        Format::Ini => ini::values(bytes, &key.section, &key.key, false),
        Format::Samba => ini::values(bytes, &key.section, &key.key, true),
        Format::Yaml => yaml::values(bytes, &key.key),
        Format::Json => json::values(bytes, &key.key),
        Format::Braces => braces::values(bytes, &key.key),
        Format::Other => Vec::new(),
    }
}

/// Whether a key is the wanted one, whatever the case; `*` wants every key.
fn is_wanted(key: &str, wanted: &str) -> bool {
    wanted == "*" || key.eq_ignore_ascii_case(wanted)
}

/// A value without the quotes around it, and without a comment after it.
fn bare(text: &str) -> &str {
    let text = text.trim();
    for quote in ['"', '\''] {
        if let Some(rest) = text.strip_prefix(quote) {
            return rest.split_once(quote).map_or(rest, |(inner, _)| inner);
        }
    }
    let comment = text.find(" #").or_else(|| text.find("\t#"));
    comment.and_then(|at| text.get(..at)).unwrap_or(text).trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values as `LINE KEY=VALUE`.
    fn check(format: Format, section: &str, key: &str, text: &str, expect: &[&str]) {
        let wanted =
            Key { files: Vec::new(), format, section: section.to_owned(), key: key.to_owned() };
        let found = values(text.as_bytes(), &wanted);
        let got: Vec<String> =
            found.iter().map(|v| format!("{} {}={}", v.line, v.key, v.text)).collect();
        assert_eq!(got, expect, "{format:?} {section} {key} of {text:?}");
    }

    #[test]
    fn words() {
        let check = |key, text, expect: &[&str]| check(Format::Words, "", key, text, expect);
        check("Port", "#Port 22\n  port 2222\nPort=22\nPorts 1\n", &["2 port=2222", "3 Port=22"]);
        check("bind", "bind 127.0.0.1 -::1\n", &["1 bind=127.0.0.1 -::1"]);
        check("-l", "-l 127.0.0.1\n-l\n", &["1 -l=127.0.0.1", "2 -l="]);
        check("Listen", "<IfModule x>\n\tListen 443\n</IfModule>\n", &["2 Listen=443"]);
        check("nameserver", "nameserver\t127.0.0.53\n", &["1 nameserver=127.0.0.53"]);
        check("*", "a b\n\n; c\n# d\ne", &["1 a=b", "5 e="]);
    }

    #[test]
    fn ini() {
        let check = |section, key, text, expect: &[&str]| {
            check(Format::Ini, section, key, text, expect);
        };
        let unit = "[Unit]\nDescription=x\n[Socket]\nListenStream=22\nListenStream=[::]:23\n";
        check("socket", "ListenStream", unit, &["4 ListenStream=22", "5 ListenStream=[::]:23"]);
        check("", "ListenStream", unit, &[]);
        check(
            "",
            "listen_addresses",
            "listen_addresses = 'a,b' # c\n",
            &["1 listen_addresses=a,b"],
        );
        check("mysqld", "bind-address", "[mysqld]\nbind_address = ::\n", &["2 bind_address=::"]);
        check("", "OPTS", "export OPTS=\"-x -y\"\n", &["1 OPTS=-x -y"]);
        check("", "port", "port 5433\n", &["1 port=5433"]);
        check("a", "skip-networking", "[a]\nskip-networking\n", &["2 skip-networking="]);
    }

    #[test]
    fn samba() {
        let text =
            "[global]\n   bind interfaces only = yes\n; interfaces = lo\n[x]\ninterfaces = e\n";
        let check = |key, expect: &[&str]| check(Format::Samba, "global", key, text, expect);
        check("bind interfaces only", &["2 bind interfaces only=yes"]);
        check("interfaces", &[]);
    }

    #[test]
    fn yaml() {
        let check = |key, text, expect: &[&str]| check(Format::Yaml, "", key, text, expect);
        let mongo = "# x\nnet:\n  port: 27017\n  bindIp: 127.0.0.1 # only\nstorage:\n  port: 1\n";
        check("net.bindIp", mongo, &["4 bindIp=127.0.0.1"]);
        check("net.port", mongo, &["3 port=27017"]);
        check("network.host", "network.host: \"0.0.0.0\"\n", &["1 network.host=0.0.0.0"]);
        check("hosts", "hosts:\n- a\n- b\nx: y\n", &["2 hosts=a", "3 hosts=b"]);
        check("hosts", "hosts:\n  - a\n", &["2 hosts=a"]);
        check("passwd", "passwd:   files nis\n", &["1 passwd=files nis"]);
    }

    #[test]
    fn json() {
        let check = |key, text, expect: &[&str]| check(Format::Json, "", key, text, expect);
        check(
            "hosts",
            r#"{"hosts": ["tcp://0.0.0.0:2375", "fd://"]}"#,
            &["0 hosts=tcp://0.0.0.0:2375", "0 hosts=fd://"],
        );
        check("a.b", r#"{"a": {"b": 8}}"#, &["0 b=8"]);
        check("a.b", r#"{"a": 8}"#, &[]);
        check("a", "{", &[]);
    }

    #[test]
    fn braces() {
        let check = |key, text, expect: &[&str]| check(Format::Braces, "", key, text, expect);
        let nginx = "http {\n  server { # listen 1;\n    listen 80 default_server;\n\
            listen [::]:80;\n server_name \"a;b\"; }\n}\n";
        check("listen", nginx, &["3 listen=80 default_server", "4 listen=[::]:80"]);
        check("server_name", nginx, &["5 server_name=a;b"]);
        check("listen", "listen 80", &[]);
    }
}
