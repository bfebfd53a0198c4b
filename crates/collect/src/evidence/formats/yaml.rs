//! `key: value` with deeper keys indented: as much of YAML as configuration files are written in.

use super::super::lines;
use super::{Value, bare, is_wanted};

/// The values of a key, which is a path: `net.bindIp`. The items of a list are values of its key.
pub(super) fn values(bytes: &[u8], wanted: &str) -> Vec<Value> {
    let mut found = Vec::new();
    // The keys that are open, with their indentation.
    let mut open: Vec<(usize, String)> = Vec::new();
    for (line, text) in lines(bytes) {
        let body = text.trim_start();
        let indent = text.len().saturating_sub(body.len());
        let body = body.trim_end();
        if body.is_empty() || body.starts_with('#') || body == "---" {
            continue;
        }
        if let Some(item) = body.strip_prefix("- ") {
            // A list may stand as far to the left as its key.
            open.retain(|(at, _)| *at <= indent);
            let path = path(&open, None);
            if is_wanted(&path, wanted) {
                let key = open.last().map(|(_, key)| key.clone()).unwrap_or_default();
                found.push(Value { line, key, text: bare(item).to_owned() });
            }
            continue;
        }
        let Some((key, rest)) = body.split_once(':') else { continue };
        open.retain(|(at, _)| *at < indent);
        let (key, rest) = (bare(key), rest.trim());
        if is_wanted(&path(&open, Some(key)), wanted) && !rest.is_empty() {
            found.push(Value { line, key: key.to_owned(), text: bare(rest).to_owned() });
        }
        // As deep as no file in use is.
        if open.len() < 32 {
            open.push((indent, key.to_owned()));
        }
    }
    found
}

/// The path of a key below those that are open.
fn path(open: &[(usize, String)], key: Option<&str>) -> String {
    let all = open.iter().map(|(_, key)| key.as_str()).chain(key);
    all.collect::<Vec<_>>().join(".")
}
