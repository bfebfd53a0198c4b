//! Why packages are installed: dpkg's `status` (dpkg-query(1), deb-control(5)) says who needs them,
//! apt's `extended_states` who only came along (apt-mark(8)).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use facts::{Answer, Dependent, Gap, PackageUse, Part, Relation};

use super::{below, config};

/// The databases.
const STATUS: &str = "/var/lib/dpkg/status";
const EXTENDED: &str = "/var/lib/apt/extended_states";

/// The largest database that is read, in bytes.
const LIMIT: u64 = 256 << 20;

/// The answers about some packages.
#[derive(Debug, Default)]
pub(super) struct Uses {
    found: BTreeMap<String, PackageUse>,
    gap: Option<Gap>,
}

impl Uses {
    /// The answer about one.
    pub(super) fn of(&self, name: &str) -> Part<Answer> {
        match (&self.gap, self.found.get(name)) {
            (Some(gap), _) => Part::unreadable(gap.clone()),
            (None, Some(known)) => Part::known(Answer::Package(known.clone())),
            (None, None) => {
                let source = STATUS.to_owned();
                let absent = PackageUse { name: name.to_owned(), source, ..PackageUse::default() };
                Part::known(Answer::Package(absent))
            }
        }
    }
}

/// Reads why these packages are installed.
pub(super) fn why(root: &Path, names: &[&str]) -> Uses {
    if names.is_empty() {
        return Uses::default();
    }
    let gap = |gap: Gap| Uses { gap: Some(gap), ..Uses::default() };
    let what = "why packages are installed";
    let status = match crate::owners::files::read(&below(root, STATUS), LIMIT) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return gap(Gap::new(what, format!("{STATUS}: no such file")).minor()),
        Err(error) => return gap(error.gap(what).minor()),
    };
    // Without apt, or before its first run, who asked for what is not recorded.
    let extended = config(&below(root, EXTENDED)).ok().flatten();
    Uses { found: read(&status, extended.as_deref(), names), gap: None }
}

/// An installed package.
#[derive(Clone, Debug, Default)]
struct Installed<'s> {
    name: &'s str,
    version: &'s str,
    depends: Vec<&'s str>,
    recommends: &'s str,
    provides: &'s str,
}

/// Reads the databases for these packages.
fn read(status: &[u8], extended: Option<&[u8]>, names: &[&str]) -> BTreeMap<String, PackageUse> {
    let status = String::from_utf8_lossy(status);
    let all: Vec<Installed<'_>> = paragraphs(&status).filter_map(installed).collect();
    let extended = extended.map(String::from_utf8_lossy);
    let came_along: Option<BTreeSet<&str>> = extended.as_deref().map(|text| {
        let automatic = paragraphs(text).filter(|p| field(p, "Auto-Installed") == Some("1"));
        automatic.filter_map(|p| field(p, "Package")).collect()
    });
    let by_hand = |name: &str| came_along.as_ref().map(|along| !along.contains(name));
    // Who provides a name, its own among them.
    let mut providers: HashMap<&str, BTreeSet<&str>> = HashMap::new();
    for package in &all {
        let provided = package.provides.split(',').map(target);
        for name in provided.chain([package.name]).filter(|name| !name.is_empty()) {
            providers.entry(name).or_default().insert(package.name);
        }
    }
    let mut found = BTreeMap::new();
    for name in names {
        let Some(package) = all.iter().find(|package| package.name == *name) else { continue };
        let mut wanted_by: Vec<Dependent> = Vec::new();
        for other in all.iter().filter(|other| other.name != *name) {
            let depends = other.depends.iter().map(|text| (Relation::Depends, *text));
            for (relation, list) in depends.chain([(Relation::Recommends, other.recommends)]) {
                let Some(alternative) = names_it(list, name, &providers) else { continue };
                wanted_by.push(Dependent {
                    relation,
                    name: other.name.to_owned(),
                    by_hand: by_hand(other.name),
                    alternative,
                });
            }
        }
        wanted_by.sort_unstable();
        wanted_by.dedup_by(|a, b| a.name == b.name && a.relation == b.relation);
        let known = PackageUse {
            name: (*name).to_owned(),
            version: Some(package.version.to_owned()),
            by_hand: by_hand(name),
            wanted_by,
            source: STATUS.to_owned(),
        };
        found.insert((*name).to_owned(), known);
    }
    found
}

