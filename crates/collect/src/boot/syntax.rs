//! The syntax of unit files (systemd.syntax(7)): sections with settings, comments, lines that go on.

/// A setting of a file, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    /// `Unit`, `Service` …
    pub(super) section: String,
    pub(super) key: String,
    /// Without the spaces around it; lines that go on are joined by a space.
    pub(super) value: String,
    /// The line it begins on, from 1.
    pub(super) line: usize,
}

/// Reads a file. What is no setting is passed over, as systemd does.
pub(super) fn parse(bytes: &[u8]) -> Vec<Setting> {
    let text = String::from_utf8_lossy(bytes);
    let mut settings = Vec::new();
    let mut section = String::new();
    // The line that goes on, and where it began.
    let mut open: Option<(String, usize)> = None;
    for (at, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        // Comments stand between lines that go on, too.
        if trimmed.starts_with(['#', ';']) {
            continue;
        }
        if open.is_none() && trimmed.is_empty() {
            continue;
        }
        let (mut whole, begun) = open.take().unwrap_or((String::new(), at.saturating_add(1)));
        let (part, goes_on) = match line.trim_end().strip_suffix('\\') {
            Some(part) => (part, true),
            None => (line, false),
        };
        whole.push_str(part.trim_start());
        if goes_on {
            whole.push(' ');
            open = Some((whole, begun));
            continue;
        }
        add(&mut settings, &mut section, &whole, begun);
    }
    if let Some((whole, begun)) = open {
        add(&mut settings, &mut section, &whole, begun);
    }
    settings
}

fn add(settings: &mut Vec<Setting>, section: &mut String, whole: &str, line: usize) {
    let whole = whole.trim();
    if let Some(name) = whole.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        name.clone_into(section);
    } else if let Some((key, value)) = whole.split_once('=') {
        settings.push(Setting {
            section: section.clone(),
            key: key.trim().to_owned(),
            value: value.trim().to_owned(),
            line,
        });
    }
}

/// The words of a value: separated by spaces, quoted or not (systemd.syntax(7), "QUOTING").
pub(super) fn words(value: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(q), c) if q == c => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (_, '\\') => {
                let escaped = chars.next();
                // `\x2d` belongs to the names of units and stays as it is.
                let into = word.get_or_insert_default();
                if escaped == Some('x') {
                    into.push('\\');
                }
                into.extend(escaped);
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// A value with its specifiers (systemd.unit(5), "SPECIFIERS") replaced for a unit of this name;
/// none if one is not known from the name alone.
pub(super) fn expand(value: &str, name: &str) -> Option<String> {
    if !value.contains('%') {
        return Some(value.to_owned());
    }
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let (prefix, instance) = stem.split_once('@').unwrap_or((stem, ""));
    let last = |text: &str| text.rsplit_once('-').map_or(text, |(_, last)| last).to_owned();
    let mut expanded = String::new();
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            expanded.push(c);
            continue;
        }
        expanded.push_str(&match chars.next()? {
            '%' => "%".to_owned(),
            'n' => name.to_owned(),
            'N' => stem.to_owned(),
            'p' => prefix.to_owned(),
            'P' => unescape(prefix),
            'i' => instance.to_owned(),
            'I' => unescape(instance),
            'j' => last(prefix),
            'J' => unescape(&last(prefix)),
            't' => "/run".to_owned(),
            'S' => "/var/lib".to_owned(),
            'C' => "/var/cache".to_owned(),
            'L' => "/var/log".to_owned(),
            'E' => "/etc".to_owned(),
            _ => return None,
        });
    }
    Some(expanded)
}

/// Undoes the escapes of a unit's name (systemd.unit(5), "STRING ESCAPING"): `-` stands for `/`.
pub(super) fn unescape(name: &str) -> String {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some(c) = rest.chars().next() {
        let code = rest.strip_prefix("\\x").and_then(|hex| hex.get(..2));
        if let Some(byte) = code.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            bytes.push(byte);
            rest = rest.get(4..).unwrap_or_default();
            continue;
        }
        let text = if c == '-' { '/' } else { c };
        bytes.extend_from_slice(text.encode_utf8(&mut [0; 4]).as_bytes());
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings() {
        let check = |text: &str, expect: &[&str]| {
            let settings = parse(text.as_bytes());
            let got: Vec<String> = settings
                .iter()
                .map(|s| format!("{}:[{}]{}={}", s.line, s.section, s.key, s.value))
                .collect();
            assert_eq!(got, expect, "{text}");
        };
        check(
            "[Unit]\nWants = a b \n# c\n;d\n\n[Service]\nType=x",
            &["2:[Unit]Wants=a b", "7:[Service]Type=x"],
        );
        check(
            "[A]\nB=one \\\n# between\n  two\\\nthree\nC=",
            &["2:[A]B=one  two three", "6:[A]C="],
        );
        check("[A]\nB=open\\", &["2:[A]B=open"]);
        check("B=no section\nnonsense", &["1:[]B=no section"]);
        check("[A]\nB=a=b", &["2:[A]B=a=b"]);
    }

    #[test]
    fn quoting_and_specifiers() {
        let check = |text: &str, expect: &[&str]| assert_eq!(words(text), expect, "{text}");
        check("a  b", &["a", "b"]);
        check("a 'b c' \"d e\"", &["a", "b c", "d e"]);
        check("a\\x2db \\\"", &["a\\x2db", "\""]);
        check("''", &[""]);
        check("", &[]);
        let check = |value: &str, name: &str, expect: Option<&str>| {
            assert_eq!(expand(value, name).as_deref(), expect, "{value} {name}");
        };
        check("a%%b", "x.service", Some("a%b"));
        check("%p-%i-%I", "web@a-b.service", Some("web-a-b-a/b"));
        check("%n %N %j", "a-b.service", Some("a-b.service a-b b"));
        check("%t/x", "a.service", Some("/run/x"));
        check("%H", "a.service", None);
        check("%", "a.service", None);
        assert_eq!(unescape("a\\x2db-c"), "a-b/c");
        assert_eq!(unescape("\\xzz\\x"), "\\xzz\\x");
    }
}
