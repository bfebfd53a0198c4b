//! Who set a row up.

use facts::{Dependent, PackageUse, Relation};
use judge::why::{Reason, Recognised, Sort};

use super::{Words, list};

/// How many packages or units are named that want another.
const SHOWN: usize = 3;

/// By what a service was recognised.
pub(crate) fn recognised<W: Words>(known: &Recognised<'_>, words: &mut W) {
    words.ours(match known.sort {
        Sort::Kernel => "kernel: ",
        Sort::Unit => "unit ",
        Sort::Package => "package ",
        Sort::Executable => "program ",
        Sort::Comm => "process name ",
    });
    words.host(known.name);
    if known.sort == Sort::Comm {
        words.ours(", which any process can take");
    }
}

/// One reason.
pub(crate) fn reason<W: Words>(reason: &Reason<'_>, words: &mut W) {
    match reason {
        Reason::Package(package, usage) => {
            words.ours("package ").host(package.name.as_deref().unwrap_or_default());
            words.ours(" ").host(&package.version);
            if let Some(usage) = usage {
                package_use(usage, words);
            }
        }
        Reason::Unpackaged(path) => {
            words.host(path).ours(" is of no package");
        }
        Reason::Unit { name, unit, wanted_by } => {
            words.ours("unit ").host(name);
            if let Some(unit) = unit {
                if !unit.description.is_empty() {
                    words.ours(" (").host(&unit.description).ours(")");
                }
                if !unit.file_state.is_empty() {
                    words.ours(", ").host(&unit.file_state);
                }
            }
            if !wanted_by.is_empty() {
                words.ours(", wanted by ");
                list(wanted_by.get(..SHOWN).unwrap_or(wanted_by), words);
                more(wanted_by.len(), words);
            }
        }
        Reason::Listens { unit, settings } => {
            words.ours("the port stands in the socket unit ").host(unit).ours(", not in the ");
            words.ours("service's configuration: ");
            for (at, setting) in settings.iter().enumerate() {
                words.ours(if at == 0 { "" } else { ", " });
                words.host(&setting.key).ours("=").host(&setting.value);
                place(&setting.at, words);
            }
        }
        Reason::UserUnit(unit) => {
            words.ours("unit ").host(unit).ours(" of a user's own systemd");
        }
        Reason::Session(session) => {
            words.ours("started by hand in login session ").host(session);
        }
        Reason::Container { name, container } => {
            words.ours("container ").host(name);
            if let Some(container) = container.filter(|c| !c.image.is_empty()) {
                words.ours(", image ").host(&container.image);
            }
        }
        Reason::Kernel(owner) => {
            words.ours("the kernel's ").host(&owner.subsystem);
            if !owner.instance.is_empty() {
                words.ours(" ").host(&owner.instance);
            }
        }
        Reason::Setting(_, setting) => {
            words.ours("bound by ").host(&setting.key).ours(" ").host(&setting.value);
            place(&setting.at, words);
        }
        Reason::Default(bind, files) => {
            words.ours(&bind.at.key).ours(" is not set in ");
            let shown: Vec<&str> = files.iter().take(SHOWN).map(String::as_str).collect();
            list(&shown, words);
            more(files.len(), words);
            words.ours("; the default is ").ours(&bind.default);
        }
        Reason::Unread(bind, why) => {
            words.ours("whether ").ours(&bind.at.key).ours(" is set is not known: ").host(why);
        }
        Reason::Mention(at) => {
            words.ours("its port is named in ").host(&at.file).ours(" line ").plain(at.line);
        }
    }
}

/// ` (/etc/x line 3)`.
pub(super) fn place<W: Words>(at: &facts::Place, words: &mut W) {
    words.ours(" (").host(&at.file);
    if at.line > 0 {
        words.ours(" line ").plain(at.line);
    }
    words.ours(")");
}

/// How many more there are than are named.
fn more<W: Words>(all: usize, words: &mut W) {
    if all > SHOWN {
        words.ours(" and ").plain(all.saturating_sub(SHOWN)).ours(" more");
    }
}

/// Why a package is installed: `, required by nfs-common (installed by hand)`.
fn package_use<W: Words>(usage: &PackageUse, words: &mut W) {
    if usage.by_hand == Some(true) {
        words.ours(", installed by hand");
    }
    let of = |relation: Relation| {
        let all = usage.wanted_by.iter().filter(move |d| d.relation == relation);
        all.collect::<Vec<&Dependent>>()
    };
    for (relation, lead) in
        [(Relation::Depends, ", required by "), (Relation::Recommends, ", recommended by ")]
    {
        let all = of(relation);
        // What is recommended is of interest where nothing requires the package.
        if all.is_empty() || (relation == Relation::Recommends && !of(Relation::Depends).is_empty())
        {
            continue;
        }
        words.ours(lead);
        for (at, one) in all.iter().take(SHOWN).enumerate() {
            words.ours(if at == 0 { "" } else { ", " }).host(&one.name);
            if one.by_hand == Some(true) {
                words.ours(" (installed by hand)");
            }
            if one.alternative {
                words.ours(" (another package would do)");
            }
        }
        more(all.len(), words);
    }
    if usage.by_hand == Some(false) && usage.wanted_by.is_empty() {
        words.ours(", installed for a package that is gone");
    }
}
