//! Real rulesets against what a verified analyser made of them: an upper bound of who may open a
//! connection to whom, exact where it understands everything and no rule names an interface.
//!
//! The data is not part of the project. It is looked for in `../shared/rulesets` beside the
//! workspace, or where `WHYOPEN_RULESETS` says. Where it must be (`CI` is set) its absence fails.

#![allow(
    missing_docs,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test reads its data and the environment"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use netfilter::ir::{Family, Hook};
use netfilter::rules::{Matrix, Question, matrix};
use netfilter::syntax::address;
use packet_set::RangeSet;
use serde_json::Value;

/// The directory of the data; none, and a word about it, in a checkout without it.
fn data() -> Option<PathBuf> {
    let path = std::env::var_os("WHYOPEN_RULESETS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/rulesets"),
        PathBuf::from,
    );
    if path.join("expected").is_dir() {
        return Some(path);
    }
    let missing = format!("the real rulesets are not at {}", path.display());
    assert!(std::env::var_os("CI").is_none(), "{missing}");
    eprintln!("{missing}: they are NOT compared in this checkout");
    None
}

fn question(hook: Hook, port: u16) -> Question {
    Question { hook, protocol: 6, port, source_port: Some(10000), family: None }
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
}

fn number(text: &str) -> u128 {
    address(text).expect("an address").1
}

/// Class names with their addresses.
type Classes = BTreeMap<String, RangeSet>;

fn expected_classes(value: &Value) -> Classes {
    let ranges = |list: &Value| {
        let pair =
            |pair: &Value| (number(pair[0].as_str().unwrap()), number(pair[1].as_str().unwrap()));
        list.as_array().unwrap().iter().map(pair).collect()
    };
    value.as_object().unwrap().iter().map(|(name, list)| (name.clone(), ranges(list))).collect()
}

fn own_classes(matrix: &Matrix) -> Classes {
    let ranges = |list: &[[String; 2]]| list.iter().map(|[a, b]| (number(a), number(b))).collect();
    matrix.classes.iter().map(|class| (class.name.clone(), ranges(&class.ranges))).collect()
}

/// For each class, an address of each class of the other partition that it has a part of.
fn class_of(classes: &Classes, address: u128) -> &str {
    classes.iter().find(|(_, set)| set.contains(address)).map(|(name, _)| name).expect("a class")
}

struct Expected {
    classes: Classes,
    edges: BTreeSet<(String, String)>,
}

/// Ours must not allow more than the bound; where both are exact they are equal.
fn compare(what: &str, ours: &Matrix, bound: &Expected, exact: bool) -> Vec<String> {
    let classes = own_classes(ours);
    let mut faults = Vec::new();
    // One address of each non-empty intersection of an own class and one of the bound.
    let mut cells: BTreeMap<String, Vec<(String, u128)>> = BTreeMap::new();
    for (own, set) in &classes {
        for (other, theirs) in &bound.classes {
            if let Some((lo, _)) = set.intersection(theirs).iter().next() {
                cells.entry(own.clone()).or_default().push((other.clone(), lo));
            }
        }
    }
    let own_edges: BTreeSet<_> =
        ours.may_edges.iter().map(|[a, b]| (a.clone(), b.clone())).collect();
    for (from, to) in &own_edges {
        for (source, _) in &cells[from] {
            for (destination, _) in &cells[to] {
                if !bound.edges.contains(&(source.clone(), destination.clone())) {
                    faults.push(format!(
                        "{what}: more than the bound: {from}({source}) -> {to}({destination})"
                    ));
                }
            }
        }
    }
    if exact {
        for (source, destination) in &bound.edges {
            let (s, d) = (&bound.classes[source], &bound.classes[destination]);
            let [s, d] = [s, d].map(|set| set.iter().next().unwrap().0);
            let own = (class_of(&classes, s).to_owned(), class_of(&classes, d).to_owned());
            if !own_edges.contains(&own) {
                faults.push(format!("{what}: less than the bound: {source} -> {destination}"));
            }
        }
        let [mut own, mut theirs] = [&classes, &bound.classes].map(|classes| {
            classes.values().map(|set| set.iter().collect::<Vec<_>>()).collect::<Vec<_>>()
        });
        own.sort();
        theirs.sort();
        if own != theirs {
            faults.push(format!("{what}: classes differ: {own:?} and {theirs:?}"));
        }
        if ours.may_edges != ours.must_edges {
            faults.push(format!("{what}: may and must differ"));
        }
    }
    faults
}

#[test]
fn none_exceeds_the_bound() {
    let Some(data) = data() else { return };
    let mut faults = Vec::new();
    let mut compared = 0;
    let mut exact_ones = 0;
    for entry in std::fs::read_dir(data.join("expected")).unwrap() {
        let expected: Value = serde_json::from_slice(&read(&entry.unwrap().path())).unwrap();
        let name = expected["ruleset"].as_str().unwrap();
        let hook = if expected["chain"] == "INPUT" { Hook::Input } else { Hook::Forward };
        let bytes = read(&data.join(name));
        for (port, value) in expected["matrices"].as_object().unwrap() {
            let what = format!("{name} {} {port}", expected["chain"]);
            let answer = matrix(&[(name, &bytes)], &question(hook, port.parse().unwrap()))
                .unwrap_or_else(|error| panic!("{what}: {error}"));
            let [ours] = answer.families.as_slice() else { panic!("{what}: one family") };
            let family = if expected["family"] == "v6" { Family::Ipv6 } else { Family::Ipv4 };
            assert_eq!(ours.family, family, "{what}");
            let edge = |pair: &Value| {
                (pair[0].as_str().unwrap().to_owned(), pair[1].as_str().unwrap().to_owned())
            };
            let bound = Expected {
                classes: expected_classes(&value["classes"]),
                edges: value["edges"].as_array().unwrap().iter().map(edge).collect(),
            };
            let text = String::from_utf8_lossy(&bytes);
            let names_interfaces = [" -i ", " -o "].iter().any(|option| text.contains(option));
            let exact = !names_interfaces && ours.unknown.is_empty();
            faults.extend(compare(&what, ours, &bound, exact));
            compared += 1;
            exact_ones += usize::from(exact);
        }
    }
    assert!(compared >= 300, "only {compared} compared");
    assert!(exact_ones >= 30, "only {exact_ones} exactly");
    assert!(faults.is_empty(), "{} of {compared}:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn all_parse() {
    let Some(data) = data() else { return };
    let mut parsed = 0;
    for entry in std::fs::read_dir(&data).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() || name == "README.md" {
            continue;
        }
        let bytes = read(&path);
        netfilter::rules::read(&name, &bytes).unwrap_or_else(|error| panic!("{error}"));
        parsed += 1;
    }
    assert!(parsed >= 30, "only {parsed} files");
}
