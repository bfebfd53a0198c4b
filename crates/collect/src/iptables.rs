//! To which of both backends the commands of iptables speak: what `iptables -S` shows.
//!
//! They are one program with many names, told apart by links: of Debian's alternatives, of a package,
//! or of an administrator. Nothing is started to find out.

use std::fs;
use std::path::Path;

use facts::IptablesBackend;

/// Where root's shell looks for them, in this order.
const FOLDERS: [&str; 4] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/sbin"];

/// The backend of a command; none where it is not there, or not known.
pub(crate) fn backend(command: &str) -> Option<IptablesBackend> {
    let mut paths = FOLDERS.iter().map(|folder| Path::new(folder).join(command));
    let path = paths.find(|path| path.exists())?;
    of_program(fs::canonicalize(path).ok()?.file_name()?.to_str()?)
}

/// By the name of the program (iptables 1.8: iptables/Makefile.am); before 1.8 there was one backend.
fn of_program(name: &str) -> Option<IptablesBackend> {
    match name {
        "xtables-nft-multi" => Some(IptablesBackend::Nft),
        "xtables-legacy-multi" | "xtables-multi" => Some(IptablesBackend::Legacy),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs() {
        let check = |name, expect| assert_eq!(of_program(name), expect, "{name}");
        check("xtables-nft-multi", Some(IptablesBackend::Nft));
        check("xtables-legacy-multi", Some(IptablesBackend::Legacy));
        check("xtables-multi", Some(IptablesBackend::Legacy));
        check("iptables-wrapper", None);
    }
}
