//! What is set before the files of sysctl.d are read: the kernel's command line and the options of
//! modules; and what modprobe runs when it loads a module.
//!
//! Sources: kernel Documentation/admin-guide/kernel-parameters.rst (`sysctl.*`, `ipv6.*`),
//! `net/ipv6/addrconf.c` (`addrconf_init_net`: the module's options are those of `default`, and so of
//! every interface), modprobe.d(5).

use facts::{ConfigEntry, ConfigFile, ConfigKind};

use super::boot::{Boot, Effect, Source, Stage};
use super::subject::Subject;
use super::{conntrack, kernel, key, modules};

/// The kernel's command line.
pub(super) fn command_line(subject: &Subject<'_>, boot: &mut Boot) {
    for file in subject.files(ConfigKind::CommandLine) {
        for entry in &file.entries {
            if let Some(key) = entry.key.strip_prefix("sysctl.") {
                let path = key::path_of(key);
                let effect = match kernel::module_of(&path) {
                    Some(module) if !modules::is_builtin(subject, module) => {
                        Effect::BeforeModule(module)
                    }
                    _ => Effect::Applies,
                };
                boot.line(file, entry, &path, Stage::CommandLine, effect);
            } else {
                of_ipv6(subject, boot, file, entry, Stage::CommandLine);
            }
        }
    }
}

/// `hashsize`, which decides about the size of the table (already in the default), and the options
/// of IPv6.
pub(super) fn module_options(subject: &Subject<'_>, boot: &mut Boot) {
    if let Some((file, entry)) = conntrack::hashsize(subject) {
        let path = "net/netfilter/nf_conntrack_buckets";
        boot.line(file, entry, path, Stage::Module, Effect::Applies);
    }
    // A part that is built in reads no options of modprobe.
    if modules::is_builtin(subject, "ipv6") {
        return;
    }
    for file in subject.files(ConfigKind::Modprobe) {
        for entry in &file.entries {
            of_ipv6(subject, boot, file, entry, Stage::Module);
        }
    }
}

/// `ipv6.disable`, `ipv6.disable_ipv6`, `ipv6.autoconf`.
fn of_ipv6(
    subject: &Subject<'_>,
    boot: &mut Boot,
    file: &ConfigFile,
    entry: &ConfigEntry,
    stage: Stage,
) {
    let name = match entry.key.as_str() {
        "ipv6.disable" if entry.value.as_deref() == Some("1") => {
            let why = format!("there is no IPv6 after a boot: {} line {}", file.path, entry.line);
            for path in subject.now.keys().filter(|path| path.starts_with("net/ipv6/")) {
                boot.kernel.doubt(path, &why);
            }
            return;
        }
        "ipv6.disable_ipv6" => "disable_ipv6",
        "ipv6.autoconf" => "autoconf",
        _ => return,
    };
    let names = subject.link_names();
    for link in ["default"].into_iter().chain(names) {
        let path = format!("net/ipv6/conf/{link}/{name}");
        boot.line(file, entry, &path, stage, Effect::Applies);
    }
}

/// What modprobe runs instead of loading a module alone: those that `early` loads before the files
/// of sysctl.d are read, or the others.
pub(super) fn when_loaded(subject: &Subject<'_>, boot: &mut Boot, early: bool) {
    for (path, entry, file) in installs(subject) {
        let module = entry.section.trim_start_matches("install ");
        if modules::is_builtin(subject, module)
            || modules::loaded_early(subject, module).is_some() != early
        {
            continue;
        }
        let effect = if kernel::module_of(&path) == Some(module) {
            Effect::Applies
        } else {
            Effect::Perhaps(format!("modprobe sets it when {module} is loaded"))
        };
        boot.apply(Source {
            path,
            file: file.path.clone(),
            line: entry.line,
            value: entry.value.clone(),
            stage: Stage::Module,
            effect,
        });
    }
}

/// The settings that lines `install MODULE …` of modprobe.d set: path, line, file.
pub(super) fn installs<'a>(
    subject: &Subject<'a>,
) -> impl Iterator<Item = (String, &'a ConfigEntry, &'a ConfigFile)> {
    subject.files(ConfigKind::Modprobe).flat_map(|file| {
        let entries = file.entries.iter().filter(|entry| entry.section.starts_with("install "));
        entries.map(move |entry| (key::path_of(&entry.key), entry, file))
    })
}
