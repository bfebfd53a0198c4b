//! A rule's line as words.

/// One word, where it starts, and whether it was quoted (then it is never an option).
#[derive(Debug, Clone)]
pub(super) struct Word {
    text: String,
    /// Column in characters, from 1.
    pub(super) column: u32,
    quoted: bool,
}

impl Word {
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether this begins an option.
    pub(super) fn is_option(&self) -> bool {
        !self.quoted && self.text.len() > 1 && self.text.starts_with('-')
    }

    /// Whether this is the sign of negation.
    pub(super) fn is_not(&self) -> bool {
        !self.quoted && self.text == "!"
    }
}

/// Splits at white space. A part in double quotes is one word; a backslash takes the next
/// character as it is (iptables-save quotes so: `xtables_save_string`).
pub(super) fn words(line: &str) -> Result<Vec<Word>, (u32, String)> {
    let mut list: Vec<Word> = Vec::new();
    let mut open: Option<Word> = None;
    let mut quote: Option<(char, u32)> = None;
    let mut escaped = false;
    for (column, letter) in (1..).zip(line.chars()) {
        let fresh = || Word { text: String::new(), column, quoted: false };
        if escaped {
            open.get_or_insert_with(fresh).text.push(letter);
            escaped = false;
            continue;
        }
        match (letter, quote) {
            ('\\', _) if quote.is_none_or(|(with, _)| with == '"') => escaped = true,
            (_, Some((with, _))) if letter == with => quote = None,
            ('"' | '\'', None) => {
                open.get_or_insert_with(fresh).quoted = true;
                quote = Some((letter, column));
            }
            (_, None) if letter.is_whitespace() => list.extend(open.take()),
            _ => open.get_or_insert_with(fresh).text.push(letter),
        }
    }
    if let Some((_, column)) = quote {
        return Err((column, "a quote that is not closed".to_owned()));
    }
    list.extend(open);
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_quotes() {
        let check = |line: &str, expect: &[&str]| {
            let found = words(line).unwrap();
            assert_eq!(found.iter().map(Word::text).collect::<Vec<_>>(), expect, "{line}");
        };
        check("-A INPUT  -j DROP", &["-A", "INPUT", "-j", "DROP"]);
        check(
            r#"--log-prefix "a \"b\" -j X " -j LOG"#,
            &["--log-prefix", r#"a "b" -j X "#, "-j", "LOG"],
        );
        check(r#"--comment """#, &["--comment", ""]);
        check("\t-s 1.2.3.4\r", &["-s", "1.2.3.4"]);
        assert_eq!(words(r#"a "b"#).unwrap_err().0, 3);
    }
}
