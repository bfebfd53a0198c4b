//! Golden tests: what every sample host looks like, on screens of three widths and as JSON.
//!
//! `cargo insta review`, or `INSTA_UPDATE=always cargo test -p report`, takes over a change.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use facts::Snapshot;
use judge::{Judgement, judge};
use report::escape::Text;
use report::json::{self, Selection};
use report::text::{self, Screen, View};

/// The views of a host that are kept, by the suffix of their file.
const VIEWS: [&str; 7] = ["60", "80", "96", "all", "detail", "why", "ndjson"];

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
            let why = snapshot.evidence.value().is_some();
            let selection = Selection { connected, why, ..Selection::default() };
            json::lines(&mut out, &judgement, selection).unwrap();
        }
        "detail" => {
            let rows: Vec<_> = judgement.rows.iter().take(12).collect();
            let view = View { connected, ..view(80) };
            text::detail(&mut out, &judgement, &rows, &view).unwrap();
        }
        "why" => {
            let rows: Vec<_> = judgement.rows.iter().filter(|row| row.is_open()).take(6).collect();
            text::why(&mut out, &judgement, &rows, &view(80)).unwrap();
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
    let selection = Selection { connected, why: true, ..Selection::default() };
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

#[test]
fn the_published_schema_of_settings_is_current_and_fits() {
    let mut current = Vec::new();
    report::schema::write_settings(&mut current).unwrap();
    let published = include_str!("../../../docs/schema/whyopen-settings-1.json");
    assert!(
        published.as_bytes() == current,
        "out of date: cargo run -- schema --settings > docs/schema/whyopen-settings-1.json"
    );
    let schema = report::schema::settings_schema().to_value();
    let schema = jsonschema::validator_for(&schema).unwrap();
    for (name, snapshot) in judge::sample::all() {
        let settings = judge::settings::settings(&snapshot, None);
        let mut json = Vec::new();
        json::settings::settings(&mut json, &settings, &[], None).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&json).unwrap();
        let errors: Vec<_> = schema.iter_errors(&value).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
    }
}

proptest::proptest! {
    /// Whatever a host calls its things: no screen is forged, and none is too wide.
    #[test]
    fn any_names_on_any_width(
        comm in "\\PC{0,15}|.{0,15}|[\\x00-\\x9f]{0,15}",
        unit in "[^/]{0,80}",
        name in ".{0,80}",
        width in 60_usize..=96,
        port in 1_u16..,
    ) {
        let mut host = judge::sample::Sample::new();
        host.with_connected().user(1000, &name);
        host.process(100, 1, &comm, 1000, &format!("/system.slice/{unit}.service"));
        host.process(101, 100, &name, 1001, "/user.slice/user-1000.slice/session-3.scope");
        host.bind("tcp", &format!("0.0.0.0:{port}"), &[(100, 3), (101, 4)]);
        host.bind("tcp", &format!("[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:{port}"), &[(101, 5)]);
        host.bind("udp", &format!("127.0.0.1:{port}"), &[(101, 6)]);
        host.connect(
            &format!("[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:{port}"),
            "[2001:db8:aaaa:bbbb:cccc:dddd:eeee:fffe]:65535",
            &[(100, 9)],
        );
        host.namespace(4_026_532_999, &[&name], None).link(7, &comm);
        host.bind("icmp6", "[::]:0", &[(101, 7)]).device = Some(facts::IfIndex(7));
        host.gap(&name, &unit);
        let snapshot = host.build();
        let judgement = judge(&snapshot);
        let mut out = Vec::new();
        for all in [false, true] {
            let view = View { all, connected: true, ..view(width) };
            text::overview(&mut out, &judgement, &view).unwrap();
            let rows: Vec<_> = judgement.rows.iter().collect();
            text::detail(&mut out, &judgement, &rows, &view).unwrap();
        }
        for line in String::from_utf8(out).unwrap().lines() {
            let columns = unicode_width::UnicodeWidthStr::width(line);
            proptest::prop_assert!(columns <= width, "{columns} columns: {line:?}");
            proptest::prop_assert!(!line.chars().any(char::is_control), "{line:?}");
        }
        let mut out = Vec::new();
        let selection = Selection { connected: true, ..Selection::default() };
        json::document(&mut out, &judgement, selection).unwrap();
        let text = String::from_utf8(out).unwrap();
        proptest::prop_assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        proptest::prop_assert_eq!(value["gaps"][0]["what"].as_str(), Some(name.as_str()));
    }
}

/// The packet's way on one screen, and as the schema says.
#[test]
fn explanations() {
    let mut host = judge::sample::Sample::new();
    let rules = "table inet filter {\nchain input {\ntype filter hook input priority 0; policy drop;\n\
                 ct state established,related accept\nip saddr 10.0.0.0/8 tcp dport 9100 accept\n}\n}\n\
                 table ip nat {\nchain pre {\ntype nat hook prerouting priority dstnat;\ntcp dport 80 \
                 redirect to :9100\n}\n}\n";
    host.ruleset("etc/nftables.conf", rules);
    host.bind("tcp", "0.0.0.0:9100", &[]);
    let snapshot = host.build();
    let judgement = judge(&snapshot);
    let schema = report::schema::schema().to_value();
    let mut of_answer = schema;
    of_answer["$ref"] = serde_json::json!("#/$defs/ExplainDocument");
    for key in ["properties", "required", "type", "title", "description"] {
        of_answer.as_object_mut().unwrap().remove(key);
    }
    let valid = jsonschema::validator_for(&of_answer).unwrap();
    let mut screens = Vec::new();
    for (from, port) in [("10.1.2.3", 80), ("198.51.100.7", 9100), ("fd00::1", 9100)] {
        let question = judge::explain::Question {
            from: from.parse().unwrap(),
            to: None,
            port,
            protocol: 6,
            interface: None,
        };
        let found = judge::explain::explain(&judgement, &question).unwrap();
        report::explain::text(&mut screens, &found, 80).unwrap();
        let mut json = Vec::new();
        report::explain::json(&mut json, &found).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&json).unwrap();
        let faults: Vec<_> = valid.iter_errors(&value).map(|fault| fault.to_string()).collect();
        assert!(faults.is_empty(), "{faults:?}");
    }
    let screens = String::from_utf8(screens).unwrap();
    assert!(screens.lines().all(|line| line.len() <= 80));
    insta::assert_snapshot!("explain", screens);
}
