//! The programs that checks and tests run, and how they get here.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::command::{command, run};

/// A program, Debian's package of it, and what needs it.
struct Tool {
    program: &'static str,
    package: &'static str,
    needed_by: &'static str,
}

/// All of them. What every Debian has (util-linux, coreutils) is named too, so that another system is
/// told what it lacks.
const TOOLS: &[Tool] = &[
    tool("cpio", "cpio", "the emulated kernel"),
    tool("debootstrap", "debootstrap", "the image of the test hosts"),
    tool("depmod", "kmod", "the emulated kernel"),
    tool("g++", "g++", "fuzzing: libFuzzer is written in C++"),
    tool("ip", "iproute2", "test networks"),
    tool("ipset", "ipset", "tests of firewalls"),
    tool("iptables", "iptables", "tests of firewalls"),
    tool("kill", "procps", "test hosts"),
    tool("lsof", "lsof", "the benchmark"),
    tool("netstat", "net-tools", "the benchmark"),
    tool("nft", "nftables", "tests of firewalls"),
    tool("nsenter", "util-linux", "test hosts and networks"),
    tool("ps", "procps", "tests of the test bed"),
    tool("qemu-system-x86_64", "qemu-system-x86", "the emulated kernel"),
    tool("setpriv", "util-linux", "tests without privileges"),
    tool("ss", "iproute2", "tests that compare with ss, and the benchmark"),
    tool("sysctl", "procps", "test networks, and the benchmark"),
    tool("systemctl", "systemd", "the image of the test hosts"),
    tool("systemd-nspawn", "systemd-container", "test hosts"),
    tool("timeout", "coreutils", "test hosts and networks"),
    tool("unshare", "util-linux", "test hosts and networks"),
];

const fn tool(program: &'static str, package: &'static str, needed_by: &'static str) -> Tool {
    Tool { program, package, needed_by }
}

/// Makes sure that everything is there: installs what is missing, on Debian.
///
/// # Errors
/// Names what is missing and what it is for, where this cannot install it.
pub(crate) fn ready() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!(
            "the tests need root: they make network namespaces and boot test hosts, in namespaces \
             of their own\nwithout root, `cargo test -p facts -p judge -p report` tests the parts \
             that touch no host"
        );
    }
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    if !Path::new("/etc/debian_version").exists() || !installed("apt-get") {
        bail!("not installed here, and only Debian's packages are known:\n{}", list(&missing));
    }
    let mut packages: Vec<&str> = missing.iter().map(|tool| tool.package).collect();
    packages.dedup();
    let apt = || {
        let mut apt = command("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive");
        apt
    };
    run(apt().arg("update")).context("fetch the lists of packages")?;
    run(apt().args(["install", "--yes", "--no-install-recommends"]).args(packages))?;
    let missing = self::missing();
    if !missing.is_empty() {
        bail!("still not installed:\n{}", list(&missing));
    }
    Ok(())
}

fn missing() -> Vec<&'static Tool> {
    TOOLS.iter().filter(|tool| !installed(tool.program)).collect()
}

/// Whether a program is on the path.
fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

fn list(tools: &[&Tool]) -> String {
    let line = |tool: &&Tool| {
        format!("  {} (Debian: {}), for {}", tool.program, tool.package, tool.needed_by)
    };
    tools.iter().map(line).collect::<Vec<_>>().join("\n")
}
