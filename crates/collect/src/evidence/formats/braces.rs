//! `key value … ;` and `key value … { … }`, as nginx has them.

use super::Value;

/// The values of a key at any depth.
pub(super) fn values(bytes: &[u8], wanted: &str) -> Vec<Value> {
    let text = String::from_utf8_lossy(bytes);
    let mut found = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let (mut line, mut began) = (1_u32, 1_u32);
    let mut quote = None;
    let mut comment = false;
    for c in text.chars() {
        if c == '\n' {
            line = line.saturating_add(1);
            comment = false;
        }
        if comment {
            continue;
        }
        if let Some(mark) = quote {
            if c == mark {
                quote = None;
            } else {
                word.push(c);
            }
            continue;
        }
        match c {
            '"' | '\'' => quote = Some(c),
            '#' if word.is_empty() => comment = true,
            ';' | '{' | '}' => {
                words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
                let is_it = words.first().is_some_and(|key| super::is_wanted(key, wanted));
                if c == ';'
                    && is_it
                    && let Some((key, rest)) = words.split_first()
                {
                    found.push(Value { line: began, key: key.clone(), text: rest.join(" ") });
                }
                words.clear();
            }
            c if c.is_whitespace() => {
                words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
            }
            c => {
                if words.is_empty() && word.is_empty() {
                    began = line;
                }
                word.push(c);
            }
        }
    }
    found
}
