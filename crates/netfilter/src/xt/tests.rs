//! Structures as a kernel gave them, and ones that no kernel gives.

use super::*;

/// A line of the fixture.
struct Line<'a> {
    family: Family,
    name: &'a str,
    revision: u8,
    data: Vec<u8>,
    text: &'a str,
}

impl Line<'_> {
    fn extension(&self) -> Extension<'_> {
        let Self { family, name, revision, data, .. } = self;
        Extension { family: *family, name, revision: *revision, data }
    }

    fn is_target(&self) -> bool {
        self.text.starts_with("-j")
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.trim_matches('-').as_bytes().chunks(2);
    digits.map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}

fn fixture() -> Vec<Line<'static>> {
    let lines = include_str!("../../tests/fixtures/xt.txt").lines();
    lines
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let words: Vec<&str> = line.splitn(6, ' ').collect();
            let mut data = bytes(words[3]);
            data.resize(words[4].parse().unwrap(), 0);
            Line {
                family: if words[0] == "6" { Family::Ipv6 } else { Family::Ipv4 },
                name: words[1],
                revision: words[2].parse().unwrap(),
                data,
                text: words[5],
            }
        })
        .collect()
}

fn sets() -> Ipsets {
    Ipsets::named(&["hash4", "net4", "port4", "hash6"])
}

/// Where we print other words than iptables 1.8.9 does: it quotes what needs no quotes, prints a
/// date that was not asked for, and what a rate estimator and a hash are made of.
const OTHER_WORDS: [(&str, &str); 5] = [
    ("-m cgroup ! --path \"/\"", "-m cgroup ! --path /"),
    (
        "-m time --timestart 09:00:00 --timestop 18:00:00 --weekdays Mon,Tue,Fri --datestop 2038-01-19T03:14:07",
        "-m time --timestart 09:00:00 --timestop 18:00:00 --weekdays Mon,Tue,Fri",
    ),
    (
        "-m time --monthdays 1,15 --datestop 2038-01-19T03:14:07 --kerneltz",
        "-m time --monthdays 1,15 --kerneltz",
    ),
    (
        "-j RATEEST --rateest-name RE1 --rateest-interval 250.0ms --rateest-ewmalog 500.0ms",
        "-j RATEEST --rateest-name RE1",
    ),
    (
        "-j HMARK --hmark-src-prefix 32 --hmark-dst-prefix 32 --hmark-rnd 0x00000001 --hmark-mod 16 --hmark-offset 5",
        "-j HMARK --hmark-mod 16 --hmark-offset 5",
    ),
];

#[test]
fn what_iptables_prints() {
    let mut wrong = Vec::new();
    for line in fixture() {
        let extension = line.extension();
        let text = if line.is_target() {
            target_text(&extension, &sets())
        } else {
            match_text(&extension, &sets())
        };
        let other = OTHER_WORDS.iter().find(|(theirs, _)| *theirs == line.text);
        if text != other.map_or(line.text, |(_, ours)| ours) {
            wrong.push((line.text, text));
        }
    }
    assert!(wrong.is_empty(), "iptables prints, and we do: {wrong:#?}");
}

/// What the text means, as the one rule of a chain.
fn steps_of(line: &Line<'_>) -> Vec<Step> {
    let tool = if line.family == Family::Ipv6 { "ip6tables" } else { "iptables" };
    let dump = format!("# {tool}-save\n*filter\n:x - [0:0]\n-A x {}\nCOMMIT\n", line.text);
    let mut ruleset = iptables::parse("fixture", &dump).unwrap();
    ruleset.tables.remove(0).chains.remove(0).rules.remove(0).steps
}

#[test]
fn the_same_meaning_as_text() {
    // Words that differ stand in what is unknown; what sets hold, no text says.
    let differs = |line: &&Line<'_>| {
        line.name != "set" && !OTHER_WORDS.iter().any(|(theirs, _)| *theirs == line.text)
    };
    for line in fixture().iter().filter(differs) {
        let extension = line.extension();
        let steps = if line.is_target() {
            target(&extension, &sets())
        } else {
            matching(&extension, &sets())
        };
        assert_eq!(steps, steps_of(line), "{}", line.text);
    }
}

#[test]
fn another_size_is_unknown() {
    for line in fixture() {
        for size in
            [0, 1, line.data.len().saturating_sub(9), line.data.len() + 1, line.data.len() + 8]
        {
            let mut data = line.data.clone();
            data.resize(size, 0);
            let extension = Extension { data: &data, ..line.extension() };
            let expect = format!("{} (revision {}, {size} bytes)", line.name, line.revision);
            let is_one =
                size == line.data.len() || size + 8 > line.data.len() && size < line.data.len();
            if is_one {
                continue;
            }
            if line.is_target() {
                let expect = vec![Step::verdict(Verdict::Unknown(format!("-j {expect}")))];
                assert_eq!(target(&extension, &sets()), expect);
            } else {
                let expect = vec![Step::If(Cond::Unknown(format!("-m {expect}"), Doubt::History))];
                assert_eq!(matching(&extension, &sets()), expect, "{}", line.text);
            }
        }
    }
}

#[test]
fn unknown_names_and_revisions_keep_their_names() {
    let check = |name, revision, data: &[u8], expect: &str| {
        let extension = Extension { family: Family::Ipv4, name, revision, data };
        let expect = format!("{name} {expect}");
        assert_eq!(match_text(&extension, &sets()), format!("-m {expect}"));
        assert_eq!(target_text(&extension, &sets()), format!("-j {expect}"));
        let cond = Cond::Unknown(format!("-m {expect}"), Doubt::History);
        assert_eq!(matching(&extension, &sets()), vec![Step::If(cond)]);
        let steps = vec![Step::verdict(Verdict::Unknown(format!("-j {expect}")))];
        assert_eq!(target(&extension, &sets()), steps);
    };
    check("geoip", 1, &[0; 16], "(revision 1, 16 bytes)");
    check("tcp", 1, &[0; 16], "(revision 1, 16 bytes)");
    check("REJECT", 9, &[0; 8], "(revision 9, 8 bytes)");
    check("", 0, &[], "(revision 0, 0 bytes)");
    // Bits that have no name yet.
    check(
        "tcp",
        0,
        &[0, 0, 255, 255, 0, 0, 255, 255, 0, 0, 0, 0x10, 0, 0, 0, 0],
        "(revision 0, 16 bytes)",
    );
    check("rpfilter", 0, &[0x10, 0, 0, 0, 0, 0, 0, 0], "(revision 0, 8 bytes)");
}

#[test]
fn any_byte_may_be_another() {
    for line in fixture() {
        for at in 0..line.data.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut data = line.data.clone();
                data[at] ^= flip;
                let extension = Extension { data: &data, ..line.extension() };
                let _ = (matching(&extension, &sets()), match_text(&extension, &sets()));
                let _ = (target(&extension, &sets()), target_text(&extension, &sets()));
            }
        }
    }
}

#[test]
fn sets_that_targets_write_into() {
    let check = |text: &str, expect: &[u16]| {
        let lines = fixture();
        let line = lines.iter().find(|line| line.text.contains(text)).unwrap();
        assert_eq!(written_sets(&line.extension()), expect, "{text}");
    };
    check("-j SET --add-set hash4 src --exist", &[0]);
    check("-j SET --del-set hash4 src", &[0]);
    check("-j SET --add-set port4 src,dst", &[2]);
    check("-j LOG", &[]);
}
