//! `key = value`, below `[section]` where there are sections.

use super::super::lines;
use super::{Value, bare, is_wanted};

/// The values of a key of a section; of an empty one, those outside of all sections. `key value`
/// is read as well, as PostgreSQL allows, unless keys may hold spaces; and `_` in a key is as good
/// as `-`, as in my.cnf.
pub(super) fn values(bytes: &[u8], section: &str, wanted: &str, spaces: bool) -> Vec<Value> {
    let mut found = Vec::new();
    let mut inside = section.is_empty();
    let wanted = wanted.replace('_', "-");
    for (line, text) in lines(bytes) {
        let text = text.trim();
        if text.is_empty() || text.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = text.strip_prefix('[') {
            let name = name.split(']').next().unwrap_or_default().trim();
            inside = name.eq_ignore_ascii_case(section);
            continue;
        }
        if !inside {
            continue;
        }
        let text = text.strip_prefix("export ").unwrap_or(text);
        let ends = |c: char| c == '=' || (!spaces && c.is_whitespace());
        let (key, rest) = text.split_at(text.find(ends).unwrap_or(text.len()));
        let key = key.trim_end();
        if is_wanted(&key.replace('_', "-"), &wanted) {
            let rest = rest.trim_start();
            let value = bare(rest.strip_prefix('=').unwrap_or(rest));
            found.push(Value { line, key: key.to_owned(), text: value.to_owned() });
        }
    }
    found
}
