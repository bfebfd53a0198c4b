//! JSON. Which line a value is on is not told.

use serde_json::Value as Json;

use super::Value;

/// The values at a path: `proxy.port`. The items of a list are its values.
pub(super) fn values(bytes: &[u8], wanted: &str) -> Vec<Value> {
    let Ok(document) = serde_json::from_slice::<Json>(bytes) else { return Vec::new() };
    let mut at = &document;
    let mut last = "";
    for key in wanted.split('.') {
        match at.get(key) {
            Some(inner) => (at, last) = (inner, key),
            None => return Vec::new(),
        }
    }
    let items = match at {
        Json::Array(items) => items.iter().collect(),
        other => vec![other],
    };
    let value = |json: &Json| Value {
        line: 0,
        key: last.to_owned(),
        text: json.as_str().map_or_else(|| json.to_string(), str::to_owned),
    };
    items.into_iter().filter(|item| !item.is_object()).map(value).collect()
}
