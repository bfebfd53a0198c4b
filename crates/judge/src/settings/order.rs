//! In which order the files of sysctl.d are read, by whom, and what comes of it.

use std::collections::BTreeMap;

use facts::{ConfigFile, ConfigKind, Configuration};

use super::key;

/// Who reads the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    /// systemd-sysctl.service(8), at boot.
    Systemd,
    /// `sysctl --system` of procps, by hand or from a script.
    Procps,
    /// `rc.sysinit` of Red Hat's initscripts, at boot: `apply_sysctl` in `/etc/init.d/functions`.
    RcSysinit,
}

/// Folders of sysctl.d(5), the first one first. systemd `src/basic/constants.h`, `CONF_PATHS`.
const FOLDERS_SYSTEMD: [&str; 4] =
    ["/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d"];

/// procps `src/sysctl.c`, `PreloadSystem`; sysctl(8), `--system`: `/run` goes before `/etc`.
const FOLDERS_PROCPS: [&str; 4] =
    ["/run/sysctl.d", "/etc/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d"];

/// The file of old.
pub(super) const SYSCTL_CONF: &str = "/etc/sysctl.conf";

/// An assignment that counts for a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// The file.
    pub file: &'a ConfigFile,
    /// The position of the line in [`ConfigFile::entries`].
    pub entry: usize,
}

/// Why a file does not count for a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotRead<'a> {
    /// One of the same name in another folder takes its place.
    Masked(&'a str),
    /// This reader does not look there.
    Elsewhere,
}

/// The files that a reader reads, in its order.
pub(super) fn files(configuration: &Configuration, reader: Reader) -> Vec<&ConfigFile> {
    let mut read: Vec<&ConfigFile> = Vec::new();
    let sysctl = || configuration.files.iter().filter(|f| f.kind == ConfigKind::Sysctl);
    let conf = sysctl().find(|f| f.path == SYSCTL_CONF);
    match reader {
        Reader::RcSysinit => {
            read.extend(conf);
            read.extend(sysctl().filter(|f| f.path.starts_with("/etc/sysctl.d/")));
            read
        }
        Reader::Systemd | Reader::Procps => {
            for file in sysctl().filter(|f| f.path != SYSCTL_CONF) {
                if not_read(configuration, file, reader).is_none() {
                    read.push(file);
                }
            }
            read.sort_by_key(|file| name(&file.path));
            if reader == Reader::Procps {
                read.extend(conf);
            }
            read
        }
    }
}

/// Why a reader does not read a file; none if it does.
pub(super) fn not_read<'a>(
    configuration: &'a Configuration,
    file: &ConfigFile,
    reader: Reader,
) -> Option<NotRead<'a>> {
    let folders = match reader {
        Reader::Systemd => FOLDERS_SYSTEMD,
        Reader::Procps => FOLDERS_PROCPS,
        Reader::RcSysinit => {
            let reads = file.path == SYSCTL_CONF || file.path.starts_with("/etc/sysctl.d/");
            return (!reads).then_some(NotRead::Elsewhere);
        }
    };
    if file.path == SYSCTL_CONF {
        let linked = configuration.files.iter().any(|other| leads_to_conf(other, folders));
        return (reader == Reader::Systemd && !linked).then_some(NotRead::Elsewhere);
    }
    let rank =
        |path: &str| folders.iter().position(|folder| path.starts_with(&format!("{folder}/")));
    let own = rank(&file.path)?;
    configuration
        .files
        .iter()
        .filter(|other| other.kind == ConfigKind::Sysctl && name(&other.path) == name(&file.path))
        .find(|other| rank(&other.path).is_some_and(|rank| rank < own))
        .map(|other| NotRead::Masked(&other.path))
}

/// Whether a file of sysctl.d is a link to `/etc/sysctl.conf`, as Debian and Red Hat have it.
pub(super) fn leads_to_conf(file: &ConfigFile, folders: [&str; 4]) -> bool {
    file.kind == ConfigKind::Sysctl
        && folders.iter().any(|folder| file.path.starts_with(&format!("{folder}/")))
        && file
            .leads_to
            .as_deref()
            .is_some_and(|to| to == SYSCTL_CONF || to.trim_start_matches("../") == "sysctl.conf")
}

fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// What a reader writes, in its order: path and line. `known` are the paths that patterns can match,
/// sorted.
///
/// For systemd an assignment takes the place of earlier ones of the same key with another value, and
/// its place in the order; with the same value it counts for nothing. A key that is set by its name,
/// or excluded (`-key`), is not set by a pattern, wherever that stands (systemd
/// `src/sysctl/sysctl.c`, `parse_file`, `apply_glob_option_with_prefix`). The others set what comes
/// in the order it comes.
pub(super) fn writes<'a>(
    configuration: &'a Configuration,
    reader: Reader,
    known: &[&str],
) -> Vec<(String, Line<'a>)> {
    let mut options: Vec<Option<(String, Line<'a>)>> = Vec::new();
    let mut last: BTreeMap<String, usize> = BTreeMap::new();
    for file in files(configuration, reader) {
        for (entry, line) in file.entries.iter().enumerate() {
            let path = key::path_of(line.key.trim_start_matches('-').trim());
            let line = Line { file, entry };
            let earlier = last.get(&path).and_then(|at| options.get_mut(*at));
            if let Some(earlier) = earlier.filter(|_| reader == Reader::Systemd) {
                if earlier.as_ref().is_some_and(|(_, other)| other.value() == line.value()) {
                    continue;
                }
                *earlier = None;
            }
            last.insert(path.clone(), options.len());
            options.push(Some((path, line)));
        }
    }
    let mut writes = Vec::new();
    for (path, line) in options.iter().flatten() {
        let assigns = line.value().is_some();
        // Red Hat's old sysctl(8) knows no patterns.
        if !key::is_glob(path) {
            if assigns {
                writes.push((path.clone(), *line));
            }
        } else if assigns && reader != Reader::RcSysinit {
            let targets = beginning(known, path).iter().filter(|t| key::matches(path, t));
            for target in targets.filter(|target| !last.contains_key(**target)) {
                writes.push(((*target).to_owned(), *line));
            }
        }
    }
    writes
}

/// Those of sorted paths that begin as a pattern does.
fn beginning<'k, 'p>(known: &'k [&'p str], pattern: &str) -> &'k [&'p str] {
    let literal = pattern.split(['*', '?', '[']).next().unwrap_or_default();
    let from = known.partition_point(|path| *path < literal);
    let rest = known.get(from..).unwrap_or_default();
    let end = rest.partition_point(|path| path.starts_with(literal));
    rest.get(..end).unwrap_or_default()
}

impl<'a> Line<'a> {
    /// What it sets the key to.
    pub(super) fn value(&self) -> Option<&'a str> {
        self.file.entries.get(self.entry)?.value.as_deref()
    }

    /// Its number.
    pub(super) fn number(&self) -> u32 {
        self.file.entries.get(self.entry).map_or(0, |entry| entry.line)
    }
}

#[cfg(test)]
mod tests {
    use facts::ConfigEntry;

    use super::*;

    fn file(path: &str, lines: &[&str]) -> ConfigFile {
        let entries = lines.iter().zip(1..).map(|(line, number)| {
            let (key, value) = match line.split_once('=') {
                Some((key, value)) => (key, Some(value.to_owned())),
                None => (*line, None),
            };
            ConfigEntry { line: number, section: String::new(), key: key.to_owned(), value }
        });
        ConfigFile {
            path: path.to_owned(),
            kind: ConfigKind::Sysctl,
            leads_to: None,
            empty: lines.is_empty(),
            entries: entries.collect(),
            odd: vec![],
        }
    }

    fn check(files: Vec<ConfigFile>, reader: Reader, expect: &[&str]) {
        let configuration = Configuration { files, ..Configuration::default() };
        let known = ["net/a", "net/b", "net/c.1"];
        let writes: Vec<String> = writes(&configuration, reader, &known)
            .iter()
            .map(|(path, line)| format!("{path}={}", line.value().unwrap()))
            .collect();
        assert_eq!(writes, expect, "{reader:?}");
    }

    #[test]
    fn the_last_name_wins_at_boot_and_the_old_file_by_hand() {
        let files = || {
            vec![
                file("/etc/sysctl.conf", &["net.a=33"]),
                ConfigFile {
                    leads_to: Some("../sysctl.conf".to_owned()),
                    ..file("/etc/sysctl.d/99-sysctl.conf", &["net.a=33"])
                },
                file("/usr/lib/sysctl.d/zz.conf", &["net.a=31"]),
            ]
        };
        check(files(), Reader::Systemd, &["net/a=31"]);
        check(files(), Reader::Procps, &["net/a=33", "net/a=31", "net/a=33"]);
        check(files(), Reader::RcSysinit, &["net/a=33", "net/a=33"]);
        let only_conf = || vec![file("/etc/sysctl.conf", &["net.a=33"])];
        check(only_conf(), Reader::Systemd, &[]);
        check(only_conf(), Reader::Procps, &["net/a=33"]);
    }

    #[test]
    fn a_file_takes_the_place_of_those_of_its_name() {
        let files = || {
            vec![
                file("/etc/sysctl.d/50-x.conf", &[]),
                file("/run/sysctl.d/50-y.conf", &["net.b=2"]),
                file("/etc/sysctl.d/50-y.conf", &["net.b=3"]),
                file("/usr/lib/sysctl.d/50-x.conf", &["net.a=1"]),
            ]
        };
        check(files(), Reader::Systemd, &["net/b=3"]);
        check(files(), Reader::Procps, &["net/b=2"]);
    }

    #[test]
    fn a_name_goes_before_a_pattern() {
        let files = vec![file(
            "/etc/sysctl.d/1.conf",
            &["net.b=5", "net.*=1", "-net.c/1", "-net/nothing=7"],
        )];
        check(files, Reader::Systemd, &["net/b=5", "net/a=1", "net/nothing=7"]);
    }

    #[test]
    fn the_last_line_wins_and_takes_its_place() {
        let files = vec![file("/etc/sysctl.d/1.conf", &["net.a=1", "net.b=1", "net.a=2"])];
        check(files, Reader::Systemd, &["net/b=1", "net/a=2"]);
        // The same once more changes nothing, not even the order.
        let files = vec![file("/etc/sysctl.d/1.conf", &["net.a=1", "net.b=1", "net.a=1"])];
        check(files, Reader::Systemd, &["net/a=1", "net/b=1"]);
    }
}
