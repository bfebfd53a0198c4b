//! The kernel's settings of one network namespace that bear on who can reach what.
//!
//! Input: the calling thread's namespace, through `/proc/sys/net`, which shows that of whoever looks
//! (kernel `net/sysctl_net.c`, `net_ctl_header_lookup`); and what the links of the namespace carry
//! of their own settings, so that a host with hundreds of interfaces is not read file by file.
//! Output: path below `/proc/sys` -> value. The rules:
//!
//! * **A key that is not there is not in the kernel**: the module is not loaded, or the kernel does
//!   not know it. A file that is there and cannot be read is a gap.
//! * **No secret is read**: not `stable_secret`, not the keys of TCP fast open.
//! * **Nothing is written**, and no module is loaded by looking.

mod devconf;
mod files;
#[doc(hidden)]
pub mod fuzzing;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use facts::{Gap, Part, Remedy};

use crate::netns::Namespace;
pub(crate) use devconf::Interfaces;

/// Where the kernel shows its settings.
const PROC_SYS: &str = "/proc/sys";

/// Reads the settings, on a thread inside `namespace`; `interfaces` are those that its links told.
pub(crate) fn read(
    namespace: &Namespace,
    interfaces: Interfaces,
) -> Part<BTreeMap<String, String>> {
    let mut gaps: Vec<Gap> = Vec::new();
    if let Some(why) = &interfaces.unread {
        let what = format!("settings of some interfaces of {}", namespace.label());
        gaps.push(Gap::new(what, why.clone()));
    }
    let read = match files::read(Path::new(PROC_SYS)) {
        Ok(read) => read,
        Err(error) => {
            let what = format!("kernel settings of {}", namespace.label());
            let gap = Gap::new(what, format!("open {PROC_SYS}/net: {error}"));
            return Part::unreadable(gap);
        }
    };
    for (path, error) in read.unread {
        let what = format!("the setting {path} of {}", namespace.label());
        let gap = Gap::new(what, format!("read {PROC_SYS}/{path}: {error}"));
        gaps.push(match error {
            rustix::io::Errno::ACCESS | rustix::io::Errno::PERM => gap.remedied_by(Remedy::Root),
            _ => gap,
        });
    }
    let mut values = interfaces.values;
    values.extend(read.values);
    Part::with_gaps(values.into_iter().collect(), gaps)
}
