//! `Key value` on each line.

use super::super::lines;
use super::{Value, bare, is_wanted};

/// What begins a comment in one program or another: `!` and `%` in chrony.conf(5), `;` elsewhere.
const COMMENTS: [char; 4] = ['#', ';', '!', '%'];

/// The values of a key. `Key=value` is read as well, as sshd_config(5) allows.
pub(super) fn values(bytes: &[u8], wanted: &str) -> Vec<Value> {
    let mut found = Vec::new();
    for (line, text) in lines(bytes) {
        let text = text.trim();
        if text.is_empty() || text.starts_with(COMMENTS) {
            continue;
        }
        let end = text.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(text.len());
        let (key, rest) = text.split_at(end);
        if is_wanted(key, wanted) {
            let rest = rest.trim_start();
            let value = bare(rest.strip_prefix('=').unwrap_or(rest));
            found.push(Value { line, key: key.to_owned(), text: value.to_owned() });
        }
    }
    found
}
