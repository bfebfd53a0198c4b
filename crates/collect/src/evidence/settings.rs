//! Values of configuration files.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use facts::{Answer, Key, Part, Place, Setting};

use super::{config, formats, shown};
use crate::owners::files;

/// How many files one pattern may name: more is no configuration.
const FILES: usize = 64;

/// Reads the values of a key, in the order of the files and lines.
pub(super) fn read(root: &Path, key: &Key) -> Part<Answer> {
    let (mut found, mut there, mut gaps) = (Vec::new(), Vec::new(), Vec::new());
    let patterns: Vec<&str> = key.files.iter().map(String::as_str).collect();
    for path in expand(root, &patterns) {
        let file = shown(&path);
        match config(&path) {
            Ok(None) => {}
            Ok(Some(bytes)) => {
                let values = formats::values(&bytes, key);
                found.extend(values.into_iter().map(|value| Setting {
                    at: Place { file: file.clone(), line: value.line },
                    key: value.key,
                    value: value.text,
                }));
                there.push(file);
            }
            Err(error) => gaps.push(error.gap(format!("{} in {file}", key.key)).minor()),
        }
    }
    match (there.is_empty(), gaps.first()) {
        (true, Some(gap)) => Part::unreadable(gap.clone()),
        _ => Part::with_gaps(Answer::Settings { found, files: there }, gaps),
    }
}

/// The files that patterns name, in the order of the patterns; those of one pattern sorted. A name
/// without `*` is kept, whether there is such a file or not.
pub(super) fn expand(root: &Path, patterns: &[&str]) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for pattern in patterns {
        let mut paths = vec![root.to_owned()];
        for part in pattern.split('/').filter(|part| !part.is_empty() && *part != "..") {
            if part.contains('*') {
                paths =
                    paths.iter().flat_map(|folder| matching(folder, part)).take(FILES).collect();
            } else {
                for path in &mut paths {
                    path.push(part);
                }
            }
        }
        all.extend(paths);
    }
    all
}

/// What is in a folder and has a name of this pattern, sorted. Hidden files are not meant.
fn matching(folder: &Path, pattern: &str) -> Vec<PathBuf> {
    let names = files::list(folder).ok().flatten().unwrap_or_default();
    let names = names.iter().filter_map(|name| OsStr::to_str(name));
    let names = names.filter(|name| !name.starts_with('.') && fits(name, pattern));
    names.map(|name| folder.join(name)).collect()
}

/// Whether a name fits a pattern, in which `*` stands for anything.
fn fits(name: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    let mut rest = rest;
    for part in middle {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use facts::Format;

    use super::*;

    #[test]
    fn patterns() {
        let check = |name: &str, pattern: &str, expect: bool| {
            assert_eq!(fits(name, pattern), expect, "{name} {pattern}");
        };
        check("a.conf", "*.conf", true);
        check("a.conf~", "*.conf", false);
        check("15", "*", true);
        check("50-server.cnf", "*-*.cnf", true);
        check("a", "a*a", false);
        check("aa", "a*a", true);
    }

    #[test]
    fn values_of_several_files() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("etc/pg/15/main/p.conf", "port = 5433\nlisten_addresses = '*' # all\n");
        write("etc/pg/16/main/p.conf", "#port = 5432\n");
        let key = |key: &str| Key {
            files: vec!["/etc/pg/*/main/p.conf".to_owned(), "/etc/none".to_owned()],
            format: Format::Ini,
            section: String::new(),
            key: key.to_owned(),
        };
        let values = |name: &str| match read(folder.path(), &key(name)) {
            Part::Known { value: Answer::Settings { found, files } } => {
                assert_eq!(files.len(), 2);
                found.into_iter().map(|s| (s.at.line, s.value)).collect::<Vec<_>>()
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(values("listen_addresses"), [(2, "*".to_owned())]);
        assert_eq!(values("PORT"), [(1, "5433".to_owned())]);
        assert_eq!(values("none"), []);
    }

    #[test]
    fn what_is_no_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("x")).unwrap();
        let key = Key {
            files: vec!["/x".to_owned()],
            format: Format::Words,
            section: String::new(),
            key: "Port".to_owned(),
        };
        let answer = read(folder.path(), &key);
        assert!(
            answer.gaps().iter().any(|gap| gap.why.contains("not a regular file")),
            "{answer:?}"
        );
    }
}
