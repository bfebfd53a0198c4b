//! Files of a program's configuration that hold a number: where a port may come from.

use std::path::{Path, PathBuf};

use facts::{Answer, Part, Place, Port};

use super::{below, config, lines, shown};
use crate::owners::files;

/// How many files are looked at.
const FILES: usize = 200;

/// How deep folders are looked into.
const DEPTH: usize = 3;

/// How many places are told.
const PLACES: usize = 8;

/// Finds the number as a word in the configuration files that bear the name.
pub(super) fn find(root: &Path, name: &str, port: Port) -> Part<Answer> {
    let mut found = Vec::new();
    let mut gaps = Vec::new();
    let number = port.to_string();
    // A name that is no file name leads nowhere.
    if name.is_empty() || name.contains('/') || name.starts_with('.') {
        return Part::known(Answer::Mentions { found });
    }
    let mut todo: Vec<(PathBuf, usize)> = ["", ".conf", ".d"]
        .iter()
        .map(|suffix| below(root, &format!("/etc/{name}{suffix}")))
        .chain(["default", "sysconfig"].map(|at| below(root, &format!("/etc/{at}/{name}"))))
        .map(|path| (path, 0))
        .collect();
    todo.reverse();
    let mut looked = 0_usize;
    while let Some((path, depth)) = todo.pop() {
        if path.is_dir() {
            if depth < DEPTH {
                let names = files::list(&path).ok().flatten().unwrap_or_default();
                todo.extend(names.into_iter().rev().map(|n| (path.join(n), depth + 1)));
            }
            continue;
        }
        looked += 1;
        if looked > FILES || found.len() >= PLACES {
            break;
        }
        match config(&path) {
            Ok(bytes) => {
                let bytes = bytes.unwrap_or_default();
                let held = lines(&bytes).filter(|(_, text)| names_it(text, &number));
                let at = |line| Place { file: shown(&path), line };
                found.extend(held.map(|(line, _)| at(line)).take(PLACES - found.len()));
            }
            Err(error) => gaps.push(error.gap(format!("configuration of {name}")).minor()),
        }
    }
    Part::with_gaps(Answer::Mentions { found }, gaps)
}

/// Whether a line, unless it is a comment, holds the number as a word.
fn names_it(line: &str, number: &str) -> bool {
    let line = line.trim_start();
    if line.starts_with(['#', ';']) || line.starts_with("//") {
        return false;
    }
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '.' || c == '_');
    line.match_indices(number).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        let after = line.get(at + number.len()..).and_then(|text| text.chars().next());
        // `10.0.80.1` is no port, and `:80.` ends a sentence.
        !is_part(before) && !is_part(after)
    })
}

/// Looks for a number in arbitrary bytes.
pub(super) fn fuzz(bytes: &[u8]) {
    for (_, line) in lines(bytes) {
        names_it(&line, "80");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_as_a_word() {
        let check = |line: &str, expect| assert_eq!(names_it(line, "80"), expect, "{line}");
        check("port = 80", true);
        check("listen: 0.0.0.0:80", true);
        check("http://[::]:80/x", true);
        check("\"port\":80,", true);
        check("# port 80", false);
        check("port = 8080", false);
        check("10.0.80.1", false);
        check("x80", false);
    }

    #[test]
    fn files_of_the_name() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("etc/demo/conf.d/a.conf", "x\nport 8000\n");
        write("etc/default/demo", "OPTS=--port=8000\n");
        write("etc/other/a.conf", "port 8000\n");
        match find(folder.path(), "demo", Port(8000)) {
            Part::Known { value: Answer::Mentions { found } } => {
                let lines: Vec<u32> = found.iter().map(|p| p.line).collect();
                assert_eq!(lines, [2, 1], "{found:?}");
            }
            other => panic!("{other:?}"),
        }
        let nowhere = Part::known(Answer::Mentions { found: Vec::new() });
        assert_eq!(find(folder.path(), "../x", Port(8000)), nowhere);
    }
}