/// Whether a list of relations names a package, and if so whether another that is installed would
/// do as well.
fn names_it(list: &str, name: &str, providers: &HashMap<&str, BTreeSet<&str>>) -> Option<bool> {
    list.split(',').find_map(|group| {
        let fitting: BTreeSet<&str> = group
            .split('|')
            .filter_map(|one| providers.get(target(one)))
            .flatten()
            .copied()
            .collect();
        fitting.contains(name).then_some(fitting.len() > 1)
    })
}

/// The package of a relation: `libc6:any (>= 2.34) [amd64]`.
fn target(relation: &str) -> &str {
    let end = |c: char| c.is_whitespace() || matches!(c, '(' | ':' | '[' | '<');
    relation.trim().split(end).next().unwrap_or_default()
}

/// An installed package's paragraph.
fn installed(paragraph: &str) -> Option<Installed<'_>> {
    let state = field(paragraph, "Status")?;
    // "want flag status"; also what is only half configured is there.
    let is_there = matches!(
        state.rsplit(' ').next()?,
        "installed" | "triggers-pending" | "triggers-awaited" | "half-configured" | "unpacked"
    );
    is_there.then(|| Installed {
        name: field(paragraph, "Package").unwrap_or_default(),
        version: field(paragraph, "Version").unwrap_or_default(),
        depends: ["Depends", "Pre-Depends"].iter().filter_map(|f| field(paragraph, f)).collect(),
        recommends: field(paragraph, "Recommends").unwrap_or_default(),
        provides: field(paragraph, "Provides").unwrap_or_default(),
    })
}

/// Paragraphs with an empty line between them.
fn paragraphs(text: &str) -> impl Iterator<Item = &str> {
    text.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty())
}

/// A field on one line; dpkg writes relations so.
fn field<'p>(paragraph: &'p str, name: &str) -> Option<&'p str> {
    paragraph.split('\n').find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim()))
}

/// Reads arbitrary bytes as both databases.
pub(super) fn fuzz(bytes: &[u8]) {
    read(bytes, Some(bytes), &["a", "b"]);
}

#[cfg(test)]
mod tests {
    use super::*;

    const DPKG: &str = "Package: rpcbind\nStatus: install ok installed\nVersion: 1.2.6-6\n\n\
        Package: nfs-common\nStatus: install ok installed\nVersion: 1:2.6\n\
        Depends: libc6 (>= 2.34), rpcbind, ucf\n\n\
        Package: gone\nStatus: deinstall ok config-files\nDepends: rpcbind\n\n\
        Package: exim4\nStatus: install ok installed\nVersion: 4\n\
        Provides: mail-transport-agent\n\n\
        Package: postfix\nStatus: install ok installed\nVersion: 3\n\
        Provides: mail-transport-agent\n\n\
        Package: cron\nStatus: install ok installed\nVersion: 3.0\n\
        Recommends: default-mta | mail-transport-agent\n";

    const APT: &str = "Package: rpcbind\nArchitecture: amd64\nAuto-Installed: 1\n\n\
        Package: cron\nArchitecture: amd64\nAuto-Installed: 0\n";

    fn check(apt: Option<&str>, name: &str, expect: &str) {
        let found = read(DPKG.as_bytes(), apt.map(str::as_bytes), &[name]);
        let hand = |known: Option<bool>| match known {
            Some(true) => "hand",
            Some(false) => "auto",
            None => "?",
        };
        let got = found.get(name).map_or_else(
            || "absent".to_owned(),
            |p| {
                let by: Vec<String> = p
                    .wanted_by
                    .iter()
                    .map(|d| {
                        let or = if d.alternative { " or another" } else { "" };
                        format!("{:?} by {} ({}){or}", d.relation, d.name, hand(d.by_hand))
                    })
                    .collect();
                format!("{} {}: {}", p.version.as_deref().unwrap(), hand(p.by_hand), by.join(", "))
            },
        );
        assert_eq!(got, expect);
    }

    #[test]
    fn who_needs_a_package() {
        check(Some(APT), "rpcbind", "1.2.6-6 auto: Depends by nfs-common (hand)");
        check(None, "rpcbind", "1.2.6-6 ?: Depends by nfs-common (?)");
        check(Some(APT), "exim4", "4 hand: Recommends by cron (hand) or another");
        check(Some(APT), "gone", "absent");
        check(Some(APT), "nfs-common", "1:2.6 hand: ");
    }
}
