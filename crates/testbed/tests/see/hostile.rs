//! Names that a stranger chose.

use testbed::HostOptions;

use crate::seen::{AGENT, Seen, WHYOPEN, printed};

/// Clears the screen, sets the terminal's title, reverses the text, deletes a line.
const NAMES: &[&str] =
    &["\u{1b}[2J\u{1b}]0;x\u{7}", "\u{202e}gpj.exe", "a\r\nb\u{8}\u{7f}c", "\u{9b}31mred"];

#[test]
fn names_cannot_talk_to_the_terminal() {
    let seen = Seen::boot("hostile", &HostOptions::new());
    for (number, name) in NAMES.iter().enumerate() {
        let program = format!("/opt/{}", name.replace('/', ""));
        seen.run(&["cp", AGENT, &program]);
        let socket = format!("tcp:0.0.0.0:{}", 7400 + number);
        let unit = format!("hostile{number}");
        let command = [&program, "hold", "--comm", name, &socket];
        seen.host.start_service(&unit, &command).unwrap();
    }
    let views: &[&[&str]] = &[
        &[WHYOPEN],
        &[WHYOPEN, "-a"],
        &[WHYOPEN, "7400"],
        &[WHYOPEN, "7401"],
        &[WHYOPEN, "7402"],
        &[WHYOPEN, "7403"],
        &[WHYOPEN, "-a", "-o", "json"],
        &[WHYOPEN, "-a", "-o", "ndjson"],
        &[WHYOPEN, "snapshot"],
    ];
    for view in views {
        let text = printed(seen.host.run(view).unwrap());
        let bad: Vec<char> =
            text.chars().filter(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}').collect();
        assert_eq!(bad, Vec::new(), "{view:?}:\n{text:?}");
    }
    // In JSON the names are whole: escaped, not cut.
    let listing = seen.list();
    for (number, name) in NAMES.iter().enumerate() {
        let port = u16::try_from(7400 + number).unwrap();
        let row = listing.one("tcp", "0.0.0.0", Some(port));
        assert_eq!(row.holder()["comm"], *name, "{:#}", row.0);
    }
    // A target that is no target is quoted back.
    let unknown = seen.host.run(&[WHYOPEN, "\u{1b}[2Jx"]).unwrap();
    assert_ne!(unknown.status, Some(0));
    assert!(!unknown.stderr.contains('\u{1b}'), "{unknown:?}");
}
