//! Golden tests: what every sample host looks like, on screens of three widths and as JSON.
//!
//! `cargo insta review`, or `INSTA_UPDATE=always cargo test -p report`, takes over a change.

use facts::Snapshot;
use judge::{Judgement, judge};
use report::escape::Text;
use report::json::{self, Selection};
use report::text::{self, Screen, View};

/// The views of a host that are kept, by the suffix of their file.
const VIEWS: [&str; 6] = ["60", "80", "96", "all", "detail", "ndjson"];

fn view(width: usize) -> View {
    View {
        screen: Screen { width, color: false },
        all: false,
        connected: false,
        note: Text::fixed("0.02 s"),
    }
}

/// One view of a host.
fn render(snapshot: &Snapshot, kind: &str) -> String {
    let judgement = judge(snapshot);
    let mut out = Vec::new();
    let connected = snapshot.collector.connected;
    match kind {
        "ndjson" => {
            let selection = Selection { connected, ..Selection::default() };
            json::lines(&mut out, &judgement, selection).unwrap();
        }
        "detail" => {
            let rows: Vec<_> = judgement.rows.iter().take(12).collect();
            let view = View { connected, ..view(80) };
            text::detail(&mut out, &judgement, &rows, &view).unwrap();
        }
        "all" => {
            let view = View { all: true, connected, ..view(80) };
            text::overview(&mut out, &judgement, &view).unwrap();
        }
        width => {
            let view = View { connected, ..view(width.parse().unwrap()) };
            text::overview(&mut out, &judgement, &view).unwrap();
        }
    }
    String::from_utf8(out).unwrap()
}

#[test]
fn every_host_in_every_view() {
    for (name, snapshot) in judge::sample::all() {
        for kind in VIEWS {
            insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
                insta::assert_snapshot!(format!("{name}.{kind}"), render(&snapshot, kind));
            });
        }
    }
}

#[test]
fn nothing_hidden_reaches_the_screen_and_no_line_is_too_wide() {
    for (name, snapshot) in judge::sample::all() {
        for width in 60..=96 {
            for line in render(&snapshot, &width.to_string()).lines() {
                let visible = !line.chars().any(char::is_control);
                assert!(visible, "{name} {width}: {line:?}");
                let columns = unicode_width::UnicodeWidthStr::width(line);
                assert!(columns <= width, "{name} {width}: {columns} columns: {line:?}");
                assert_eq!(line, line.trim_end(), "{name} {width}: spaces at the end");
            }
        }
    }
}

#[test]
fn a_saved_host_is_judged_alike() {
    for (name, snapshot) in judge::sample::all() {
        let saved = serde_json::to_vec(&snapshot).unwrap();
        let loaded = Snapshot::from_json(&saved).unwrap();
        for kind in VIEWS {
            assert_eq!(render(&loaded, kind), render(&snapshot, kind), "{name}.{kind}");
        }
    }
}

fn document(judgement: &Judgement<'_>, connected: bool) -> serde_json::Value {
    let mut out = Vec::new();
    let selection = Selection { connected, ..Selection::default() };
    json::document(&mut out, judgement, selection).unwrap();
    assert!(!out.iter().any(|b| *b < 0x20 && *b != b'\n'), "control characters in JSON");
    serde_json::from_slice(&out).unwrap()
}

#[test]
fn all_json_is_valid_against_the_schema() {
    let schema = report::schema::schema().to_value();
    let whole = jsonschema::validator_for(&schema).unwrap();
    let mut of_line = schema;
    of_line["$ref"] = "#/$defs/Line".into();
    for key in ["type", "properties", "required", "title", "description"] {
        of_line.as_object_mut().unwrap().remove(key);
    }
    let line = jsonschema::validator_for(&of_line).unwrap();
    for (name, snapshot) in judge::sample::all() {
        let value = document(&judge(&snapshot), true);
        let errors: Vec<_> = whole.iter_errors(&value).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
        assert!(whole.validate(&serde_json::json!({"schema_version": 1})).is_err());
        for text in render(&snapshot, "ndjson").lines() {
            let value: serde_json::Value = serde_json::from_str(text).unwrap();
            assert!(line.is_valid(&value), "{name}: {text}");
        }
        assert!(!line.is_valid(&serde_json::json!({"protocol": "tcp"})));
    }
}

#[test]
fn the_published_schema_is_current() {
    let mut current = Vec::new();
    report::schema::write(&mut current).unwrap();
    let published = include_str!("../../../docs/schema/whyopen-1.json");
    assert!(
        published.as_bytes() == current,
        "docs/schema/whyopen-1.json is out of date: cargo run -- schema > docs/schema/whyopen-1.json"
    );
}
