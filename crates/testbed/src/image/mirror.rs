//! Where this machine gets its own packages from: the image comes from there too, so that the
//! repository names no mirror. Source: sources.list(5), both of its formats.

use std::fs;
use std::path::PathBuf;

use crate::Error;

/// A Debian mirror.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mirror {
    /// Its address.
    pub(super) uri: String,
    /// The keys that sign it, where a source names a file.
    pub(super) keyring: Option<String>,
}

impl Mirror {
    /// The first mirror of `release` among the machine's package sources.
    pub(super) fn of_this_machine(release: &'static str) -> Result<Self, Error> {
        let mut paths = vec![PathBuf::from("/etc/apt/sources.list")];
        if let Ok(directory) = fs::read_dir("/etc/apt/sources.list.d") {
            let mut more: Vec<PathBuf> = directory.flatten().map(|entry| entry.path()).collect();
            more.sort_unstable();
            paths.append(&mut more);
        }
        paths
            .iter()
            .filter_map(|path| Some((path, fs::read_to_string(path).ok()?)))
            .find_map(|(path, text)| match path.extension()?.to_str()? {
                "list" => in_lines(&text, release),
                "sources" => in_stanzas(&text, release),
                _ => None,
            })
            .ok_or(Error::NoMirror { release })
    }
}

/// Reads the one-line format: `deb [option=value] URI SUITE COMPONENT...`.
fn in_lines(text: &str, release: &str) -> Option<Mirror> {
    text.lines().find_map(|line| {
        let rest = line.trim().strip_prefix("deb ")?.trim_start();
        let (options, rest) = match rest.strip_prefix('[') {
            Some(rest) => rest.split_once(']')?,
            None => ("", rest),
        };
        let mut words = rest.split_whitespace();
        let uri = words.next()?;
        let right = words.next()? == release && words.any(|component| component == "main");
        let keyring = options.split_whitespace().find_map(|o| o.strip_prefix("signed-by="));
        right.then(|| Mirror { uri: uri.to_owned(), keyring: file(keyring) })
    })
}

/// Reads the deb822 format: stanzas of `Field: values`.
fn in_stanzas(text: &str, release: &str) -> Option<Mirror> {
    text.split("\n\n").find_map(|stanza| {
        let field = |name: &str| {
            stanza.lines().find_map(|line| {
                let (field, value) = line.split_once(':')?;
                field.eq_ignore_ascii_case(name).then(|| value.trim())
            })
        };
        let has =
            |name, word| field(name).is_some_and(|all| all.split_whitespace().any(|w| w == word));
        let right = has("Types", "deb") && has("Suites", release) && has("Components", "main");
        let enabled = field("Enabled") != Some("no");
        let uri = field("URIs")?.split_whitespace().next()?;
        (right && enabled)
            .then(|| Mirror { uri: uri.to_owned(), keyring: file(field("Signed-By")) })
    })
}

/// Keys may also be given by their fingerprint or in place; only a file is of use to debootstrap.
fn file(keyring: Option<&str>) -> Option<String> {
    keyring.filter(|value| value.starts_with('/')).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(found: Option<&Mirror>, expect: Option<(&str, Option<&str>)>) {
        let found = found.map(|m| (m.uri.as_str(), m.keyring.as_deref()));
        assert_eq!(found, expect);
    }

    #[test]
    fn one_line_format() {
        let text = "# deb http://off.test/debian bookworm main\n\
            deb-src http://src.test/debian bookworm main\n\
            deb http://old.test/debian bullseye main\n\
            deb [arch=amd64 signed-by=/k.gpg] http://own.test/debian bookworm contrib main\n";
        check(
            in_lines(text, "bookworm").as_ref(),
            Some(("http://own.test/debian", Some("/k.gpg"))),
        );
        check(in_lines(text, "bullseye").as_ref(), Some(("http://old.test/debian", None)));
        check(in_lines(text, "sid").as_ref(), None);
        check(in_lines("deb [broken http://x bookworm main\ndeb\n", "bookworm").as_ref(), None);
    }

    #[test]
    fn stanza_format() {
        let text = "Types: deb\n# a note\nURIs: http://a.test/debian\n\
            Suites: bookworm bookworm-updates\nComponents: main\nSigned-By: /k.gpg\n\n\
            Types: deb\nURIs: http://b.test/security\nSuites: bookworm-security\n\
            Components: main\n\n\
            Types: deb\nEnabled: no\nURIs: http://c.test\nSuites: sid\nComponents: main\n";
        check(
            in_stanzas(text, "bookworm").as_ref(),
            Some(("http://a.test/debian", Some("/k.gpg"))),
        );
        check(
            in_stanzas(text, "bookworm-security").as_ref(),
            Some(("http://b.test/security", None)),
        );
        check(in_stanzas(text, "sid").as_ref(), None);
    }
}
